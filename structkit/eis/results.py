"""What spectra and runs say, as labelled data that can be stored.

:mod:`structkit.schema.eis_results` has the schema.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from structkit.eis.arcs import describe_arcs
from structkit.eis.element_table import make_element_table
from structkit.eis.fit_result import ImpedanceFit
from structkit.eis.polarization import fit_polarization
from structkit.eis.validity import KramersKronig
from structkit.schema import (
    CURRENT,
    ELEMENT,
    FREQUENCY,
    HISTORY,
    IMPEDANCE,
    IMPEDANCE_STD,
    SAMPLE,
    TEMPERATURE,
    TIME,
    VOLTAGE,
    label,
)
from structkit.schema.eis_results import (
    APEX,
    ARC,
    CAPACITANCE,
    CURRENT_FIT,
    ELEMENT_UNITS,
    FITTED,
    KRAMERS_KRONIG,
    OTHER_ELEMENT,
    REMARK_ROW,
    RESIDUAL,
    SAMPLE_NAME,
    STEADY_CURRENT,
    TRANSFERENCE,
    USED,
    VALUE,
    VALUE_STD,
)
from structkit.schema.names import INDUCTIVE_TAIL, NOISY, OUTLIER

Floats = NDArray[np.float64]
Row = tuple[str, str, str]
"""Sample, file, sentence; empty text where it concerns none."""
_NEAR = 0.02
"""Relative distance from the applied voltage of points that are at it."""


def spectrum_dataset(
    spectrum: xr.Dataset,
    *,
    fit: ImpedanceFit | None,
    check: KramersKronig | None,
    drt: xr.Dataset | None,
    reason: str = "",
) -> xr.Dataset:
    """Return one spectrum with all that was found, for its node.

    Parameters
    ----------
    spectrum : xarray.Dataset
        As fitted; scalar coords ``temperature`` and ``history``.
    fit : ImpedanceFit, optional
        None where none could be made.
    check : KramersKronig, optional
        None where there were too few points.
    drt : xarray.Dataset, optional
        From :func:`structkit.eis.drt.compute_drt`.
    reason : str
        Why there is no fit.
    """
    axis = (FREQUENCY,)
    size = spectrum.sizes[FREQUENCY]
    nothing = np.full(size, np.nan + 1j * np.nan)
    has_values = fit is not None and fit.status.has_values
    calculated, residual = nothing, nothing
    used = np.zeros(size, dtype=np.int8)
    if fit is not None and has_values:
        calculated, residual = fit.calculated, fit.residual
        used = fit.used.astype(np.int8)
    data: dict[str, xr.DataArray] = {
        IMPEDANCE: spectrum[IMPEDANCE],
        FITTED: _array(calculated, axis, "ohm", "impedance of the circuit"),
        RESIDUAL: _array(residual, axis, "1", "measured less fitted over |Z|"),
        KRAMERS_KRONIG: _array(
            nothing if check is None else check.residual,
            axis,
            "1",
            "measured less Kramers-Kronig over |Z|",
        ),
        USED: _array(used, axis, "1", "point had weight in the fit"),
    }
    if IMPEDANCE_STD in spectrum:
        data[IMPEDANCE_STD] = spectrum[IMPEDANCE_STD]
    for name in (OUTLIER, INDUCTIVE_TAIL, NOISY):
        flags = spectrum[name].to_numpy() if name in spectrum else np.zeros(size)
        words = str(spectrum[name].attrs["long_name"]) if name in spectrum else name
        data[name] = _array(flags.astype(np.int8), axis, "1", words)
    noise = math.nan if check is None else check.noise
    data["noise"] = _array(noise, (), "1", "noise of each part over |Z|")
    found = xr.Dataset(data, coords={FREQUENCY: spectrum[FREQUENCY]})
    found = found.merge(_elements(fit if has_values else None, spectrum))
    if drt is not None:
        found = found.merge(drt.drop_attrs(deep=False))
    coords = {name: spectrum[name] for name in (TEMPERATURE, HISTORY)}
    status = "failed" if fit is None else fit.status.value
    said = {
        "circuit": str(fit.circuit) if fit is not None else "",
        "model": fit.circuit.name if fit is not None else "",
        "status": status,
        "reason": reason or ("" if fit is None else fit.reason),
        "verdict": "not tested" if check is None else check.verdict.value,
        "verdict_reason": "" if check is None else check.reason,
    }
    return found.assign_coords(coords).assign_attrs({**spectrum.attrs, **said})


def _elements(fit: ImpedanceFit | None, spectrum: xr.Dataset) -> xr.Dataset:
    """Return elements and arcs of a fit; empty dims where there is none."""
    arcs = () if fit is None else describe_arcs(fit)
    along = (ARC,)
    numbers = {
        APEX: ("Hz", "frequency of the apex", [a.peak_frequency for a in arcs]),
        f"{APEX}_std": (
            "Hz",
            "standard uncertainty of it",
            [a.peak_frequency_std for a in arcs],
        ),
        CAPACITANCE: ("F", "capacitance", [a.capacitance for a in arcs]),
        f"{CAPACITANCE}_std": (
            "F",
            "standard uncertainty of it",
            [a.capacitance_std for a in arcs],
        ),
    }
    data = {
        name: _array(np.asarray(values, dtype=float), along, units, words)
        for name, (units, words, values) in numbers.items()
    }
    names, units = np.array([], dtype=object), np.array([], dtype=object)
    value = std = np.array([])
    inside = np.array([], dtype=np.int8)
    matrix = np.zeros((0, 0))
    rms = math.nan
    if fit is not None:
        table = make_element_table([fit], [spectrum]).isel(spectrum=0)
        names = texts([str(name) for name in table[ELEMENT].to_numpy()])
        units = texts([str(name) for name in table["units"].to_numpy()])
        value, std = table["value"].to_numpy(), table["value_std"].to_numpy()
        inside = table["in_band"].to_numpy().astype(np.int8)
        matrix, rms = fit.log_covariance, fit.relative_residual
    own = (ELEMENT,)
    data |= {
        VALUE: _array(value, own, "1", "value in the units of each element"),
        VALUE_STD: _array(std, own, "1", "1 sigma in the units of each element"),
        "in_band": _array(inside, own, "1", "of no arc, or its apex was measured"),
        "log_covariance": _array(
            matrix, (ELEMENT, OTHER_ELEMENT), "1", "covariance of the logarithms"
        ),
        "relative_residual": _array(rms, (), "1", "residual of each part over |Z|"),
    }
    return xr.Dataset(
        data,
        coords={
            ELEMENT: (own, names),
            OTHER_ELEMENT: ((OTHER_ELEMENT,), names),
            ELEMENT_UNITS: (own, units),
            "arc_resistor": (along, texts([a.resistor for a in arcs])),
        },
    )


def run_dataset(
    run: xr.Dataset, found: xr.Dataset, *, transference: tuple[float, float, float]
) -> xr.Dataset:
    """Return one polarization run with what was found.

    Parameters
    ----------
    run : xarray.Dataset
        As read.
    found : xarray.Dataset
        From :func:`structkit.eis.polarization.fit_polarization`.
    transference : tuple of float
        Ionic transference number, its 1 sigma, and the total conductivity that it was
        formed with, **S cm-1**; NaN where unknown.
    """
    curve = _draw_decay(run, found)
    scalars = {
        name: found[name]
        for name in found.data_vars
        if found[name].dims == () and found[name].dtype.kind in "fiu"
    }
    renamed = {
        STEADY_CURRENT: scalars.pop(CURRENT),
        f"{STEADY_CURRENT}_std": scalars.pop(f"{CURRENT}_std"),
        "applied_voltage": scalars.pop(VOLTAGE),
    }
    said = ("ionic transference number", "standard uncertainty of it")
    data = {
        CURRENT: run[CURRENT],
        CURRENT_FIT: _array(curve, (TIME,), "A", "fitted current"),
        **scalars,
        **renamed,
        TRANSFERENCE: _array(transference[0], (), "1", said[0]),
        f"{TRANSFERENCE}_std": _array(transference[1], (), "1", said[1]),
        "total_conductivity": _array(
            transference[2], (), "S cm-1", "total conductivity at its temperature"
        ),
        "time_constant": found["time_constant"],
        "amplitude": found["amplitude"],
    }
    if VOLTAGE in run:
        data[VOLTAGE] = run[VOLTAGE]
    told = {
        "status": str(found["status"].item()),
        "reason": str(found["reason"].item()),
        "remarks": str(found.attrs["remarks"]),
    }
    file = {k: v for k, v in run.attrs.items() if k != "remarks"}
    return xr.Dataset(data, coords={TIME: run[TIME]}).assign_attrs({**file, **told})


def lost_run_dataset(file: str, reason: str) -> xr.Dataset:
    """Return the node of a polarization run that could not be read.

    Parameters
    ----------
    file : str
        Its name.
    reason : str
        Why.
    """
    nothing = xr.Dataset(
        {CURRENT: label(xr.DataArray(np.zeros(0), dims=(TIME,)), CURRENT)},
        coords={TIME: label(xr.DataArray(np.zeros(0), dims=(TIME,)), TIME)},
        attrs={"source_file": file},
    )
    found = fit_polarization(nothing, None)
    found = found.assign({"reason": ((), reason)}).assign_attrs(remarks="")
    return run_dataset(nothing, found, transference=(math.nan, math.nan, math.nan))


def _draw_decay(run: xr.Dataset, found: xr.Dataset) -> Floats:
    """Return the sum of the fitted exponentials on the level that suits the points."""
    time, current = run[TIME].to_numpy(), run[CURRENT].to_numpy()
    curve = np.full(time.size, np.nan)
    voltage = float(found[VOLTAGE])
    if not np.isfinite(voltage):
        return curve
    used = np.ones(time.size, dtype=bool)
    if VOLTAGE in run:
        used = np.abs(run[VOLTAGE].to_numpy() - voltage) <= _NEAR * abs(voltage)
    since = time[used] - time[used][0]
    tau, height = found["time_constant"].to_numpy(), found["amplitude"].to_numpy()
    gone = np.copysign(1.0, voltage) * (np.exp(-since[:, None] / tau) @ height)
    curve[used] = gone + np.mean(current[used] - gone)
    return curve


def root_dataset(
    counts: Mapping[str, tuple[int, int, int]],
    remarks: Sequence[Row],
    attrs: Mapping[str, str | float],
) -> xr.Dataset:
    """Return what stands over the samples.

    Parameters
    ----------
    counts : mapping of str to tuple of int
        For each sample the numbers of spectra, of fits, of polarization runs.
    remarks : sequence of (sample, file, remark)
        What is to be known.
    attrs : mapping
        Provenance.
    """
    rows = list(dict.fromkeys(remarks))
    numbers = np.array(list(counts.values()), dtype=np.int64).reshape(-1, 3)
    names = (
        ("n_spectra", "impedance spectra"),
        ("n_fitted", "spectra with a fit"),
        ("n_runs", "polarization runs"),
    )
    data = {
        name: _array(numbers[:, place], (SAMPLE,), "1", words)
        for place, (name, words) in enumerate(names)
    }
    for place, name in ((2, "text"), (0, "sample"), (1, "file")):
        data[f"remark_{name}"] = xr.DataArray(
            texts([row[place] for row in rows]),
            dims=(REMARK_ROW,),
            attrs={"long_name": f"{name} of the remark"},
        )
    names_of = {"long_name": "name of the sample"}
    data[SAMPLE_NAME] = xr.DataArray(
        texts(list(counts)), dims=(SAMPLE,), attrs=names_of
    )
    return xr.Dataset(data, attrs=dict(attrs))


def texts(values: Sequence[str]) -> NDArray[np.object_]:
    """Return texts as an array that netCDF takes, also when there are none."""
    return np.asarray(list(values), dtype=object)


def _array(
    values: object, dims: tuple[str, ...], units: str, long_name: str
) -> xr.DataArray:
    """Return an array with its attributes."""
    attrs = {"units": units, "long_name": long_name}
    return xr.DataArray(np.asarray(values), dims=dims, attrs=attrs)
