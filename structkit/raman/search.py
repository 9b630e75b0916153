"""Bands that the spectra ask for and nobody named: found, added, and accounted for.

Where a model leaves a bump that more than pays for a further band, an *unassigned*
band is added; up to three, one at a time. It counts in the sums of its window as any
other band, and says in the tables that nobody assigned it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from structkit.raman.bands import Band
from structkit.raman.baseline import penalty_weight
from structkit.raman.fit import BandFit, fit_blocks
from structkit.raman.identify import BIC_NEEDED, independent_points, misfit_of
from structkit.raman.problem import stack_jacobian
from structkit.raman.shapes import evaluate_shape

Floats = NDArray[np.float64]

UNASSIGNED = "unassigned"
"""Species of the bands that are found here."""
MAX_EXTRA = 3
_WIDTHS = (1.0, 2.0, 4.0)
_GRID = 4.0
_CENTRE_STD = 8.0
_WIDTH_FACTOR = 1.5
_MIXING = 0.5
_ALIKE = 3.0
_APART = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A band that a model lacks."""

    centre: float
    """Where, **cm-1**."""
    fwhm: float
    """How wide, about, **cm-1**."""
    gain: float
    """Decrease of chi-square that it promises."""


def add_missing_bands(
    fit: BandFit, *, narrowest: float | None = None, limit: int = MAX_EXTRA
) -> BandFit:
    """Return the fit with the bands that it lacks.

    Parameters
    ----------
    fit : BandFit
        A fit with values.
    narrowest : float, optional
        FWHM of the narrowest band looked for, **cm-1**; default: 8, or twice the
        instrument's. Bands twice and four times as wide are looked for too.
    limit : int
        How many bands it may add.

    Returns
    -------
    BandFit
        The same fit where nothing is missing. Each added band lowered the BIC by 6 or
        more; its species is ``unassigned``.
    """
    width = narrowest or max(8.0, 2.0 * fit.model.instrument_fwhm)
    for _ in range(limit):
        candidate = find_missing_band(fit, narrowest=width)
        if candidate is None:
            return fit
        price = _price(fit)
        # The misfit of the present fit is no measure: the missing band makes it.
        if price - candidate.gain > BIC_NEEDED:
            return fit
        extended = _extended(fit, candidate)
        gained = 2.0 * (fit.solution.cost - extended.solution.cost)
        if price - gained / misfit_of(extended) > BIC_NEEDED:
            return fit
        fit = extended
    return fit


def charge_found(fit: BandFit) -> float:
    """Return what bands nobody assigned owe for having been looked for everywhere.

    The prior of such a band is put where the data have it already, so it costs
    nothing, while a named band pays for its distance from where it is expected. This
    is what a prior over the whole range and the widths tried would have cost,
    in units of chi-square.
    """
    found = sum(band.species == UNASSIGNED for band in fit.model.bands)
    shift = fit.spectra[0].raman_shift
    places = float(shift[-1] - shift[0]) / (math.sqrt(2.0 * math.pi) * _CENTRE_STD)
    return found * 2.0 * math.log(max(places, 1.0) * len(_WIDTHS))


def _price(fit: BandFit) -> float:
    """Return what the BIC asks for one more band: amount, centre, width, shape."""
    return 4.0 * math.log(independent_points(fit))


def _free_name(fit: BandFit, candidate: Candidate) -> str:
    """Return a name that no column and no band has."""
    taken = {*fit.model.names, *(band.name for band in fit.model.bands)}
    name = f"{UNASSIGNED} {candidate.centre:.0f}"
    while name in taken:
        name += "'"
    return name


def _extended(fit: BandFit, candidate: Candidate) -> BandFit:
    """Return the fit with one band more."""
    band = Band(
        name=_free_name(fit, candidate),
        species=UNASSIGNED,
        wavenumber=candidate.centre,
        wavenumber_std=_CENTRE_STD,
        fwhm=candidate.fwhm,
        fwhm_factor=_WIDTH_FACTOR,
        grade="user",
        source="found in the residual",
    )
    bands = (*fit.model.bands, band)
    model = replace(fit.model, bands=bands)
    return fit_blocks(
        fit.spectra, model, smoothness=fit.smoothness, parameters=fit.parameters
    )


