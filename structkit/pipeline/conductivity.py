"""From fitted spectra and DC runs to conductivities, energies and what they say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import xarray as xr

from structkit.eis.arrhenius import fit_arrhenius, predict_conductivity
from structkit.eis.arrhenius_line import ArrheniusSettings
from structkit.eis.conductivity import compute_conductivity
from structkit.eis.contributions import (
    Contributions,
    find_swaps,
    gather_resistances,
    read_contributions,
)
from structkit.eis.drift import compare_sweeps
from structkit.eis.hysteresis import check_hysteresis
from structkit.eis.pellet import Pellet
from structkit.eis.polarization import (
    fit_polarization,
    transference_number,
)
from structkit.eis.results import (
    lost_run_dataset,
    run_dataset,
    spectrum_dataset,
    texts,
)
from structkit.errors import FitError, StructkitError
from structkit.io.impedance import read_polarization
from structkit.pipeline.eis_plan import (
    EisSample,
    PolarizationFile,
)
from structkit.pipeline.impedance import (
    Outcome,
    Workshop,
)
from structkit.schema import CONTRIBUTION, HISTORY, TEMPERATURE
from structkit.schema.conductivity import (
    CONDUCTIVITY,
    CONDUCTIVITY_STD,
    CONTRIBUTIONS,
    MEASUREMENT,
    REMARK,
    TOTAL,
)
from structkit.schema.eis_results import (
    ARRHENIUS_NODE,
    CIRCUIT,
    CONDUCTIVITY_NODE,
    FILE,
    NUMBER,
    POLARIZATION_NODE,
    SPECTRA_NODE,
    VERDICT,
)

_SAME_KELVIN = 3.0
"""Within it a conductivity and a polarization run are at one temperature."""

_LINE_POINTS = 2


def make_sample_nodes(
    sample: EisSample, outcomes: Sequence[Outcome], workshop: Workshop
) -> dict[str, xr.Dataset]:
    """Return the nodes of one sample by their place below it."""
    nodes: dict[str, xr.Dataset] = {}
    numbers = _number(outcomes)
    for one, number in zip(outcomes, numbers, strict=True):
        if one.spectrum is not None:
            nodes[f"{SPECTRA_NODE}/{number}"] = spectrum_dataset(
                one.spectrum,
                fit=one.fit,
                check=one.check,
                drt=one.drt,
                reason=one.reason,
            )
    conductivity = None
    if outcomes:
        conductivity = _conductivities(sample, outcomes, workshop)
        nodes[CONDUCTIVITY_NODE] = _describe(conductivity, outcomes, numbers)
        _note_on_series(sample, outcomes, conductivity, workshop)
        settings = workshop.options.arrhenius
        lines, lacking = fit_lines(conductivity, settings)
        for place, fits in enumerate(lines, start=1):
            nodes[f"{ARRHENIUS_NODE}/{place}"] = fits
        workshop.note(sample.name, "", lacking)
        for fits in lines:
            told = str(fits.attrs["convention_remark"]).splitlines()
            workshop.note(sample.name, "", told)
    for place, run in enumerate(sample.runs, start=1):
        file = run.file.name
        try:
            nodes[f"{POLARIZATION_NODE}/{place}"] = polarize(
                run, conductivity, workshop.options.arrhenius
            )
        except StructkitError as error:
            workshop.note(sample.name, file, [f"left out: {error}"])
            nodes[f"{POLARIZATION_NODE}/{place}"] = lost_run_dataset(file, str(error))
    return nodes


def _number(outcomes: Sequence[Outcome]) -> list[int]:
    """Return the node of each spectrum, from 1; 0 where there is none."""
    found, last = [], 0
    for one in outcomes:
        last += one.spectrum is not None
        found.append(last if one.spectrum is not None else 0)
    return found


def _conductivities(
    sample: EisSample, outcomes: Sequence[Outcome], workshop: Workshop
) -> xr.Dataset:
    """Return the conductivities of a sample; each row has its own pellet."""
    parts = [_contributions(one, workshop) for one in outcomes]
    for one, part in zip(outcomes, parts, strict=True):
        workshop.note(sample.name, one.measurement.file.name, part.notes)
    resistances = gather_resistances(
        parts,
        [one.kelvin for one in outcomes],
        [one.measurement.history for one in outcomes],
    )
    rows: dict[Pellet | None, list[int]] = {}
    for place, one in enumerate(outcomes):
        rows.setdefault(one.measurement.pellet, []).append(place)
    short = workshop.options.short_error
    pieces = [
        compute_conductivity(resistances.isel({MEASUREMENT: each}), pellet, short=short)
        for pellet, each in rows.items()
    ]
    joined = xr.concat(pieces, MEASUREMENT, data_vars="minimal", coords="minimal")
    order = np.argsort([place for each in rows.values() for place in each])
    found = joined.isel({MEASUREMENT: order})
    words = np.full((len(outcomes), len(CONTRIBUTIONS)), "", dtype=object)
    for place, (one, part) in enumerate(zip(outcomes, parts, strict=True)):
        why = one.measurement.no_pellet
        for column, own in enumerate(part.remarks):
            later = str(found[REMARK].to_numpy()[place, column])
            if why and later:
                later = why
            words[place, column] = "; ".join(text for text in (own, later) if text)
    dims = found[REMARK].dims
    return found.assign({REMARK: (dims, words, {"long_name": "remark"})})


def _contributions(one: Outcome, workshop: Workshop) -> Contributions:
    """Return the resistances of one spectrum, or why there are none."""
    if one.fit is None or not one.is_fitted:
        return Contributions(remarks=(one.reason,) * 3)
    return read_contributions(
        one.fit,
        one.verdicts,
        cell_constant=one.cell_constant,
        is_chosen=workshop.options.circuit is not None,
    )


def _describe(
    conductivity: xr.Dataset, outcomes: Sequence[Outcome], numbers: Sequence[int]
) -> xr.Dataset:
    """Return conductivities with file, circuit and status of each row."""
    fits = [one.fit for one in outcomes]
    columns = {
        FILE: [one.measurement.file.name for one in outcomes],
        CIRCUIT: ["" if fit is None else str(fit.circuit) for fit in fits],
        "status": ["failed" if fit is None else fit.status.value for fit in fits],
        "reason": [
            one.reason or ("" if one.fit is None else one.fit.reason)
            for one in outcomes
        ],
        VERDICT: [
            "not tested" if one.check is None else one.check.verdict.value
            for one in outcomes
        ],
    }
    dims = (MEASUREMENT,)
    attrs = {"units": "1", "long_name": "node of the spectrum; 0: none"}
    return conductivity.assign(
        {
            NUMBER: (dims, np.asarray(numbers, dtype=np.int64), attrs),
            **{
                name: (dims, texts(values), {"long_name": name})
                for name, values in columns.items()
            },
        }
    )


def _note_on_series(
    sample: EisSample,
    outcomes: Sequence[Outcome],
    conductivity: xr.Dataset,
    workshop: Workshop,
) -> None:
    """Keep what the spectra of a sample say together."""
    fits = [one.fit for one in outcomes if one.fit is not None]
    workshop.note(sample.name, "", find_swaps(fits))
    for first, second in pairwise(outcomes):
        if first.measurement is not second.measurement:
            continue
        if first.spectrum is None or second.spectrum is None:
            continue
        if first.kelvin != second.kelvin:
            continue
        try:
            drift = compare_sweeps(first.spectrum, second.spectrum)
        except FitError:
            continue
        if drift.drifted:
            text = f"drift between sweeps: {drift.reason}"
            workshop.note(sample.name, first.measurement.file.name, [text])
    known = _with_temperature(conductivity)
    if len(set(known[HISTORY].to_numpy().tolist())) > 1:
        found = check_hysteresis(known)
        workshop.note(sample.name, "", [f"histories: {found.verdict}: {found.text}"])


def _with_temperature(conductivity: xr.Dataset) -> xr.Dataset:
    """Return the rows whose temperature is known."""
    known = np.isfinite(conductivity[TEMPERATURE].to_numpy())
    return conductivity.isel({MEASUREMENT: np.flatnonzero(known)})


def fit_lines(
    conductivity: xr.Dataset, settings: ArrheniusSettings
) -> tuple[list[xr.Dataset], list[str]]:
    """Return the activation energies of each history, and why one has none.

    Parameters
    ----------
    conductivity : xarray.Dataset
        From :func:`structkit.eis.conductivity.compute_conductivity`; rows without a
        temperature are left out.
    settings : ArrheniusSettings
        Errors of the temperature.
    """
    known = _with_temperature(conductivity)
    past = known[HISTORY].to_numpy().astype(str)
    lines, lacking = [], []
    for name in dict.fromkeys(past.tolist()):
        own = known.isel({MEASUREMENT: np.flatnonzero(past == name)})
        seen = np.isfinite(own[CONDUCTIVITY].to_numpy()).any(axis=1)
        if np.unique(own[TEMPERATURE].to_numpy()[seen]).size < _LINE_POINTS:
            after = f" {name}" if name else ""
            lacking.append(
                f"no activation energy{after}: conductivities at fewer than "
                f"{_LINE_POINTS} temperatures"
            )
            continue
        fits = fit_arrhenius(own, settings)
        lines.append(fits.assign_attrs({HISTORY: name}))
    return lines, lacking


def polarize(
    run: PolarizationFile,
    conductivity: xr.Dataset | None,
    settings: ArrheniusSettings,
) -> xr.Dataset:
    """Return one polarization run, with the transference number where it is known."""
    data = read_polarization(run.file, block=run.block)
    found = fit_polarization(data, run.pellet, settings=run.settings)
    kelvin = run.kelvin
    if not math.isfinite(kelvin) and TEMPERATURE in data.coords:
        kelvin = float(data[TEMPERATURE])
    if not math.isfinite(kelvin):
        kelvin = run.usual_kelvin
    remarks = [str(data.attrs.get("remarks", "")), str(found.attrs["remarks"])]
    number, std = math.nan, math.nan
    total, total_std, why = math.nan, math.nan, "no impedance of the sample"
    if conductivity is not None:
        total, total_std, why = total_at(conductivity, kelvin, settings)
    electronic = float(found["electronic_conductivity"])
    bound = float(found["electronic_conductivity_bound"])
    shared = 0.0 if run.pellet is None else run.pellet.relative_std
    if math.isfinite(electronic) and total > 0.0:
        number, std = _transference(
            (electronic, float(found["electronic_conductivity_std"])),
            (total, total_std),
            shared,
        )
        remarks.append(f"transference with the total conductivity {why}")
    elif math.isfinite(bound) and total > 0.0:
        remarks.append(
            f"transference above {1.0 - bound / total:.9g} (95 %), with the total "
            f"conductivity {why}"
        )
    elif total > 0.0:
        remarks.append("no transference number: no electronic conductivity")
    else:
        remarks.append(f"no transference number: {why}")
    found = found.assign_attrs(remarks="\n".join(text for text in remarks if text))
    return run_dataset(data, found, transference=(number, std, total))


def _transference(
    electronic: tuple[float, float], total: tuple[float, float], shared: float
) -> tuple[float, float]:
    """Return the transference number; NaN sigma where an uncertainty is unknown."""
    known = math.isfinite(electronic[1]) and math.isfinite(total[1])
    own = (electronic[1] / electronic[0], total[1] / total[0])
    if not known or not math.isfinite(shared):
        return 1.0 - electronic[0] / total[0], math.nan
    return transference_number(
        electronic[0],
        total[0],
        electronic_std=electronic[1],
        total_std=total[1],
        shared_relative_std=min(shared, *own),
    )


def total_at(
    conductivity: xr.Dataset, kelvin: float, settings: ArrheniusSettings
) -> tuple[float, float, str]:
    """Return the total conductivity at a temperature, its sigma, and where from.

    Parameters
    ----------
    conductivity : xarray.Dataset
        Of one sample.
    kelvin : float
        **K**; NaN: unknown, then the sample must have been measured at one only.
    settings : ArrheniusSettings
        For the line between measured temperatures.

    Returns
    -------
    value, std : float
        **S cm-1**; NaN where there is none.
    said : str
        How it was found, or why there is none.
    """
    rows = conductivity.sel({CONTRIBUTION: TOTAL})
    sigma = rows[CONDUCTIVITY].to_numpy()
    usable = np.isfinite(sigma)
    if not usable.any():
        return math.nan, math.nan, "no total conductivity"
    known = rows[TEMPERATURE].to_numpy()
    if not math.isfinite(kelvin):
        if np.ptp(known[usable]) > _SAME_KELVIN or not np.isfinite(known[usable]).all():
            return math.nan, math.nan, "the temperature of the run is not known"
        kelvin = float(known[usable][0])
    off = np.where(usable & np.isfinite(known), np.abs(known - kelvin), np.inf)
    place = int(np.argmin(off))
    if off[place] <= _SAME_KELVIN:
        std = float(rows[CONDUCTIVITY_STD].to_numpy()[place])
        return float(sigma[place]), std, f"at {known[place]:.2f} K"
    lines, _ = fit_lines(conductivity, settings)
    if not lines:
        return math.nan, math.nan, f"no total conductivity near {kelvin:.2f} K"
    found = predict_conductivity(lines[0], kelvin)
    said = f"of the Arrhenius line at {kelvin:.2f} K"
    if found.remark:
        said += f", {found.remark}"
    return found.conductivity, found.conductivity * found.ln_std, said
