"""What a folder of results holds: trees, tables, truth and provenance.

Files only; a stage that is absent is absent from the mappings, and one that cannot be
read is told in ``mistakes``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import xarray as xr

from structkit.errors import ReadError
from structkit.plot.interactive.milling import MILLED_ROLES, ROLE
from structkit.schema import MILLING_TIME, SAMPLE
from structkit.store import read_dataset, read_table, read_tree

STAGES = ("refine", "crystallinity", "raman", "eis", "nmr", "index")
"""Names of the stages, and of their files without ``.nc``."""
TRUTH_FILES = ("truth.nc", "raman_truth.nc", "eis_truth.nc", "nmr_truth.nc")
SYNTHETIC = "synthetic"
_GROUPS = {
    "unmilled": 0,
    "": 1,
    "milled": 1,
    "crystalline_reference": 2,
    "glass_reference": 3,
}
"""Order of the roles; any other comes after them."""
_PROVENANCE = "provenance.json"

Table = list[dict[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """Everything that a report may tell of a folder."""

    folder: Path
    """Where the results are."""
    trees: Mapping[str, xr.DataTree]
    """For each stage that ran its tree."""
    tables: Mapping[str, Table]
    """For each file of ``tables/``, without ``.csv``, its rows as text."""
    truths: tuple[xr.Dataset, ...]
    """What is known of a synthetic series; empty for a measured one."""
    provenance: Mapping[str, object]
    """``provenance.json``; empty where there is none."""
    mistakes: tuple[str, ...]
    """Files that cannot be read, and why."""
    roles: Mapping[str, str] = field(init=False)
    """Role of each sample, as far as a stage or the truth tells it."""
    times: Mapping[str, float] = field(init=False)
    """Milling time of each sample, ``h``, in the order of the page."""

    def __post_init__(self) -> None:
        """Find roles and order once; they are asked for often."""
        object.__setattr__(self, "roles", _find_roles(self))
        object.__setattr__(self, "times", _find_times(self))

    def root(self, stage: str) -> xr.Dataset | None:
        """Return the root of a stage; None where it did not run."""
        tree = self.trees.get(stage)
        return None if tree is None else tree.to_dataset(inherit=False)

    def truth(self, *names: str) -> xr.Dataset | None:
        """Return the first truth over samples that holds one of ``names``."""
        for one in self.truths:
            if any(name in one and SAMPLE in one[name].dims for name in names):
                return one
        return None

    @property
    def name(self) -> str:
        """Return the name of the series."""
        for tree in self.trees.values():
            if tree.attrs.get("name"):
                return str(tree.attrs["name"])
        return self.folder.resolve().name

    @property
    def is_synthetic(self) -> bool:
        """Return whether the measurements are simulated."""
        labels = [str(one.attrs.get("label", "")) for one in self.truths]
        return any(one.startswith(SYNTHETIC) for one in labels) or (
            SYNTHETIC in self.name.lower()
        )


def read_stored(folder: Path | str) -> Stored:
    """Read the results of a series.

    Parameters
    ----------
    folder : Path or str
        What the stages were given as output.

    Raises
    ------
    ReadError
        No such folder, or no stage has left results there.
    """
    place = Path(folder)
    if not place.is_dir():
        raise ReadError(f"{place}: no such folder; give the output of structkit run")
    mistakes: list[str] = []
    trees = {}
    for stage in STAGES:
        path = place / f"{stage}.nc"
        if path.is_file():
            try:
                trees[stage] = read_tree(path)
            except ReadError as error:
                mistakes.append(_without_folder(error, place))
    if not trees:
        raise ReadError(
            f"{place}: no results to report on ({', '.join(mistakes) or 'no *.nc'}); "
            "run structkit refine, raman fit, eis fit or nmr fit with this output first"
        )
    tables: dict[str, Table] = {}
    for path in sorted((place / "tables").glob("*.csv")):
        try:
            tables[path.stem] = read_table(path)
        except ReadError as error:
            mistakes.append(_without_folder(error, place))
    return Stored(
        folder=place,
        trees=trees,
        tables=tables,
        truths=tuple(_read_truths(place)),
        provenance=_read_provenance(place / _PROVENANCE, mistakes),
        mistakes=tuple(mistakes),
    )


def _without_folder(error: ReadError, folder: Path) -> str:
    """Return a message that names files within the folder."""
    return str(error).replace(f"{folder}/", "")


def _read_truths(folder: Path) -> Iterator[xr.Dataset]:
    """Yield what is known, from beside the results and beside the measurements."""
    for name in TRUTH_FILES:
        for place in (folder, folder.parent / "measured"):
            if (place / name).is_file():
                try:
                    yield read_dataset(place / name)
                except ReadError:
                    continue
                break


def _read_provenance(path: Path, mistakes: list[str]) -> Mapping[str, object]:
    """Return the provenance; empty where there is none."""
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        mistakes.append(f"{path.name}: cannot be read ({error})")
        return {}
    return found if isinstance(found, dict) else {}


def sample_times(stored: Stored) -> dict[str, float]:
    """Return every sample with its milling time (**h**, NaN: unknown), in its order.

    Unmilled, milled by time, references, then what was annealed or aged. Those without
    a time last in their group; samples of one time as they were stored.
    """
    return dict(stored.times)


def _find_times(stored: Stored) -> dict[str, float]:
    """Return what :func:`sample_times` tells."""
    times: dict[str, float] = {}
    for stage in STAGES:
        root = stored.root(stage)
        name = None if root is None else _sample_name(root)
        if root is None or name is None:
            continue
        hours = root[MILLING_TIME].to_numpy() if MILLING_TIME in root.coords else None
        for place, sample in enumerate(root[name].to_numpy().astype(str).tolist()):
            hour = math.nan if hours is None else float(hours[place])
            if not math.isfinite(times.get(sample, math.nan)):
                times[sample] = hour
    roles = sample_roles(stored)

    def key(sample: str) -> tuple[int, float]:
        role, hour = roles.get(sample, ""), times[sample]
        group = _GROUPS.get(role, len(_GROUPS))
        return group, hour if math.isfinite(hour) else math.inf

    return {sample: times[sample] for sample in sorted(times, key=key)}


def _sample_name(root: xr.Dataset) -> str | None:
    """Return the variable that names the samples of a root; None: there is none."""
    if SAMPLE in root.coords:
        return SAMPLE
    return "sample_name" if "sample_name" in root.variables else None


def sample_roles(stored: Stored) -> dict[str, str]:
    """Return the role of each sample, as far as a stage or the truth tells it."""
    return dict(stored.roles)


def _find_roles(stored: Stored) -> dict[str, str]:
    """Return what :func:`sample_roles` tells."""
    roots = [stored.root(stage) for stage in STAGES]
    roles: dict[str, str] = {}
    for root in (*roots, *stored.truths):
        if root is None or ROLE not in root.variables:
            continue
        name = _sample_name(root)
        if name is None:
            continue
        for sample, role in zip(
            root[name].to_numpy().astype(str),
            root[ROLE].to_numpy().astype(str),
            strict=True,
        ):
            if role:
                roles.setdefault(str(sample), str(role))
    return roles


def is_milled(stored: Stored, sample: str) -> bool:
    """Return whether a sample belongs to the milled series, unmilled included."""
    return sample_roles(stored).get(sample, "") in MILLED_ROLES


def arrange_samples(stored: Stored, table: xr.Dataset) -> xr.Dataset:
    """Return a table in the order of the samples, with ``role`` as a coordinate."""
    held = set(table[SAMPLE].to_numpy().astype(str))
    order = [name for name in sample_times(stored) if name in held]
    roles = sample_roles(stored)
    return table.sel({SAMPLE: order}).assign_coords(
        {ROLE: (SAMPLE, [roles.get(name, "") for name in order])}
    )


def sample_labels(stored: Stored) -> dict[str, str]:
    """Return for each sample, in its order, what to call it where it stands alone."""
    roles = sample_roles(stored)
    return {
        sample: label_sample(sample, hours, roles.get(sample, ""))
        for sample, hours in sample_times(stored).items()
    }


def label_sample(sample: str, hours: float, role: str = "") -> str:
    """Return a name with its milling time, unless it says it; or with its role.

    Examples
    --------
    >>> label_sample("4h", 4.0), label_sample("a", 4.0), label_sample("a", math.nan)
    ('4h', 'a (4 h)', 'a')
    >>> label_sample("NTC-4", 4.0, "crystalline_reference")
    'NTC-4 (reference)'
    """
    if role not in MILLED_ROLES:
        return f"{sample} ({role.rpartition('_')[2]})"
    time = f"{hours:g} h"
    said = sample.replace(" ", "") == time.replace(" ", "")
    if said or not math.isfinite(hours) or sample == "unmilled":
        return sample
    return f"{sample} ({time})"
