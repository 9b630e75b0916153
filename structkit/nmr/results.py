"""What the NMR of a series says, as labelled data that can be stored.

:mod:`structkit.schema.nmr_results` has the schema.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from structkit.nmr.bpp import quadrupolar_rate
from structkit.nmr.line_fit import LineFit
from structkit.nmr.line_results import tabulate_lines
from structkit.nmr.relaxation import RelaxationFit
from structkit.nmr.site_recovery import SampleRecovery, SiteRecovery
from structkit.schema import (
    DELAY,
    LARMOR_FREQUENCY,
    MILLING_TIME,
    RECYCLE_DELAY,
    SAMPLE,
    SITE,
    TEMPERATURE,
    FitStatus,
    label,
)
from structkit.schema.nmr_results import (
    CURVE_DELAY,
    CURVE_POINT,
    LAW,
    LINES_NODE,
    OWN_SITE,
    POINT,
    QUANTITY,
    RELAXATION_NODE,
    T1_NODE,
    validate_nmr_results,
)

Floats = NDArray[np.float64]
Data = Mapping[str, tuple[tuple[str, ...], object, str, str]]
"""Name -> dims, values, units (empty: none), long name."""

_CURVE_POINTS = 200
_SITE_NUMBERS = (
    *("shift", "shift_std", "fwhm", "fwhm_std"),
    *("lorentzian_share", "lorentzian_share_std", "area", "area_std"),
    *("population", "population_std"),
    *("lifetime_width", "lorentzian_rest", "gaussian_rest"),
)
_TEXT = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RecoveryAt:
    """One recovery and where it was measured."""

    recovery: SampleRecovery
    """What was found."""
    temperature: float
    """**K**; NaN: unknown."""
    larmor_frequency: float
    """**MHz**; NaN: unknown."""
    source_file: str
    """File of the delays."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RelaxationAt:
    """T1 of one site over temperature."""

    temperature: Floats
    """**K**."""
    t1: Floats
    """**s**."""
    t1_std: Floats
    """1 sigma, **s**."""
    larmor_frequency: float
    """**MHz**."""
    spin: float
    """Of the nucleus."""
    fit: RelaxationFit
    """One activated motion."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SampleResult:
    """All that was found of one sample."""

    name: str
    """Id."""
    milling_time: float = math.nan
    """**h**; NaN: none."""
    role: str = ""
    """In the series."""
    reason: str = ""
    """Why there is no line fit."""
    temperature: float = math.nan
    """Of the spectrum, **K**; NaN: unknown."""
    lines: LineFit | None = None
    """Of the spectrum."""
    t1: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Site -> T1 beside its width, and 1 sigma, **s**."""
    recycle_delay: float = math.nan
    """Time between scans, **s**; NaN: unknown."""
    na_per_ta: float = math.nan
    """Sodium per tantalum as weighed; NaN: unknown."""
    composition: xr.Dataset | None = None
    """From :func:`structkit.nmr.composition.find_composition`."""
    recoveries: tuple[RecoveryAt, ...] = ()
    """In the order of the series file."""
    relaxations: Mapping[str, RelaxationAt] = field(default_factory=dict)
    """Site -> T1 over temperature."""


def series_dataset(
    samples: Sequence[SampleResult],
    *,
    remarks: Sequence[tuple[str, str, str]] = (),
    attrs: Mapping[str, str] | None = None,
) -> xr.DataTree:
    """Return all that was found as a tree to be stored.

    Parameters
    ----------
    samples : sequence of SampleResult
        In the order of the series.
    remarks : sequence of (sample, file, remark)
        What is to be known of the data; empty text where one concerns no file.
    attrs : mapping of str to str, optional
        For the root: name, axis, nucleus, source file.

    Returns
    -------
    xarray.DataTree
        As :mod:`structkit.schema.nmr_results` says.

    Raises
    ------
    SchemaError
        When the tree is not as the schema says.
    """
    root = _root(samples).assign(_label(_remarks(remarks))).assign_attrs(attrs or {})
    nodes: dict[str, xr.Dataset] = {"/": root}
    for one in samples:
        if one.lines is not None:
            nodes[f"/{one.name}/{LINES_NODE}"] = _lines_of(one.lines)
        for number, at in enumerate(one.recoveries, start=1):
            nodes[f"/{one.name}/{T1_NODE}/{number}"] = _recovery_of(at)
        if one.relaxations:
            nodes[f"/{one.name}/{RELAXATION_NODE}"] = _relaxation_of(one.relaxations)
    tree = xr.DataTree.from_dict(nodes)
    validate_nmr_results(tree)
    return tree


