"""Which share of a line is glass: two measured spectra as templates.

Lines of glass and crystal may lie closer than they are wide, so that one fitted line is
neither. But both were measured alone. In the time domain a mixture is

    F(t) = A exp(-2 pi i e t) [(1 - s) F_c(t) exp(-pi d_c t) + s F_g(t) exp(-pi d_g t)],

with what relaxation does to each width put right: ``d`` is the lifetime width
``1/(pi T1)`` of the sample less that of the template. Tails, skew and quadrupolar shifts
of both lines come along unmodelled; a complex ``A`` takes an error of phase. With
priors: ``e``, the error of the shift reference; the phase between the templates; what
else than lifetime broadens either. Kernels: numpy in and out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult, least_squares

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]

LONGEST_S = 4e-3
"""Of the decays compared, **s**: lines of 100 Hz and more are gone by then."""
WINDOW_HZ = 2600.0
"""Half width of the cosine window about the line, **Hz**: other lines stay outside."""
BROADENING_STD = 20.0
"""1 sigma of the width beyond lifetime by which sample and template differ, **Hz**."""
PHASE_STD = 0.05
"""1 sigma of the phase between the templates, **rad**."""
MODEL_STD = 0.05
"""1 sigma of the share beyond noise: what two templates leave out."""
_FIRST = 2
"""First point in time: broad baselines are in those before."""
_ROUNDS = 4
_LOG_GAIN = math.log(20.0)
"""Logarithm of the largest factor by which a template may be sharpened."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ProductLine:
    """The product's line of one spectrum, other lines and baseline taken away."""

    frequency: Floats
    """Ascending and even, **Hz** from the reference, shape (n_points,)."""
    intensity: Floats
    """Shape (n_points,)."""
    centre: float
    """Place of the line, **Hz**."""
    area: float
    """Of the line, intensity times **Hz**."""
    lifetime_width: float = math.nan
    """``1/(pi T1)``, **Hz**; NaN: unknown."""

    @property
    def step(self) -> float:
        """Return the distance of points, **Hz**."""
        return float(np.mean(np.diff(self.frequency)))

    def windowed(self, centre: float) -> ProductLine:
        """Return the line within a cosine window about a place, **Hz**."""
        away = (self.frequency - centre) / WINDOW_HZ
        shape = np.where(np.abs(away) < 1.0, np.cos(0.5 * np.pi * away) ** 2, 0.0)
        return replace(self, intensity=self.intensity * shape)

    def times(self) -> Floats:
        """Return the times at which its decay is compared, **s**."""
        dwell = 1.0 / (self.step * self.frequency.size)
        return np.asarray(dwell * np.arange(_FIRST, max(LONGEST_S / dwell, _FIRST + 8)))

    def decay(self, time: Floats) -> Complexes:
        """Return the decay at some times, per area."""
        phases = np.exp(2j * np.pi * np.outer(time, self.frequency))
        return np.asarray(phases @ self.intensity * (self.step / self.area))

    def noise(self) -> float:
        """Return 1 sigma of each part of the decay: of later times, without a line."""
        dwell = 1.0 / (self.step * self.frequency.size)
        late = np.arange(2.0 * LONGEST_S, 4.0 * LONGEST_S, dwell)
        late = late[late < 0.5 / self.step]
        if late.size < 4:
            late = self.times()[-4:]
        return float(np.sqrt(np.mean(np.abs(self.decay(late)) ** 2) / 2.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class GlassShare:
    """Share of a line that is glass."""

    share: float
    """Not held within 0..1; NaN where it cannot be told."""
    std: float
    """1 sigma, errors of templates, reference and model included."""
    offset: float
    """Error of the shift reference, **Hz**."""
    misfit: float
    """Root of chi-square over degrees of freedom."""
    remark: str
    """What to know."""


def find_glass_share(
    sample: ProductLine,
    crystal: ProductLine,
    glass: ProductLine,
    *,
    reference_std: float,
) -> GlassShare:
    """Return which share of a product's line is glass.

    Parameters
    ----------
    sample, crystal, glass : ProductLine
        On axes of the same reference; steps may differ.
    reference_std : float
        1 sigma of the reference from one spectrum to the next, **Hz**.

    Returns
    -------
    GlassShare
        By least squares of the decays up to 4 ms, weighted by the noise of all three.
        Its 1 sigma is scaled up where the templates miss the sample.

    Notes
    -----
    Without T1 of all three, widths are taken as measured, and the remark says so.
    """
    middle = 0.5 * (crystal.centre + glass.centre)
    lines = [one.windowed(middle) for one in (sample, crystal, glass)]
    time = lines[0].times()
    mixture = _Mixture(
        time=time,
        signal=lines[0].decay(time),
        sigma=lines[0].noise(),
        templates=_templates(lines, time),
        spread=math.sqrt(1.5) * reference_std,
    )
    found, misfit = mixture.fit()
    covariance = np.linalg.pinv(found.jac.T @ found.jac)
    share_std = math.sqrt(float(covariance[0, 0]))
    known = all(math.isfinite(one.lifetime_width) for one in lines)
    remark = "" if known else "without T1 of all three: widths as measured"
    if not share_std < 1.0:
        remark = "crystal and glass have the same line within its errors"
        share_std = math.nan
    return GlassShare(
        share=float(found.x[0]) if share_std < 1.0 else math.nan,
        std=math.hypot(share_std * max(misfit, 1.0), MODEL_STD),
        offset=float(found.x[3]) * mixture.spread,
        misfit=misfit,
        remark=remark,
    )


def _templates(
    lines: list[ProductLine], time: Floats
) -> list[tuple[Complexes, Floats]]:
    """Return the decays of both ends in phase and of the sample's lifetime, and noise."""
    found = []
    for one in lines[1:]:
        change = lines[0].lifetime_width - one.lifetime_width
        exponent = -np.pi * (change if math.isfinite(change) else 0.0) * time
        gain = np.exp(np.minimum(exponent, _LOG_GAIN))
        own = one.decay(time)
        found.append((own * np.exp(-1j * _phase(own, time)) * gain, one.noise() * gain))
    return found


def _phase(decay: Complexes, time: Floats) -> float:
    """Return the phase of a decay at time zero, by a line through its phases."""
    angles = np.unwrap(np.angle(decay))
    return float(np.polyfit(time, angles, 1, w=np.abs(decay))[1])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Mixture:
    """A decay and the two that shall make it."""

    time: Floats
    signal: Complexes
    sigma: float
    templates: list[tuple[Complexes, Floats]]
    spread: float

    def fit(self) -> tuple[OptimizeResult, float]:
        """Return the fit and its misfit, weights after the share found."""
        unknown = np.array([0.5, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0])
        weights = np.full(self.time.size, 1.0 / self.sigma)
        for _ in range(_ROUNDS):
            found = least_squares(self._residual, unknown, args=(weights,))
            unknown = found.x
            share = float(np.clip(unknown[0], -0.2, 1.2))
            noises = [noise for _, noise in self.templates]
            both = ((1.0 - share) * noises[0]) ** 2 + (share * noises[1]) ** 2
            weights = 1.0 / np.sqrt(self.sigma**2 + both)
        freedom = max(found.fun.size - unknown.size, 1)
        return found, math.sqrt(2.0 * float(found.cost) / freedom)

    def _residual(self, unknown: Floats, weights: Floats) -> Floats:
        """Return weighted differences, both parts, and priors."""
        share, real, imaginary, *priors = unknown
        offset, phase, crystal, glass = priors
        broaden = -np.pi * BROADENING_STD * self.time
        mixed = (1.0 - share) * self.templates[0][0] * np.exp(broaden * crystal)
        turned = np.exp(1j * phase * PHASE_STD + broaden * glass)
        mixed = mixed + share * self.templates[1][0] * turned
        turning = np.exp(-2j * np.pi * offset * self.spread * self.time)
        miss = weights * (self.signal - (real + 1j * imaginary) * turning * mixed)
        return np.concatenate([miss.real, miss.imag, np.asarray(priors)])
