"""Powder patterns: measured, fitted, stacked along a series."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import blended_transform_factory
from numpy.typing import NDArray

from structkit.errors import SchemaError
from structkit.plot.style import (
    BACKGROUND_COLOR,
    CALCULATED_COLOR,
    DOUBLE_COLUMN,
    HALO_COLOR,
    LABEL_SIZE,
    NOTE_SIZE,
    OBSERVED_COLOR,
    axis_label,
    color_of,
    dress_axes,
    make_axes,
    subscript,
)
from structkit.schema import INTENSITY, MILLING_TIME, PHASE, TWO_THETA

Array = NDArray[np.float64]

_GAP_STEPS = 5.0
"""A hole of more than so many steps breaks a line."""
_ROOM_BELOW = 0.25
"""Room for a background below the data, over their height."""
_TICK_ROW = 0.075
"""Height of one row of reflection marks over the height of the pattern."""


def plot_pattern(pattern: xr.Dataset, *, ax: Axes | None = None) -> Axes:
    """Plot one powder pattern.

    Parameters
    ----------
    pattern : xarray.Dataset
        With ``intensity`` over ``two_theta`` (:mod:`structkit.schema`).
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        The axes drawn on.
    """
    ax = make_axes(DOUBLE_COLUMN, 2.8) if ax is None else ax
    angle, intensity = _break_gaps(pattern, pattern[INTENSITY])
    ax.plot(angle, intensity, color=CALCULATED_COLOR, linewidth=0.7)
    _label_axes(ax, pattern, pattern[INTENSITY])
    return ax


def plot_fit(curves: xr.Dataset, *, ax: Axes | None = None) -> Axes:
    """Plot observed and calculated intensity with the parts of the model, stacked.

    Parameters
    ----------
    curves : xarray.Dataset
        ``observed``, ``calculated``, ``background``, ``halo`` (two_theta) and
        ``component`` (phase, two_theta), as :mod:`refinement.result` says.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        The axes drawn on; its legend handles are labelled.
    """
    ax = make_axes(DOUBLE_COLUMN, 2.8) if ax is None else ax
    angle, background = _break_gaps(curves, curves["background"])
    base = background + _break_gaps(curves, curves["halo"])[1]
    if np.nanmax(base - background) > 0.0:
        ax.fill_between(
            angle, background, base, color=HALO_COLOR, linewidth=0.0, label="halo"
        )
    for index, name in enumerate(curves[PHASE].to_numpy()):
        component = _break_gaps(curves, curves["component"].isel({PHASE: index}))[1]
        ax.fill_between(
            angle,
            base,
            base + component,
            color=color_of(index),
            alpha=0.6,
            linewidth=0.0,
            label=subscript(str(name)),
        )
        base = base + component
    ax.plot(
        angle,
        background,
        color=BACKGROUND_COLOR,
        linewidth=0.9,
        linestyle=(0, (4, 2)),
        label="background",
    )
    ax.plot(
        curves[TWO_THETA],
        curves["observed"],
        linestyle="none",
        marker=".",
        markersize=2.2,
        markeredgewidth=0.0,
        color=OBSERVED_COLOR,
        label="observed",
    )
    calculated = _break_gaps(curves, curves["calculated"])[1]
    ax.plot(
        angle, calculated, color=CALCULATED_COLOR, linewidth=0.6, label="calculated"
    )
    _label_axes(ax, curves, curves["observed"])
    _show_observed(ax, curves)
    return ax


def plot_refinement(
    curves: xr.Dataset, reflections: xr.Dataset, *, ax: Axes | None = None
) -> Axes:
    """Plot a refinement on one axes: fit, reflection marks, difference below.

    Parameters
    ----------
    curves, reflections : xarray.Dataset
        As :mod:`refinement.result` says.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        The axes drawn on.
    """
    ax = make_axes(DOUBLE_COLUMN, 3.6) if ax is None else ax
    plot_fit(curves, ax=ax)
    height = float(curves["observed"].max())
    row = _TICK_ROW * height
    names = [str(name) for name in curves[PHASE].to_numpy()]
    for index, name in enumerate(names):
        level = -(index + 1.2) * row
        _mark(ax, reflections, index, level=level, length=0.7 * row)
        ax.annotate(
            subscript(name),
            (1.0, level),
            xycoords=blended_transform_factory(ax.transAxes, ax.transData),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=NOTE_SIZE,
            color=color_of(index),
        )
    angle, difference = _break_gaps(curves, curves["observed"] - curves["calculated"])
    offset = -(len(names) + 1.5) * row - float(np.nanmax(difference))
    ax.axhline(offset, color=BACKGROUND_COLOR, linewidth=0.4)
    ax.plot(angle, difference + offset, color=OBSERVED_COLOR, linewidth=0.6)
    ax.set_ylim(offset + 1.1 * float(np.nanmin(difference)), 1.04 * height)
    ax.set_yticks([tick for tick in ax.get_yticks() if 0.0 <= tick <= height])
    return ax


def plot_reflections(
    reflections: xr.Dataset, names: list[str], *, ax: Axes | None = None
) -> Axes:
    """Plot the reflections of each phase as a row of marks.

    Parameters
    ----------
    reflections : xarray.Dataset
        ``two_theta_hkl`` and ``phase_index`` over ``reflection``.
    names : list of str
        Names of the phases, in the order of ``phase_index``.
    ax : Axes, optional
        Where to draw. Default: a new figure.
    """
    ax = make_axes(DOUBLE_COLUMN, 0.2 + 0.2 * len(names)) if ax is None else ax
    for index in range(len(names)):
        _mark(ax, reflections, index, level=float(index), length=0.7)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_yticks(range(len(names)), [subscript(name) for name in names])
    for index, text in enumerate(ax.get_yticklabels()):
        text.set_color(color_of(index))
    dress_axes(ax).tick_params(axis="y", length=0.0)
    return ax


def plot_difference(curves: xr.Dataset, *, ax: Axes | None = None) -> Axes:
    """Plot observed minus calculated over the standard uncertainty.

    Parameters
    ----------
    curves : xarray.Dataset
        ``observed``, ``calculated`` and ``observed_std``; where the last is absent
        the difference is drawn in the units of the intensity.
    ax : Axes, optional
        Where to draw. Default: a new figure.
    """
    ax = make_axes(DOUBLE_COLUMN, 1.2) if ax is None else ax
    difference = curves["observed"] - curves["calculated"]
    name = "obs − calc"
    if "observed_std" in curves:
        difference, name = difference / curves["observed_std"], "Δ / σ"
    angle, values = _break_gaps(curves, difference)
    ax.axhline(0.0, color=BACKGROUND_COLOR, linewidth=0.5)
    ax.plot(angle, values, color=OBSERVED_COLOR, linewidth=0.5)
    limit = 1.05 * float(np.nanmax(np.abs(values)))
    ax.set_ylim(-limit, limit)
    ax.set_ylabel(name)
    ax.set_xlabel(axis_label(curves[TWO_THETA]))
    return dress_axes(ax)


def compose_refinement(result: xr.DataTree, *, title: str = "") -> Figure:
    """Compose fit, reflection marks and difference of one refined pattern.

    Parameters
    ----------
    result : xarray.DataTree
        What ``RefinementResult.to_datatree`` returns: parameters at the root,
        ``/curves`` and ``/reflections``.
    title : str, optional
        Name of the sample; the R-factor, the goodness of fit and the status follow.

    Returns
    -------
    Figure
        Three panels over one angle axis, the legend beside them.
    """
    curves = result["/curves"].to_dataset()
    names = [str(name) for name in curves[PHASE].to_numpy()]
    rows = 0.19 * len(names) + 0.1
    figure = Figure(figsize=(DOUBLE_COLUMN, 3.9 + rows), layout="constrained")
    upper, middle, lower = figure.subplots(
        3, 1, sharex=True, height_ratios=(3.0, rows, 0.9)
    )
    plot_fit(curves, ax=upper)
    upper.set_xlabel("")
    plot_reflections(result["/reflections"].to_dataset(), names, ax=middle)
    plot_difference(curves, ax=lower)
    for ax in (upper, middle):
        ax.tick_params(axis="x", length=0.0, labelbottom=False)
        ax.spines["bottom"].set_visible(False)
    middle.spines["left"].set_visible(False)
    lower.set_xlim(float(curves[TWO_THETA][0]), float(curves[TWO_THETA][-1]))
    figure.align_ylabels([upper, lower])
    _add_legend(upper)
    upper.set_title(
        " · ".join(part for part in (title, _summarise(result)) if part),
        loc="left",
        fontsize=LABEL_SIZE,
    )
    return figure


def plot_stacked_series(
    patterns: Mapping[str, xr.Dataset], *, ax: Axes | None = None
) -> Axes:
    """Plot patterns above one another in the order of milling time.

    Parameters
    ----------
    patterns : mapping of str to xarray.Dataset
        For each sample a pattern (``intensity``) or a fit's curves (``observed`` and
        ``calculated``), with the scalar coordinate ``milling_time`` where known.
        Each is scaled by its own highest point above its lowest.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        The axes drawn on; the shortest time is at the bottom.

    Raises
    ------
    SchemaError
        When there is no pattern.
    """
    if not patterns:
        raise SchemaError("no pattern to stack; were all refused by their reader?")
    ax = (
        make_axes(DOUBLE_COLUMN, max(2.4, 1.4 + 0.42 * len(patterns)))
        if ax is None
        else ax
    )
    ordered = sorted(patterns.items(), key=lambda item: _time_of(item[1]))
    colors = colormaps["viridis"](np.linspace(0.0, 0.82, len(ordered)))
    for level, ((name, pattern), color) in enumerate(zip(ordered, colors, strict=True)):
        observed = pattern["observed" if "observed" in pattern else INTENSITY]
        lowest, highest = float(observed.min()), float(observed.max())
        span = (highest - lowest) or 1.0
        angle, values = _break_gaps(pattern, (observed - lowest) / span)
        ax.plot(angle, values + level, color=color, linewidth=0.7)
        ax.annotate(
            _time_label(name, pattern),
            (1.0, level),
            xycoords=blended_transform_factory(ax.transAxes, ax.transData),
            xytext=(4, 0),
            textcoords="offset points",
            va="bottom",
            fontsize=NOTE_SIZE,
            color=color,
        )
    first = ordered[0][1]
    ax.set_xlabel(axis_label(first[TWO_THETA]))
    ax.set_ylabel("intensity / maximum")
    ax.set_yticks([])
    ax.set_xlim(
        min(float(pattern[TWO_THETA].min()) for pattern in patterns.values()),
        max(float(pattern[TWO_THETA].max()) for pattern in patterns.values()),
    )
    ax.set_ylim(-0.08, len(ordered) + 0.08)
    return dress_axes(ax)


def _label_axes(ax: Axes, data: xr.Dataset, intensity: xr.DataArray) -> None:
    """Label the angle and intensity axes from the data's attributes."""
    ax.set_xlabel(axis_label(data[TWO_THETA]))
    arbitrary = intensity.attrs.get("units", "1") == "1"
    named = intensity.assign_attrs(long_name="intensity")
    ax.set_ylabel("intensity (arb. units)" if arbitrary else axis_label(named))
    angle = data[TWO_THETA].to_numpy()
    ax.set_xlim(float(angle[0]), float(angle[-1]))
    dress_axes(ax)


