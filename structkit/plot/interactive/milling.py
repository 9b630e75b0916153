"""Milling time as an axis: what was milled on it, references in a panel beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from structkit.plot.interactive.figure import (
    AXIS,
    Figure,
    Floats,
    Trace,
    line_trace,
    make_figure,
    plain_text,
    point_trace,
)
from structkit.plot.style import TRUTH_COLOR
from structkit.schema import MILLING_TIME, SAMPLE

ROLE = "role"
MILLED_ROLES = frozenset({"", "unmilled", "milled"})
"""Roles whose milling time is that of the series; any other is a reference."""
_GAP = 0.02
_WIDTH = 0.07
_MOST_WIDTH = 0.36
"""Of the panel of references, as a share of the figure."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MillingAxis:
    """Where the samples of a table stand."""

    names: tuple[str, ...]
    """Samples, in the order of the table."""
    times: Floats
    """Milling times, ``h``, shape (n_samples,)."""
    milled: NDArray[np.bool_]
    """Whether a sample belongs to the milled series, shape (n_samples,)."""

    @property
    def references(self) -> tuple[str, ...]:
        """Return the samples beside the axis."""
        return tuple(
            name for name, own in zip(self.names, self.milled, strict=True) if not own
        )

    @property
    def span(self) -> float:
        """Return the length of the axis, ``h``, at least 1."""
        own = self.times[self.milled & np.isfinite(self.times)]
        return max(float(np.ptp(own)), 1.0) if own.size else 1.0

    def points(
        self,
        value: ArrayLike,
        name: str,
        color: str,
        *,
        kept: ArrayLike,
        low: ArrayLike | None = None,
        high: ArrayLike | None = None,
        symbol: str = "circle",
        texts: Sequence[str] | None = None,
        shift: float = 0.0,
        **more: Any,
    ) -> list[Trace]:
        """Return points on the axis and, open, those of the references beside it.

        Parameters
        ----------
        value, low, high : array_like of float, shape (n_samples,)
            As :func:`structkit.plot.interactive.figure.point_trace` takes them.
        name, color, symbol, texts, **more
            Likewise; ``texts`` has one for each sample.
        kept : array_like of bool, shape (n_samples,)
            Which samples to draw.
        shift : float
            To the right, as a share of the axis.
        """
        chosen = np.asarray(kept, dtype=bool)
        place = np.where(self.milled, self.times, np.cumsum(~self.milled) - 1.0)
        group = more.pop("legendgroup", name)
        shown = more.pop("showlegend", True)
        on_axis = chosen & self.milled & np.isfinite(self.times)
        found = []
        for own, panel in ((on_axis, "x"), (chosen & ~self.milled, "x2")):
            if not own.any():
                continue
            width = self.span if panel == "x" else float(len(self.references))
            aside = panel == "x2"
            found.append(
                point_trace(
                    place[own] + shift * width,
                    np.asarray(value, dtype=float)[own],
                    name,
                    color,
                    low=None if low is None else np.asarray(low)[own],
                    high=None if high is None else np.asarray(high)[own],
                    symbol=f"{symbol.removesuffix('-open')}-open" if aside else symbol,
                    texts=None
                    if texts is None
                    else [texts[k] for k in np.flatnonzero(own).tolist()],
                    xaxis=panel,
                    legendgroup=group,
                    showlegend=shown and not (aside and on_axis.any()),
                    **more,
                )
            )
        return found

    def truth(
        self,
        truth: xr.Dataset | None,
        name: str,
        *,
        color: str = TRUTH_COLOR,
    ) -> list[Trace]:
        """Return known values: dashed through what was milled, a bar at references."""
        if truth is None or name not in truth or MILLING_TIME not in truth.coords:
            return []
        own = truth[name].dropna(SAMPLE)
        names = own[SAMPLE].to_numpy().astype(str).tolist()
        value = own.to_numpy().astype(float)
        hours = own[MILLING_TIME].to_numpy().astype(float)
        known = _roles_of(truth.sel({SAMPLE: own[SAMPLE]})) if names else []
        milled = np.array(
            [
                role in MILLED_ROLES and one not in self.references
                for one, role in zip(names, known, strict=True)
            ],
            dtype=bool,
        )
        order = np.flatnonzero(milled)[np.argsort(hours[milled], kind="stable")]
        shared = {"legendgroup": "truth"}
        found = [
            line_trace(
                hours[order],
                value[order],
                "truth",
                color,
                dash="dash",
                showlegend=color == TRUTH_COLOR,
                **shared,
            )
        ]
        aside = [k for k, one in enumerate(names) if one in self.references]
        if aside:
            found.append(
                point_trace(
                    [float(self.references.index(names[k])) for k in aside],
                    value[aside],
                    "truth",
                    color,
                    symbol="line-ew-open",
                    size=18,
                    xaxis="x2",
                    showlegend=False,
                    **shared,
                )
            )
        return found


def read_milling_axis(table: xr.Dataset) -> MillingAxis:
    """Return where samples stand, by ``milling_time`` and, where it is there, ``role``.

    Parameters
    ----------
    table : xarray.Dataset
        Over ``sample``. Without roles every sample belongs to the milled series.
    """
    return MillingAxis(
        names=tuple(table[SAMPLE].to_numpy().astype(str).tolist()),
        times=table[MILLING_TIME].to_numpy().astype(float),
        milled=np.array([role in MILLED_ROLES for role in _roles_of(table)]),
    )


def _roles_of(table: xr.Dataset) -> list[str]:
    """Return the role of each sample; empty where none is told."""
    if ROLE not in table.variables:
        return [""] * table.sizes[SAMPLE]
    return [str(role) for role in table[ROLE].to_numpy()]


def make_milling_figure(
    axis: MillingAxis,
    traces: Sequence[Trace],
    *,
    y_title: str,
    **more: Any,
) -> Figure:
    """Return a figure over milling time, references in a panel of their own."""
    title = "milling time (h)"
    if not axis.references:
        return make_figure(traces, x_title=title, y_title=y_title, **more)
    number = len(axis.references)
    start = 1.0 - min(_WIDTH * (number + 1), _MOST_WIDTH)
    figure = make_figure(
        traces,
        x_title=title,
        y_title=y_title,
        x={"domain": [0.0, start - _GAP]},
        **more,
    )
    figure["layout"]["xaxis2"] = {
        "domain": [start, 1.0],
        "anchor": "y",
        "range": [-0.6, number - 0.4],
        "tickvals": list(range(number)),
        "ticktext": [plain_text(name) for name in axis.references],
        "title": {"text": "references", "standoff": 8},
        "ticklabeloverflow": "allow",
        "showgrid": False,
        "zeroline": False,
        "showline": True,
        "linecolor": AXIS,
        "fixedrange": True,
        "automargin": True,
    }
    return figure
