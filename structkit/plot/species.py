"""Colours, dashes and markers of Raman species, and labels that keep their distance."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import isotonic_regression

from structkit.plot.style import (
    OBSERVED_COLOR,
    PHASE_COLORS,
    PHASE_MARKERS,
    subscript_words,
)

Array = NDArray[np.float64]

SPECIES = (
    "NaTaCl6",
    "405 line",
    "NTOC glass",
    "Ta-O-Ta bent",
    "TaCl5",
    "cover glass",
    "Ta2O5",
)
"""Species whose look is the same in every figure, in the order of the palette."""
UNASSIGNED = "unassigned"
"""Bands that a fit added and nobody named: grey."""
DETERMINED = "determined"
"""Status of a band whose number stands for itself; all others are drawn hollow."""

Dash = tuple[float, tuple[float, ...]]
_DASHES: tuple[Dash, ...] = (
    (0.0, ()),
    (0.0, (5.0, 1.5)),
    (0.0, (1.5, 1.0)),
    (0.0, (5.0, 1.5, 1.5, 1.5)),
)
_SAMPLE_BEHIND = re.compile(r" \([^()]*\)$")
_LEADER_ROOM = 0.06
_POINTS_PER_INCH = 72.0
_LINE_HEIGHT = 1.3
_BAND_SIZE = 7.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeciesStyle:
    """How a species is drawn."""

    color: str
    """Of lines, areas and text."""
    dash: Dash
    """Line style: told apart without colour."""
    marker: str
    """Of points."""


def species_styles(names: Sequence[str]) -> dict[str, SpeciesStyle]:
    """Return the style of each species; those of :data:`SPECIES` never change.

    Parameters
    ----------
    names : sequence of str
        Species of a figure; repeats count once.

    Returns
    -------
    dict of str to SpeciesStyle
        No two share colour and dash, up to 28 species.

    Examples
    --------
    >>> styles = species_styles(["TaOCl3", "NaTaCl6"])
    >>> styles["NaTaCl6"].color
    '#0072B2'
    """
    others = [name for name in dict.fromkeys(names) if name not in SPECIES]
    others = [name for name in others if name != UNASSIGNED]
    palette = (*SPECIES, *others)
    n = len(PHASE_COLORS)
    styles = {
        name: SpeciesStyle(
            color=PHASE_COLORS[place % n],
            dash=_DASHES[(place % n + place // n) % len(_DASHES)],
            marker=PHASE_MARKERS[place % n],
        )
        for place, name in enumerate(palette)
    }
    styles[UNASSIGNED] = SpeciesStyle(
        color=OBSERVED_COLOR, dash=_DASHES[2], marker=PHASE_MARKERS[-1]
    )
    return {name: styles[name] for name in dict.fromkeys(names)}


def plain_name(name: str) -> str:
    """Return a band's name without the sample that it was learned from.

    Examples
    --------
    >>> plain_name("405 (NTC)")
    '405'
    """
    return _SAMPLE_BEHIND.sub("", name)


def band_label(name: str, *, centre: float | None = None) -> str:
    """Return a band's name for a figure: formulae lowered, no sample behind it.

    Examples
    --------
    >>> band_label("TaCl6 A1g (NTC)", centre=378.2)
    'TaCl₆ A1g · 378'
    >>> band_label("unassigned 157 (unmilled)", centre=157.9)
    'unassigned · 158'
    """
    text = plain_name(name)
    if text.startswith(UNASSIGNED) and centre is not None:
        text = UNASSIGNED
    text = subscript_words(text)
    return text if centre is None else f"{text} · {centre:.0f}"


def spread_places(places: ArrayLike, gap: float, *, low: float, high: float) -> Array:
    """Move places apart to a least distance, as little as possible in squares.

    Parameters
    ----------
    places : array_like, shape (n,)
        Ascending.
    gap : float
        Least distance, same units; smaller where the range has no room for it.
    low, high : float
        Range to stay in.

    Returns
    -------
    ndarray, shape (n,)

    Examples
    --------
    >>> print(spread_places([1.0, 1.2, 5.0], 1.0, low=0.0, high=6.0))
    [0.6 1.6 5. ]
    """
    wanted = np.asarray(places, dtype=float)
    if wanted.size == 0:
        return wanted
    step = min(gap, (high - low) / max(wanted.size - 1, 1))
    steps = step * np.arange(wanted.size)
    moved = isotonic_regression(wanted - steps).x
    return np.asarray(np.clip(moved, low, high - steps[-1]) + steps)


def draw_band_labels(
    ax: Axes,
    places: ArrayLike,
    texts: Sequence[str],
    *,
    colors: Sequence[str],
    feet: ArrayLike | None = None,
) -> None:
    """Write upright labels above axes, each with a line down to its band.

    Parameters
    ----------
    ax : Axes
        Its limits must be set; the figure needs a layout that makes room.
    places : array_like, shape (n,)
        Of the bands, in the units of the x axis; what lies outside is left out.
    texts, colors : sequence of str
        Of the labels.
    feet : array_like, shape (n,), optional
        Where the lines end, in the units of the y axis; default: at the bottom.
    """
    low, high = ax.get_xlim()
    where = np.asarray(places, dtype=float)
    bottom, top = ax.get_ylim()
    ends = np.full(where.size, bottom) if feet is None else np.asarray(feet)
    order = np.argsort(where, kind="stable")
    order = order[(where[order] >= low) & (where[order] <= high)]
    figure = ax.get_figure(root=True)
    width = (figure.get_figwidth() if figure is not None else 6.0) * 0.82
    gap = (high - low) * _LINE_HEIGHT * _BAND_SIZE / _POINTS_PER_INCH / width
    moved = spread_places(where[order], gap, low=low, high=high)
    rise = top + _LEADER_ROOM * (top - bottom)
    for index, place in zip(order, moved, strict=True):
        ax.plot(
            [where[index], where[index], place],
            [ends[index], top, rise],
            color=colors[index],
            linewidth=0.5,
            alpha=0.7,
            clip_on=False,
            zorder=1.5,
        )
        ax.annotate(
            texts[index],
            (place, rise),
            xytext=(0, 1.5),
            textcoords="offset points",
            rotation=90,
            ha="center",
            va="bottom",
            fontsize=_BAND_SIZE,
            color=colors[index],
            annotation_clip=False,
        )
    ax.set_xlim(low, high)
    ax.set_ylim(bottom, top)
