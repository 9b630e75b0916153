"""What a series of Raman spectra says, as labelled data that can be stored.

:mod:`structkit.schema.raman_results` has the schema. A metric that the model of a
sample cannot hold is NaN here, with its reason; it is never a nought or a huge number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from structkit.raman.fit import BandFit
from structkit.raman.identify import BandStatus, Verdict
from structkit.raman.metrics import Metric
from structkit.raman.problem import band_skews, place_bands
from structkit.raman.sample import MetricRules, SampleMetrics
from structkit.raman.search import UNASSIGNED
from structkit.raman.series import RIVALS, SampleResult, SeriesResult
from structkit.schema import (
    BAND,
    INTENSITY,
    METRIC,
    MILLING_TIME,
    RAMAN_SHIFT,
    SAMPLE,
    SOURCE,
    SPECIES,
    SPOT,
    FitStatus,
    label,
)
from structkit.schema.raman_results import (
    BANDS_NODE,
    COLUMN,
    HYPOTHESIS,
    OTHER_COLUMN,
    REMARK,
    SPECTRA_NODE,
    validate_raman_results,
)

Floats = NDArray[np.float64]
Window = tuple[float, float]
Data = Mapping[str, tuple[tuple[str, ...], object, str, str]]

_SHAPE_NUMBERS = (
    "centre",
    "centre_std",
    "fwhm",
    "fwhm_std",
    "lorentz",
    "lorentz_std",
    "skew",
    "skew_std",
)
SUM_STATUS = "sum of merged bands"
LOSS_METRIC = "S_ax"
_NOT_RESOLVED = "not resolved: "


def series_dataset(
    result: SeriesResult,
    *,
    rules: MetricRules | None = None,
    remarks: Sequence[tuple[str, str, str]] = (),
    attrs: Mapping[str, str] | None = None,
) -> xr.DataTree:
    """Return all that was found as a tree to be stored.

    Parameters
    ----------
    result : SeriesResult
        From :func:`structkit.raman.series.fit_series`.
    rules : MetricRules, optional
        Those of the fit; default: the study's windows and rivals.
    remarks : sequence of (sample, file, remark)
        What is to be known of the data; empty text where one concerns no sample or no
        file.
    attrs : mapping of str to str, optional
        For the root: name, axis, reduction, source file.

    Returns
    -------
    xarray.DataTree
        As :mod:`structkit.schema.raman_results` says; a sample without a fit has its
        status and its reason, and no node.

    Raises
    ------
    SchemaError
        When the tree is not as the schema says.
    """
    rules = rules or MetricRules(rivals=RIVALS)
    root = _root(result, rules).assign(_label(_remarks(remarks)))
    root = root.assign_attrs({"reduction": "none", **(attrs or {})})
    nodes: dict[str, xr.Dataset] = {"/": root}
    for one in result.samples:
        if one.measured is None:
            continue
        place = f"/{one.sample.name}"
        nodes[f"{place}/{BANDS_NODE}"] = _bands_of(one, one.measured)
        for number, each in enumerate(_spectra_of(one, one.measured), start=1):
            nodes[f"{place}/{SPECTRA_NODE}/{number}"] = each
    tree = xr.DataTree.from_dict(nodes)
    validate_raman_results(tree)
    return tree


def report_metrics(
    result: SampleResult, rules: MetricRules | None = None
) -> tuple[Metric, ...]:
    """Return the metrics of a sample as they may be quoted, ``S_ax`` last.

    Parameters
    ----------
    result : SampleResult
        One sample.
    rules : MetricRules, optional
        As for :func:`series_dataset`.

    Returns
    -------
    tuple of Metric
        NaN, not resolved, with the reason, where the model has no band of the salt in
        the metric's windows, where a whole spectrum stands for its crystal or glass,
        or where one of the two sums is zero. Limits that are no numbers are NaN.
    """
    rules = rules or MetricRules(rivals=RIVALS)
    if result.measured is None:
        return ()
    found = list(result.measured.metrics)
    if result.loss is not None:
        found.append(result.loss)
    return tuple(_judge(metric, result.measured.fit, rules) for metric in found)


def _judge(metric: Metric, fit: BandFit, rules: MetricRules) -> Metric:
    """Return a metric, NaN where it means nothing."""
    why = _why_void(metric, fit, rules)
    if why:
        kept = metric.remark.startswith(_NOT_RESOLVED) and not metric.resolved
        return replace(
            metric,
            value=math.nan,
            std=math.nan,
            low=math.nan,
            high=math.nan,
            resolved=False,
            remark=metric.remark if kept and why == _ZERO else _NOT_RESOLVED + why,
        )
    low, high = (x if abs(x) < _BOUND else math.nan for x in (metric.low, metric.high))
    return replace(metric, low=low, high=high)


_ZERO = "the area on one side of the ratio is zero"
_BOUND = 1e12


def _why_void(metric: Metric, fit: BandFit, rules: MetricRules) -> str:
    """Return why a metric means nothing; empty where it is a number."""
    windows = _windows_of(metric.name, rules)
    if windows:
        whole = [
            template.species
            for template in fit.model.templates
            if not template.background and template.species not in rules.rivals
        ]
        if whole:
            return (
                f"the measured spectrum of {whole[0]} is one column of the fit, its "
                "bands are not counted apart"
            )
        salt = [
            band
            for band in fit.model.bands
            if band.species not in (*rules.rivals, UNASSIGNED)
        ]
        if not any(_is_in(b.wavenumber, window) for b in salt for window in windows):
            spans = " or ".join(f"{low:g} to {high:g}" for low, high in windows)
            return f"no band of the salt in the model within {spans} cm-1"
        counted = [b for b in fit.model.bands if b.species not in rules.rivals]
        for window in windows:
            if not any(_is_in(band.wavenumber, window) for band in counted):
                span = f"{window[0]:g} to {window[1]:g}"
                return f"no band in the model within {span} cm-1"
    finite = math.isfinite(metric.value) and math.isfinite(metric.std)
    if not finite or metric.std <= 0.0 or abs(metric.value) > _BOUND:
        return _ZERO
    return ""


def _windows_of(name: str, rules: MetricRules) -> tuple[Window, ...]:
    """Return the windows whose areas a metric compares."""
    equatorial = (rules.equatorial[0], rules.axial[0])
    return {
        "out_of_plane_ratio": (rules.out_of_plane, rules.stretch),
        "in_plane_ratio": (rules.in_plane, rules.stretch),
        "bend_ratio": (rules.out_of_plane, rules.in_plane),
        "r_ax": (rules.axial, equatorial),
        LOSS_METRIC: (rules.axial, equatorial),
        "r_O": (rules.oxide, rules.stretch),
        "oxide_ratio": (rules.oxide, rules.stretch),
    }.get(name, ())


def _is_in(wavenumber: float, window: Window) -> bool:
    """Return whether a band belongs to a window, its lower end included."""
    return window[0] <= wavenumber < window[1]


def _label(dims_data: Data) -> dict[str, xr.DataArray]:
    """Return arrays with units (empty: none) and long names."""
    found = {}
    for name, (dims, values, units, words) in dims_data.items():
        attrs = {"long_name": words} | ({"units": units} if units else {})
        found[name] = xr.DataArray(np.asarray(values), dims=dims, attrs=attrs)
    return found


def _texts(values: Sequence[str]) -> NDArray[np.object_]:
    """Return texts as an array that netCDF takes, also when there are none."""
    return np.asarray(list(values), dtype=object)


def _root(result: SeriesResult, rules: MetricRules) -> xr.Dataset:
    """Return what stands over the samples."""
    samples = result.samples
    dims = (SAMPLE,)
    times = [one.sample.milling_time for one in samples]
    hours = xr.DataArray([math.nan if t is None else t for t in times], dims=dims)
    data: Data = {
        "role": (dims, _texts([s.sample.role for s in samples]), "", "role"),
        "status": (dims, _texts([_status(s)[0] for s in samples]), "", "status"),
        "reason": (dims, _texts([_status(s)[1] for s in samples]), "", "reason"),
        "rivals": (
            dims,
            _texts([", ".join(s.rivals) for s in samples]),
            "",
            "species taken into the model because the data ask for them",
        ),
        "n_spots": (dims, [len(s.members) for s in samples], "1", "spots fitted"),
    }
    root = xr.Dataset(_label({**data, **_metrics(samples, rules), **_ranks(samples)}))
    names = {
        SAMPLE: _texts([s.sample.name for s in samples]),
        METRIC: _texts(list(_metric_names(samples))),
        HYPOTHESIS: _texts(list(_hypothesis_names(samples))),
    }
    coords = {
        n: xr.DataArray(v, dims=(n,), attrs={"long_name": n}) for n, v in names.items()
    }
    return root.assign_coords({**coords, MILLING_TIME: label(hours, MILLING_TIME)})


def _remarks(remarks: Sequence[tuple[str, str, str]]) -> Data:
    """Return remarks over a dim of their own."""
    rows = list(dict.fromkeys(remarks))
    words = ("remark", "sample of the remark", "file of the remark")
    names = ("remark_text", "remark_sample", "remark_file")
    return {
        name: ((REMARK,), _texts([row[place] for row in rows]), "", long_name)
        for name, long_name, place in zip(names, words, (2, 0, 1), strict=True)
    }


def _status(one: SampleResult) -> tuple[str, str]:
    """Return status and reason of a sample."""
    if one.measured is None:
        return FitStatus.FAILED.value, one.reason or "not fitted"
    return one.measured.fit.status.value, one.measured.fit.reason or one.reason


def _metric_names(samples: Sequence[SampleResult]) -> tuple[str, ...]:
    """Return the names of all metrics, ``S_ax`` last."""
    found = [m.name for one in samples if one.measured for m in one.measured.metrics]
    if any(one.loss is not None for one in samples):
        found.append(LOSS_METRIC)
    return tuple(dict.fromkeys(found))


def _metrics(samples: Sequence[SampleResult], rules: MetricRules) -> Data:
    """Return the metrics over sample and metric."""
    names = _metric_names(samples)
    shape = (len(samples), len(names))
    figures = {key: np.full(shape, math.nan) for key in ("value", "std", "low", "high")}
    resolved = np.zeros(shape, dtype=np.int8)
    remarks = np.full(shape, "", dtype=object)
    for row, one in enumerate(samples):
        known = {metric.name: metric for metric in report_metrics(one, rules)}
        for place, name in enumerate(names):
            metric = known.get(name)
            if metric is None:
                remarks[row, place] = _why_absent(one, name)
                continue
            for key, array in figures.items():
                array[row, place] = getattr(metric, key)
            resolved[row, place] = int(metric.resolved)
            remarks[row, place] = metric.remark
    dims = (SAMPLE, METRIC)
    return {
        "metric_value": (dims, figures["value"], "1", "metric"),
        "metric_value_std": (
            dims,
            figures["std"],
            "1",
            "standard uncertainty of the metric",
        ),
        "metric_low": (dims, figures["low"], "1", "lower 95 % limit of the metric"),
        "metric_high": (dims, figures["high"], "1", "upper 95 % limit of the metric"),
        "metric_resolved": (dims, resolved, "1", "the data determine the metric"),
        "metric_remark": (dims, remarks, "", "what to know of the metric"),
    }


def _why_absent(one: SampleResult, name: str) -> str:
    """Return why a sample has no such metric."""
    if one.measured is None:
        return f"{FitStatus.FAILED.value}: {one.reason or 'not fitted'}"
    if name == LOSS_METRIC:
        return "the reference itself"
    return _NOT_RESOLVED + "crystal or glass is not in the model"


def _hypothesis_names(samples: Sequence[SampleResult]) -> tuple[str, ...]:
    """Return the names of all readings."""
    ranked = [one.assignment.ranked for one in samples if one.assignment is not None]
    return tuple(dict.fromkeys(r.hypothesis.name for each in ranked for r in each))


def _ranks(samples: Sequence[SampleResult]) -> Data:
    """Return the readings over sample and hypothesis."""
    names = _hypothesis_names(samples)
    shape = (len(samples), len(names))
    delta, number = np.full(shape, math.nan), np.full(shape, math.nan)
    words = np.full(shape, "", dtype=object)
    for row, one in enumerate(samples):
        if one.assignment is None:
            words[row, :] = one.reason or "not ranked"
            continue
        for ranked in one.assignment.ranked:
            place = names.index(ranked.hypothesis.name)
            delta[row, place] = ranked.delta_bic
            if ranked.fit is not None:
                number[row, place] = ranked.n_parameters
            told = "; ".join(ranked.discriminating)
            words[row, place] = told if ranked.fit is not None else ranked.reason
    dims = (SAMPLE, HYPOTHESIS)
    return {
        "delta_bic": (dims, delta, "1", "BIC less that of the best reading"),
        "n_parameters": (dims, number, "1", "free parameters of the bands"),
        "discriminating_bands": (
            dims,
            words,
            "",
            "bands that tell the reading from its nearest rival, or why it has no fit",
        ),
    }


def _bands_of(one: SampleResult, measured: SampleMetrics) -> xr.Dataset:
    """Return bands, templates and sums of one sample."""
    fit, members = measured.fit, list(one.members)
    units = _units_of(one)
    rows = [*_band_rows(measured, members), *_sum_rows(measured, members)]
    spots = np.arange(1, len(members) + 1)
    stack = {key: [row[key] for row in rows] for key in rows[0]}
    centres, bands, column = "cm-1", (BAND,), (COLUMN, OTHER_COLUMN)
    area = np.asarray(stack["area"], dtype=float).T
    area_std = np.asarray(stack["area_std"], dtype=float).T
    texts = {
        key: (bands, _texts([str(v) for v in stack[key]]), "", words)
        for key, words in _TEXTS.items()
    }
    numbers = {
        key: (bands, np.asarray(stack[key], dtype=float), unit, words)
        for key, unit, words in (
            ("centre", centres, "centre"),
            ("centre_std", centres, "standard uncertainty of the centre"),
            ("fwhm", centres, "full width at half maximum"),
            ("fwhm_std", centres, "standard uncertainty of the width"),
            ("lorentz", "1", "Lorentzian share"),
            ("lorentz_std", "1", "standard uncertainty of the Lorentzian share"),
            ("skew", "1", "skew: half widths above and below the centre"),
            ("skew_std", "1", "standard uncertainty of the skew; 0: held"),
            ("delta_bic", "1", "BIC with the band less BIC without"),
        )
    }
    known = measured.identifiability
    data: Data = {
        **texts,
        **numbers,
        "area": ((SPOT, BAND), area, f"{units} cm-1".strip(), "area"),
        "area_std": (
            (SPOT, BAND),
            area_std,
            f"{units} cm-1".strip(),
            "standard uncertainty of the area",
        ),
        "correlation": (column, known.correlation, "1", "correlation of the areas"),
        **_spot_data(measured, members),
        "smoothness": ((), fit.smoothness, "1", "weight of the baseline's penalty"),
        "condition": ((), known.condition, "1", "condition number of the fit"),
        "n_independent": ((), known.n_independent, "1", "independent points"),
    }
    names = _texts(fit.model.names)
    coords = {
        SPOT: label(xr.DataArray(spots, dims=(SPOT,)), SPOT),
        BAND: (BAND, _texts([str(n) for n in stack["name"]]), {"long_name": "band"}),
        COLUMN: (COLUMN, names, {"long_name": "column of the fit"}),
        OTHER_COLUMN: (OTHER_COLUMN, names, {"long_name": "column of the fit"}),
    }
    return xr.Dataset(_label(data), coords=coords)


_TEXTS = {
    "kind": "band, template or sum",
    SPECIES: "species",
    "member_of": "column of the fit it belongs to",
    "status": "what is known of it",
    "status_reason": "why it is not determined",
    "origin": "where its prior comes from",
}


def _units_of(one: SampleResult) -> str:
    """Return the units of a sample's intensity."""
    units = str(one.sample.spectra[0][INTENSITY].attrs.get("units", "1"))
    return "" if units == "1" else units


