"""Refinement engines side by side: values, differences in esds, R-factors, times."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from structkit.plot.style import (
    BACKGROUND_COLOR,
    DOUBLE_COLUMN,
    LABEL_SIZE,
    NOTE_SIZE,
    OBSERVED_COLOR,
    color_of,
    dress_axes,
    letter_panels,
    make_axes,
    marker_of,
    subscript,
    subscript_words,
)
from structkit.schema import ENGINE, PHASE, SAMPLE, FitStatus

Array = NDArray[np.float64]

AGREE_ESDS = 2.0
"""Half-width of the band of agreement, combined esds."""
_SPREAD = 0.6
"""Width that the engines of one sample take of the room between two samples."""
_WIDE_ESDS = 12.0
"""Difference from which the axis of esds is logarithmic outside +-5."""
_LINEAR_ESDS = 5.0
_LONG_LABELS = 26
"""Letters of all sample names together from which they are written upright."""
_ROW = 1.32
"""Height of a row of panels, inch."""


def plot_engine_fractions(
    table: xr.Dataset, phase: str, *, ax: Axes | None = None
) -> Axes:
    """Plot what each engine finds of one phase in each sample.

    Parameters
    ----------
    table : xarray.Dataset
        ``weight_fraction_crystalline``, its ``_std`` (thick bar) and ``_systematic``
        (thin bar, both added) over ``engine``, ``sample`` and ``phase``; ``status``
        over ``engine`` and ``sample``.
    phase : str
        Which phase.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Axes
        Marker hollow: the fit is doubtful; cross below: the engine has no value.
    """
    ax = make_axes() if ax is None else ax
    name = "weight_fraction_crystalline"
    one = table.sel({PHASE: phase})
    for index in range(table.sizes[ENGINE]):
        value, std = _column(one, name, index), _column(one, f"{name}_std", index)
        systematic = _column(one, f"{name}_systematic", index)
        _draw(ax, one, index, value, std=std, systematic=systematic)
        _mark_absent(ax, one, index, value)
    ax.set_ylabel("share")
    _hold_to_shares(ax)
    return _finish(ax, table)


def plot_engine_differences(
    table: xr.Dataset, phase: str, *, ax: Axes | None = None
) -> Axes:
    """Plot how far each engine is from the reference, in combined esds.

    Parameters
    ----------
    table : xarray.Dataset
        ``weight_fraction_difference_in_esd`` over ``engine``, ``sample``, ``phase``.
    phase : str
        Which phase.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Notes
    -----
    The band is that of two combined esds. Where a difference exceeds 12 the axis is
    logarithmic beyond 5, and a note says so.
    """
    ax = make_axes() if ax is None else ax
    one = table.sel({PHASE: phase})
    ax.axhspan(-AGREE_ESDS, AGREE_ESDS, color=BACKGROUND_COLOR, alpha=0.16, lw=0.0)
    ax.axhline(0.0, color=BACKGROUND_COLOR, linewidth=0.7, zorder=1)
    name = "weight_fraction_difference_in_esd"
    for index in range(1, table.sizes[ENGINE]):
        value = _column(one, name, index)
        sound = _is_sound(one, 0) & _is_sound(one, index)
        _draw(ax, one, index, value, sound=sound)
        _mark_absent(ax, one, index, value)
    ax.set_ylabel("Δ (esd)")
    _frame_esds(ax, one[name].to_numpy())
    return _finish(ax, table)


def plot_engine_r_factors(table: xr.Dataset, *, ax: Axes | None = None) -> Axes:
    """Plot the weighted profile R of each engine and sample.

    Parameters
    ----------
    table : xarray.Dataset
        ``r_wp_percent`` over ``engine`` and ``sample``.
    ax : Axes, optional
        Where to draw. Default: a new figure.
    """
    ax = make_axes() if ax is None else ax
    for index in range(table.sizes[ENGINE]):
        value = _column(table, "r_wp_percent", index)
        _draw(ax, table, index, value)
        _mark_absent(ax, table, index, value)
    ax.set_ylim(0.0, 1.12 * max(ax.get_ylim()[1], 1.0))
    ax.set_ylabel("$R_{wp}$ (%)")
    return _finish(ax, table)


def plot_engine_times(table: xr.Dataset, *, ax: Axes | None = None) -> Axes:
    """Plot the time that each engine took for each sample.

    Parameters
    ----------
    table : xarray.Dataset
        ``seconds`` over ``engine`` and ``sample``.
    ax : Axes, optional
        Where to draw. Default: a new figure.
    """
    ax = make_axes() if ax is None else ax
    for index in range(table.sizes[ENGINE]):
        value = _column(table, "seconds", index)
        _draw(ax, table, index, np.where(value > 0.0, value, np.nan))
    _use_log_times(ax, table["seconds"].to_numpy())
    ax.set_ylabel("time (s)")
    return _finish(ax, table)


def compose_engines(table: xr.Dataset) -> Figure:
    """Compose the engines side by side: a row for each phase, one for the fits.

    Parameters
    ----------
    table : xarray.Dataset
        From :func:`refinement.comparison.compare_engines`; attrs ``name`` (title),
        ``reference``, ``engines_left_out`` where known.

    Returns
    -------
    Figure
        Left what the engines find, right how far they are from the reference; in the
        last row R-factors and times. Samples in the order of the table.
    """
    phases = [str(name) for name in table[PHASE].to_numpy()]
    rows = len(phases) + 1
    upright = _is_crowded(table)
    notes = _notes(table)
    height = _ROW * rows + 0.95 + 0.14 * len(notes) + (0.35 if upright else 0.0)
    figure = Figure(figsize=(DOUBLE_COLUMN, height), layout="constrained")
    grid = figure.subplots(rows, 2, sharex=True, squeeze=False)
    letter_panels(list(grid.flat))
    for (left, right), phase in zip(grid, phases, strict=False):
        left.set_title(f"{subscript(phase)}: share of crystalline part")
        right.set_title(f"{subscript(phase)}: difference in combined esds")
        plot_engine_fractions(table, phase, ax=left)
        plot_engine_differences(table, phase, ax=right)
    plot_engine_r_factors(table, ax=grid[-1][0])
    plot_engine_times(table, ax=grid[-1][1])
    for ax in grid[:-1].flat:
        ax.set_xlabel("")
        ax.tick_params(labelbottom=False)
    for ax in grid[-1]:
        ax.tick_params(axis="x", labelrotation=90.0 if upright else 0.0)
    figure.align_ylabels()
    figure.legend(
        handles=_legend_handles(table),
        loc="outside upper center",
        ncols=table.sizes[ENGINE] + 2,
        fontsize=NOTE_SIZE,
        frameon=False,
        title=subscript_words(str(table.attrs.get("name", ""))) or None,
        title_fontsize=LABEL_SIZE,
    )
    figure.supxlabel("\n".join(notes), fontsize=NOTE_SIZE, color=OBSERVED_COLOR)
    return figure


def _column(table: xr.Dataset, name: str, index: int) -> Array:
    """Return one variable of one engine over the samples; NaN where it is absent."""
    if name not in table:
        return np.full(table.sizes[SAMPLE], np.nan)
    return np.asarray(table[name].isel({ENGINE: index}).to_numpy(), dtype=float)


def _places(table: xr.Dataset, index: int) -> Array:
    """Return where the points of one engine stand: beside those of the others."""
    number = table.sizes[ENGINE]
    step = _SPREAD / max(number, 2)
    shift = step * (index - 0.5 * (number - 1))
    return np.asarray(np.arange(table.sizes[SAMPLE]) + shift, dtype=float)


def _is_sound(table: xr.Dataset, index: int) -> NDArray[np.bool_]:
    """Return for each sample whether the engine's fit converged and passed."""
    status = table["status"].isel({ENGINE: index}).to_numpy()
    return np.asarray(status == FitStatus.CONVERGED.value)