def _label(data: Data) -> dict[str, xr.DataArray]:
    """Return arrays with units and long names."""
    found = {}
    for name, (dims, values, units, words) in data.items():
        attrs = {"long_name": words} | ({"units": units} if units else {})
        found[name] = xr.DataArray(np.asarray(values), dims=dims, attrs=attrs)
    return found


def _texts(values: Sequence[str]) -> NDArray[np.object_]:
    """Return texts as an array that netCDF takes, also when there are none."""
    return np.asarray(list(values), dtype=object)


def _remarks(remarks: Sequence[tuple[str, str, str]]) -> Data:
    """Return remarks over a dim of their own, repeats left out."""
    rows = list(dict.fromkeys(remarks))
    names = ("remark_text", "remark_sample", "remark_file")
    words = ("remark", "sample of the remark", "file of the remark")
    return {
        name: (("remark",), _texts([row[place] for row in rows]), _TEXT, long_name)
        for name, long_name, place in zip(names, words, (2, 0, 1), strict=True)
    }


def _root(samples: Sequence[SampleResult]) -> xr.Dataset:
    """Return what stands over the samples."""
    over = (SAMPLE,)
    status = [one.lines.status.value if one.lines else "failed" for one in samples]
    reasons = [one.lines.reason if one.lines else one.reason for one in samples]
    larmor = [
        one.lines.model.larmor_frequency if one.lines else math.nan for one in samples
    ]
    kelvin = [one.temperature for one in samples]
    data: Data = {
        "status": (over, _texts(status), _TEXT, "how the line fit ended"),
        "reason": (over, _texts(reasons), _TEXT, "why not well"),
        "role": (over, _texts([one.role for one in samples]), _TEXT, "role"),
        TEMPERATURE: (over, kelvin, "K", "temperature of the spectrum"),
        LARMOR_FREQUENCY: (over, larmor, "MHz", "Larmor frequency"),
        RECYCLE_DELAY: (over, [s.recycle_delay for s in samples], "s", "recycle delay"),
        "na_per_ta": (
            over,
            [s.na_per_ta for s in samples],
            "1",
            "Na per Ta as weighed",
        ),
        **_site_numbers(samples),
        **_composition(samples),
    }
    times = xr.DataArray([one.milling_time for one in samples], dims=over)
    return xr.Dataset(_label(data)).assign_coords(
        {
            SAMPLE: [one.name for one in samples],
            SITE: list(_site_names(samples)),
            QUANTITY: list(_quantities(samples)),
            MILLING_TIME: label(times, MILLING_TIME),
        }
    )


def _site_names(samples: Sequence[SampleResult]) -> tuple[str, ...]:
    """Return the sites of all samples."""
    found: list[str] = []
    for one in samples:
        found += one.lines.names if one.lines else ()
        found += [site.site for at in one.recoveries for site in at.recovery.sites]
        found += list(one.t1)
    return tuple(dict.fromkeys(found))


def _site_numbers(samples: Sequence[SampleResult]) -> Data:
    """Return the numbers of the lines over sample and site."""
    names, over = _site_names(samples), (SAMPLE, SITE)
    shape = (len(samples), len(names))
    numbers = {name: np.full(shape, np.nan) for name in (*_SITE_NUMBERS, "t1")}
    numbers["t1_std"] = np.full(shape, np.nan)
    trades = np.full(shape, "", dtype=object)
    attrs: dict[str, tuple[str, str]] = {
        "t1": ("s", "T1 beside the width"),
        "t1_std": ("s", "1 sigma of T1"),
    }
    for row, one in enumerate(samples):
        for site, (t1, std) in one.t1.items():
            numbers["t1"][row, names.index(site)] = t1
            numbers["t1_std"][row, names.index(site)] = std
        if one.lines is None:
            continue
        table = tabulate_lines(one.lines)
        places = [names.index(name) for name in one.lines.names]
        for name in _SITE_NUMBERS:
            numbers[name][row, places] = table[name].to_numpy()
            attrs[name] = (table[name].attrs["units"], table[name].attrs["long_name"])
        trades[row, places] = table["trades_with"].to_numpy()
    data = {
        name: (over, values, *attrs.get(name, ("1", name.replace("_", " "))))
        for name, values in numbers.items()
    }
    return {**data, "trades_with": (over, trades, _TEXT, "sites known as a sum only")}


def _quantities(samples: Sequence[SampleResult]) -> tuple[str, ...]:
    """Return the quantities of all compositions."""
    found = [
        str(name)
        for one in samples
        if one.composition is not None
        for name in one.composition[QUANTITY].to_numpy()
    ]
    return tuple(dict.fromkeys(found))


