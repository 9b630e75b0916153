"""Refine the patterns of a series: resume, store as it comes, never stop at one."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import xarray as xr

from refinement.engines import Engine, get_engine
from refinement.plan import RefinementPlan
from refinement.result import RefinementResult
from structkit.errors import StructkitError
from structkit.schema import INTENSITY, TWO_THETA
from structkit.store import read_tree, write_tree

_LOG = logging.getLogger(__name__)
_KEY = "series_key"
_PACKAGES = ("structkit", "numpy", "scipy", "numba", "gemmi")


def refine_series(
    patterns: Mapping[str, xr.Dataset],
    plan: RefinementPlan,
    *,
    engine: str | Engine = "native",
    store: Path | None = None,
    resume: bool = True,
    jobs: int = 1,
    progress: Callable[[str, str], None] | None = None,
) -> dict[str, RefinementResult]:
    """Refine the patterns of a series with one plan.

    Parameters
    ----------
    patterns : mapping of str to xarray.Dataset
        Powder patterns by sample, in the order of the series' axis.
    plan : RefinementPlan
        One plan for all.
    engine : str or Engine
        Name of the engine, or the engine itself with options of its own.
    store : Path, optional
        Folder in which each result is kept as soon as it is final.
    resume : bool
        Take results from ``store`` whose pattern, plan and versions are unchanged.
    jobs : int
        Processes. The series is cut into that many runs of neighbours; each is a
        chain of its own.
    progress : callable, optional
        Called with what was done and the sample.

    Returns
    -------
    dict of str to RefinementResult
        In the order of ``patterns``. A pattern that could not be fitted has status
        ``FAILED`` and its reason; it does not stop the others.

    Raises
    ------
    EngineUnavailableError
        When the engine is unknown or cannot run here.
    PlanError
        When the plan asks for what the engine cannot do.
    """
    worker = get_engine(engine) if isinstance(engine, str) else engine
    worker.check(plan)
    names = list(patterns)
    marks = (
        _fingerprint(plan)
        + f"{worker.name} {worker.describe().version}"
        + _fingerprint(getattr(worker, "options", 0))
    )
    keys = [result_key(patterns[name], marks) for name in names]
    known = {}
    if store is not None and resume:
        for i, name in enumerate(names):
            found = _load(_place(store, name), keys[i])
            if found is not None:
                known[i] = found
    if known:
        _LOG.info("%d of %d results are unchanged and kept", len(known), len(names))

    def keep(position: int, result: RefinementResult) -> None:
        if store is not None and result.status.has_values:
            tree = result.to_datatree()
            tree.attrs[_KEY] = keys[position]
            write_tree(tree, _place(store, names[position]))

    def report(what: str, position: int) -> None:
        if progress is not None:
            progress(what, names[position])

    ordered = [patterns[name] for name in names]
    folders = None if store is None else [store / name for name in names]
    if jobs > 1 and len(names) - len(known) > jobs:
        results: list[RefinementResult] = []
        for result in _in_parallel(worker, ordered, plan, known, folders, jobs):
            position = len(results)
            results.append(result)
            if position not in known:
                keep(position, result)
                report("refined", position)
    else:
        results = worker.refine_series(
            ordered,
            plan,
            known=known,
            on_result=keep,
            progress=report,
            folders=folders,
        )
    return dict(zip(names, results, strict=True))


def _in_parallel(
    worker: Engine,
    patterns: list[xr.Dataset],
    plan: RefinementPlan,
    known: Mapping[int, RefinementResult],
    folders: list[Path] | None,
    jobs: int,
) -> Iterator[RefinementResult]:
    """Refine runs of neighbours in processes of their own; yield run after run."""
    from joblib import Parallel, delayed

    runs = np.array_split(np.arange(len(patterns)), jobs)
    backend = "threading" if worker.in_threads else "loky"
    parts = Parallel(n_jobs=jobs, backend=backend, return_as="generator")(
        delayed(worker.refine_series)(
            [patterns[i] for i in run],
            plan,
            known={i - int(run[0]): known[i] for i in run.tolist() if i in known},
            folders=None if folders is None else [folders[i] for i in run],
        )
        for run in runs
    )
    for part in parts:
        yield from part


def result_key(pattern: xr.Dataset, marks: str) -> str:
    """Return the key under which a result may be used again.

    Parameters
    ----------
    pattern : xarray.Dataset
        Its values count, not its file's name.
    marks : str
        Everything else that decides a result: plan, engine, options.
    """
    digest = hashlib.sha256(marks.encode())
    for name in (TWO_THETA, *sorted(str(name) for name in pattern.data_vars)):
        values = pattern[name].to_numpy()
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(values).tobytes())
        digest.update(str(pattern[name].attrs.get("units", "")).encode())
    digest.update(str(pattern[INTENSITY].attrs).encode())
    digest.update(_versions().encode())
    return digest.hexdigest()


def _versions() -> str:
    found = []
    for package in _PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            found.append(f"{package} unknown")
    return ", ".join(found)


def _fingerprint(item: object) -> str:
    """Return a text that differs when anything in a plan or options differs."""
    if is_dataclass(item) and not isinstance(item, type):
        parts = [
            f"{f.name}={_fingerprint(getattr(item, f.name))}" for f in fields(item)
        ]
        return f"{type(item).__name__}({', '.join(parts)})"
    if isinstance(item, xr.Dataset):
        return result_key(item, "dataset")
    if isinstance(item, (tuple, list)):
        return f"[{', '.join(_fingerprint(part) for part in item)}]"
    if isinstance(item, (set, frozenset)):
        return f"{{{', '.join(sorted(_fingerprint(part) for part in item))}}}"
    if isinstance(item, Mapping):
        return str([(key, _fingerprint(item[key])) for key in sorted(item)])
    return repr(item)


def _place(store: Path, name: str) -> Path:
    return store / f"{name}.nc"


def _load(path: Path, key: str) -> RefinementResult | None:
    """Return a stored result if its key still holds."""
    if not path.is_file():
        return None
    try:
        tree = read_tree(path)
        if tree.attrs.get(_KEY) != key:
            return None
        del tree.attrs[_KEY]
        return RefinementResult.from_datatree(tree)
    except (StructkitError, KeyError, ValueError, OSError) as error:
        _LOG.warning("%s cannot be used again (%s); refined anew", path, error)
        return None
