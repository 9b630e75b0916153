"""Sites of a spectrum as the user states them, and the options of their fit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from structkit.errors import SchemaError

SiteShape = Literal["pseudo-voigt", "voigt", "czjzek"]

FWHM_RANGE = 20.0
"""Default limits of a width: its start times and over this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One site: where its line is looked for and what is known of it."""

    name: str
    """As in tables, such as ``NaCl``."""
    shift_ppm: float
    """Chemical shift to start from, **ppm**; of a Czjzek line the isotropic one."""
    fwhm_hz: float
    """Full width at half maximum to start from, **Hz**; of a Czjzek line that of its
    broadening."""
    shape: SiteShape = "pseudo-voigt"
    """Sum, convolution, or second-order quadrupolar line of a disordered site."""
    shift_window_ppm: tuple[float, float] | None = None
    """Limits of the shift, **ppm**; two widths to each side of the start by default,
    equal limits hold it."""
    fwhm_window_hz: tuple[float, float] | None = None
    """Limits of the width, **Hz**; a factor 20 to each side by default."""
    lorentzian_share: float = 0.5
    """To start from: 0 Gaussian to 1 Lorentzian."""
    share_window: tuple[float, float] = (0.0, 1.0)
    """Limits of the Lorentzian share; equal ones hold it."""
    shift_prior_std_ppm: float = math.inf
    """1 sigma of a normal prior on the shift, **ppm**."""
    fwhm_prior_log_std: float = math.inf
    """1 sigma of a normal prior on the logarithm of the width."""
    sigma_cq_mhz: float = 0.0
    """Czjzek's width of the distribution to start from, **MHz**."""
    t1_s: float | None = None
    """Longitudinal relaxation time, **s**; with it the lifetime width is told."""
    t1_std_s: float = 0.0
    """1 sigma of it, **s**."""

    def __post_init__(self) -> None:
        """Check the values."""
        if not self.fwhm_hz > 0.0:
            raise SchemaError(f"site {self.name}: fwhm_hz must be positive")
        if self.shape == "czjzek" and not self.sigma_cq_mhz > 0.0:
            raise SchemaError(f"site {self.name}: czjzek needs sigma_cq_mhz to start")
        if self.t1_s is not None and not self.t1_s > 0.0:
            raise SchemaError(f"site {self.name}: t1_s must be positive")
        self._check("shift_ppm", self.shift_ppm, self.shift_window_ppm)
        self._check("fwhm_hz", self.fwhm_hz, self.fwhm_window_hz)
        self._check("lorentzian_share", self.lorentzian_share, self.share_window)

    def _check(
        self, name: str, value: float, window: tuple[float, float] | None
    ) -> None:
        """Raise where a start is outside its window."""
        if window is not None and not window[0] <= value <= window[1]:
            raise SchemaError(
                f"site {self.name}: {name} = {value} is outside its window {window}"
            )

    def shift_limits(self, larmor_frequency: float) -> tuple[float, float]:
        """Return the limits of the shift in **ppm**; the frequency is in **MHz**."""
        if self.shift_window_ppm is not None:
            return self.shift_window_ppm
        reach = 2.0 * self.fwhm_hz / larmor_frequency
        return self.shift_ppm - reach, self.shift_ppm + reach

    def fwhm_limits(self) -> tuple[float, float]:
        """Return the limits of the width in **Hz**."""
        if self.fwhm_window_hz is not None:
            return self.fwhm_window_hz
        return self.fwhm_hz / FWHM_RANGE, self.fwhm_hz * FWHM_RANGE


@dataclass(frozen=True, slots=True, kw_only=True)
class LineFitOptions:
    """How sites are fitted to a spectrum."""

    window_ppm: tuple[float, float] | None = None
    """Points that are fitted, **ppm**; all by default."""
    baseline_order: int = 1
    """Order of the polynomial below the lines; -1 for none."""
    phase: Literal["none", "zero", "first"] = "none"
    """Phase that is fitted; needs ``intensity_imag``."""
    area_sign: Literal["free", "positive"] = "free"
    """Free areas are unbiased where there is no line; positive ones are steadier where
    lines overlap."""
    mas_rate_hz: float | None = None
    """Spinning rate as judged, **Hz**; a declared one is not trusted."""
    sideband_orders: tuple[int, ...] = ()
    """Orders of sidebands that every site has, such as ``(-1, 1)``."""
    sideband_areas: Literal["free", "shared"] = "free"
    """Area of every sideband for itself, or one ratio to the centreband for each order,
    the same for all sites."""
    sidebands: Literal["included", "excluded"] = "included"
    """Whether the areas of sites hold those of their sidebands; for all or for none."""
    noise_window_ppm: tuple[float, float] | None = None
    """Where there is no signal: gives noise and its correlation, **ppm**."""
    correlation_length: float | None = None
    """Points that share one noise value. By default the correlation is that of the
    processing (:func:`structkit.nmr.spectrum.find_correlation`) where a decay was
    processed here, else measured, which understates long ones by some 15 %."""
    spin: float = 1.5
    """Of the nucleus, for Czjzek lines."""
    n_starts: int = 6
    """Most starts; fewer where two reach the same minimum."""
    max_steps: int = 500
    """Most steps from each start."""
    seed: int = 0
    """Of the starts."""

    def __post_init__(self) -> None:
        """Check the values."""
        if 0 in self.sideband_orders:
            raise SchemaError("sideband_orders must not hold 0, the centreband")
        if self.sideband_orders and self.mas_rate_hz is None:
            raise SchemaError("sideband_orders need mas_rate_hz, judged from the data")
        if self.n_starts < 1 or self.max_steps < 1 or self.baseline_order < -1:
            raise SchemaError(
                "n_starts and max_steps must be 1 or more, baseline_order -1 or more"
            )
