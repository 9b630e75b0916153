"""T1 of every site from the spectra of one recovery: areas, laws, which is chosen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from structkit.errors import FitError, SchemaError
from structkit.nmr.overlap import (
    OverlapFit,
    fit_overlapped_recovery,
    make_pseudo_voigts,
)
from structkit.nmr.recovery import RecoveryFit, compare_recoveries
from structkit.nmr.recovery_data import integrate_recovery
from structkit.nmr.recovery_laws import LAW_NAMES, LawName, RecoveryLaw
from structkit.nmr.sites import Site
from structkit.nmr.spectrum import (
    NOISE_CORRELATION,
    estimate_noise,
    find_correlation,
)
from structkit.schema import (
    CHEMICAL_SHIFT,
    DELAY,
    INTENSITY,
    INTENSITY_STD,
    LARMOR_FREQUENCY,
    FitStatus,
)
from structkit.schema.nmr import INTENSITY_IMAG

Floats = NDArray[np.float64]
Window = tuple[float, float]

LINE = "line"
"""Name of a line that nobody named."""
_PREFERRED = 2.0
"""AICc by which a law has to be better than one that is asked first."""
_WINDOW_WIDTHS = 5.0
"""Half a window over the width of its line."""
_LEAST_POINTS = 4.0
_THREE_HALVES = 1.5
_MOST_VALUES = 60_000
"""Points of all delays that are fitted together; more are averaged in blocks."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SiteRecovery:
    """The recovery of one site."""

    site: str
    """Name."""
    area: Floats
    """Area at every delay with its sign, shape (n_delays,)."""
    area_std: float
    """1 sigma of one of them; NaN: unknown."""
    fits: tuple[RecoveryFit, ...]
    """Every law, ``mono`` first; the chosen one with the T1 that is told."""
    delta_aicc: Floats
    """AICc of each less that of the best."""
    chosen: int
    """Place of the law whose T1 is told."""
    remark: str
    """What the delays tell of the laws."""

    @property
    def fit(self) -> RecoveryFit:
        """Return the chosen law's fit."""
        return self.fits[self.chosen]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SampleRecovery:
    """The recoveries of all sites of one experiment."""

    delay: Floats
    """**s**, ascending."""
    sites: tuple[SiteRecovery, ...]
    """In the order of the sites."""
    together: bool
    """Whether lines were fitted together, or a window was integrated."""
    window: Window
    """Shifts that were used, **ppm**."""
    status: FitStatus
    """Of the lines fitted together; converged for a window."""
    reason: str
    """Why not well, one sentence a line."""


def measure_recoveries(
    spectra: xr.Dataset,
    sites: Sequence[Site],
    *,
    window: Window | None = None,
    recycle_delay: float | None = None,
    spin: float = 1.5,
) -> SampleRecovery:
    """Find T1 of every site.

    Parameters
    ----------
    spectra : xarray.Dataset
        With dims ``delay`` and ``chemical_shift``, in phase
        (:mod:`structkit.schema.nmr`).
    sites : sequence of Site
        Two or more are fitted as lines at all delays together; one is integrated over
        a window; none is the highest line.
    window : tuple of float, optional
        Shifts that are used, **ppm**. Default: five widths to each side of the sites.
    recycle_delay : float, optional
        **s**; what is shorter than 5 T1 is told.
    spin : float
        Of the nucleus: the two quadrupolar laws are those of 3/2.

    Returns
    -------
    SampleRecovery
        Laws are chosen as :func:`choose_law` says.

    Raises
    ------
    SchemaError
        No delays, or no points in the window.
    FitError
        The spectra are empty, or hold no noise to weigh them by.
    """
    if DELAY not in spectra[INTENSITY].dims:
        raise SchemaError(
            "one spectrum without delays: T1 needs a pseudo-2D experiment and its "
            "list of delays (vdlist)"
        )
    if not float(np.ptp(spectra[INTENSITY].to_numpy())) > 0.0:
        raise FitError("intensity is the same everywhere; there is nothing to fit")
    ordered = spectra.sortby(DELAY)
    if len(sites) > 1:
        return _fit_lines(ordered, sites, window=window, known=(recycle_delay, spin))
    return _integrate(ordered, sites, window=window, known=(recycle_delay, spin))


