"""The truth of a whole series over its samples, and as a table that a person reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from structkit.schema import MILLING_TIME, PHASE, SAMPLE, label
from structkit.synthetic.eis import SERIES_C
from structkit.synthetic.eis_truth import EisAdversary, leak_of
from structkit.synthetic.mixture import LABEL
from structkit.synthetic.nmr_truth import NmrTruth
from structkit.synthetic.study_patterns import ELEMENT
from structkit.synthetic.study_truth import ELEMENTS, PHASES
from structkit.synthetic.whole_samples import SeriesSample
from structkit.synthetic.whole_truth import SeriesTruth

_DIGITS = 6
_QUANTITIES: Mapping[str, tuple[str, str]] = {
    "amorphous_fraction": ("1", "weight fraction that is in no crystal, spike apart"),
    "crystalline_fraction": ("1", "1 - amorphous_fraction"),
    "glass_share": ("1", "tantalum in no crystal, of that not in crystalline TaCl5"),
    "product_glass_share": ("1", "glass of glass and crystalline NaTaCl6, by moles"),
    "oxygen": ("1", "x of the glass NaTaOxCl(6-2x); NaN without glass"),
    "product_oxygen": ("1", "x of glass and crystal together, as the 23Na line shows"),
    "conductivity": ("S cm-1", "of ions at 25 C"),
    "electronic_conductivity": ("S cm-1", "of electrons at 25 C"),
    "activation_energy": ("eV", "of sigma T, -15 to 55 C"),
    "product_t1": ("s", "T1 of the product's line, by its initial rate"),
}
_COLUMNS = {"conductivity": "S_cm-1", "activation_energy": "eV", "product_t1": "s"}
_COLUMNS |= {"electronic_conductivity": "S_cm-1"}
"""Unit behind the name of a column of the table; none: without unit."""


def summarise(
    samples: Sequence[SeriesSample],
    truth: SeriesTruth,
    *,
    nmr: NmrTruth,
    adversary: EisAdversary | None = None,
) -> xr.Dataset:
    """Return what is true of every sample, whatever was measured of it.

    Parameters
    ----------
    samples : sequence of SeriesSample
        All.
    truth : SeriesTruth
        Latent numbers.
    nmr : NmrTruth
        Those of NMR, with what an adversary made of the sample.
    adversary : str, optional
        What misleads impedance: a leak changes the electrons' conductivity.

    Returns
    -------
    xarray.Dataset
        Over ``sample``: the quantities, ``role``, ``measured`` (techniques),
        ``milling_time``. Over ``sample`` and ``phase``: ``weight_fraction`` and
        ``moles``; over ``sample`` and ``element``: ``weighed_atoms`` and
        ``amorphous_atoms``, per tantalum weighed in. Scalar: ``kappa``, the
        cross-section of NaTaCl6 over that of the glass, per tantalum.
    """
    rows = [_row(one, truth, nmr, adversary) for one in samples]
    data: dict[str, object] = {
        name: (
            SAMPLE,
            [row[name] for row in rows],
            {"units": units, "long_name": text},
        )
        for name, (units, text) in _QUANTITIES.items()
    }
    plain, moles = {"units": "1"}, {"units": "mol mol-1"}
    weights = [one.contents.weight_fractions for one in samples]
    amounts = [one.contents.crystalline for one in samples]
    weighed = [one.contents.weighed for one in samples]
    free = [one.contents.amorphous_atoms for one in samples]
    data |= {
        "weight_fraction": ((SAMPLE, PHASE), _columns(weights, PHASES), plain),
        "moles": ((SAMPLE, PHASE), _columns(amounts, PHASES), moles),
        "weighed_atoms": ((SAMPLE, ELEMENT), _columns(weighed, ELEMENTS), moles),
        "amorphous_atoms": ((SAMPLE, ELEMENT), _columns(free, ELEMENTS), moles),
        "role": (SAMPLE, [one.sample.role for one in samples]),
        "measured": (SAMPLE, [" ".join(one.measured) for one in samples]),
        "kappa": (
            (),
            1.0 / truth.raman.kappa,
            {**plain, "long_name": "Raman cross-section, crystal over glass"},
        ),
    }
    times = xr.DataArray([one.sample.time_h for one in samples], dims=SAMPLE)
    return xr.Dataset(
        data,
        coords={
            SAMPLE: [one.name for one in samples],
            PHASE: list(PHASES),
            ELEMENT: list(ELEMENTS),
            MILLING_TIME: label(times, MILLING_TIME),
        },
        attrs={"label": LABEL},
    )


def _row(
    one: SeriesSample,
    truth: SeriesTruth,
    nmr: NmrTruth,
    adversary: EisAdversary | None,
) -> dict[str, float]:
    """Return the quantities of one sample, NaN where they mean nothing."""
    species, unknown = one.species, float("nan")
    crystalline = sum(one.contents.weight_fractions.values())
    sigma = truth.eis.conductivity(species, time_h=one.sample.time_h)
    electronic = truth.eis.electronic_conductivity
    if adversary == "electronic_leak":
        electronic = leak_of(sigma)
    kelvin = [celsius + 273.15 for celsius in SERIES_C]
    has_product = species.glass + species.crystal > 0.0
    return {
        "amorphous_fraction": 1.0 - crystalline,
        "crystalline_fraction": crystalline,
        "glass_share": one.glass_share,
        "product_glass_share": one.product_glass_share,
        "oxygen": species.oxygen if species.glass > 0.0 else unknown,
        "product_oxygen": species.product_oxygen if has_product else unknown,
        "conductivity": sigma,
        "electronic_conductivity": electronic,
        "activation_energy": truth.eis.activation_energy(species, kelvin)
        if sigma > 0.0
        else unknown,
        "product_t1": nmr.product_t1(species) if has_product else unknown,
    }


def _columns(
    rows: Sequence[Mapping[str, float]], names: Sequence[str]
) -> list[list[float]]:
    """Return values of names, 0 where a row has none."""
    return [[row.get(name, 0.0) for name in names] for row in rows]


def join_patterns(known: xr.Dataset, patterns: xr.Dataset) -> xr.Dataset:
    """Return the truth with that of the patterns, which wins where both know.

    Parameters
    ----------
    known : xarray.Dataset
        From :func:`summarise`.
    patterns : xarray.Dataset
        From :func:`structkit.synthetic.study_patterns.simulate_study`: it knows
        foreign phases.
    """
    wide = patterns.drop_vars(MILLING_TIME).reindex({SAMPLE: known[SAMPLE].to_numpy()})
    own = known.reindex({PHASE: wide[PHASE].to_numpy()}, fill_value={"moles": 0.0})
    own["weight_fraction"] = own["weight_fraction"].fillna(0.0)
    both = {
        name: wide[name].fillna(own[name]).assign_attrs(own[name].attrs)
        for name in wide.data_vars
        if name in own.data_vars
    }
    attrs = {**patterns.attrs, **known.attrs}
    return (
        wide.assign({**own.data_vars, **both})
        .assign_coords({MILLING_TIME: known[MILLING_TIME]})
        .assign_attrs(attrs)
    )


def tabulate(known: xr.Dataset) -> xr.Dataset:
    """Return the truth as columns over ``sample``, units in their names.

    Parameters
    ----------
    known : xarray.Dataset
        From :func:`summarise` or :func:`join_patterns`.

    Returns
    -------
    xarray.Dataset
        ``milling_time_h``, ``role``, the quantities, ``weight_fraction_<phase>``,
        ``kappa``, ``label``; six digits.
    """
    data: dict[str, object] = {
        "milling_time_h": (SAMPLE, known[MILLING_TIME].to_numpy()),
        "role": (SAMPLE, known["role"].to_numpy()),
    }
    for name in _QUANTITIES:
        unit = f"_{_COLUMNS[name]}" if name in _COLUMNS else ""
        data[f"{name}{unit}"] = (SAMPLE, _round(known[name].to_numpy()))
    for phase in known[PHASE].to_numpy():
        weights = known["weight_fraction"].sel({PHASE: phase}).to_numpy()
        data[f"weight_fraction_{phase}"] = (SAMPLE, _round(weights))
    size = known.sizes[SAMPLE]
    data["kappa"] = (SAMPLE, _round(np.full(size, float(known["kappa"]))))
    data["measured"] = (SAMPLE, known["measured"].to_numpy())
    data["label"] = (SAMPLE, [LABEL] * size)
    return xr.Dataset(data, coords={SAMPLE: known[SAMPLE].to_numpy()})


def _round(values: np.ndarray) -> list[float]:
    """Return numbers with as many digits as a person reads."""
    return [float(f"{value:.{_DIGITS}g}") for value in values]
