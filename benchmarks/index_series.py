"""One whole synthetic series from raw files to its index, beside its truth."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import xarray as xr

import structkit
from structkit.errors import DataQualityWarning
from structkit.index.agreement import compare_with_rest, standing_off
from structkit.index.combine import combine_metrics
from structkit.index.modalities import IndexOptions, make_evidence, structural_of
from structkit.io.manifest import read_series
from structkit.pipeline.diffraction import run_refinement
from structkit.pipeline.index import gather_metrics
from structkit.pipeline.nmr import run_nmr
from structkit.pipeline.raman import RESULT_FILE as RAMAN_FILE
from structkit.pipeline.raman_spectra import prepare_series_spectra
from structkit.raman.results import series_dataset
from structkit.raman.series import fit_series
from structkit.schema import SAMPLE
from structkit.store import write_tree
from structkit.synthetic.whole import write_series
from structkit.synthetic.whole_truth import SeriesTruth

KAPPA_STD = 0.15
"""1 sigma of the logarithm of kappa of an analyst who measured mixtures."""
_APART = {"cli", "report", "index", "plot", "explore", "checks"}
"""Rooms on which no metric depends."""
_PROPERTIES = ("relaxation_rate", "relaxation_rate_std")
"""Metrics that the structural index does not use."""
TRUE = ("amorphous_fraction", "glass_share", "product_glass_share")


@dataclass(frozen=True, slots=True, kw_only=True)
class RawSeries:
    """What the files of one series gave, and what is true of it."""

    seed: int
    """Of everything drawn."""
    samples: tuple[str, ...]
    """Ids, in order."""
    metrics: Mapping[str, list[float]]
    """Metrics that enter the index, by name."""
    roles: tuple[str, ...]
    """Of the samples."""
    constant_std: float
    """Relative 1 sigma of the instrument constant."""
    truth: Mapping[str, list[float]]
    """True quantities over the samples."""
    kappa: float
    """True ratio of cross-sections, crystal over glass."""
    reason: str = ""
    """Why there is nothing, where a stage failed."""
    made_by: str = field(default="")
    """Digest of the code."""

    def dataset(self) -> xr.Dataset:
        """Return the metrics with their labels."""
        found = xr.Dataset(
            {
                name: (SAMPLE, values, {"units": "1", "long_name": name})
                for name, values in self.metrics.items()
            },
            coords={
                SAMPLE: list(self.samples),
                "milling_time": (
                    SAMPLE,
                    self.truth["milling_time"],
                    {"units": "h", "long_name": "milling time"},
                ),
            },
        ).assign(role=(SAMPLE, list(self.roles)))
        found["amorphous_fraction"].attrs["constant_std"] = self.constant_std
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The index of one series beside its truth."""

    true: tuple[float, ...]
    """Amorphous fraction of the milled samples."""
    value: tuple[float, ...]
    """``AI_lat``, variant ``struct``."""
    low: tuple[float, ...]
    """Lower 95 % limit."""
    high: tuple[float, ...]
    """Upper 95 % limit."""
    accused: tuple[str, ...]
    """Techniques said to stand off, the surest first."""
    conflict: bool
    """Whether any milled sample has a conflict."""
    spoke: tuple[str, ...]
    """Techniques with a score of any milled sample."""