def _composition(samples: Sequence[SampleResult]) -> Data:
    """Return the compositions over sample and quantity."""
    names, over = _quantities(samples), (SAMPLE, QUANTITY)
    shape = (len(samples), len(names))
    words = {"value": "value", "std": "1 sigma", "low": "lower", "high": "upper"}
    numbers = {name: np.full(shape, np.nan) for name in words}
    remarks = np.full(shape, "", dtype=object)
    for row, one in enumerate(samples):
        if one.composition is None:
            continue
        for name, values in numbers.items():
            values[row] = one.composition[name].sel({QUANTITY: list(names)})
        remarks[row] = one.composition["remark"].sel({QUANTITY: list(names)})
    told = {"low": "lower 95 % limit", "high": "upper 95 % limit"}
    data: dict[str, tuple[tuple[str, ...], object, str, str]] = {
        f"composition_{name}": (over, values, "1", told.get(name, words[name]))
        for name, values in numbers.items()
    }
    data["composition_remark"] = (over, remarks, _TEXT, "what to know of it")
    return data


def _lines_of(fit: LineFit) -> xr.Dataset:
    """Return numbers and curves of a line fit, the data among them."""
    table = tabulate_lines(fit)
    unit = {"units": "1", "long_name": "intensity"}
    measured = (fit.lines.sum(axis=0) + fit.baseline) + fit.residual
    if not fit.status.has_values:
        measured = fit.model.unit * fit.model.real
    table = table.assign(intensity=(table["residual"].dims, measured, unit))
    return table.rename({SITE: OWN_SITE})


def _recovery_of(at: RecoveryAt) -> xr.Dataset:
    """Return one recovery."""
    sites, delay = at.recovery.sites, at.recovery.delay
    positive = delay[delay > 0.0]
    grid = np.geomspace(positive.min() / 2.0, positive.max() * 1.5, _CURVE_POINTS)
    by_law = (OWN_SITE, LAW)
    data: dict[str, tuple[tuple[str, ...], object, str, str]] = {
        "area": ((OWN_SITE, DELAY), [one.area for one in sites], "ppm", "area"),
        "area_std": ((OWN_SITE,), [one.area_std for one in sites], "ppm", "1 sigma"),
        "curve": (
            (OWN_SITE, CURVE_DELAY),
            [one.fit.curve(grid) for one in sites],
            "ppm",
            "area by the chosen law",
        ),
        TEMPERATURE: ((), at.temperature, "K", "temperature of the measurement"),
        "fit_status": (by_law, _by_law(sites, "status"), _TEXT, "how it ended"),
        "fit_reason": (by_law, _by_law(sites, "reason"), _TEXT, "why not well"),
        "law_remark": (
            (OWN_SITE,),
            _texts([one.remark for one in sites]),
            _TEXT,
            "what the delays tell of the laws",
        ),
    }
    numbers = {
        "t1": ("s", "T1"),
        "t1_std": ("s", "1 sigma of T1"),
        "t1_low": ("s", "lower 95 % limit of T1"),
        "t1_high": ("s", "upper 95 % limit of T1"),
        "inversion_factor": ("1", "1 - M(0)/M(inf)"),
        "inversion_factor_std": ("1", "1 sigma of the inversion factor"),
        "law_shape": ("1", "beta, or ratio of rates"),
        "law_shape_std": ("1", "1 sigma of it"),
    }
    for name, (units, words) in numbers.items():
        data[name] = (by_law, _law_numbers(sites, name), units, words)
    aicc = np.asarray([one.delta_aicc for one in sites])
    chosen = [[int(k == s.chosen) for k in range(len(s.fits))] for s in sites]
    data["delta_aicc"] = (by_law, aicc, "1", "AICc less that of the best")
    data["chosen"] = (by_law, chosen, "1", "1: the law whose T1 is told")
    over = xr.DataArray(delay, dims=(DELAY,))
    curve = xr.DataArray(grid, dims=(CURVE_DELAY,))
    found = xr.Dataset(_label(data)).assign_coords(
        {
            OWN_SITE: [one.site for one in sites],
            LAW: [fit.law.name for fit in sites[0].fits],
            DELAY: label(over, DELAY),
            CURVE_DELAY: label(curve, DELAY),
        }
    )
    return found.assign_attrs(
        status=at.recovery.status.value,
        reason=at.recovery.reason,
        together=int(at.recovery.together),
        window_low=float(at.recovery.window[0]),
        window_high=float(at.recovery.window[1]),
        larmor_frequency=at.larmor_frequency,
        source_file=at.source_file,
    )


