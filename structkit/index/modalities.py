"""From metrics, by their names, to evidence: which technique means what, and how far.

=============  ==========  ===========================================================
metric         technique   link
=============  ==========  ===========================================================
amorphous_     xrd         the share itself; its instrument constant is common
fraction
glass_log_     raman       logarithm of glass over crystal, kappa common
ratio
line_shift     nmr         place of the product's line (ppm) between two end samples
relaxation_    t1          rate of the product's line (s-1) between two end samples;
rate                       a property: rates average by amount
log_           eis         logarithm of the conductivity; a property, by an effective
conductivity               medium
=============  ==========  ===========================================================
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from structkit.errors import PlanError
from structkit.index.evidence import (
    DirectLink,
    Evidence,
    MediumLink,
    MixtureLink,
    OddsLink,
)
from structkit.schema import SAMPLE

Floats = NDArray[np.float64]

CRYSTAL_ROLE, GLASS_ROLE = "crystalline_reference", "glass_reference"
MODALITIES = ("xrd", "raman", "nmr", "t1", "eis")
STRUCTURAL = ("xrd", "raman", "nmr")
_WEAK_END = 0.5
"""1 sigma of an end that no sample stands for, over the range of what was measured."""
_LEAST_PHI = 0.05
_LEAST_OWN = 0.1
"""Part of a variance that is a sample's own, at least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexOptions:
    """What the analyst knows beside the measurements."""

    kappa: float = 1.0
    """Raman cross-section of the crystal over that of the glass, per tantalum."""
    kappa_std: float = 0.7
    """1 sigma of its logarithm; 0.7 is a factor of two: not calibrated."""
    shift_std: float = 0.03
    """1 sigma of the reference of a chemical shift from spectrum to spectrum, ppm."""
    rate_std: float = 0.1
    """1 sigma of a relaxation rate beyond its fit, relative: what else changes it."""
    contact_std: float = 0.3
    """1 sigma of the logarithm of a conductivity beyond its fit: contacts, wear."""
    calibrated: bool = False
    """Whether kappa was measured on mixtures of known content."""

    def __post_init__(self) -> None:
        """Refuse what is no uncertainty."""
        stds = (self.kappa_std, self.shift_std, self.rate_std, self.contact_std)
        if not self.kappa > 0.0 or min(stds) < 0.0:
            raise PlanError("[index]: kappa must be positive, no 1 sigma negative")


def make_evidence(
    metrics: xr.Dataset, options: IndexOptions | None = None
) -> tuple[Evidence, ...]:
    """Return the evidence that the metrics of a series hold.

    Parameters
    ----------
    metrics : xarray.Dataset
        Over ``sample``: any of the metrics of the module docstring with ``_std``, for
        the first also ``_low`` and ``_high``; ``role``; ``crystalline_product``,
        ``crystalline_product_std`` and ``crystalline_chloride``, the moles per
        tantalum of an all-crystalline sample of the same proportions (NaN: unknown,
        then glass counts by tantalum); ``conducting_share`` of the crystals. attr
        ``constant_std`` of ``amorphous_fraction``: 1 sigma of its constant.
    options : IndexOptions, optional
        What else is known.

    Returns
    -------
    tuple of Evidence
        One for each technique with a value, in the order of :data:`MODALITIES`.
    """
    options = options or IndexOptions()
    makers = (_xrd, _raman, _nmr, _t1, _eis)
    found = (make(_Metrics(metrics), options) for make in makers)
    return tuple(one for one in found if one is not None and one.speaks.any())


@dataclass(frozen=True, slots=True)
class _Metrics:
    """Metrics by name, NaN where there are none."""

    dataset: xr.Dataset

    @property
    def n_samples(self) -> int:
        return int(self.dataset.sizes[SAMPLE])

    def get(self, name: str) -> Floats:
        """Return a metric, shape (n_samples,)."""
        if name not in self.dataset:
            return np.full(self.n_samples, math.nan)
        return np.asarray(self.dataset[name].to_numpy(), dtype=float)

    @property
    def roles(self) -> list[str]:
        """Return the role of each sample."""
        if "role" not in self.dataset.variables:
            return [""] * self.n_samples
        return [str(one) for one in self.dataset["role"].to_numpy()]

    @property
    def proportions(self) -> tuple[Floats, Floats, Floats]:
        """Return ``a``, ``b`` and the relative 1 sigma of ``a``."""
        product = self.get("crystalline_product")
        known = np.isfinite(product)
        with np.errstate(divide="ignore", invalid="ignore"):
            std = self.get("crystalline_product_std") / product
        return (
            np.where(known, product, 1.0),
            np.where(known, np.nan_to_num(self.get("crystalline_chloride")), 0.0),
            np.where(known, np.nan_to_num(std), 0.0),
        )

    @property
    def proportion_remarks(self) -> tuple[str, ...]:
        """Return what to know where the proportions of the crystals are unknown."""
        known = np.isfinite(self.get("crystalline_product"))
        text = "share of tantalum, not of weight: no diffraction of this sample"
        return tuple("" if one else text for one in known)


def _xrd(metrics: _Metrics, options: IndexOptions) -> Evidence | None:
    """Return diffraction: the share itself."""
    values = metrics.get("amorphous_fraction")
    variances = metrics.get("amorphous_fraction_std") ** 2
    attrs = (
        metrics.dataset["amorphous_fraction"].attrs
        if "amorphous_fraction" in metrics.dataset
        else {}
    )
    constant = float(attrs.get("constant_std", 0.0))
    common = ((1.0 - values) * constant) ** 2
    own = np.maximum(variances - common, _LEAST_OWN * variances)
    return Evidence(
        name="xrd",
        values=values,
        variances=own,
        link=DirectLink(scale_std=constant),
        low=metrics.get("amorphous_fraction_low"),
        high=metrics.get("amorphous_fraction_high"),
    )