def _verdict_cells(verdict: Verdict) -> dict[str, object]:
    """Return what a verdict says, by column."""
    return {
        "status": verdict.status.value,
        "status_reason": verdict.reason,
        "delta_bic": verdict.delta_bic,
        "member_of": verdict.name,
    }


def _band_rows(
    measured: SampleMetrics, members: Sequence[int]
) -> list[dict[str, object]]:
    """Return a row for each band and template of a model."""
    fit, covariance = measured.fit, measured.covariance
    layout, model = fit.layout, fit.model
    place = np.asarray(model.shares)
    sigma = np.sqrt(
        np.maximum([np.diag(covariance.of_spectrum(m)) for m in members], 0.0)
    )
    centres, widths = place_bands(
        layout, fit.solution.shared, along=fit.spectra[members[0]].along
    )
    mixing = fit.solution.shared[layout.mixing]
    skews = band_skews(layout, fit.solution.shared)
    rows = []
    for number, band in enumerate(model.bands):
        column = int(np.flatnonzero(place[number])[0]) if place[number].any() else 0
        share = float(place[number, column])
        family = int(layout.family[number])
        width = float(widths[family])
        rows.append(
            {
                "name": band.name,
                "kind": "band",
                SPECIES: band.species,
                "origin": f"{band.source} ({band.grade})",
                "centre": float(centres[number]),
                "centre_std": _std_at(measured, members, "centre", number),
                "fwhm": width,
                "fwhm_std": width * _std_at(measured, members, "log_width", family),
                "lorentz": float(mixing[family]),
                "lorentz_std": _std_at(measured, members, "mixing", family),
                "skew": float(skews[number]),
                "skew_std": _skew_std(measured, number),
                "area": fit.band_areas[list(members), number],
                "area_std": share * sigma[:, column],
                **_verdict_cells(measured.identifiability.verdicts[column]),
            }
        )
    unknown = dict.fromkeys(_SHAPE_NUMBERS, math.nan)
    for number, template in enumerate(model.templates):
        column = layout.scale.start + number
        rows.append(
            {
                "name": template.name,
                "kind": "template",
                SPECIES: template.species,
                "origin": "measured spectrum",
                **unknown,
                "area": fit.areas[list(members), column],
                "area_std": sigma[:, column],
                **_verdict_cells(measured.identifiability.verdicts[column]),
            }
        )
    return rows