def _draw(
    ax: Axes,
    table: xr.Dataset,
    index: int,
    value: Array,
    *,
    std: Array | None = None,
    systematic: Array | None = None,
    sound: NDArray[np.bool_] | None = None,
) -> None:
    """Draw one engine's values, hollow where the fit is doubtful, with their bars."""
    place, color = _places(table, index), color_of(index)
    if std is not None:
        known = np.isfinite(value) & np.isfinite(std)
        total = np.hypot(std, 0.0 if systematic is None else np.nan_to_num(systematic))
        for spread, width, cap in ((total, 0.7, 1.4), (std, 1.8, 0.0)):
            ax.errorbar(
                place[known],
                value[known],
                spread[known],
                fmt="none",
                ecolor=color,
                elinewidth=width,
                capsize=cap,
                zorder=2,
            )
    filled = _is_sound(table, index) if sound is None else sound
    for shown, face in ((filled, color), (~filled, "white")):
        ax.plot(
            place[shown],
            value[shown],
            linestyle="none",
            marker=marker_of(index),
            markersize=4.2,
            markerfacecolor=face,
            markeredgecolor=color,
            markeredgewidth=0.8,
            zorder=3,
        )


def _mark_absent(ax: Axes, table: xr.Dataset, index: int, value: Array) -> None:
    """Put a cross on the lower edge where an engine has no value."""
    absent = ~np.isfinite(value)
    if not absent.any():
        return
    ax.plot(
        _places(table, index)[absent],
        np.zeros(int(absent.sum())),
        linestyle="none",
        marker="x",
        markersize=4.5,
        markeredgewidth=1.2,
        color=color_of(index),
        transform=ax.get_xaxis_transform(),
        clip_on=False,
        zorder=4,
    )


