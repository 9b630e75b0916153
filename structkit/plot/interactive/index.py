"""Interactive figures of the amorphization index, from stored results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from structkit.plot.interactive.figure import (
    Figure,
    Trace,
    make_figure,
    plain_text,
    point_trace,
    symbol_of,
)
from structkit.plot.style import BACKGROUND_COLOR, TRUTH_COLOR, color_of, marker_of
from structkit.schema import SAMPLE

MODALITY = "modality"
_TWO_SIDED = 1.96
_WIDE = 5.0
"""Largest over smallest conductivity from which their axis is logarithmic."""
_ASIDE = 0.12
"""Distance between the techniques of one sample, in samples."""


def draw_scores(
    scores: xr.Dataset,
    index: xr.Dataset | None,
    *,
    labels: Sequence[str],
    name: str = "",
    truth: xr.Dataset | None = None,
) -> Figure:
    """Draw what each technique says of each sample, and the index beside it.

    Parameters
    ----------
    scores : xarray.Dataset
        The node ``scores`` of ``index.nc``.
    index : xarray.Dataset, optional
        ``value``, ``low``, ``high`` over the same samples; NaN: none.
    labels : sequence of str
        What to write below each sample.
    name : str
        Of the index.
    truth : xarray.Dataset, optional
        ``amorphous_fraction`` over sample.
    """
    samples = [str(one) for one in scores[SAMPLE].to_numpy()]
    known = [str(one) for one in scores[MODALITY].to_numpy()]
    parts = len(known) + 1
    place = np.arange(len(samples), dtype=float)
    traces: list[Trace] = []
    for number, technique in enumerate(known):
        one = scores.sel({MODALITY: technique})
        traces.extend(
            _score_points(
                one,
                place + _ASIDE * (number - (parts - 1) / 2.0),
                technique,
                number=number,
            )
        )
    if index is not None and bool(np.isfinite(index["value"]).any()):
        traces.append(
            point_trace(
                place + _ASIDE * (parts - 1) / 2.0,
                index["value"].to_numpy(),
                f"{name} (95 %)",
                "#000000",
                low=index["low"].to_numpy(),
                high=index["high"].to_numpy(),
                symbol="star-diamond",
                size=13,
            )
        )
    if truth is not None and "amorphous_fraction" in truth:
        own = truth["amorphous_fraction"]
        held = set(own[SAMPLE].to_numpy().astype(str))
        value = [float(own.sel({SAMPLE: s})) if s in held else np.nan for s in samples]
        traces.append(
            point_trace(
                place, value, "truth", TRUTH_COLOR, symbol="line-ew-open", size=46
            )
        )
    return make_figure(
        traces,
        x_title="sample",
        y_title="0 crystalline … 1 amorphous",
        height=460,
        x={
            "tickvals": place.tolist(),
            "ticktext": [plain_text(one).replace(" (", "<br>(") for one in labels],
            "ticklabeloverflow": "allow",
            "range": [-0.5, len(samples) - 0.5],
            "showgrid": False,
        },
        shapes=[_level(0.0), _level(1.0)],
    )


def _score_points(
    one: xr.Dataset,
    place: np.ndarray[tuple[int], np.dtype[np.float64]],
    technique: str,
    *,
    number: int,
) -> list[Trace]:
    """Return the scores of a technique, and its bounds where it gives no value."""
    value, std = one["score"].to_numpy(), one["score_std"].to_numpy()
    low, high = (
        one[f"score_{end}"].to_numpy() if f"score_{end}" in one else value * np.nan
        for end in ("low", "high")
    )
    seen = np.isfinite(value)
    color, symbol = color_of(number), symbol_of(marker_of(number))
    traces = []
    if seen.any():
        reach = _TWO_SIDED * np.nan_to_num(std)
        traces.append(
            point_trace(
                place[seen],
                value[seen],
                f"{technique} (95 %)",
                color,
                low=(value - reach)[seen],
                high=(value + reach)[seen],
                symbol=symbol,
            )
        )
    low, high = (
        np.where(np.isfinite(low), low, 0.0),
        np.where(np.isfinite(high), high, 1.0),
    )
    bound = ~seen & ((low > 0.0) | (high < 1.0))
    if bound.any():
        trace = point_trace(
            place[bound],
            (low + high)[bound] / 2.0,
            f"{technique}: bounds only",
            color,
            low=low[bound],
            high=high[bound],
            size=1,
        )
        trace["error_y"].update(thickness=5, width=0)
        traces.append(trace)
    return traces


def _level(height: float) -> dict[str, object]:
    """Return a faint horizontal line across the panel."""
    return {
        "type": "line",
        "xref": "paper",
        "x0": 0,
        "x1": 1,
        "y0": height,
        "y1": height,
        "line": {"color": BACKGROUND_COLOR, "width": 1, "dash": "dot"},
    }


def draw_variants(
    index: xr.Dataset, *, labels: Sequence[str], names: Mapping[str, str]
) -> Figure:
    """Draw one index in its variants: how much depends on each technique.

    Parameters
    ----------
    index : xarray.Dataset
        ``value``, ``low``, ``high`` over sample and ``variant``.
    labels : sequence of str
        What to write below each sample.
    names : mapping of str to str
        What to call each variant.
    """
    variants = [str(one) for one in index["variant"].to_numpy()]
    place = np.arange(index.sizes[SAMPLE], dtype=float)
    traces = []
    for number, variant in enumerate(variants):
        one = index.sel(variant=variant)
        value = one["value"].to_numpy()
        seen = np.isfinite(value)
        if not seen.any():
            continue
        traces.append(
            point_trace(
                (place + _ASIDE * (number - (len(variants) - 1) / 2.0))[seen],
                value[seen],
                names.get(variant, variant),
                color_of(number),
                low=one["low"].to_numpy()[seen],
                high=one["high"].to_numpy()[seen],
                symbol=symbol_of(marker_of(number % 7)),
            )
        )
    return make_figure(
        traces,
        x_title="sample",
        y_title="index (95 %)",
        x={
            "tickvals": place.tolist(),
            "ticktext": [plain_text(one).replace(" (", "<br>(") for one in labels],
            "ticklabeloverflow": "allow",
            "range": [-0.5, len(labels) - 0.5],
            "showgrid": False,
        },
        y={"range": [-0.04, 1.06]},
    )


def draw_agreement(agreement: xr.Dataset) -> Figure:
    """Draw by how much each technique departs from the others along the series.

    Parameters
    ----------
    agreement : xarray.Dataset
        The node ``agreement`` of ``index.nc``.
    """
    names = [str(one) for one in agreement[MODALITY].to_numpy()]
    value, std = (
        agreement[name].to_numpy() for name in ("difference", "difference_std")
    )
    p = agreement["p_value"].to_numpy()
    seen = np.isfinite(value)
    shown = [n for n, s in zip(names, seen, strict=True) if s]
    reach = _TWO_SIDED * np.nan_to_num(std[seen])
    trace = point_trace(
        shown,
        value[seen],
        "difference (95 %)",
        color_of(0),
        low=value[seen] - reach,
        high=value[seen] + reach,
        texts=[
            f"{n}: {v:+.3f}, p = {q:.2g}"
            for n, v, q in zip(shown, value[seen], p[seen], strict=True)
        ],
    )
    return make_figure(
        [trace],
        x_title="technique",
        y_title="score − the others'",
        height=320,
        x={"type": "category", "showgrid": False},
        shapes=[_level(0.0)],
        showlegend=False,
    )


def draw_against_conductivity(
    index: xr.Dataset, conductivity: Mapping[str, tuple[float, float]], *, name: str
) -> Figure:
    """Draw conductivity over an index that does not hold it.

    Parameters
    ----------
    index : xarray.Dataset
        ``value``, ``low``, ``high`` over sample, of a variant without impedance.
    conductivity : mapping of str to tuple of float
        For each sample value and 1 sigma, ``S cm-1``.
    name : str
        Of index and variant.
    """
    samples = [
        str(one)
        for one in index[SAMPLE].to_numpy()
        if str(one) in conductivity
        and np.isfinite(float(index["value"].sel(sample=one)))
    ]
    own = index.sel({SAMPLE: samples})
    value = np.array([conductivity[one][0] for one in samples])
    std = np.nan_to_num([conductivity[one][1] for one in samples])
    x = own["value"].to_numpy()
    trace = point_trace(
        x,
        value * 1e3,
        "samples",
        color_of(0),
        low=np.maximum(value - _TWO_SIDED * std, 0.05 * value) * 1e3,
        high=(value + _TWO_SIDED * std) * 1e3,
        mode="markers+text",
    )
    trace["error_x"] = {
        **trace["error_y"],
        "array": _list(own["high"].to_numpy() - x),
        "arrayminus": _list(x - own["low"].to_numpy()),
    }
    wide = value.size > 0 and value.max() > _WIDE * value.min() > 0.0
    axis = {"type": "log", "dtick": "D2"} if wide else {"rangemode": "tozero"}
    trace["text"] = [plain_text(one) for one in samples]
    trace["textposition"] = "top left"
    return make_figure(
        [trace],
        x_title=name,
        y_title="conductivity (mS cm⁻¹)",
        height=400,
        x={"range": [-0.04, 1.06]},
        y=axis,
        showlegend=False,
    )


def _list(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> list[float]:
    """Return finite numbers."""
    return [float(one) for one in np.nan_to_num(values)]
