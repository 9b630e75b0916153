"""What is fitted to a spectrum: bands, templates, baseline, and what they share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from structkit.errors import SchemaError
from structkit.raman.bands import Band
from structkit.raman.shapes import Shape

Floats = NDArray[np.float64]

_MIN_TEMPLATE_POINTS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineOptions:
    """The baseline that is fitted together with the bands: a penalised spline."""

    knot_spacing: float = 110.0
    """Distance of the knots, **cm-1**: what is narrower than about this is a band."""
    penalty_order: int = 2
    """Differences of neighbouring coefficients that are held small: the higher, the
    sharper the border between what the baseline can be and what only bands can."""
    undersmoothing: float = 0.01
    """Weight of the penalty that is used, over the most probable one."""
    edge_decays: tuple[float, ...] = (12.0, 24.0, 48.0, 96.0)
    """Decay lengths of what the laser's filter lets through, **cm-1**; each with a
    positive weight. Left out where the range starts above ``edge_below``."""
    edge_below: float = 200.0
    """First Raman shift above which there is no edge, **cm-1**."""
    smoothness: float | None = None
    """Weight of the penalty relative to the light; None: found, see
    :func:`structkit.raman.fit.choose_smoothness`."""

    def __post_init__(self) -> None:
        """Refuse what no baseline can be."""
        if not self.knot_spacing > 0.0:
            raise SchemaError("knot_spacing must be positive")
        if self.penalty_order not in (1, 2, 3, 4, 5):
            raise SchemaError("penalty_order must be a whole number of 1 to 5")
        if not 0.0 < self.undersmoothing <= 1.0:
            raise SchemaError("undersmoothing must lie in 0 to 1, 0 excluded")
        if self.smoothness is not None and not self.smoothness > 0.0:
            raise SchemaError("smoothness must be positive; None finds it")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Template:
    """A measured spectrum as one column of the fit: a crystal, a glass, a blank."""

    name: str
    """Label in tables."""
    species: str
    """What it shows."""
    raman_shift: ArrayLike
    """Ascending, **cm-1**, shape (n_points,); it must cover the range of the fit."""
    values: ArrayLike
    """Its spectrum without background light, shape (n_points,)."""
    background: bool = False
    """A blank: no part of the sample, and no axis shift of its own."""

    def __post_init__(self) -> None:
        """Refuse what is no spectrum."""
        shift = np.asarray(self.raman_shift, dtype=float)
        values = np.asarray(self.values, dtype=float)
        if shift.ndim != 1 or shift.shape != values.shape:
            raise SchemaError(
                f"template {self.name!r}: shift and values must be one array each, of "
                "the same length"
            )
        if shift.size < _MIN_TEMPLATE_POINTS or np.any(np.diff(shift) <= 0.0):
            raise SchemaError(
                f"template {self.name!r}: needs {_MIN_TEMPLATE_POINTS} ascending points"
            )
        if not (np.all(np.isfinite(values)) and np.all(np.isfinite(shift))):
            raise SchemaError(f"template {self.name!r}: holds values not finite")
        area = float(np.trapezoid(values, shift))
        if not area > 0.0:
            raise SchemaError(
                f"template {self.name!r}: its area is {area:g}; take its background off"
            )

    def covers(self, low: float, high: float) -> bool:
        """Return whether the template reaches over a range, cm-1."""
        shift = np.asarray(self.raman_shift, dtype=float)
        return bool(shift[0] <= low and shift[-1] >= high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tie:
    """Bands whose areas keep one ratio: the spectrum of a species in one column."""

    name: str
    """Label of the column."""
    species: str
    """Whose bands they are."""
    bands: tuple[str, ...]
    """Names of the bands."""
    shares: tuple[float, ...]
    """Share of each in the column's area; any sum."""

    def __post_init__(self) -> None:
        """Refuse what ties nothing."""
        if not self.bands or len(self.bands) != len(self.shares):
            raise SchemaError(f"tie {self.name!r}: give one share for each band")
        if min(self.shares) < 0.0 or not sum(self.shares) > 0.0:
            raise SchemaError(f"tie {self.name!r}: shares must be positive")


@dataclass(frozen=True, slots=True, kw_only=True)
class BandModel:
    """Bands and templates over a co-fitted baseline."""

    bands: tuple[Band, ...]
    """Free bands; those of one ``family`` share width and shape."""
    templates: tuple[Template, ...] = ()
    """Measured spectra, each with a scale and a small shift."""
    ties: tuple[Tie, ...] = ()
    """Bands that share one area."""
    shape: Shape = "pseudo-voigt"
    """Shape of the free bands."""
    instrument_fwhm: float = 0.0
    """Gaussian FWHM of the instrument, **cm-1**: the least width of a pseudo-Voigt,
    convolved into a Voigt."""
    shift_std: float = 0.3
    """1 sigma of the axis error from spot to spot, **cm-1**; 0 holds the axis."""
    baseline: BaselineOptions = field(default_factory=BaselineOptions)
    """The baseline."""
    loss: Literal["robust", "normal"] = "robust"
    """``robust`` takes weight from points that stand out of their neighbours."""
    drift: bool = False
    """Let shared centres and widths move along the series' axis."""

    def __post_init__(self) -> None:
        """Refuse what no model can be."""
        if not self.bands and not self.templates:
            raise SchemaError("a model needs a band or a template")
        names = [band.name for band in self.bands]
        names += [template.name for template in self.templates]
        names += [tie.name for tie in self.ties]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise SchemaError(f"names used twice in a model: {', '.join(twice)}")
        known = {band.name for band in self.bands}
        tied = [name for tie in self.ties for name in tie.bands]
        if not set(tied) <= known or len(set(tied)) < len(tied):
            raise SchemaError("a tie names a band that is not there, or tied twice")
        if self.instrument_fwhm < 0.0 or self.shift_std < 0.0:
            raise SchemaError("instrument_fwhm and shift_std must not be negative")

    @property
    def families(self) -> tuple[str, ...]:
        """Return the names of the families, in order of their first band."""
        return tuple(dict.fromkeys(band.family or band.name for band in self.bands))

    @property
    def free_bands(self) -> tuple[int, ...]:
        """Return the places of the bands that have an area of their own."""
        tied = {name for tie in self.ties for name in tie.bands}
        return tuple(k for k, b in enumerate(self.bands) if b.name not in tied)

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of all columns: free bands, ties, templates."""
        free = [self.bands[k].name for k in self.free_bands]
        return (*free, *(t.name for t in self.ties), *(t.name for t in self.templates))

    @property
    def species(self) -> tuple[str, ...]:
        """Return the species of each column."""
        free = [self.bands[k].species for k in self.free_bands]
        tied = [tie.species for tie in self.ties]
        return (*free, *tied, *(template.species for template in self.templates))

    @property
    def shares(self) -> Floats:
        """Return the share of each band in each column of bands.

        Returns
        -------
        ndarray, shape (n_bands, n_free + n_ties)
        """
        free, places = self.free_bands, {b.name: k for k, b in enumerate(self.bands)}
        matrix = np.zeros((len(self.bands), len(free) + len(self.ties)))
        matrix[list(free), range(len(free))] = 1.0
        for column, tie in enumerate(self.ties, start=len(free)):
            whole = sum(tie.shares)
            for name, share in zip(tie.bands, tie.shares, strict=True):
                matrix[places[name], column] = share / whole
        return matrix