def _hold_to_shares(ax: Axes) -> None:
    """Keep an axis of shares within what shares can be, bars may go on."""
    low, high = ax.get_ylim()
    ax.set_ylim(max(low, -0.05), min(high, 1.05))


def _frame_esds(ax: Axes, values: Array) -> None:
    """Frame differences about zero; far ones on a logarithmic axis."""
    known = np.abs(values[np.isfinite(values)])
    largest = float(known.max()) if known.size else 0.0
    if largest > _WIDE_ESDS:
        ax.set_yscale("symlog", linthresh=_LINEAR_ESDS, linscale=1.0)
        decades = 10.0 ** np.arange(1, np.ceil(np.log10(largest)) + 1)
        ticks = np.concatenate([-decades[::-1], [-2.0, 2.0], decades])
        ax.set_yticks([tick for tick in ticks if abs(tick) < 1.6 * largest])
        ax.yaxis.set_major_formatter(FuncFormatter(_signed))
        ax.yaxis.set_minor_formatter(NullFormatter())
        reach = 1.6 * largest
    else:
        ax.yaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))
        reach = max(1.15 * largest, 1.5 * AGREE_ESDS)
    ax.set_ylim(-reach, reach)


def _signed(value: float, _position: int | None = None) -> str:
    """Return a tick's number with a minus sign as the other axes have it."""
    return f"{value:g}".replace("-", "\N{MINUS SIGN}")


def _use_log_times(ax: Axes, seconds: Array) -> None:
    """Give times a logarithmic axis with plain numbers."""
    known = seconds[np.isfinite(seconds) & (seconds > 0.0)]
    if not known.size:
        return
    ax.set_yscale("log")
    ax.set_ylim(0.6 * float(known.min()), 1.7 * float(known.max()))
    subs = (1.0,) if known.max() > 50.0 * known.min() else (1.0, 2.0, 5.0)
    ax.yaxis.set_major_locator(LogLocator(subs=subs))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())


def _is_crowded(table: xr.Dataset) -> bool:
    """Return whether the names of the samples have no room side by side."""
    return sum(len(str(name)) for name in table[SAMPLE].to_numpy()) > _LONG_LABELS


def _finish(ax: Axes, table: xr.Dataset) -> Axes:
    """Name the samples below, with room beside the first and last."""
    names = [str(name) for name in table[SAMPLE].to_numpy()]
    for edge in np.arange(len(names) - 1) + 0.5:
        ax.axvline(edge, color=BACKGROUND_COLOR, alpha=0.25, linewidth=0.5, zorder=0)
    ax.set_xticks(np.arange(len(names)), names)
    ax.set_xlim(-0.6, len(names) - 0.4)
    ax.set_xlabel("sample")
    return dress_axes(ax)


def _legend_handles(table: xr.Dataset) -> list[Line2D]:
    """Return one entry for each engine."""
    reference = str(table.attrs.get("reference", ""))
    return [
        Line2D(
            [],
            [],
            color=color_of(index),
            marker=marker_of(index),
            markersize=4.5,
            linestyle="none",
            label=f"{name} (reference)" if str(name) == reference else str(name),
        )
        for index, name in enumerate(table[ENGINE].to_numpy())
    ]


def _notes(table: xr.Dataset) -> list[str]:
    """Return what bars and marks of the figure mean, and which engines it lacks."""
    bars = "thick bar: 1σ"
    name = "weight_fraction_crystalline_systematic"
    if name in table and bool(np.isfinite(table[name]).any()):
        bars += "; thin bar: with its systematic part"
    notes = [f"{bars}; band: within {AGREE_ESDS:g} combined esds of the reference"]
    marks = []
    status = table["status"].to_numpy()
    if bool(np.isin(status, ["doubtful", "not converged"]).any()):
        marks.append("hollow: the fit is doubtful")
    if bool(np.isnan(table["weight_fraction_crystalline"]).any()):
        marks.append("cross: no value")
    left_out = str(table.attrs.get("engines_left_out", ""))
    names = [line.partition(":")[0] for line in left_out.splitlines()]
    if names:
        marks.append(f"left out: {', '.join(names)}")
    return [*notes, "; ".join(marks)] if marks else notes