def find_missing_band(fit: BandFit, *, narrowest: float) -> Candidate | None:
    """Return the band whose addition would lower chi-square most.

    Notes
    -----
    The score test of each candidate on a grid of centres and three widths, with all
    parameters of the model and its baseline free: the gain is ``(g'r)^2 / g'g``, g
    and r without what the model can take up. The amplitude is common to the spectra,
    in proportion to the areas of each.
    """
    first = fit.spectra[0].raman_shift
    centres = np.arange(first[0] + narrowest, first[-1] - narrowest, _GRID)
    pairs = [
        (float(c), factor * narrowest)
        for factor in _WIDTHS
        for c in centres
        if first[0] + factor * narrowest < c < first[-1] - factor * narrowest
        and not _is_taken(fit, float(c), factor * narrowest)
    ]
    if not pairs:
        return None
    centre, width = (np.asarray(column) for column in zip(*pairs, strict=True))
    slope, power = np.zeros(centre.size), np.zeros(centre.size)
    signal = fit.areas.sum(axis=1)
    shapes = _trial_shapes(first, centre, width)
    for number, amount in enumerate(signal / max(float(signal.max()), 1e-300)):
        axis = fit.spectra[number].raman_shift
        if axis.shape != first.shape or np.any(axis != first):
            first, shapes = axis, _trial_shapes(axis, centre, width)
        own_slope, own_power = _scores(fit, number, shapes)
        slope, power = slope + amount * own_slope, power + amount**2 * own_power
    gain = np.where(slope > 0.0, slope**2 / np.maximum(power, 1e-300), 0.0)
    best = int(np.argmax(gain))
    return Candidate(
        centre=float(centre[best]), fwhm=float(width[best]), gain=float(gain[best])
    )


def _is_taken(fit: BandFit, centre: float, fwhm: float) -> bool:
    """Return whether a band of about that width is there already.

    Two bands closer than their width, and as wide, are one band whose shape is not
    quite the model's.
    """
    layout, shared = fit.layout, fit.solution.shared
    widths = np.exp(shared[layout.log_width])[layout.family]
    for known, width in zip(shared[layout.centre], widths, strict=True):
        alike = 1.0 / _ALIKE < fwhm / width < _ALIKE
        if alike and abs(centre - known) < _APART * max(width, fwhm):
            return True
    return False


def _trial_shapes(raman_shift: Floats, centre: Floats, width: Floats) -> Floats:
    """Return the candidates as curves of unit area, shape (n_points, n_candidates)."""
    distance = raman_shift[None, :] - centre[:, None]
    mixing = np.full(centre.size, _MIXING)
    return np.ascontiguousarray(evaluate_shape(distance, width, mixing).value.T)


def _scores(fit: BandFit, number: int, shapes: Floats) -> tuple[Floats, Floats]:
    """Return ``g'r`` and ``g'g`` of each candidate in one spectrum."""
    spectrum = fit.spectra[number]
    columns = fit.columns(number)
    jacobian = stack_jacobian(columns, fit.layout)
    weight = penalty_weight(fit.smoothness, spectrum.light)
    inverse_std = np.concatenate([fit.shared_priors.std, fit.local_priors.std]) ** -1.0
    n_splines, n_free = spectrum.basis.shape[1], jacobian.shape[1]
    sigma = spectrum.sigma[:, None]
    rows = np.vstack(
        [
            np.hstack([spectrum.basis / sigma, jacobian / sigma]),
            np.hstack(
                [
                    weight * spectrum.penalty,
                    np.zeros((spectrum.penalty.shape[0], n_free)),
                ]
            ),
            np.hstack([np.zeros((n_free, n_splines)), np.diag(inverse_std)]),
        ]
    )
    orthogonal, triangle = np.linalg.qr(rows)
    strength = np.abs(np.diag(triangle))
    kept = orthogonal[: sigma.shape[0], strength > 1e-10 * strength.max()]
    light = columns.unit @ fit.solution.locals[number][fit.layout.linear]
    residual = (spectrum.intensity - light) / spectrum.sigma
    trial = shapes / sigma
    seen = kept.T @ trial
    left = trial.T @ residual - seen.T @ (kept.T @ residual)
    power = np.einsum("ij,ij->j", trial, trial) - np.einsum("ij,ij->j", seen, seen)
    whole = np.einsum("ij,ij->j", trial, trial)
    usable = power > 1e-3 * whole
    return np.where(usable, left, 0.0), np.where(usable, power, 0.0)
