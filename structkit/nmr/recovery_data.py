"""From spectra over recovery delays to one area per delay, with its sign and noise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from structkit.errors import SchemaError
from structkit.nmr.recovery_statistics import line_chi_square
from structkit.schema import (
    CHEMICAL_SHIFT,
    DELAY,
    INTENSITY,
    INTENSITY_STD,
    validate_nmr_spectrum,
)
from structkit.schema.nmr import INTENSITY_IMAG

Floats = NDArray[np.float64]
PhaseChoice = Literal["measured", "common", "magnitude"]

AREA = "area"
AREA_STD = "area_std"
PHASE_ANGLE = "phase_angle"
_MIN_TILES = 3
_GUARD = 1.0
_N_TIMES = 200
_REACH = 10.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SignedRecovery:
    """Magnitudes of an inversion recovery with signs put back."""

    values: Floats
    """Magnitudes times sign, shape (n_delays,), in the order given."""
    n_negative: int
    """How many of the shortest delays were given a minus."""
    margin: float
    """Chi-square of the next best choice less that of this one; below about 4 the
    signs are a guess."""


def integrate_recovery(
    spectra: xr.Dataset,
    *,
    window: tuple[float, float],
    phase: PhaseChoice = "measured",
    signal: tuple[float, float] | None = None,
) -> xr.Dataset:
    """Integrate spectra over a window of shifts, one area for each delay.

    Parameters
    ----------
    spectra : xarray.Dataset
        With dims ``delay`` and ``chemical_shift`` (:mod:`structkit.schema.nmr`).
    window : tuple of float
        Lowest and highest shift of the line, **ppm**.
    phase : {"measured", "common", "magnitude"}, default "measured"
        The real part as it is; the one phase that puts the areas of all delays on the
        real axis, the longest delay positive (needs ``intensity_imag``); or the
        absolute value of each point, which has lost the sign.
    signal : tuple of float, optional
        Shifts that hold lines, **ppm**; noise is measured beyond. Three windows wide
        about the window where absent.

    Returns
    -------
    xarray.Dataset
        ``area`` over ``delay`` (**ppm** times the unit of intensity), ``area_std``
        scalar, absent where the noise cannot be told; ``phase_angle`` (**rad**) with
        ``phase="common"``.

    Raises
    ------
    SchemaError
        No delays, no points in the window, no imaginary part for a phase.

    Notes
    -----
    Neighbouring points of a filtered spectrum share their noise, so the noise of an
    area is the scatter of areas of as many points where there is no line. Only where
    fewer than three such stretches exist it is ``intensity_std`` of independent points.
    """
    validate_nmr_spectrum(spectra)
    if DELAY not in spectra[INTENSITY].dims:
        raise SchemaError("spectra have no delay; a recovery needs one for each")
    shift = spectra[CHEMICAL_SHIFT].to_numpy()
    inside = (shift >= window[0]) & (shift <= window[1])
    if not np.any(inside):
        raise SchemaError(
            f"no point between {window[0]:g} and {window[1]:g} ppm; the spectra reach "
            f"from {shift[0]:g} to {shift[-1]:g} ppm"
        )
    values, angle = _in_phase(spectra, inside, phase)
    step = np.gradient(shift)
    areas = xr.DataArray(values[:, inside] @ step[inside], dims=(DELAY,))
    found = xr.Dataset(
        {AREA: areas.assign_attrs(units="ppm", long_name="area of the window")},
        coords={DELAY: spectra[DELAY]},
        attrs={**spectra.attrs, "window_low": window[0], "window_high": window[1]},
    )
    for name in spectra.coords:
        if spectra[name].ndim == 0:
            found = found.assign_coords({name: spectra[name]})
    std = _area_std(spectra, values * step, inside, signal=signal or _around(window))
    if std is not None:
        found[AREA_STD] = xr.DataArray(
            std, attrs={"units": "ppm", "long_name": "standard uncertainty of the area"}
        )
    if phase == "common":
        found[PHASE_ANGLE] = xr.DataArray(
            angle, attrs={"units": "rad", "long_name": "phase that was taken away"}
        )
    return found


def restore_signs(
    delay: ArrayLike, magnitude: ArrayLike, *, std: float | None = None
) -> SignedRecovery:
    """Put back the signs of an inversion recovery of which magnitudes are known.

    Parameters
    ----------
    delay : array_like, shape (n_delays,)
        **s**.
    magnitude : array_like, shape (n_delays,)
        Not negative.
    std : float, optional
        1 sigma, same units; taken from the scatter where absent.

    Returns
    -------
    SignedRecovery
        The shortest delays negative, as many as fit one exponential best.

    Raises
    ------
    SchemaError
        Shapes that differ, a negative magnitude, fewer than four delays.

    Examples
    --------
    >>> import numpy as np
    >>> delay = np.array([0.1, 0.5, 1.0, 2.0, 4.0, 9.0])
    >>> signed = restore_signs(delay, np.abs(1.0 - 1.9 * np.exp(-delay / 2.0)))
    >>> signed.n_negative
    3
    """
    times = np.asarray(delay, dtype=float)
    values = np.asarray(magnitude, dtype=float)
    if times.ndim != 1 or times.shape != values.shape or times.size <= _MIN_TILES:
        raise SchemaError("give four or more delays and one magnitude for each")
    if np.any(values < 0.0) or not np.all(times >= 0.0):
        raise SchemaError("a magnitude or a delay is negative; these values have signs")
    order = np.argsort(times, kind="stable")
    positive = times[times > 0.0]
    trial = np.geomspace(positive.min() / _REACH, positive.max() * _REACH, _N_TIMES)
    curves = np.exp(-times[order] / trial[:, None])
    weight = np.ones(times.size)
    costs = []
    for n_negative in range(times.size):
        sign = np.where(np.arange(times.size) < n_negative, -1.0, 1.0)
        costs.append(line_chi_square(curves, sign * values[order], weight).min())
    best = int(np.argmin(costs))
    variance = costs[best] / (times.size - 3) if std is None else std**2
    others = np.delete(np.asarray(costs), best)
    gap = float(others.min() - costs[best])
    signed = values.copy()
    signed[order[:best]] *= -1.0
    return SignedRecovery(
        values=signed,
        n_negative=best,
        margin=gap / variance if variance > 0.0 else math.inf,
    )


def _in_phase(
    spectra: xr.Dataset, inside: NDArray[np.bool_], phase: PhaseChoice
) -> tuple[Floats, float]:
    """Return intensities (n_delays, n_points) and the angle that was taken away."""
    real = spectra[INTENSITY].to_numpy()
    if phase == "measured":
        return real, 0.0
    if INTENSITY_IMAG not in spectra:
        raise SchemaError(
            f"phase {phase!r} needs intensity_imag; read the spectra with both parts"
        )
    both = real + 1j * spectra[INTENSITY_IMAG].to_numpy()
    if phase == "magnitude":
        return np.abs(both), 0.0
    areas = both[:, inside].sum(axis=1)
    angle = 0.5 * float(np.angle(np.sum(areas**2)))
    longest = int(np.argmax(spectra[DELAY].to_numpy()))
    if (areas[longest] * np.exp(-1j * angle)).real < 0.0:
        angle += math.pi
    return np.asarray((both * np.exp(-1j * angle)).real), angle


def _around(window: tuple[float, float]) -> tuple[float, float]:
    """Return the window and as much again on either side."""
    width = _GUARD * (window[1] - window[0])
    return window[0] - width, window[1] + width


def _area_std(
    spectra: xr.Dataset,
    pieces: Floats,
    inside: NDArray[np.bool_],
    *,
    signal: tuple[float, float],
) -> float | None:
    """Return 1 sigma of an area; None where it cannot be told."""
    shift = spectra[CHEMICAL_SHIFT].to_numpy()
    n_points = int(inside.sum())
    tiles = []
    for side in (shift < signal[0], shift > signal[1]):
        quiet = pieces[:, side]
        n_tiles = quiet.shape[1] // n_points
        kept = quiet[:, : n_tiles * n_points]
        tiles.append(kept.reshape(len(pieces), n_tiles, n_points).sum(axis=2))
    scatter = np.concatenate(tiles, axis=1)
    if scatter.shape[1] >= _MIN_TILES:
        return float(np.sqrt(np.mean(np.var(scatter, axis=1, ddof=1))))
    if INTENSITY_STD in spectra:
        step = np.gradient(shift)[inside]
        return float(spectra[INTENSITY_STD]) * float(np.linalg.norm(step))
    return None
