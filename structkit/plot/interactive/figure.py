"""Interactive figures as plotly.js reads them: traces and a layout of plain values.

A figure is made here without plotly, and drawn in the reader's browser. Arrays are
little-endian binary in base64, as plotly.js takes them: a third of the size of numbers
in words. Nothing here fits or reads files.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Trace = dict[str, Any]
"""One trace of plotly.js."""
Figure = dict[str, Any]
"""``data``: traces; ``layout``: axes, legend, height."""

INK = "#1A1A1A"
GRID = "#E6E6E6"
AXIS = "#666666"
FONT = (
    "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', Arial, sans-serif"
)
SEQUENCE = ("#440154", "#414487", "#2A788E", "#22A884", "#4EA83A", "#8A9A00")
"""Viridis without its light end: an order that colour-blind readers see too."""

_SYMBOLS = {"o": "circle", "s": "square", "^": "triangle-up", "D": "diamond"}
_MORE_SYMBOLS = {"v": "triangle-down", "P": "cross", "X": "x"}
_HEIGHT = 420
_MOST_COUNTS = 65535


def plain_text(text: str) -> str:
    """Return a text that plotly.js shows as it is.

    plotly.js reads ``<b>``, ``<a href=...>`` and entities in names and labels.

    Examples
    --------
    >>> plain_text("<b>1 h</b> & more")
    '&lt;b&gt;1 h&lt;/b&gt; &amp; more'
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def pack_array(values: ArrayLike) -> dict[str, str]:
    """Return numbers as plotly.js unpacks them: counts in two bytes, else four.

    Parameters
    ----------
    values : array_like of float, shape (n,)
        NaN makes a gap.

    Examples
    --------
    >>> pack_array([1.0, 2.0])
    {'dtype': 'u2', 'bdata': 'AQACAA=='}
    """
    flat = np.ravel(np.asarray(values, dtype=float))
    counts = (
        flat.size > 0
        and bool(np.isfinite(flat).all())
        and bool((flat == np.round(flat)).all())
        and 0.0 <= float(flat.min()) <= float(flat.max()) <= _MOST_COUNTS
    )
    kind = "u2" if counts else "f4"
    packed = np.ascontiguousarray(flat, dtype=f"<{kind}")
    return {"dtype": kind, "bdata": base64.b64encode(packed.tobytes()).decode("ascii")}


def pack_curve(values: ArrayLike) -> dict[str, Any]:
    """Return a dense curve in two bytes a point: ``low + step * count``.

    A 65534th of the range is far below a pixel. The page's script unpacks it; for axes
    that are not logarithmic.

    Parameters
    ----------
    values : array_like of float, shape (n,)
        NaN makes a gap.

    Examples
    --------
    >>> unpack_array(pack_curve([0.5, float("nan"), 2.5])).tolist()
    [0.5, nan, 2.5]
    """
    flat = np.ravel(np.asarray(values, dtype=float))
    seen = np.isfinite(flat)
    plain = pack_array(flat)
    if not seen.any() or plain["dtype"] == "u2":
        return dict(plain)
    low, high = float(flat[seen].min()), float(flat[seen].max())
    step = (high - low) / (_MOST_COUNTS - 1) or 1.0
    counts = np.full(flat.size, _MOST_COUNTS, dtype="<u2")
    counts[seen] = np.round((flat[seen] - low) / step)
    packed = base64.b64encode(counts.tobytes()).decode("ascii")
    return {"dtype": "u2", "bdata": packed, "low": low, "step": step}


def unpack_array(packed: dict[str, Any]) -> Floats:
    """Return the numbers of :func:`pack_array` or :func:`pack_curve`."""
    raw = base64.b64decode(packed["bdata"])
    numbers = np.frombuffer(raw, dtype=f"<{packed['dtype']}").astype(np.float64)
    if "step" not in packed:
        return numbers
    numbers[numbers == _MOST_COUNTS] = np.nan
    return np.asarray(packed["low"] + packed["step"] * numbers, dtype=np.float64)


def share_abscissae(data: Sequence[Trace]) -> list[Trace]:
    """Return traces in which an abscissa that was there before is its number.

    Examples
    --------
    >>> first, second = share_abscissae([{"x": [1, 2]}, {"x": [1, 2]}])
    >>> second["x"]
    0
    """
    shared: list[Trace] = []
    for trace in data:
        twin = next((k for k, one in enumerate(shared) if one["x"] == trace["x"]), None)
        shared.append(trace if twin is None else {**trace, "x": twin})
    return shared


