"""Bands and what is known of them before a spectrum is fitted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from structkit.errors import SchemaError

Grade = Literal["verified", "study", "memory", "user"]
"""How far to trust a wavenumber: seen in the source, printed in the study without
being checked elsewhere, remembered, or given by the user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """One Raman band: where it is expected, how broad, whose it is."""

    name: str
    """Unique, short: the label in tables and figures."""
    species: str
    """What it belongs to; bands of one species may share their width."""
    wavenumber: float
    """Expected centre, **cm-1**."""
    wavenumber_std: float = 15.0
    """1 sigma of the normal prior on the centre, **cm-1**."""
    window: tuple[float, float] | None = None
    """Hard limits of the centre, **cm-1**; None: four sigma around it."""
    fwhm: float = 15.0
    """Expected full width at half maximum, **cm-1**."""
    fwhm_factor: float = 2.0
    """1 sigma of the log-normal prior on the width, as a factor."""
    lorentz: float = 0.5
    """Expected Lorentzian share, 0 Gaussian to 1 Lorentzian."""
    lorentz_std: float = 0.3
    """1 sigma of the normal prior on it."""
    skew: float = 0.0
    """Expected skew: how much more of the width lies above the centre than below."""
    skew_std: float = 0.0
    """1 sigma of the normal prior on it; 0 holds it. Each band has its own."""
    family: str = ""
    """Bands of one family share width and shape; empty: a family of its own."""
    mode: str = ""
    """What moves, in words."""
    symmetry: str = ""
    """Irreducible representation and point group."""
    raman_active: bool = True
    """False where symmetry forbids it: it appears only when symmetry is lost."""
    strength: float = 1.0
    """Rough share of the strongest band of its species, for starts and remarks."""
    source: str = ""
    """Author, year, what was measured."""
    doi: str = ""
    """DOI of the source."""
    grade: Grade = "memory"
    """How far to trust the wavenumber."""
    in_hypotheses: bool = True
    """Whether a fit of its species takes it; False: listed to be known of."""
    remark: str = ""
    """What to keep in mind, in a sentence or two."""

    def __post_init__(self) -> None:
        """Refuse what no band can be."""
        if not self.name:
            raise SchemaError("a band needs a name")
        for field in ("wavenumber", "wavenumber_std", "fwhm"):
            if not getattr(self, field) > 0.0:
                raise SchemaError(f"band {self.name!r}: {field} must be positive")
        if not self.fwhm_factor > 1.0:
            raise SchemaError(f"band {self.name!r}: fwhm_factor must be above 1")
        if self.strength < 0.0:
            raise SchemaError(f"band {self.name!r}: strength must not be negative")
        if self.grade not in get_args(Grade):
            raise SchemaError(
                f"band {self.name!r}: grade {self.grade!r} is none of {get_args(Grade)}"
            )
        if not (abs(self.skew) < 1.0 and self.skew_std >= 0.0):
            raise SchemaError(
                f"band {self.name!r}: skew must lie between -1 and 1, skew_std at 0 or "
                "above"
            )
        low, high = self.limits
        if not low < self.wavenumber < high:
            raise SchemaError(
                f"band {self.name!r}: its window {low:g} to {high:g} cm-1 does not "
                f"hold its wavenumber {self.wavenumber:g}; give both"
            )

    @property
    def limits(self) -> tuple[float, float]:
        """Return the hard limits of the centre, cm-1."""
        reach = 4.0 * self.wavenumber_std
        return self.window or (self.wavenumber - reach, self.wavenumber + reach)