def _show_observed(ax: Axes, curves: xr.Dataset) -> None:
    """Let the data set the height, and the background only a share of it."""
    low, high = float(curves["observed"].min()), float(curves["observed"].max())
    span = (high - low) or 1.0
    base = min(low, float(curves["background"].min()))
    ax.set_ylim(max(base, low - _ROOM_BELOW * span) - 0.03 * span, high + 0.05 * span)


def _break_gaps(data: xr.Dataset, values: xr.DataArray) -> tuple[Array, Array]:
    """Return angle and values with NaN in every hole, so that lines break there."""
    angle = np.asarray(data[TWO_THETA].to_numpy(), dtype=float)
    heights = np.asarray(values.to_numpy(), dtype=float)
    steps = np.diff(angle)
    holes = np.flatnonzero(steps > _GAP_STEPS * np.median(steps)) + 1
    middles = 0.5 * (angle[holes - 1] + angle[holes])
    return np.insert(angle, holes, middles), np.insert(heights, holes, np.nan)


def _mark(
    ax: Axes, reflections: xr.Dataset, index: int, *, level: float, length: float
) -> None:
    """Draw one phase's reflections as vertical marks centred at ``level``."""
    mine = reflections["phase_index"].to_numpy() == index
    ax.vlines(
        reflections["two_theta_hkl"].to_numpy()[mine],
        level - 0.5 * length,
        level + 0.5 * length,
        color=color_of(index),
        linewidth=0.7,
    )


