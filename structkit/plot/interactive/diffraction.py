"""Interactive powder patterns and amorphous content, from stored results."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import xarray as xr

from structkit.plot.interactive.figure import (
    AXIS,
    Figure,
    Trace,
    line_trace,
    make_figure,
    pack_curve,
    plain_text,
    point_trace,
    shade_of,
    symbol_of,
    thin_curves,
)
from structkit.plot.interactive.milling import (
    MillingAxis,
    make_milling_figure,
    read_milling_axis,
)
from structkit.plot.style import (
    BACKGROUND_COLOR,
    CALCULATED_COLOR,
    OBSERVED_COLOR,
    color_of,
    marker_of,
    subscript,
)
from structkit.schema import PHASE, TWO_THETA

_FIT_POINTS = 1200
_STACK_POINTS = 1000
_STACK_STEP = 1.0
_METHOD = "amorphous_method"
_ABSOLUTE = (
    "internal_standard",
    "external_standard",
    "measured_component",
    "ponkcs",
    "direct_derivation",
)
_TWO_THETA = "2θ (°)"
_ROOM = 1.06
_ASIDE = 0.012
"""Distance between methods, as a share of the axis."""


def draw_stacked_patterns(
    patterns: Mapping[str, xr.Dataset], *, references: Collection[str] = ()
) -> Figure:
    """Draw measured patterns above one another, the first at the bottom.

    Parameters
    ----------
    patterns : mapping of str to xarray.Dataset
        For each label ``observed`` over ``two_theta``, in the order of drawing.
    references : collection of str
        Labels that do not belong to the milled series: drawn in grey.

    Returns
    -------
    dict
        Square roots of intensities over their highest, so that halos and weak lines
        are seen beside strong ones.
    """
    traces = []
    number = len([name for name in patterns if name not in references])
    for place, (name, one) in enumerate(patterns.items()):
        angle, light = one[TWO_THETA].to_numpy(), one["observed"].to_numpy()
        root = np.sqrt(np.clip(light, 0.0, None))
        root = (root - np.nanmin(root)) / (np.nanmax(root) - np.nanmin(root) or 1.0)
        kept = thin_curves([root], limit=_STACK_POINTS)
        traces.append(
            line_trace(
                angle[kept],
                root[kept] + _STACK_STEP * place,
                name,
                AXIS if name in references else shade_of(place, number),
                width=0.9,
                pack=pack_curve,
                hoverinfo="x+name",
            )
        )
    marks = [_STACK_STEP * place + 0.12 for place in range(len(patterns))]
    return make_figure(
        traces,
        x_title=_TWO_THETA,
        y_title="√ intensity, shifted",
        height=220 + 75 * len(patterns),
        y={
            "tickvals": marks,
            "ticktext": [plain_text(name) for name in patterns],
            "showgrid": False,
            "ticks": "",
        },
        showlegend=False,
    )


def draw_rietveld(curves: xr.Dataset, reflections: xr.Dataset | None = None) -> Figure:
    """Draw a refined pattern: observed, calculated, difference, marks of reflections.

    Parameters
    ----------
    curves : xarray.Dataset
        ``observed``, ``calculated``, ``background``, ``halo`` over ``two_theta``; its
        coordinate ``phase`` names the phases.
    reflections : xarray.Dataset, optional
        ``two_theta_hkl`` and ``phase_index`` over ``reflection``.

    Returns
    -------
    dict
        The difference in a panel of its own, below the marks.
    """
    angle = curves[TWO_THETA].to_numpy().astype(float)
    observed, calculated, background = (
        curves[name].to_numpy().astype(float)
        for name in ("observed", "calculated", "background")
    )
    kept = thin_curves([observed, calculated], limit=_FIT_POINTS)
    x = angle[kept]
    traces = [
        point_trace(
            x,
            observed[kept],
            "observed",
            OBSERVED_COLOR,
            size=3,
            hoverinfo="x+y",
            pack=pack_curve,
        ),
        line_trace(x, calculated[kept], "calculated", color_of(1), pack=pack_curve),
    ]
    if "halo" in curves:
        diffuse = background + curves["halo"].to_numpy()
        traces.append(
            line_trace(
                x,
                diffuse[kept],
                "background + halo",
                color_of(0),
                dash="dash",
                pack=pack_curve,
            )
        )
    traces.append(
        line_trace(
            x,
            background[kept],
            "background",
            BACKGROUND_COLOR,
            dash="dot",
            pack=pack_curve,
        )
    )
    difference = (observed - calculated)[kept]
    traces.append(
        line_trace(
            x,
            difference,
            "difference",
            CALCULATED_COLOR,
            width=0.8,
            yaxis="y3",
            pack=pack_curve,
        )
    )
    names = [str(name) for name in curves[PHASE].to_numpy()]
    ticks = _reflection_marks(names, reflections, (float(x[0]), float(x[-1])))
    rows = max(len(names), 1)
    low, high = 0.24, 0.24 + 0.035 * rows
    figure = make_figure(
        [*traces, *ticks],
        x_title=_TWO_THETA,
        y_title="intensity (counts)",
        height=520,
        x={
            "anchor": "y3",
            "range": [float(x[0]), float(x[-1])],
            "nticks": 9,
            "tickangle": 0,
        },
        y={"domain": [high + 0.02, 1.0], "rangemode": "tozero"},
    )
    figure["layout"]["yaxis2"] = {
        "domain": [low, high],
        "range": [-rows + 0.5, 0.5],
        "showticklabels": False,
        "showgrid": False,
        "zeroline": False,
        "fixedrange": True,
    }
    figure["layout"]["yaxis3"] = {
        "domain": [0.0, low - 0.03],
        "title": {"text": "obs − calc", "standoff": 8},
        "zeroline": True,
        "zerolinecolor": BACKGROUND_COLOR,
        "showline": True,
        "linecolor": "#666666",
        "gridcolor": "#E6E6E6",
        "automargin": True,
        "nticks": 4,
    }
    return figure


def _reflection_marks(
    names: list[str], reflections: xr.Dataset | None, limits: tuple[float, float]
) -> list[Trace]:
    """Return one row of marks for each phase."""
    if reflections is None:
        return []
    place = reflections["two_theta_hkl"].to_numpy()
    owner = reflections["phase_index"].to_numpy()
    inside = (place >= limits[0]) & (place <= limits[1])
    marks = []
    for index, name in enumerate(names):
        own = np.unique(np.round(place[inside & (owner == index)], 3))
        if own.size == 0:
            continue
        mark = point_trace(
            own,
            np.full(own.size, -float(index)),
            subscript(name),
            color_of(index),
            symbol="line-ns-open",
            size=8,
            yaxis="y2",
            hoverinfo="x+name",
        )
        marks.append(mark)
    return marks


def draw_amorphous(contents: xr.Dataset, truth: xr.Dataset | None = None) -> Figure:
    """Draw the amorphous content against milling time, with 95 % bounds.

    Parameters
    ----------
    contents : xarray.Dataset
        The root of ``crystallinity.nc``.
    truth : xarray.Dataset, optional
        ``amorphous_fraction`` where it is known.

    Returns
    -------
    dict
        Filled: the method that speaks. Open: the others that apply. Thick grey bars:
        what the atoms allow, where no method gives a value.
    """
    axis = read_milling_axis(contents)
    traces = axis.truth(truth, "amorphous_fraction")
    value, low, high = (
        contents[f"amorphous_fraction{end}"].to_numpy().astype(float)
        for end in ("", "_low", "_high")
    )
    seen = np.isfinite(value)
    bounds = axis.points(
        (low + high) / 2.0,
        "what the atoms allow (95 %)",
        BACKGROUND_COLOR,
        kept=~seen & np.isfinite(low) & np.isfinite(high),
        low=low,
        high=high,
        size=1,
    )
    for trace in bounds:
        trace["error_y"].update(thickness=6, width=0)
    traces += [*bounds, *_other_methods(contents, axis)]
    methods = contents["amorphous_fraction_method"].to_numpy().astype(str)[seen]
    spoken = ", ".join(dict.fromkeys(one.replace("_", " ") for one in methods))
    traces += axis.points(
        value,
        f"{spoken} (95 %)",
        color_of(0),
        kept=seen,
        low=low,
        high=high,
        texts=[
            f"{n}: {v:.3f} ({a:.3f} to {b:.3f})"
            for n, v, a, b in zip(axis.names, value, low, high, strict=True)
        ],
    )
    return make_milling_figure(
        axis, traces, y_title="amorphous weight fraction", y={"range": [-0.04, _ROOM]}
    )


def _other_methods(contents: xr.Dataset, axis: MillingAxis) -> list[Trace]:
    """Return the methods that apply beside the one that speaks, a little aside."""
    found: list[Trace] = []
    known = contents[_METHOD].to_numpy().astype(str) if _METHOD in contents.dims else ()
    drawn = 0
    for method in (one for one in _ABSOLUTE if one in known):
        one = contents.sel({_METHOD: method})
        beside = contents["amorphous_fraction_method"].to_numpy() != method
        value = one["method_value"].to_numpy()
        place = _ABSOLUTE.index(method) + 1
        kept = (one["method_applicable"].to_numpy() > 0) & beside & np.isfinite(value)
        drawn += bool(kept.any())
        found += axis.points(
            value,
            method.replace("_", " "),
            color_of(place),
            kept=kept,
            symbol=f"{symbol_of(marker_of(place))}-open",
            shift=_ASIDE * drawn,
        )
    return found


def draw_phases(contents: xr.Dataset, truth: xr.Dataset | None = None) -> Figure:
    """Draw what is left of each phase against milling time.

    Parameters
    ----------
    contents : xarray.Dataset
        The root of ``crystallinity.nc`` or, without absolute contents, ``refine.nc``.
    truth : xarray.Dataset, optional
        ``weight_fraction`` over sample and phase where it is known.

    Returns
    -------
    dict
        Points with 1 sigma; a non-detect is a triangle at its 95 % upper limit.
    """
    name = "weight_fraction_sample"
    whole = name in contents and bool(np.isfinite(contents[name]).any())
    name = name if whole else "weight_fraction_crystalline"
    axis = read_milling_axis(contents)
    traces: list[Trace] = []
    for index, phase in enumerate(contents[PHASE].to_numpy().astype(str)):
        one = contents.sel({PHASE: phase})
        traces.extend(_phase_points(one, name, axis, index=index, phase=phase))
        if truth is not None and whole and "weight_fraction" in truth:
            if phase in truth[PHASE].to_numpy():
                known = truth.sel({PHASE: phase})
                traces += axis.truth(known, "weight_fraction", color=color_of(index))
    of = "sample" if whole else "crystalline part"
    return make_milling_figure(axis, traces, y_title=f"weight fraction of the {of}")


def _phase_points(
    one: xr.Dataset, name: str, axis: MillingAxis, *, index: int, phase: str
) -> list[Trace]:
    """Return a phase's points, and its non-detects at their limits."""
    value = one[name].to_numpy().astype(float)
    std = one[f"{name}_std"].to_numpy().astype(float)
    limit = np.full(value.size, np.nan)
    hidden = np.zeros(value.size, dtype=bool)
    if f"{name}_censored" in one:
        hidden = one[f"{name}_censored"].to_numpy() > 0
        limit = one["upper_limit_sample"].to_numpy().astype(float)
    elif "detection_limit" in one:
        limit = one["detection_limit"].to_numpy().astype(float)
        hidden = value < limit
    seen = np.isfinite(value) & ~hidden
    color, shown = color_of(index), subscript(phase)
    traces = axis.points(
        value,
        shown,
        color,
        kept=seen,
        low=value - std,
        high=value + std,
        symbol=symbol_of(marker_of(index)),
        legendgroup=phase,
    )
    return traces + axis.points(
        limit,
        f"{shown}: not seen, below",
        color,
        kept=hidden & np.isfinite(limit),
        symbol="triangle-down-open",
        size=11,
        legendgroup=phase,
        showlegend=bool(not seen.any()),
    )