def _by_law(sites: Sequence[SiteRecovery], name: str) -> NDArray[np.object_]:
    """Return texts over site and law."""

    def text(value: object) -> str:
        return value.value if isinstance(value, FitStatus) else str(value)

    rows = [[text(getattr(fit, name)) for fit in one.fits] for one in sites]
    return np.asarray(rows, dtype=object)


def _law_numbers(sites: Sequence[SiteRecovery], name: str) -> Floats:
    """Return numbers over site and law."""
    ends = {"t1_low": 0, "t1_high": 1}

    def number(fit: object) -> float:
        if name in ends:
            return float(fit.interval[ends[name]])  # type: ignore[attr-defined]
        return float(getattr(fit, name.removeprefix("law_")))

    return np.asarray([[number(fit) for fit in one.fits] for one in sites])


def _relaxation_of(found: Mapping[str, RelaxationAt]) -> xr.Dataset:
    """Return T1 over temperature of all sites."""
    names, most = list(found), max(one.t1.size for one in found.values())

    def padded(values: Floats) -> Floats:
        return np.pad(values, (0, most - values.size), constant_values=np.nan)

    points, curve = (OWN_SITE, POINT), (OWN_SITE, CURVE_POINT)
    ones = list(found.values())
    curves = [_relaxation_curve(one) for one in ones]
    data: dict[str, tuple[tuple[str, ...], object, str, str]] = {
        TEMPERATURE: (points, [padded(o.temperature) for o in ones], "K", TEMPERATURE),
        "t1": (points, [padded(o.t1) for o in ones], "s", "T1"),
        "t1_std": (points, [padded(o.t1_std) for o in ones], "s", "1 sigma of T1"),
        "curve_temperature": (curve, [c[0] for c in curves], "K", TEMPERATURE),
        "curve": (curve, [c[1] for c in curves], "s", "T1 of the fit"),
    }
    fits = [one.fit for one in ones]
    numbers = {
        "activation_energy": ("activation_energy", "eV", "activation energy"),
        "activation_energy_std": ("activation_energy_std", "eV", "1 sigma of it"),
        "coupling": ("coupling_hz", "Hz", "C_Q"),
        "coupling_std": ("coupling_std_hz", "Hz", "1 sigma of C_Q"),
        "coupling_bound": ("coupling_bound_hz", "Hz", "least C_Q by the shortest T1"),
        "log_attempt_time": ("log_attempt_time", "1", "ln of tau0 over 1 s"),
        "log_attempt_time_std": ("log_attempt_time_std", "1", "1 sigma of it"),
        "minimum_temperature": ("minimum_temperature", "K", "where T1 is least"),
    }
    for name, (attribute, units, words) in numbers.items():
        values = [float(getattr(fit, attribute)) for fit in fits]
        data[name] = ((OWN_SITE,), values, units, words)
    for name, attribute, units in (
        ("activation_energy", "activation_energy_interval", "eV"),
        ("coupling", "coupling_interval_hz", "Hz"),
    ):
        for end, place, words in (("low", 0, "lower"), ("high", 1, "upper")):
            values = [float(getattr(fit, attribute)[place]) for fit in fits]
            data[f"{name}_{end}"] = ((OWN_SITE,), values, units, f"{words} 95 % limit")
    status = _texts([fit.status.value for fit in fits])
    data["status"] = ((OWN_SITE,), status, _TEXT, "how it ended")
    reasons = _texts([fit.reason for fit in fits])
    data["reason"] = ((OWN_SITE,), reasons, _TEXT, "why not well")
    sides = _texts([fit.side for fit in fits])
    data["side"] = ((OWN_SITE,), sides, _TEXT, "side of the T1 minimum")
    return xr.Dataset(_label(data)).assign_coords({OWN_SITE: names})


def _relaxation_curve(one: RelaxationAt) -> tuple[Floats, Floats]:
    """Return temperatures and T1 of a fit between them."""
    low, high = float(one.temperature.min()), float(one.temperature.max())
    kelvin = 1.0 / np.linspace(1.0 / low, 1.0 / high, _CURVE_POINTS)
    if not one.fit.status.has_values:
        return kelvin, np.full(_CURVE_POINTS, np.nan)
    rate = quadrupolar_rate(
        one.fit.correlation_time(kelvin),
        larmor_hz=1e6 * one.larmor_frequency,
        coupling_hz=one.fit.coupling_hz,
        spin=one.spin,
        exponent=one.fit.exponent,
    )
    return kelvin, 1.0 / np.asarray(rate)
