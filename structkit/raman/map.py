"""A map fitted spot by spot: every spot has bands of its own.

The mean spectrum is fitted with care, the spots start from it. One smoothness of the
baseline serves all, so that neighbours differ by what they show and not by a choice.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from structkit.errors import FitError, SchemaError
from structkit.raman.blocks import make_blocks, noise_of
from structkit.raman.covariance import covariance_of
from structkit.raman.fit import (
    BandFit,
    choose_smoothness,
    fit_bands,
    fit_blocks,
)
from structkit.raman.model import BandModel
from structkit.schema import (
    BAND,
    GAIN,
    INTENSITY,
    INTENSITY_STD,
    MASKED,
    RAMAN_SHIFT,
    READOUT_STD,
    SPECIES,
    SPOT,
    FitStatus,
    validate_spectra,
)

if TYPE_CHECKING:
    import lmfit

Floats = NDArray[np.float64]

TEMPLATE = "template"
"""Dimension of the areas of templates."""
_CHUNK = 100
"""Spots that are held as arrays of their own at one time, for each process."""
_SAMPLE = 9
"""Spots that are asked for the smoothness of the baseline."""
_NEEDED = (INTENSITY, INTENSITY_STD, MASKED, GAIN, READOUT_STD)
_EMPTY = "every point is zero"
_PER_BAND = ("centre", "fwhm", "area")
_LONG_NAMES = {
    "centre": "centre of the band",
    "fwhm": "full width at half maximum",
    "area": "area of the band",
    "template_area": "area of the template",
    "reduced_chi_square": "reduced chi-square of the spot",
}


def fit_map(
    spectra: xr.Dataset,
    model: BandModel,
    *,
    jobs: int = 1,
    parameters: lmfit.Parameters | None = None,
) -> xr.Dataset:
    """Fit every spot of a map by itself.

    Parameters
    ----------
    spectra : xarray.Dataset
        One map (:mod:`structkit.schema.spectra`). Points whose ``masked`` is 1 have
        no weight.
    model : BandModel
        Bands, templates and baseline; ``drift`` has no meaning here.
    jobs : int
        Processes. Each takes runs of neighbouring spots.
    parameters : lmfit.Parameters, optional
        Shared parameters to hold, limit or move, as :func:`fit_bands` takes them.

    Returns
    -------
    xarray.Dataset
        ``centre``, ``fwhm`` (**cm-1**) and ``area`` (units of the intensity times
        **cm-1**) over ``spot`` and ``band``, each with its ``_std``;
        ``template_area`` over ``spot`` and ``template`` where the model has some;
        ``reduced_chi_square``, ``status`` (:class:`structkit.schema.FitStatus`) and
        ``reason`` over ``spot``. The coordinates of the spots are kept. A spot that
        cannot be fitted is a row of NaN with its reason.

    Raises
    ------
    FitError
        No spot has light, or the model cannot be fitted to any spectrum of this range
        (see :func:`structkit.raman.fit.fit_bands`).
    SchemaError
        The dataset is no Raman spectra, or ``jobs`` is less than 1.

    Notes
    -----
    The bands of a spot start from those of the mean spectrum, its areas from the best
    there; where that finds no minimum, from its neighbour, then from nothing. The
    smoothness is the median of what nine spots, spread over the map, ask for. The
    uncertainty of the axis (``model.shift_std``) is in that of the centres.
    """
    validate_spectra(spectra)
    if jobs < 1:
        raise SchemaError(f"jobs must be 1 or more, not {jobs}")
    needed = spectra[[name for name in _NEEDED if name in spectra]]
    lit = np.flatnonzero(np.any(spectra[INTENSITY].to_numpy() != 0.0, axis=1))
    if not lit.size:
        raise FitError("no spot of the map has light: every point is zero")
    model = replace(model, drift=False)
    warm = fit_bands(_mean_spectrum(needed, lit), model, parameters=parameters)
    warm = _forget_areas(warm)
    sample = lit[np.unique(np.linspace(0, lit.size - 1, _SAMPLE).astype(int))]
    warm = replace(warm, smoothness=_common_smoothness(needed, sample, warm))
    runs = [
        np.arange(k, min(k + _CHUNK, n))
        for n in [spectra.sizes[SPOT]]
        for k in range(0, n, _CHUNK)
    ]
    rows = [row for part in _fit_runs(needed, runs, warm, jobs) for row in part]
    return _label(spectra, model, rows, warm.smoothness)


@dataclass(frozen=True, slots=True, eq=False)
class _Row:
    """What is known of one spot."""

    status: FitStatus
    reason: str
    chi_square: float
    values: Floats
    """Centre, FWHM and area of every band, shape (3, n_bands)."""
    stds: Floats
    """1 sigma of them."""
    templates: Floats
    """Areas of the templates and 1 sigma of them, shape (2, n_templates)."""


def _mean_spectrum(spectra: xr.Dataset, lit: NDArray[np.intp]) -> xr.Dataset:
    """Return the mean of the spots that have light; masked points left out."""
    n_points = spectra.sizes[RAMAN_SHIFT]
    total, variance, number = (np.zeros(n_points) for _ in range(3))
    for run in np.array_split(lit, math.ceil(lit.size / _CHUNK)):
        part = spectra.isel({SPOT: run})
        kept = np.ones((run.size, n_points))
        if MASKED in part:
            kept = (part[MASKED].to_numpy() == 0).astype(float)
        total += (part[INTENSITY].to_numpy() * kept).sum(axis=0)
        variance += (noise_of(part) ** 2 * kept).sum(axis=0)
        number += kept.sum(axis=0)
    seen = number > 0.0
    mean = total / np.maximum(number, 1.0)
    std = np.sqrt(variance) / np.maximum(number, 1.0)
    mean[~seen] = np.interp(np.flatnonzero(~seen), np.flatnonzero(seen), mean[seen])
    std[~seen] = 1e6 * float(std[seen].max())
    dims = (SPOT, RAMAN_SHIFT)
    attrs = spectra[INTENSITY].attrs
    one = spectra.isel({SPOT: [0]})[[INTENSITY]]
    return one.assign(
        {
            INTENSITY: (dims, mean[None, :], attrs),
            INTENSITY_STD: (dims, std[None, :], attrs),
        }
    )


def _forget_areas(fit: BandFit) -> BandFit:
    """Return a fit to start other spectra from: its bands count, not its areas."""
    return replace(fit, solution=replace(fit.solution, locals=(), normals=()))


def _common_smoothness(
    spectra: xr.Dataset, sample: NDArray[np.intp], warm: BandFit
) -> float:
    """Return the weight of the baseline's penalty for all spots."""
    given = warm.model.baseline.smoothness
    if given is not None:
        return given
    blocks = make_blocks([spectra.isel({SPOT: sample})], warm.model)
    fits = [fit_blocks([block], warm.model, start=warm) for block in blocks]
    wanted = sorted(choose_smoothness(fit) for fit in fits)
    return wanted[len(wanted) // 2]


def _fit_runs(
    spectra: xr.Dataset, runs: Sequence[NDArray[np.intp]], warm: BandFit, jobs: int
) -> Iterator[list[_Row]]:
    """Yield the rows of runs of neighbours, run after run."""
    parts = (spectra.isel({SPOT: run}) for run in runs)
    if jobs == 1 or len(runs) == 1:
        for part in parts:
            yield _fit_run(part, warm)
        return
    from joblib import Parallel, delayed

    work = Parallel(
        n_jobs=jobs,
        return_as="generator",
        pre_dispatch="n_jobs",
        inner_max_num_threads=1,
    )
    yield from work(delayed(_fit_run)(part, warm) for part in parts)


def _fit_run(spectra: xr.Dataset, warm: BandFit) -> list[_Row]:
    """Fit neighbouring spots one after the other."""
    rows = []
    last = warm
    lit = np.any(spectra[INTENSITY].to_numpy() != 0.0, axis=1)
    blocks = iter(make_blocks([spectra.isel({SPOT: lit})], warm.model))
    for has_light in lit:
        if not has_light:
            rows.append(_no_values(warm.model, _EMPTY))
            continue
        block = next(blocks)
        fit: BandFit | None = None
        reason = ""
        for start in (warm, last, None):
            try:
                fit = fit_blocks(
                    [block],
                    warm.model,
                    start=start,
                    smoothness=warm.smoothness,
                    parameters=warm.parameters,
                )
            except (FitError, np.linalg.LinAlgError) as error:
                reason = str(error)
                continue
            if fit.status is FitStatus.CONVERGED:
                last = _forget_areas(fit)
                break
        rows.append(_no_values(warm.model, reason) if fit is None else _summarise(fit))
    return rows


def _no_values(model: BandModel, reason: str) -> _Row:
    """Return the row of a spot without a fit."""
    nothing = np.full((3, len(model.bands)), np.nan)
    templates = np.full((2, len(model.templates)), np.nan)
    return _Row(FitStatus.FAILED, reason, math.nan, nothing, nothing, templates)


def _summarise(fit: BandFit) -> _Row:
    """Return the row of a fit of one spot."""
    layout, shared = fit.layout, fit.solution.shared
    covariance = covariance_of(fit)
    std = np.sqrt(np.maximum(np.diag(covariance.shared), 0.0))
    fwhm = np.exp(shared[layout.log_width])
    fwhm_std = fwhm * std[layout.log_width]
    spread = covariance.of_spectrum(0)
    areas = layout.shares @ spread[layout.area, layout.area] @ layout.shares.T
    residual = fit.residual(0)
    used = fit.n_parameters + fit.spectra[0].basis.shape[1]
    scales = np.diag(spread)[layout.scale]
    return _Row(
        status=fit.status,
        reason=fit.reason,
        chi_square=float(residual @ residual) / max(residual.size - used, 1),
        values=np.asarray(
            [shared[layout.centre], fwhm[layout.family], fit.band_areas[0]]
        ),
        stds=np.asarray(
            [
                std[layout.centre],
                fwhm_std[layout.family],
                np.sqrt(np.maximum(np.diag(areas), 0.0)),
            ]
        ),
        templates=np.asarray(
            [fit.areas[0, layout.scale], np.sqrt(np.maximum(scales, 0.0))]
        ),
    )


def _label(
    spectra: xr.Dataset, model: BandModel, rows: Sequence[_Row], smoothness: float
) -> xr.Dataset:
    """Return the rows with labels and units."""
    given = str(spectra[INTENSITY].attrs["units"])
    of_area = "cm-1" if given == "1" else f"{given} cm-1"
    found: dict[str, tuple[tuple[str, ...], NDArray[np.generic], dict[str, str]]] = {}
    values = np.asarray([row.values for row in rows])
    stds = np.asarray([row.stds for row in rows])
    for place, name in enumerate(_PER_BAND):
        units = of_area if name == "area" else "cm-1"
        _add(found, name, BAND, (values[:, place], stds[:, place]), units)
    if model.templates:
        areas = np.asarray([row.templates for row in rows])
        _add(found, "template_area", TEMPLATE, (areas[:, 0], areas[:, 1]), of_area)
    chi = np.asarray([row.chi_square for row in rows])
    name = "reduced_chi_square"
    found[name] = ((SPOT,), chi, {"units": "1", "long_name": _LONG_NAMES[name]})
    for name, texts in (
        ("status", [row.status.value for row in rows]),
        ("reason", [row.reason for row in rows]),
    ):
        about = "how the fit ended" if name == "status" else "why not well"
        found[name] = ((SPOT,), np.asarray(texts), {"long_name": about})
    spots = {str(k): v for k, v in spectra.coords.items() if RAMAN_SHIFT not in v.dims}
    labelled = xr.Dataset(found, coords=spots).assign_coords(
        {
            BAND: (BAND, [band.name for band in model.bands], {"long_name": "band"}),
            SPECIES: (BAND, [band.species for band in model.bands]),
        }
    )
    if model.templates:
        names = [template.name for template in model.templates]
        labelled = labelled.assign_coords({TEMPLATE: (TEMPLATE, names)})
    kept = {name: spectra.attrs[name] for name in spectra.attrs if name != "remarks"}
    return labelled.assign_attrs(kept | {"baseline_smoothness": smoothness})


def _add(
    found: dict[str, tuple[tuple[str, ...], NDArray[np.generic], dict[str, str]]],
    name: str,
    dim: str,
    pair: tuple[Floats, Floats],
    units: str,
) -> None:
    """Add a variable and its standard uncertainty."""
    long_name = _LONG_NAMES[name]
    found[name] = ((SPOT, dim), pair[0], {"units": units, "long_name": long_name})
    about = {"units": units, "long_name": f"standard uncertainty of the {long_name}"}
    found[f"{name}_std"] = ((SPOT, dim), pair[1], about)
