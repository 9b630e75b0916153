"""The native engine's own means: priors, bounds, halo bank, windows, tolerances."""

from __future__ import annotations

from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Prior:
    """Gaussian prior and hard bounds of one kind of parameter."""

    start: float
    """Where a cold start begins, and where the prior is centred."""
    sigma: float
    """1 sigma of the prior in a first pass."""
    sigma_second: float
    """1 sigma of the prior in a second pass, centred on a neighbour."""
    low: float
    """Hard lower bound, relative to the prior's centre where ``relative``."""
    high: float
    """Hard upper bound."""
    relative: bool = False
    """Whether the bounds are counted from the prior's centre."""


def _default_priors() -> dict[str, Prior]:
    import math

    return {
        "cell": Prior(
            start=0.0, sigma=1.5, sigma_second=0.7, low=-8.0, high=8.0, relative=True
        ),
        "cell_uncertain": Prior(
            start=0.0, sigma=6.0, sigma_second=1.5, low=-25.0, high=25.0, relative=True
        ),
        "ln_size": Prior(
            start=math.log(500.0),
            sigma=1.0,
            sigma_second=0.35,
            low=math.log(45.0),
            high=math.log(1e5),
        ),
        "ln_strain": Prior(
            start=math.log(5e-4),
            sigma=1.0,
            sigma_second=0.5,
            low=math.log(1e-5),
            high=math.log(6e-3),
        ),
        "shift": Prior(start=0.0, sigma=0.06, sigma_second=0.06, low=-0.5, high=0.5),
        "w_extra": Prior(start=0.0, sigma=0.02, sigma_second=0.01, low=0.0, high=0.15),
        "ln_march": Prior(start=0.0, sigma=0.3, sigma_second=0.3, low=-1.2, high=1.2),
        "b_overall": Prior(start=0.0, sigma=0.3, sigma_second=0.3, low=-1.0, high=3.0),
        "component_offset": Prior(
            start=0.0, sigma=0.2, sigma_second=0.2, low=-0.5, high=0.5
        ),
        "component_shift": Prior(
            start=0.0, sigma=0.03, sigma_second=0.03, low=-0.2, high=0.2
        ),
        "film": Prior(start=0.0, sigma=10.0, sigma_second=10.0, low=0.0, high=200.0),
    }


def _default_resolution() -> dict[str, float]:
    return {"u": 0.005, "v": 0.003, "w": 0.005, "x": 0.03, "y": 0.05, "axial": 0.03}


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeOptions:
    """Means of the native engine; the physics stands in the plan."""

    priors: dict[str, Prior] = field(default_factory=_default_priors)
    """By kind: ``cell`` and ``cell_uncertain`` (1e-3), ``ln_size`` (angstrom),
    ``ln_strain``, ``shift`` (degree), ``w_extra`` (degree^2), ``ln_march``,
    ``b_overall`` (angstrom^2), ``component_offset`` and ``component_shift``
    (degree), ``film`` (micrometre, around the plan's thickness)."""
    resolution_sigma: dict[str, float] = field(default_factory=_default_resolution)
    """1 sigma of the weak priors of U, V, W, X, Y and S/L in a calibration; V is
    held, as U, V, W with a negative variance have no meaning."""
    prior_scale_cap: float = 25.0
    """Cap of the GOF^2 by which priors are scaled."""
    halo_growth: float = 0.2
    """FWHM of a Gaussian of the halo bank over the 2theta at which it stands: the
    interference maxima of a glass broaden about in proportion to Q."""
    halo_fwhm: tuple[float, float] = (2.0, 8.0)
    """Least and largest FWHM of a Gaussian of the halo bank, degree."""
    halo_spacing: float = 0.4
    """Distance of neighbours in the halo bank, in FWHM."""
    halo_q_max: float = 4.1
    """Q (1/angstrom) beyond which a glass scatters smoothly: the bank ends there."""
    halo_threshold: float = 0.02
    """Standard deviations that a bank member must earn: enough to make the split from
    the polynomial unique, too little to bias it."""
    hump_fwhm: float = 6.0
    """FWHM of a film or holder hump named by the plan, degree."""
    value_window: float = 25.0
    """Half-range of a line in FWHM when intensities are calculated."""
    derivative_window: float = 12.0
    """Half-range of a line in FWHM for derivatives."""
    points_per_fwhm: float = 5.0
    """Internal grid points over the narrowest line, as expected."""
    least_points_per_fwhm: float = 3.5
    """Points below which a fit is repeated on a finer grid."""
    axial_nodes: int = 10
    """Gauss nodes of the axial-divergence integral."""
    tolerance: float = 0.05
    """Predicted decrease of chi-square, over GOF^2, at which a fit has converged."""
    max_steps: int = 40
    """Most accepted steps in one stage."""
    weak_phase: float = 25.0
    """Scale over esd below which a phase's parameters are not handed on."""
    clear_phase: float = 8.0
    """Scale over esd from which a phase's size can be told at all."""
    harmonics_ridge: float = 0.3
    """1 sigma of a harmonic texture coefficient."""
    gof_alarm: float = 1.1
    """GOF over the series' median at which fallbacks are tried."""
    refine_film: bool = False
    """Refine the film's thickness, where the plan has a film (with texture and B)."""
    systematics: bool = True
    """State systematic uncertainties of the fractions (extra linear fits)."""

    def halo_width(self, angle: float) -> float:
        """Return the FWHM of the halo bank's Gaussian at ``angle``, both degree."""
        low, high = self.halo_fwhm
        return min(max(self.halo_growth * angle, low), high)

    def stretch_halo(self, factor: float) -> NativeOptions:
        """Return the options with every member of the halo bank wider by ``factor``."""
        if factor == 1.0:
            return self
        low, high = self.halo_fwhm
        return replace(
            self,
            halo_growth=factor * self.halo_growth,
            halo_fwhm=(factor * low, factor * high),
        )