def find_line(spectra: xr.Dataset, within: Window | None = None) -> Window:
    """Return a window of five widths to each side of the highest line, **ppm**.

    Parameters
    ----------
    spectra : xarray.Dataset
        One for each delay; that of the longest is looked at.
    within : tuple of float, optional
        Shifts between which the line lies, **ppm**.
    """
    shift = spectra[CHEMICAL_SHIFT].to_numpy()
    row = spectra[INTENSITY].to_numpy()[int(np.argmax(spectra[DELAY].to_numpy()))]
    inside = np.ones(shift.size, dtype=bool)
    if within is not None:
        inside = (shift >= within[0]) & (shift <= within[1])
    if not inside.any():
        raise _outside(within or (math.nan, math.nan), shift)
    top = int(np.flatnonzero(inside)[np.argmax(row[inside])])
    low = high = top
    while low > 0 and row[low] > 0.5 * row[top]:
        low -= 1
    while high < row.size - 1 and row[high] > 0.5 * row[top]:
        high += 1
    step = float(shift[1] - shift[0])
    width = max(float(shift[high] - shift[low]), _LEAST_POINTS * step)
    return (
        max(float(shift[top]) - _WINDOW_WIDTHS * width, float(shift[0])),
        min(float(shift[top]) + _WINDOW_WIDTHS * width, float(shift[-1])),
    )


def _outside(window: Window, shift: Floats) -> SchemaError:
    return SchemaError(
        f"no point between {window[0]:g} and {window[1]:g} ppm; the spectra reach "
        f"from {shift[0]:g} to {shift[-1]:g} ppm"
    )


_Known = tuple[float | None, float]
"""Recycle delay, s, and spin."""


def _integrate(
    spectra: xr.Dataset,
    sites: Sequence[Site],
    *,
    window: Window | None,
    known: _Known,
) -> SampleRecovery:
    """Return the recovery of the area of a window."""
    near = None
    if sites and window is None:
        larmor = float(spectra[LARMOR_FREQUENCY])
        near = sites[0].shift_limits(larmor)
    chosen = window or find_line(spectra, near)
    areas = integrate_recovery(
        spectra,
        window=chosen,
        phase="common" if INTENSITY_IMAG in spectra else "measured",
    )
    delay, values = spectra[DELAY].to_numpy(), areas["area"].to_numpy()
    std = float(areas["area_std"]) if "area_std" in areas else math.nan
    one = _compare(
        delay,
        values,
        std,
        name=sites[0].name if sites else LINE,
        known=known,
    )
    return SampleRecovery(
        delay=delay,
        sites=(one,),
        together=False,
        window=chosen,
        status=FitStatus.CONVERGED,
        reason="",
    )


def _compare(
    delay: Floats,
    area: Floats,
    std: float,
    *,
    name: str,
    known: _Known,
) -> SiteRecovery:
    """Return all laws on the areas of one site, and the choice among them."""
    told = compare_recoveries(
        delay,
        area,
        std=std if math.isfinite(std) and std > 0.0 else None,
        laws=_laws(known[1]),
        recycle_delay=known[0],
    )
    return SiteRecovery(
        site=name,
        area=area,
        area_std=std,
        fits=told.fits,
        delta_aicc=told.delta_aicc,
        chosen=choose_law([fit.law.name for fit in told.fits], told.delta_aicc),
        remark=told.remark,
    )


def choose_law(names: Sequence[LawName], delta_aicc: Floats) -> int:
    """Return the place of the law whose T1 is told.

    Parameters
    ----------
    names : sequence of str
        Laws that were fitted, ``mono`` first.
    delta_aicc : ndarray, shape (n_laws,)
        AICc of each less that of the best.

    Notes
    -----
    One exponential, unless another law has an AICc lower by 2. Then, of a spin 3/2, the
    two rates with their ratio free, unless the stretched exponential is better by 2:
    both mean another T1, and that of the initial rate is the one that theory gives
    (:mod:`structkit.nmr.bpp`). A ratio of 4 taken as known would make T1 look surer
    than the delays make it.
    """
    free: LawName = "quadrupolar"
    others = [n for n in names if n not in ("mono", "quadrupolar_slow")]
    if delta_aicc[0] <= _PREFERRED or not others:
        return 0
    delta = dict(zip(names, delta_aicc, strict=True))
    best = min(others, key=lambda name: float(delta[name]))
    if free in delta:
        rates = min(delta[free], delta.get("quadrupolar_slow", np.inf))
        if rates <= delta[best] + _PREFERRED:
            best = free
    return list(names).index(best)