def _skew_std(measured: SampleMetrics, number: int) -> float:
    """Return 1 sigma of a band's skew; 0 where it is held."""
    layout = measured.fit.layout
    where = np.flatnonzero(layout.skewed == number)
    if not where.size:
        return 0.0
    place = layout.skew.start + int(where[0])
    return math.sqrt(max(float(measured.covariance.shared[place, place]), 0.0))


def _std_at(
    measured: SampleMetrics, members: Sequence[int], kind: str, number: int
) -> float:
    """Return 1 sigma of a shared parameter where the sample stands in the series."""
    layout, shared = measured.fit.layout, measured.covariance.shared
    part: slice = getattr(layout, kind)
    place = part.start + number
    variance = float(shared[place, place])
    drifts = {"centre": layout.centre_drift, "log_width": layout.width_drift}
    drift = drifts.get(kind)
    if drift is not None and drift.stop > drift.start:
        along = measured.fit.spectra[members[0]].along
        other = drift.start + number
        variance += 2.0 * along * float(shared[place, other])
        variance += along**2 * float(shared[other, other])
    return math.sqrt(max(variance, 0.0))


def _sum_rows(
    measured: SampleMetrics, members: Sequence[int]
) -> list[dict[str, object]]:
    """Return a row for each group of columns whose sum alone is known."""
    fit, verdicts = measured.fit, measured.identifiability.verdicts
    merged = [v for v in verdicts if v.status is BandStatus.MERGED]
    rows = []
    for group in dict.fromkeys(verdict.group for verdict in merged):
        columns = [k for k, each in enumerate(verdicts) if each.group == group]
        block = np.ix_(columns, columns)
        variances = [measured.covariance.of_spectrum(m)[block].sum() for m in members]
        species = dict.fromkeys(fit.model.species[k] for k in columns)
        first = next(v for v in merged if v.group == group)
        rows.append(
            {
                "name": group,
                "kind": "sum",
                SPECIES: " + ".join(species),
                "origin": "",
                **dict.fromkeys(_SHAPE_NUMBERS, math.nan),
                "area": fit.areas[np.ix_(list(members), columns)].sum(axis=1),
                "area_std": np.sqrt(np.maximum(variances, 0.0)),
                "status": SUM_STATUS,
                "status_reason": first.reason,
                "delta_bic": math.nan,
                "member_of": group,
            }
        )
    return rows