def digest_of_code() -> str:
    """Return a digest of what the figures depend on."""
    root = Path(structkit.__file__).parent
    digest = hashlib.sha256()
    files = [*root.rglob("*.py"), *(root.parent / "refinement").rglob("*.py")]
    for path in sorted(files):
        if not _APART & set(path.relative_to(root.parent).parts):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def measure_raw(seed: int, keep: Path | None = None) -> RawSeries:
    """Write a series, run every stage on its files, and return what enters the index.

    Parameters
    ----------
    seed : int
        Of the truth and of the noise.
    keep : Path, optional
        Folder of finished series, reused if their code was the same.
    """
    code = digest_of_code()
    stored = None if keep is None else keep / f"series-{seed}.json"
    if stored is not None and stored.is_file():
        known = json.loads(stored.read_text(encoding="utf-8"))
        if known["made_by"] == code:
            return _restore(known)
    folder = Path(tempfile.mkdtemp(prefix="structkit-index-"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DataQualityWarning)
            warnings.simplefilter("ignore", RuntimeWarning)
            found = replace(_measure(seed, folder), made_by=code)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if stored is not None:
        stored.parent.mkdir(parents=True, exist_ok=True)
        stored.write_text(json.dumps(asdict(found)), encoding="utf-8")
    return found


def _restore(known: dict[str, object]) -> RawSeries:
    """Return a stored series."""
    lists = {"samples", "roles"}
    values = {k: tuple(v) if k in lists else v for k, v in known.items()}  # type: ignore[arg-type]
    return RawSeries(**values)  # type: ignore[arg-type]


def _measure(seed: int, folder: Path) -> RawSeries:
    """Return a series measured from its files."""
    truth = SeriesTruth.draw(seed)
    series_file = write_series(
        folder / "measured", seed=seed, truth=truth, techniques=("xrd", "raman", "nmr")
    )
    output = folder / "results"
    run_refinement(series_file, output)
    _run_raman(series_file, output)
    run_nmr(series_file, output, figures=False)
    series = read_series(series_file)
    metrics = gather_metrics(series, output)
    names = tuple(str(one) for one in metrics[SAMPLE].to_numpy())
    with xr.open_dataset(series_file.with_name("truth.nc")) as stored:
        known = stored.load().sel({SAMPLE: list(names)})
    numbers = {
        str(name): [float(one) for one in metrics[name].to_numpy()]
        for name in metrics.data_vars
        if name != "role"
    }
    true = {name: [float(one) for one in known[name].to_numpy()] for name in TRUE}
    true["milling_time"] = [float(one) for one in metrics["milling_time"].to_numpy()]
    return RawSeries(
        seed=seed,
        samples=names,
        metrics=numbers,
        roles=tuple(str(one) for one in metrics["role"].to_numpy()),
        constant_std=float(metrics["amorphous_fraction"].attrs["constant_std"]),
        truth=true,
        kappa=float(known["kappa"]),
    )


def _run_raman(series_file: Path, output: Path) -> None:
    """Fit the Raman spectra without ranking readings, which the index does not use."""
    work = prepare_series_spectra(read_series(series_file))
    with np.errstate(over="ignore", invalid="ignore"):
        fitted = fit_series(work.samples, replace(work.options, hypotheses=()))
    tree = series_dataset(fitted, rules=work.options.rules, remarks=(), attrs={})
    write_tree(tree, output / RAMAN_FILE)


def judge(
    metrics: xr.Dataset,
    true: np.ndarray,
    *,
    kappa: float,
    kappa_std: float,
) -> Verdict:
    """Return the structural index of metrics beside the truth.

    Parameters
    ----------
    metrics : xarray.Dataset
        Of :func:`structkit.pipeline.index.gather_metrics`, or simulated.
    true : ndarray, shape (n_samples,)
        Amorphous fractions.
    kappa, kappa_std : float
        What the analyst believes of the cross-sections.
    """
    options = IndexOptions(kappa=kappa, kappa_std=kappa_std, calibrated=kappa_std < 0.5)
    metrics = metrics.drop_vars(_PROPERTIES, errors="ignore")
    root = combine_metrics(metrics, options).to_dataset(inherit=False)
    cell = root.sel(variant="struct", index="AI_lat")
    milled = np.array([str(one) == "milled" for one in root["role"].to_numpy()])
    evidence = structural_of(make_evidence(metrics, options))
    off = standing_off(compare_with_rest(evidence, n_samples=int(milled.size)))
    conflicts = [str(one) for one in root["conflict"].to_numpy()[milled]]

    def of(name: str) -> tuple[float, ...]:
        return tuple(float(one) for one in cell[name].to_numpy()[milled])

    return Verdict(
        true=tuple(float(one) for one in true[milled]),
        value=of("value"),
        low=of("low"),
        high=of("high"),
        accused=tuple(one.name for one in off),
        conflict=any(conflicts),
        spoke=tuple(e.name for e in evidence if bool((e.measured & milled).any())),
    )


def believed_kappa(raw_kappa: float, rng: np.random.Generator) -> float:
    """Return kappa as mixtures of known content gave it."""
    return raw_kappa * math.exp(KAPPA_STD * float(rng.standard_normal()))