def _fit_lines(
    spectra: xr.Dataset,
    sites: Sequence[Site],
    *,
    window: Window | None,
    known: _Known,
) -> SampleRecovery:
    """Return recoveries of lines that are fitted together."""
    larmor = float(spectra[LARMOR_FREQUENCY])
    shift = spectra[CHEMICAL_SHIFT].to_numpy()
    reach = [_WINDOW_WIDTHS * site.fwhm_hz / larmor for site in sites]
    used = window or (
        min(s.shift_ppm - r for s, r in zip(sites, reach, strict=True)),
        max(s.shift_ppm + r for s, r in zip(sites, reach, strict=True)),
    )
    inside = (shift >= used[0]) & (shift <= used[1])
    if not inside.any():
        raise _outside(used, shift)
    sigma = _independent_noise(spectra)
    block = math.ceil(inside.sum() * spectra.sizes[DELAY] / _MOST_VALUES)
    axis, rows = _average(
        shift[inside], spectra[INTENSITY].to_numpy()[:, inside], block
    )
    sigma /= math.sqrt(block)
    shapes = make_pseudo_voigts(
        axis,
        centres=[site.shift_ppm for site in sites],
        widths=[site.fwhm_hz / larmor for site in sites],
        shares=[site.lorentzian_share for site in sites],
    )
    delay = spectra[DELAY].to_numpy()
    first = fit_overlapped_recovery(delay, rows, shapes=shapes, sigma=sigma)
    compared = [
        _compare(
            delay,
            first.areas[:, place],
            math.sqrt(first.areas_covariance[place, place]),
            name=site.name,
            known=known,
        )
        for place, site in enumerate(sites)
    ]
    seen = [one.fit.stands_out for one in compared]
    if any(seen) and not all(seen):
        # a line that is not there would follow noise, and take T1 of others along
        kept = [site for site, is_seen in zip(sites, seen, strict=True) if is_seen]
        found = _fit_lines(spectra, kept, window=used, known=known)
        told = [
            f"{one.site}: no recovery stands out of the noise"
            for one in compared
            if not one.fit.stands_out
        ]
        return replace(found, reason="\n".join([*told, *found.reason.splitlines()]))
    joint = first
    if any(one.chosen for one in compared):
        laws = [one.fit.law for one in compared]
        shapes = replace(shapes, start=tuple(first.shapes))
        joint = fit_overlapped_recovery(
            delay, rows, shapes=shapes, sigma=sigma, laws=laws
        )
    return SampleRecovery(
        delay=delay,
        sites=tuple(_with_joint(one, joint, k) for k, one in enumerate(compared)),
        together=True,
        window=used,
        status=joint.status,
        reason=joint.reason,
    )


def _with_joint(one: SiteRecovery, joint: OverlapFit, place: int) -> SiteRecovery:
    """Return a recovery whose chosen law has the T1 of all points together."""
    if not math.isfinite(float(joint.t1[place])):
        return one
    fits = list(one.fits)
    fits[one.chosen] = replace(
        one.fit, t1=float(joint.t1[place]), t1_std=float(joint.t1_std[place])
    )
    return replace(one, fits=tuple(fits))


def _independent_noise(spectra: xr.Dataset) -> float:
    """Return sigma of a point as if its neighbours did not share it."""
    correlation = find_correlation(spectra)
    if INTENSITY_STD not in spectra:
        spectra = estimate_noise(spectra)
    length = float(spectra.attrs.get(NOISE_CORRELATION, 1.0))
    if correlation is not None:
        length = correlation.length
    return float(spectra[INTENSITY_STD]) * math.sqrt(max(length, 1.0))


def _average(shift: Floats, rows: Floats, block: int) -> tuple[Floats, Floats]:
    """Return means of blocks of points."""
    if block < 2:
        return shift, rows
    kept = shift.size // block * block
    means = rows[:, :kept].reshape(len(rows), -1, block).mean(axis=2)
    return shift[:kept].reshape(-1, block).mean(axis=1), means


def _laws(spin: float) -> tuple[RecoveryLaw, ...]:
    """Return the laws that a spin may follow."""
    names: tuple[LawName, ...] = ("mono", "stretched")
    if spin == _THREE_HALVES:
        names = LAW_NAMES
    return tuple(RecoveryLaw(name=name) for name in names)