def thin_curves(curves: Sequence[ArrayLike], *, limit: int) -> NDArray[np.intp]:
    """Choose points that keep each curve's lowest and highest value in every stretch.

    Parameters
    ----------
    curves : sequence of array_like, each of shape (n,)
        Over one common abscissa, in its order. NaN is never chosen for its value.
    limit : int
        Number of points to keep, about; a curve with no more is kept whole.

    Returns
    -------
    ndarray of int
        Ascending positions; the first and the last point are among them.

    Notes
    -----
    The abscissa is cut into equal runs of points; of each run the places of minimum
    and maximum of every curve are kept, so that no peak is lost and none is lowered.

    Examples
    --------
    >>> import numpy as np
    >>> peak = np.zeros(1000)
    >>> peak[501] = 9.0
    >>> kept = thin_curves([peak], limit=20)
    >>> bool(501 in kept), len(kept) <= 24
    (True, True)
    """
    stacked = np.array([np.asarray(one, dtype=float) for one in curves])
    size = stacked.shape[1]
    if size <= limit:
        return np.arange(size)
    runs = max(1, limit // (2 * len(stacked)))
    edges = np.linspace(0, size, runs + 1).astype(int)
    kept = {0, size - 1}
    low = np.where(np.isnan(stacked), np.inf, stacked)
    high = np.where(np.isnan(stacked), -np.inf, stacked)
    for start, stop in pairwise(edges):
        kept.update((start + low[:, start:stop].argmin(axis=1)).tolist())
        kept.update((start + high[:, start:stop].argmax(axis=1)).tolist())
    return np.array(sorted(kept))


def symbol_of(marker: str) -> str:
    """Return the name that plotly.js has for a marker of matplotlib."""
    return {**_SYMBOLS, **_MORE_SYMBOLS}[marker]


def shade_of(place: int, number: int) -> str:
    """Return the colour of one of ``number`` ordered things."""
    if number < 2:
        return SEQUENCE[1]
    return SEQUENCE[round(place * (len(SEQUENCE) - 1) / (number - 1))]


def make_figure(
    data: Sequence[Trace],
    *,
    x_title: str,
    y_title: str,
    height: int = _HEIGHT,
    x: dict[str, Any] | None = None,
    y: dict[str, Any] | None = None,
    **layout: Any,
) -> Figure:
    """Return a figure in the house's dress.

    Parameters
    ----------
    data : sequence of dict
        Traces of plotly.js; texts in them already plain.
    x_title, y_title : str
        Titles of the axes, with their units.
    height : int
        In pixels.
    x, y : dict, optional
        More about the axes.
    **layout
        More about the layout.
    """
    axis = {
        "showline": True,
        "linecolor": AXIS,
        "ticks": "outside",
        "tickcolor": AXIS,
        "gridcolor": GRID,
        "zeroline": False,
        "automargin": True,
    }
    return {
        "data": list(data),
        "layout": {
            "height": height,
            "font": {"family": FONT, "size": 13, "color": INK},
            "paper_bgcolor": "#FFFFFF",
            "plot_bgcolor": "#FFFFFF",
            "margin": {"l": 64, "r": 16, "t": 16, "b": 56},
            "hovermode": "closest",
            "legend": {
                "orientation": "h",
                "x": 0.0,
                "y": 1.01,
                "yanchor": "bottom",
                "font": {"size": 12},
            },
            "xaxis": {**axis, "title": {"text": x_title, "standoff": 8}, **(x or {})},
            "yaxis": {**axis, "title": {"text": y_title, "standoff": 8}, **(y or {})},
            **layout,
        },
    }


def line_trace(x: ArrayLike, y: ArrayLike, name: str, color: str, **more: Any) -> Trace:
    """Return a line; ``more`` goes into the trace, ``width`` and ``dash`` into it.

    ``pack=pack_curve`` is for dense curves over axes that are not logarithmic.
    """
    pack = more.pop("pack", pack_array)
    line = {
        "color": color,
        "width": more.pop("width", 1.2),
        "dash": more.pop("dash", "solid"),
    }
    return {
        "type": "scatter",
        "mode": "lines",
        "x": pack(x),
        "y": pack(y),
        "name": plain_text(name),
        "line": line,
        **more,
    }


def point_trace(
    x: ArrayLike | Sequence[str],
    y: ArrayLike,
    name: str,
    color: str,
    *,
    low: ArrayLike | None = None,
    high: ArrayLike | None = None,
    symbol: str = "circle",
    texts: Sequence[str] | None = None,
    **more: Any,
) -> Trace:
    """Return points with bars to ``low`` and ``high``; x may be names.

    ``texts`` is shown at each point under the pointer.
    """
    named = len(np.ravel(x)) > 0 and isinstance(np.ravel(x)[0], str)
    pack = more.pop("pack", pack_array)
    trace: Trace = {
        "type": "scatter",
        "mode": more.pop("mode", "markers"),
        "x": [plain_text(str(one)) for one in np.ravel(x)] if named else pack(x),
        "y": pack(y),
        "name": plain_text(name),
        "marker": {
            "color": color,
            "size": more.pop("size", 9),
            "symbol": symbol,
            "line": {"width": 1.5, "color": color},
        },
        **more,
    }
    if low is not None and high is not None:
        middle = np.asarray(y, dtype=float)
        trace["error_y"] = {
            "type": "data",
            "symmetric": False,
            "array": pack_array(np.nan_to_num(np.asarray(high, dtype=float) - middle)),
            "arrayminus": pack_array(
                np.nan_to_num(middle - np.asarray(low, dtype=float))
            ),
            "thickness": 1.3,
            "width": 4,
            "color": color,
        }
    if texts is not None:
        trace["text"] = [plain_text(one) for one in texts]
        trace["hoverinfo"] = "text+name"
    return trace