def _raman(metrics: _Metrics, options: IndexOptions) -> Evidence | None:
    """Return Raman: the odds of glass."""
    product, chloride, relative = metrics.proportions
    link = OddsLink(
        product=product,
        chloride=chloride,
        kappa=options.kappa,
        kappa_std=options.kappa_std,
    )
    values = metrics.get("glass_log_ratio")
    odds = options.kappa * np.exp(values)
    phi = np.maximum(odds / (1.0 + odds), _LEAST_PHI)
    own = metrics.get("glass_log_ratio_std") ** 2 + (relative / phi) ** 2
    return Evidence(
        name="raman",
        values=_sampled(metrics, values),
        variances=own,
        link=link,
        remarks=metrics.proportion_remarks,
    )


def _nmr(metrics: _Metrics, options: IndexOptions) -> Evidence | None:
    """Return NMR: the place of the product's line."""
    values = metrics.get("line_shift")
    variances = metrics.get("line_shift_std") ** 2 + options.shift_std**2
    return _between_ends("nmr", metrics, values, variances)


def _t1(metrics: _Metrics, options: IndexOptions) -> Evidence | None:
    """Return relaxation: the rate of the product's line."""
    values = metrics.get("relaxation_rate")
    own = metrics.get("relaxation_rate_std") ** 2
    return _between_ends("t1", metrics, values, own + (options.rate_std * values) ** 2)


def _between_ends(
    name: str, metrics: _Metrics, values: Floats, variances: Floats
) -> Evidence | None:
    """Return a metric that lies between those of two end samples, by amount."""
    crystal = _end(metrics, values, variances, role=CRYSTAL_ROLE)
    glass = _end(metrics, values, variances, role=GLASS_ROLE)
    sampled = _sampled(metrics, values)
    remark = ""
    if glass is None and np.isfinite(sampled).any() and crystal is not None:
        glass = _provisional(sampled, crystal[0])
        remark = "weak: no glass_reference, its end is the last sample's within half"
    if crystal is None or glass is None or crystal[0] == glass[0]:
        return None
    product, chloride, relative = metrics.proportions
    phi = np.clip((values - crystal[0]) / (glass[0] - crystal[0]), 0.0, 1.0)
    moved = (glass[0] - crystal[0]) * (1.0 - phi) * relative
    return Evidence(
        name=name,
        values=sampled,
        variances=variances + moved**2,
        structural=name in STRUCTURAL,
        link=MixtureLink(
            product=product,
            chloride=chloride,
            crystal=crystal[0],
            crystal_std=crystal[1],
            glass=glass[0],
            glass_std=glass[1],
        ),
        remarks=tuple(
            "; ".join(filter(None, (remark, own))) for own in metrics.proportion_remarks
        ),
    )


def _eis(metrics: _Metrics, options: IndexOptions) -> Evidence | None:
    """Return impedance: the conductivity of an effective medium.

    Its upper end is the best conductor of the series within a factor: the glass that
    conducts best need not be the glass_reference.
    """
    values = metrics.get("log_conductivity")
    variances = metrics.get("log_conductivity_std") ** 2 + options.contact_std**2
    crystal = _end(metrics, values, variances, role=CRYSTAL_ROLE)
    sampled = _sampled(metrics, values)
    if crystal is None or not np.isfinite(sampled).any():
        return None
    best = float(np.nanmax(sampled))
    if best <= crystal[0]:
        return None
    share = metrics.get("conducting_share")
    return Evidence(
        name="eis",
        values=sampled,
        variances=variances,
        structural=False,
        link=MediumLink(
            conducting=np.where(np.isfinite(share), np.clip(share, 0.0, 1.0), 1.0),
            crystal=crystal[0],
            crystal_std=crystal[1],
            glass=best,
            glass_std=_WEAK_END,
        ),
        remarks=("upper end: the best conductor of the series within a factor 1.6",)
        * metrics.n_samples,
    )


def _end(
    metrics: _Metrics, values: Floats, variances: Floats, *, role: str
) -> tuple[float, float] | None:
    """Return value and 1 sigma of the samples that stand for an end."""
    rows = [k for k, one in enumerate(metrics.roles) if one == role]
    rows = [k for k in rows if math.isfinite(values[k]) and variances[k] > 0.0]
    if not rows:
        return None
    return float(values[rows[0]]), math.sqrt(float(variances[rows[0]]))


def _provisional(values: Floats, crystal: float) -> tuple[float, float]:
    """Return the end of the sample furthest from the crystal, within half of it."""
    known = values[np.isfinite(values)]
    furthest = float(known[np.argmax(np.abs(known - crystal))])
    return furthest, _WEAK_END * max(abs(furthest - crystal), 1e-12)


def _sampled(metrics: _Metrics, values: Floats) -> Floats:
    """Return the values of samples that are no end themselves."""
    ends = np.array([one in (CRYSTAL_ROLE, GLASS_ROLE) for one in metrics.roles])
    return np.where(ends, math.nan, values)


def structural_of(evidence: Sequence[Evidence]) -> tuple[Evidence, ...]:
    """Return the evidence that sees structure."""
    return tuple(one for one in evidence if one.structural)
