"""Interactive NMR lines and recoveries, from stored results."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import xarray as xr

from structkit.plot.interactive.figure import (
    Figure,
    Trace,
    line_trace,
    make_figure,
    pack_curve,
    point_trace,
    symbol_of,
    thin_curves,
)
from structkit.plot.style import (
    BACKGROUND_COLOR,
    OBSERVED_COLOR,
    color_of,
    marker_of,
    subscript,
)
from structkit.schema import CHEMICAL_SHIFT, DELAY, INTENSITY

OWN_SITE = "own_site"
_POINTS = 1500
_LEAST_LINE = 0.002
_FAINT = 0.3
_ROOM = 0.06


def draw_lines(lines: xr.Dataset) -> Figure:
    """Draw a spectrum with the line of each site and the residual; ppm descend.

    Parameters
    ----------
    lines : xarray.Dataset
        The node ``lines`` of a sample in ``nmr.nc``.
    """
    shift = lines[CHEMICAL_SHIFT].to_numpy()
    data, base, residual = (
        lines[name].to_numpy().astype(float)
        for name in (INTENSITY, "baseline", "residual")
    )
    line = lines["line"].to_numpy()
    height = float(np.ptp(data)) or 1.0
    kept = thin_curves([data, residual], limit=_POINTS)
    x = shift[kept]
    traces: list[Trace] = [
        line_trace(
            x, data[kept] / height, "data", OBSERVED_COLOR, width=1.6, pack=pack_curve
        )
    ]
    for place, name in enumerate(lines[OWN_SITE].to_numpy().astype(str)):
        own = line[place]
        shown = np.where(np.abs(own) > _LEAST_LINE * height, base + own, np.nan)
        traces.append(
            line_trace(
                x,
                shown[kept] / height,
                subscript(name),
                color_of(place),
                width=1.6,
                pack=pack_curve,
            )
        )
    model = (base + line.sum(axis=0)) / height
    traces.append(
        line_trace(x, model[kept], "model", "#000000", dash="dash", pack=pack_curve)
    )
    rest = residual / height
    below = float(np.nanmin(data) / height - np.nanmax(np.abs(rest))) - 0.05
    traces.append(
        line_trace(
            x,
            rest[kept] + below,
            "residual, shifted",
            BACKGROUND_COLOR,
            width=0.9,
            pack=pack_curve,
        )
    )
    return make_figure(
        traces,
        x_title="chemical shift (ppm)",
        y_title="intensity over its range",
        x={"autorange": "reversed"},
    )


def draw_recovery(
    recovery: xr.Dataset, *, told: Collection[str] | None = None
) -> Figure:
    """Draw the areas of all sites over the recovery delay with the chosen laws.

    Parameters
    ----------
    recovery : xarray.Dataset
        A node ``t1/<n>`` of a sample in ``nmr.nc``.
    told : collection of str, optional
        Sites whose T1 is told. The others are drawn faint, over the largest area of
        their own, and the axis is not stretched for them. Default: all sites.
    """
    traces: list[Trace] = []
    delay = recovery[DELAY].to_numpy()
    ends: list[float] = []
    for place, name in enumerate(recovery[OWN_SITE].to_numpy().astype(str)):
        one = recovery.isel({OWN_SITE: place})
        curve, area = one["curve"].to_numpy(), one["area"].to_numpy()
        std = float(one["area_std"])
        is_told = told is None or name in told
        scale = float(np.nanmax(np.abs(curve if is_told else area))) or 1.0
        color = color_of(place)
        if is_told:
            shown = np.concatenate([(area - std) / scale, (area + std) / scale])
            ends += [float(np.nanmin(shown)), float(np.nanmax(shown))]
        traces.append(
            point_trace(
                delay,
                area / scale,
                subscript(name) if is_told else f"{subscript(name)}: no T1",
                color,
                low=(area - std) / scale,
                high=(area + std) / scale,
                symbol=symbol_of(marker_of(place)),
                size=7 if is_told else 5,
                legendgroup=name,
                opacity=1.0 if is_told else _FAINT,
            )
        )
        if is_told:
            traces.append(
                line_trace(
                    recovery["curve_delay"].to_numpy(),
                    curve / scale,
                    name,
                    color,
                    legendgroup=name,
                    showlegend=False,
                    hoverinfo="skip",
                )
            )
    room = _ROOM * (max(ends) - min(ends)) if ends else 0.0
    return make_figure(
        traces,
        x_title="recovery delay (s)",
        y_title="area over its end value",
        height=360,
        x={"type": "log", "exponentformat": "power", "dtick": 1},
        y={"range": [min(ends) - room, max(ends) + room]} if ends else None,
    )
