"""From labelled spectra to the arrays that a fit takes, with their noise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from structkit.errors import FitError, SchemaError
from structkit.raman.baseline import difference_penalty, edge_curves, spline_basis
from structkit.raman.layout import make_layout
from structkit.raman.model import BandModel
from structkit.raman.problem import Spectrum
from structkit.schema import (
    GAIN,
    INTENSITY,
    INTENSITY_STD,
    MASKED,
    RAMAN_SHIFT,
    READOUT_STD,
    validate_spectra,
)

Floats = NDArray[np.float64]

_NO_WEIGHT = 1e6
_MIN_POINTS_PER_PARAMETER = 1.0
_SMOOTH_POINTS = 15
_DIFFERENCE_STD = float(np.sqrt(6.0))
_MAD = 1.4826


def make_blocks(
    datasets: Sequence[xr.Dataset],
    model: BandModel,
    along: Sequence[float] | None = None,
) -> list[Spectrum]:
    """Return the arrays of every spot of every dataset.

    Parameters and errors are those of :func:`structkit.raman.fit.fit_bands`.
    """
    places = _normalise(along, len(datasets))
    blocks: list[Spectrum] = []
    for dataset, place in zip(datasets, places, strict=True):
        validate_spectra(dataset)
        shift = dataset[RAMAN_SHIFT].to_numpy().astype(float)
        basis = spline_basis(shift, model.baseline)
        penalty = difference_penalty(basis.shape[1], model.baseline.penalty_order)
        decays = model.baseline.edge_decays
        low_enough = 0.0 < shift[0] < model.baseline.edge_below
        edge = edge_curves(shift, decays if low_enough else ())
        values = _seen(dataset)
        sigma = noise_of(dataset)
        if MASKED in dataset:
            sigma = np.where(dataset[MASKED].to_numpy() != 0, sigma * _NO_WEIGHT, sigma)
        for row, own_sigma in zip(values, sigma, strict=True):
            if not np.any(row):
                raise FitError("a spectrum is all zero; leave empty spots out")
            blocks.append(
                Spectrum(
                    raman_shift=shift,
                    intensity=row,
                    sigma=own_sigma,
                    basis=basis,
                    penalty=penalty,
                    edge=edge,
                    light=float(np.mean(np.abs(row))),
                    along=place,
                )
            )
    return blocks


def _normalise(along: Sequence[float] | None, n: int) -> list[float]:
    """Return places along the series from -0.5 to 0.5."""
    if along is None:
        return [0.0] * n
    places = np.asarray(along, dtype=float)
    if places.shape != (n,):
        raise SchemaError(f"along has {places.size} places for {n} datasets")
    width = float(np.ptp(places))
    middle = 0.5 * float(places.min() + places.max())
    return [float(x) for x in (places - middle) / (width or 1.0)]


def noise_of(spectra: xr.Dataset) -> Floats:
    """Return 1 sigma of every point, shape (n_spots, n_points).

    ``intensity_std`` where it is given; else gain and readout noise at the local mean;
    else noise that grows with the root of the local mean, scaled to the second
    differences of the data.
    """
    if INTENSITY_STD in spectra:
        return np.asarray(spectra[INTENSITY_STD].to_numpy(), dtype=float)
    values = _seen(spectra)
    local = uniform_filter1d(values, _SMOOTH_POINTS, axis=-1, mode="nearest")
    if GAIN in spectra:
        readout = float(spectra[READOUT_STD]) if READOUT_STD in spectra else 0.0
        variance = readout**2 + float(spectra[GAIN]) * np.maximum(local, 0.0)
        return np.asarray(np.sqrt(np.maximum(variance, 1e-12 * variance.max() + 1e-12)))
    level = np.maximum(local, 1e-3 * np.abs(values).max(axis=-1, keepdims=True))
    root = np.sqrt(level)
    rough = np.diff(values / root, n=2, axis=-1)
    spread = _MAD * np.median(np.abs(rough), axis=-1, keepdims=True) / _DIFFERENCE_STD
    return np.asarray(root * np.maximum(spread, 1e-9))


def _seen(spectra: xr.Dataset) -> Floats:
    """Return the intensities, a line drawn through what is masked.

    What is masked must not reach its neighbours through a local mean.
    """
    values = np.array(spectra[INTENSITY].to_numpy(), dtype=float)
    if MASKED not in spectra:
        return values
    places = np.arange(values.shape[1])
    for row, hidden in zip(values, spectra[MASKED].to_numpy() != 0, strict=True):
        if hidden.any() and not hidden.all():
            row[hidden] = np.interp(places[hidden], places[~hidden], row[~hidden])
    return values


def check_model(blocks: Sequence[Spectrum], model: BandModel) -> None:
    """Refuse a model that the spectra cannot carry.

    Raises
    ------
    FitError
        Names the band or template at fault and the range.
    """
    low = max(float(block.raman_shift[0]) for block in blocks)
    high = min(float(block.raman_shift[-1]) for block in blocks)
    outside = [b.name for b in model.bands if not low <= b.wavenumber <= high]
    if outside:
        raise FitError(
            f"bands outside the range {low:.4g} to {high:.4g} cm-1: "
            f"{', '.join(outside)}; leave them out or widen the range"
        )
    short = [t.name for t in model.templates if not t.covers(low, high)]
    if short:
        raise FitError(
            f"templates that do not cover {low:.4g} to {high:.4g} cm-1: "
            f"{', '.join(short)}; cut the range or measure them over all of it"
        )
    layout = make_layout(model, n_edges=blocks[0].edge.shape[1])
    splines = blocks[0].basis.shape[1]
    needed = len(blocks) * (layout.n_local + splines) + layout.n_shared
    points = sum(block.raman_shift.size for block in blocks)
    if points <= needed * _MIN_POINTS_PER_PARAMETER:
        raise FitError(
            f"{points} points for {needed} parameters ({len(model.bands)} bands); "
            "use fewer bands or a wider range"
        )
