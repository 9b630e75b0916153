"""Interactive Raman spectra, metrics and readings, from stored results."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

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
    thin_curves,
)
from structkit.plot.interactive.milling import make_milling_figure, read_milling_axis
from structkit.plot.style import (
    BACKGROUND_COLOR,
    OBSERVED_COLOR,
    color_of,
    subscript_words,
)
from structkit.schema import INTENSITY, METRIC, RAMAN_SHIFT

COLUMN = "column"
_POINTS = 1200
_STEP = 1.05
_SHIFT = "Raman shift (cm⁻¹)"


def draw_stacked_spectra(
    curves: Mapping[str, xr.Dataset], *, references: Collection[str] = ()
) -> Figure:
    """Draw spectra less their baselines above one another, fitted bands on them.

    Parameters
    ----------
    curves : mapping of str to xarray.Dataset
        For each label what :func:`structkit.plot.raman_stored.stored_curves` returns,
        in the order of drawing. Each is divided by the highest point of its model.
    references : collection of str
        Labels that do not belong to the milled series: drawn in grey.
    """
    traces: list[Trace] = []
    number = len([name for name in curves if name not in references])
    for place, (name, one) in enumerate(curves.items()):
        shift = one[RAMAN_SHIFT].to_numpy()
        model = one["component"].sum(COLUMN).to_numpy()
        scale = float(np.nanmax(model)) or 1.0
        data = (one[INTENSITY] - one["baseline"]).to_numpy() / scale
        if "masked" in one:
            data = np.where(one["masked"].to_numpy() > 0, np.nan, data)
        level = _STEP * place
        color = AXIS if name in references else shade_of(place, number)
        kept = thin_curves([data, model], limit=_POINTS)
        for values, more in (
            (data, {"width": 0.7, "opacity": 0.55}),
            (model / scale, {"width": 1.5}),
        ):
            shifted = values[kept] + level
            traces.append(
                line_trace(
                    shift[kept],
                    shifted,
                    name,
                    color,
                    hoverinfo="x+name",
                    pack=pack_curve,
                    **more,
                )
            )
    marks = [_STEP * place + 0.1 for place in range(len(curves))]
    return make_figure(
        traces,
        x_title=_SHIFT,
        y_title="intensity − baseline, over its maximum",
        height=220 + 75 * len(curves),
        y={
            "tickvals": marks,
            "ticktext": [plain_text(name) for name in curves],
            "showgrid": False,
            "ticks": "",
        },
        showlegend=False,
    )


def draw_bands(curves: xr.Dataset) -> Figure:
    """Draw one spot: data, baseline, model and the bands of each species.

    Parameters
    ----------
    curves : xarray.Dataset
        What :func:`structkit.plot.raman_stored.stored_curves` returns.
    """
    shift, light = curves[RAMAN_SHIFT].to_numpy(), curves[INTENSITY].to_numpy()
    base = curves["baseline"].to_numpy().astype(float)
    model = base + curves["component"].sum(COLUMN).to_numpy()
    kept = thin_curves([light, model], limit=_POINTS)
    x = shift[kept]
    traces = [
        point_trace(
            x,
            light[kept],
            "data",
            OBSERVED_COLOR,
            size=3,
            hoverinfo="x+y",
            pack=pack_curve,
        ),
        line_trace(
            x, base[kept], "baseline", BACKGROUND_COLOR, dash="dot", pack=pack_curve
        ),
    ]
    kinds = _species_of_columns(curves)
    for place, kind in enumerate(dict.fromkeys(kinds)):
        own = [index for index, one in enumerate(kinds) if one == kind]
        part = curves["component"].isel({COLUMN: own}).sum(COLUMN).to_numpy()
        traces.append(
            line_trace(
                x,
                (base + part)[kept],
                subscript_words(kind),
                color_of(place),
                width=1.4,
                dash="solid" if place < 4 else "dash",
                pack=pack_curve,
            )
        )
    traces.append(
        line_trace(x, model[kept], "model", "#000000", width=1.0, pack=pack_curve)
    )
    units = str(curves[INTENSITY].attrs.get("units", "1"))
    return make_figure(
        traces,
        x_title=_SHIFT,
        y_title="intensity (counts)" if units == "count" else "intensity",
    )


def _species_of_columns(curves: xr.Dataset) -> Sequence[str]:
    """Return the species of each column; its name where that is unknown."""
    name = "column_species" if "column_species" in curves.coords else COLUMN
    return [str(one) for one in curves[name].to_numpy()]


def draw_metric(
    metrics: xr.Dataset, name: str, *, title: str, truth: xr.Dataset | None = None
) -> Figure:
    """Draw one metric against milling time with its 95 % limits.

    Parameters
    ----------
    metrics : xarray.Dataset
        The root of ``raman.nc``.
    name : str
        Of the metric.
    title : str
        Of the axis.
    truth : xarray.Dataset, optional
        ``glass_share`` for ``amorphous_share``, else the metric's own name.
    """
    one = metrics.sel({METRIC: name})
    axis = read_milling_axis(one)
    value, low, high = (
        one[f"metric_{end}"].to_numpy() for end in ("value", "low", "high")
    )
    seen = np.isfinite(value)
    sure = one["metric_resolved"].to_numpy() > 0
    known = {"amorphous_share": "glass_share"}.get(name, name)
    traces: list[Trace] = axis.truth(truth, known)
    said = [
        f"{n}: {v:.3g} ({a:.3g} to {b:.3g})"
        for n, v, a, b in zip(axis.names, value, low, high, strict=True)
    ]
    for kept, label, symbol, opacity in (
        (seen & sure, "resolved", "circle", 1.0),
        (seen & ~sure, "not resolved", "circle-open", 0.6),
    ):
        traces += axis.points(
            value,
            f"{label} (95 %)",
            color_of(0),
            kept=kept,
            low=low,
            high=high,
            symbol=symbol,
            texts=said,
            opacity=opacity,
        )
    return make_milling_figure(axis, traces, y_title=title, height=360)