def _add_legend(ax: Axes) -> None:
    """Put the legend beside the axes, data first, then the parts from the top."""
    handles, labels = ax.get_legend_handles_labels()
    entries = dict(zip(labels, handles, strict=True))
    order = ["observed", "calculated"]
    order += [name for name in labels if name not in {*order, "halo", "background"}]
    order += [name for name in ("halo", "background") if name in entries]
    ax.legend(
        [entries[name] for name in order],
        order,
        loc="upper left",
        bbox_to_anchor=(1.0, 1.0),
        fontsize=NOTE_SIZE,
        frameon=False,
        handlelength=1.6,
        markerscale=3.0,
        borderaxespad=0.2,
    )


def _summarise(result: xr.DataTree) -> str:
    """Return R-factor, goodness of fit and, unless converged, the status."""
    parts = []
    if "r_wp" in result:
        parts.append(f"$R_\\mathrm{{wp}}$ = {_in_percent(result['r_wp']):.2f} %")
    if "gof" in result:
        parts.append(f"GOF = {float(result['gof']):.2f}")
    status = str(result.attrs.get("status", "converged"))
    if status != "converged":
        parts.append(status)
    return " · ".join(parts)


def _in_percent(value: xr.DataArray | xr.DataTree) -> float:
    """Return an R-factor in per cent whatever its units."""
    array = xr.DataArray(value)
    factor = 1.0 if array.attrs.get("units") in {"percent", "%"} else 100.0
    return factor * float(array)


def _time_of(pattern: xr.Dataset) -> float:
    """Return the milling time; a pattern without one goes on top."""
    if MILLING_TIME not in pattern.coords:
        return float("inf")
    return float(pattern[MILLING_TIME])


def _time_label(name: str, pattern: xr.Dataset) -> str:
    """Return the milling time, else the sample's name."""
    if MILLING_TIME not in pattern.coords:
        return name
    return f"{float(pattern[MILLING_TIME]):.3g} h"