def _spot_data(measured: SampleMetrics, members: Sequence[int]) -> Data:
    """Return figures of merit and axis shifts of the spots."""
    fit = measured.fit
    chi, factor, shift = [], [], []
    for member in members:
        residual, spectrum = fit.residual(member), fit.spectra[member]
        used = fit.layout.n_local + spectrum.basis.shape[1]
        squares = float(residual @ residual)
        chi.append(squares / max(residual.size - used, 1))
        scaled = spectrum.intensity / spectrum.sigma
        factor.append(math.sqrt(squares / max(float(scaled @ scaled), 1e-300)))
        shift.append(float(fit.solution.locals[member][fit.layout.axis_shift]))
    std = measured.covariance.axis_shift_std[list(members)]
    return {
        "chi_square": ((SPOT,), chi, "1", "reduced chi-square"),
        "r_factor": ((SPOT,), factor, "1", "weighted residual over weighted data"),
        "axis_shift": ((SPOT,), shift, "cm-1", "what the spot's axis reads high"),
        "axis_shift_std": ((SPOT,), std, "cm-1", "standard uncertainty of the shift"),
    }


def _spectra_of(one: SampleResult, measured: SampleMetrics) -> list[xr.Dataset]:
    """Return data and curves of a sample's spots, one dataset for each axis."""
    found = []
    first = 0
    for dataset in one.sample.spectra:
        number = dataset.sizes[SPOT]
        members = one.members[first : first + number]
        found.append(_curves(measured.fit, members, dataset, first=first))
        first += number
    return found


