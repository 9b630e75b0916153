"""Kinds of claims about arcs of impedance spectra: bulk or grain boundary."""

from __future__ import annotations

import math

from structkit.checks.claim_kind import ClaimKind, Given, InputSpec
from structkit.checks.judge import (
    ClaimVerdict,
    Outcome,
    exact,
    judge_above,
    spread,
)
from structkit.checks.kinds_eis import SIGMA, conductivity_input
from structkit.checks.quantity import Quantity
from structkit.eis.arrhenius_line import BOLTZMANN_EV
from structkit.eis.capacitance import VACUUM_PERMITTIVITY, relaxation_frequency
from structkit.eis.pellet import Pellet


def _check_semicircle(given: Given) -> Outcome:
    """Return whether the apex of a bulk arc lies in the measured band."""
    sigma, energy = given.number("conductivity"), given.number("energy")
    warm, cold = given.number("temperature").value, given.number("plotted_at").value
    band = given.number("band_limit").value
    exponent = (1.0 / warm - 1.0 / cold) / BOLTZMANN_EV

    def cooled(value: float, ev: float) -> float:
        return value * math.exp(ev * exponent) * warm / cold

    permittivity, constant = given.number("permittivity"), _cell_constant(given)

    def frequency(value: float, relative: float) -> float:
        return relaxation_frequency(
            1.0 / value, cell_constant=1.0, permittivity=relative
        )

    apexes = {
        "apex": spread(frequency, sigma, permittivity),
        "apex_cold": spread(
            lambda s, ev, e: frequency(cooled(s, ev), e), sigma, energy, permittivity
        ),
    }
    resistance = spread(lambda c, s, ev: c / cooled(s, ev), constant, sigma, energy)
    needed = spread(
        lambda c, s, ev: cooled(s, ev) / (c * 2.0 * math.pi * band),
        constant,
        sigma,
        energy,
    )
    pellet = spread(lambda c, e: VACUUM_PERMITTIVITY * e / c, constant, permittivity)
    inside = judge_above(exact(band), apexes["apex_cold"])
    supported = inside is ClaimVerdict.SUPPORTED
    mega = [one.tell(factor=1e-6) for one in apexes.values()]
    end = "the bulk's own apex is below it"
    if not supported:
        end = (
            f"an apex below that takes {needed.tell(factor=1e12)} pF beside "
            f"{resistance.tell()} ohm, the pellet has {pellet.tell(factor=1e12)} pF: "
            "stray capacitance or a boundary, which is not excluded"
        )
    return Outcome(
        verdict=inside if supported else ClaimVerdict.NOT_RESOLVED,
        arithmetic=f"sigma / (2 pi eps) = {mega[0]} MHz at {warm:.0f} K, {mega[1]} MHz "
        f"at {cold:.0f} K (ln(sigma T) as a line); the band ends at {band / 1e6:g} "
        f"MHz; {end}",
        numbers=apexes | {"resistance": resistance, "needed": needed, "pellet": pellet},
    )


def _check_no_boundary(given: Given) -> Outcome:
    """Return whether a stored spectrum tells bulk and grain boundary apart."""
    rows = given.rows("rows", key="contribution")
    boundary = rows.get("grain_boundary", {})
    sigma, std = (_float(boundary.get(key)) for key in ("sigma_S_per_cm", "std"))
    bulk = rows.get("bulk", {})
    bulk_sigma = _float(bulk.get("sigma_S_per_cm"))
    in_band = _is_true(bulk.get("in_band"))
    if math.isfinite(sigma):
        resolved = math.isfinite(std) and sigma > 2.0 * std
        verdict = ClaimVerdict.CONTRADICTED if resolved else ClaimVerdict.NOT_RESOLVED
        text = f"a grain boundary of {sigma:.3g} S/cm, 1 sigma {std:.2g}, was found"
    elif math.isfinite(bulk_sigma) and in_band:
        verdict = ClaimVerdict.SUPPORTED
        text = (
            f"the apex of the bulk arc ({bulk_sigma:.3g} S/cm) is in the band, and no "
            "second arc was told from the data"
        )
    else:
        verdict = ClaimVerdict.NOT_RESOLVED
        text = (
            "the apex of the bulk arc is above the band: bulk and boundary are seen "
            "as their sum"
        )
    remarks = dict.fromkeys(r for row in rows.values() if (r := row.get("remark", "")))
    return Outcome(verdict=verdict, arithmetic="; ".join([text, *remarks]))


def _cell_constant(given: Given) -> Quantity:
    """Return thickness over area from mass and density, **cm-1**."""
    diameter, mass = given.number("diameter").value, given.number("mass").value
    density = given.number("density")
    ends = [
        Pellet(diameter_mm=diameter, mass_mg=mass, density_g_cm3=one).cell_constant
        for one in (density.high, density.value, density.low)
    ]
    return Quantity(
        value=ends[1], low=ends[0], high=ends[2], certainty=density.certainty
    )


def _float(text: str | None) -> float:
    """Return a number of a stored table; NaN where it is empty."""
    return float(text) if text else math.nan


def _is_true(text: str | None) -> bool:
    """Return whether a stored flag is set."""
    return text is not None and text.strip().lower() in {"1", "1.0", "true", "yes"}


ARC_KINDS = (
    ClaimKind(
        name="single_semicircle",
        summary="one arc, so no grain boundary: where its apex would be",
        inputs=(
            conductivity_input("conductivity", "total conductivity"),
            InputSpec(name="temperature", meaning="of that conductivity", units="K"),
            InputSpec(name="plotted_at", meaning="of the spectrum shown", units="K"),
            InputSpec(name="energy", meaning="activation energy", units="eV"),
            InputSpec(name="permittivity", meaning="relative, of the solid"),
            InputSpec(name="band_limit", meaning="highest frequency", units="Hz"),
            InputSpec(name="diameter", meaning="of the pellet", units="mm"),
            InputSpec(name="mass", meaning="of the pellet", units="mg"),
            InputSpec(name="density", meaning="of the pellet", units="g/cm3"),
        ),
        check=_check_semicircle,
    ),
    ClaimKind(
        name="no_grain_boundary",
        summary="a stored spectrum shows no grain boundary",
        inputs=(
            InputSpec(
                name="rows",
                meaning="of one sample at one temperature_K",
                shape="rows",
                stored=SIGMA,
            ),
        ),
        check=_check_no_boundary,
    ),
)
"""Kinds of claims about arcs of impedance spectra."""
