"""What one technique measured along a series, and its link to the amorphous share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from structkit.index.links import (
    amorphous_share,
    effective_conductivity,
    glass_share,
    logit,
)

Floats = NDArray[np.float64]

_GRID = np.linspace(0.0, 1.0, 401)
_FLOOR = 1e-3
"""Least conductivity of a medium, over that of its crystal: keeps logarithms finite."""


class Link(Protocol):
    """From amorphous shares to what is measured. ``n_shared`` errors are common."""

    @property
    def n_shared(self) -> int:
        """Return how many standard normal errors all samples share."""
        ...

    def predict(self, alpha: Floats, shared: Floats) -> Floats:
        """Return what is measured of shares ``alpha``, shape (n_samples,)."""
        ...

    def invert(self, values: Floats) -> Floats:
        """Return the shares of measured values where no shared error acts."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DirectLink:
    """The amorphous share itself, one constant behind the crystals of all samples."""

    scale_std: float = 0.0
    """1 sigma of that constant, relative; 0: none is shared."""

    @property
    def n_shared(self) -> int:
        """Return 1 where a constant is shared."""
        return int(self.scale_std > 0.0)

    def predict(self, alpha: Floats, shared: Floats) -> Floats:
        """Return ``alpha + (1 - alpha) g``."""
        if not self.n_shared:
            return alpha
        return np.asarray(alpha + (1.0 - alpha) * self.scale_std * shared[0])

    def invert(self, values: Floats) -> Floats:
        """Return the values."""
        return values


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OddsLink:
    """The logarithm of a ratio of signals, glass over crystal, per formula unit.

    ``ln R = logit(phi) - ln(kappa)``.
    """

    product: Floats
    """``a`` of :func:`structkit.index.links.glass_share`, shape (n_samples,)."""
    chloride: Floats
    """``b``, shape (n_samples,)."""
    kappa: float = 1.0
    """Cross-section of the crystal over that of the glass."""
    kappa_std: float = 0.7
    """1 sigma of its logarithm."""

    @property
    def n_shared(self) -> int:
        """Return 1: kappa."""
        return int(self.kappa_std > 0.0)

    def predict(self, alpha: Floats, shared: Floats) -> Floats:
        """Return ``ln R``."""
        phi = glass_share(alpha, self.product, self.chloride)
        extra = self.kappa_std * shared[0] if self.n_shared else 0.0
        return np.asarray(logit(phi) - np.log(self.kappa) - extra)

    def invert(self, values: Floats) -> Floats:
        """Return the shares."""
        phi = 1.0 / (1.0 + np.exp(-(values + np.log(self.kappa))))
        return amorphous_share(phi, self.product, self.chloride)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MixtureLink:
    """A mean of two ends by amount: ``y = c + (a - c) phi``."""

    product: Floats
    """``a`` of :func:`structkit.index.links.glass_share`, shape (n_samples,)."""
    chloride: Floats
    """``b``, shape (n_samples,)."""
    crystal: float
    """``c``: what the crystal alone shows, the metric's own units."""
    crystal_std: float
    """Its 1 sigma."""
    glass: float
    """``a``: what the glass alone shows, the same units."""
    glass_std: float
    """Its 1 sigma."""

    @property
    def n_shared(self) -> int:
        """Return 2: both ends."""
        return 2

    def predict(self, alpha: Floats, shared: Floats) -> Floats:
        """Return the mean."""
        phi = glass_share(alpha, self.product, self.chloride)
        low = self.crystal + self.crystal_std * shared[0]
        high = self.glass + self.glass_std * shared[1]
        return np.asarray(low + (high - low) * phi)

    def invert(self, values: Floats) -> Floats:
        """Return the shares; they may lie outside 0..1."""
        phi = (values - self.crystal) / (self.glass - self.crystal)
        return amorphous_share(phi, self.product, self.chloride)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MediumLink:
    """The logarithm of a conductivity of glass, crystal and what insulates.

    Bruggeman's medium, weights taken for volumes. Above a glass share of about 0.8 it
    says nearly nothing.
    """

    conducting: Floats
    """Share of the crystals (by weight) that conducts, shape (n_samples,)."""
    crystal: float
    """Logarithm of the conductivity of the crystal."""
    crystal_std: float
    """Its 1 sigma."""
    glass: float
    """Logarithm of the conductivity of the glass."""
    glass_std: float
    """Its 1 sigma."""

    @property
    def n_shared(self) -> int:
        """Return 2: both ends."""
        return 2

    def predict(self, alpha: Floats, shared: Floats) -> Floats:
        """Return the logarithm."""
        return self._of(np.clip(alpha, 0.0, 1.0), self.conducting, shared)

    def invert(self, values: Floats) -> Floats:
        """Return the shares, 0 or 1 for what no share conducts."""
        grid = self._of(_GRID[None, :], self.conducting[:, None], np.zeros(2))
        return np.asarray(
            [
                np.interp(one, row, _GRID) if np.isfinite(one) else np.nan
                for one, row in zip(values, np.maximum.accumulate(grid, 1), strict=True)
            ]
        )

    def _of(self, alpha: Floats, conducting: Floats, shared: Floats) -> Floats:
        """Return the logarithm of the medium's conductivity."""
        crystal = self.crystal + self.crystal_std * shared[0]
        glass = self.glass + self.glass_std * shared[1]
        rest = 1.0 - alpha
        relative = float(np.exp(min(crystal - glass, 50.0)))
        medium = effective_conductivity(alpha, rest * conducting, relative)
        return np.asarray(glass + np.log(np.maximum(medium, _FLOOR * relative)))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evidence:
    """One technique along a series."""

    name: str
    """``xrd``, ``raman``, ``nmr``, ``t1``, ``eis``, or the user's own."""
    values: Floats
    """Measured, in the units of the link, shape (n_samples,); NaN: not measured."""
    variances: Floats
    """Of each alone, shape (n_samples,)."""
    link: Link
    """To the amorphous share."""
    structural: bool = True
    """Whether it sees structure, not a property that shall be explained by it."""
    low: Floats = field(default_factory=lambda: np.empty(0))
    """Lower bound of the share where there is no value; empty: none."""
    high: Floats = field(default_factory=lambda: np.empty(0))
    """Upper bound of the share where there is no value; empty: none."""
    remarks: tuple[str, ...] = ()
    """What to know, one for each sample; empty: nothing."""

    @property
    def measured(self) -> NDArray[np.bool_]:
        """Return where there is a value."""
        return np.isfinite(self.values) & (self.variances > 0.0)

    @property
    def bounded(self) -> NDArray[np.bool_]:
        """Return where there are bounds in place of a value."""
        if not self.low.size:
            return np.zeros(self.values.shape, dtype=bool)
        return ~self.measured & (np.isfinite(self.low) | np.isfinite(self.high))

    @property
    def speaks(self) -> NDArray[np.bool_]:
        """Return where there is anything."""
        return self.measured | self.bounded

    def is_copy_of(self, other: Evidence) -> bool:
        """Return whether both hold the same numbers: a copy is no new evidence."""
        return (
            type(self.link) is type(other.link)
            and np.allclose(self.values, other.values, equal_nan=True)
            and np.allclose(self.variances, other.variances, equal_nan=True)
        )