def _curves(
    fit: BandFit, members: Sequence[int], dataset: xr.Dataset, *, first: int
) -> xr.Dataset:
    """Return data and curves of the spots of one axis."""
    units = str(dataset[INTENSITY].attrs.get("units", "1"))
    curves = [fit.curves(member) for member in members]
    spectra = [fit.spectra[member] for member in members]
    points = (SPOT, RAMAN_SHIFT)
    light = np.asarray([bands.T for bands, _ in curves], dtype=np.float32)
    data: Data = {
        INTENSITY: (points, [s.intensity for s in spectra], units, "intensity"),
        "intensity_std": (
            points,
            [s.sigma for s in spectra],
            units,
            "standard uncertainty of the intensity, as weighted in the fit",
        ),
        "baseline": (
            points,
            np.asarray([base for _, base in curves], dtype=np.float32),
            units,
            "baseline",
        ),
        "component": (
            (SPOT, COLUMN, RAMAN_SHIFT),
            light,
            units,
            "bands and templates of each column",
        ),
        "residual": (
            points,
            np.asarray([fit.residual(member) for member in members], dtype=np.float32),
            "1",
            "data less model over the standard uncertainty",
        ),
    }
    axis = xr.DataArray(spectra[0].raman_shift, dims=(RAMAN_SHIFT,))
    spots = xr.DataArray(np.arange(first + 1, first + 1 + len(members)), dims=(SPOT,))
    coords: dict[str, object] = {
        RAMAN_SHIFT: label(axis, RAMAN_SHIFT),
        SPOT: label(spots, SPOT),
        COLUMN: (COLUMN, _texts(fit.model.names), {"long_name": "column of the fit"}),
    }
    if SOURCE in dataset.coords:
        words = {"long_name": "file of the spot"}
        files = [str(name) for name in dataset[SOURCE].to_numpy()]
        coords[SOURCE] = (SPOT, _texts(files), words)
    result = xr.Dataset(_label(data), coords=coords)
    if "masked" in dataset:
        masked = dataset["masked"].transpose(*points).to_numpy().astype(np.int8)
        attrs = {"units": "1", "long_name": "the point carries no information"}
        result["masked"] = (points, masked, attrs)
    return result
