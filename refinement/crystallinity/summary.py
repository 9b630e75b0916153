"""What is said of a series as a whole: absolute or not, its constant, attenuation."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr

from refinement.crystallinity.content import SeriesContent
from refinement.crystallinity.external import InstrumentConstant
from refinement.crystallinity.facts import SeriesFacts

QUANTITY = "quantity"
"""Dimension: names of what is said."""
Row = tuple[str, float, str]


def summarize_series(content: SeriesContent, facts: SeriesFacts) -> xr.Dataset:
    """Return the numbers and remarks that concern the whole series.

    Returns
    -------
    xarray.Dataset
        Over ``quantity``: ``value`` (units in its name or ``1``) and ``remark``.
    """
    rows = [_absolute(content), *_constants(content), *_attenuation(content, facts)]
    rows.append(_blank(content))
    if content.halo_reference:
        rows.append(("halo_reference", math.nan, content.halo_reference))
    return xr.Dataset(
        {
            "value": (QUANTITY, [value for _, value, _ in rows]),
            "remark": (QUANTITY, [remark for _, _, remark in rows]),
        },
        coords={QUANTITY: [name for name, _, _ in rows]},
    )


def _absolute(content: SeriesContent) -> Row:
    """Say whether the series has absolute amounts."""
    spoken = [one.primary for one in content.samples.values() if one.primary]
    absolute = [one for one in spoken if one.has_value]
    methods = ", ".join(dict.fromkeys(one.method for one in spoken)) or "none"
    whole = len(absolute) == len(content.samples) > 0
    remark = (
        f"{len(absolute)} of {len(content.samples)} samples have an absolute amorphous "
        f"content; methods: {methods}"
    )
    return "absolute", float(whole), remark


def _constants(content: SeriesContent) -> list[Row]:
    """Say what the instrument's constant is, and what other sources say of it."""
    chosen = content.constants.chosen
    if chosen is None:
        return [("instrument_constant", math.nan, content.constants.reason)]
    rows: list[Row] = [
        ("instrument_constant", chosen.common, f"cm2/g; {content.constants.reason}"),
        (
            "instrument_constant_relative_std",
            chosen.log_common_std,
            f"from {', '.join(one.phase for one in chosen.estimates)} in "
            f"{', '.join(chosen.samples)}",
        ),
        ("instrument_constant_spread", chosen.spread, _spread(chosen)),
        (
            "particle_size_um",
            chosen.particle_size_um,
            f"diameter that fits the estimates best; {chosen.size_class} in Brindley's "
            "classes at the largest allowed",
        ),
    ]
    for one, deviation in zip(chosen.estimates, chosen.deviations, strict=True):
        rows.append(
            (
                f"instrument_constant_over_common:{one.phase}",
                math.exp(float(deviation)),
                f"its content {one.weight_fraction:.4f} in {one.sample}",
            )
        )
    for other in content.constants.others:
        std = math.hypot(other.log_common_std, chosen.log_common_std)
        rows.append(
            (
                f"instrument_constant_over_chosen:{other.source}",
                math.exp(other.log_common - chosen.log_common),
                f"relative 1 sigma {std:.3f}",
            )
        )
    return rows


def _spread(constant: InstrumentConstant) -> str:
    """Say what the estimates' spread means."""
    if constant.degrees_of_freedom < 1:
        return "one estimate: its spread cannot be known"
    return (
        f"relative 1 sigma between phases beyond their errors; chi-square "
        f"{constant.chi_square:.1f} on {constant.degrees_of_freedom}"
    )


def _attenuation(content: SeriesContent, facts: SeriesFacts) -> list[Row]:
    """Say what mass attenuation coefficients were used."""
    names = list(content.samples)
    values = np.array([facts.attenuation_of(name) for name in names])
    known = values[np.isfinite(values)]
    if not known.size:
        return [("mass_attenuation", math.nan, "no mixture is stated")]
    if float(np.ptp(known)) < 1e-6 * float(known.max()):
        return [
            (
                "mass_attenuation",
                float(known[0]),
                "cm2/g, the same for all samples: the jar is closed",
            )
        ]
    return [
        (f"mass_attenuation:{name}", float(value), "cm2/g")
        for name, value in zip(names, values, strict=True)
        if math.isfinite(value)
    ]


def _blank(content: SeriesContent) -> Row:
    """Say how much of the blank is in the patterns."""
    return "blank_factor", content.blank.factor, content.blank.source
