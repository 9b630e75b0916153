"""The diffractometer: radiation, resolution, polarisation, axial divergence."""

from __future__ import annotations

from dataclasses import dataclass, field

from structkit.errors import PlanError
from structkit.xrd.radiation import Radiation


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """Everything about the diffractometer that shapes a pattern.

    Resolution in the Thompson-Cox-Hastings form, with angles in **degree**:
    Gaussian FWHM squared ``u tan^2 + v tan + w`` (degree squared) and Lorentzian
    FWHM ``x / cos + y tan`` (degree), both of theta.

    References
    ----------
    Thompson, Cox & Hastings (1987), J. Appl. Cryst. 20, 79,
    doi:10.1107/S0021889887087090.
    """

    radiation: Radiation
    """Emission lines."""
    u: float = 0.0
    """Caglioti U, degree squared."""
    v: float = 0.0
    """Caglioti V, degree squared."""
    w: float = 0.003
    """Caglioti W, degree squared."""
    x: float = 0.0
    """Lorentzian FWHM over 1/cos(theta), degree."""
    y: float = 0.0
    """Lorentzian FWHM over tan(theta), degree."""
    axial_divergence: float = 0.0
    """S/L = H/L: half the sample or slit height over the goniometer radius."""
    zero: float = 0.0
    """Zero shift, degree; observed = true + zero."""
    monochromator_two_theta: float | None = None
    """2theta of the monochromator crystal in degree; None: no monochromator."""
    polarization: float | None = None
    """cos^2(2 theta_m) given directly (overrides the monochromator); 1: unpolarised."""
    calibrated: bool = False
    """True when the resolution was fitted to a standard; else sizes are bounds."""
    source: str = ""
    """Where the numbers come from."""
    remarks: tuple[str, ...] = field(default=())
    """What the reader assumed or left out, in sentences."""

    def __post_init__(self) -> None:
        """Refuse values that no instrument has."""
        if self.w <= 0.0 and self.u <= 0.0 and self.x <= 0.0 and self.y <= 0.0:
            raise PlanError("instrument: all widths are zero; give W (degree squared)")
        if not 0.0 <= self.axial_divergence < 0.2:
            raise PlanError("instrument: axial_divergence must lie in [0, 0.2)")

    @property
    def polarization_ratio(self) -> float:
        """Return K of (1 + K cos^2 2theta)/(1 + K): 1 without a monochromator."""
        import math

        if self.polarization is not None:
            return self.polarization
        if self.monochromator_two_theta is None:
            return 1.0
        return math.cos(math.radians(self.monochromator_two_theta)) ** 2
