"""One look for all figures: colours, sizes, labels from the data's own attributes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from structkit.store import atomic_path

PHASE_COLORS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#8C6D31",
)
"""Okabe and Ito's palette, told apart by colour-blind readers; yellow made brown."""

PHASE_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
"""One marker for each colour, so that a figure survives a photocopy."""

OBSERVED_COLOR = "#4D4D4D"
CALCULATED_COLOR = "#000000"
HALO_COLOR = "#B8B8B8"
BACKGROUND_COLOR = "#7F7F7F"
TRUTH_COLOR = "#000000"

SINGLE_COLUMN = 3.5
"""Width of one journal column, inch."""
DOUBLE_COLUMN = 7.2
"""Width of two journal columns, inch."""

LABEL_SIZE = 9.0
TICK_SIZE = 8.0
NOTE_SIZE = 7.5
DPI = 220

_FORMULA = re.compile(r"(?:[A-Z][a-z]?[0-9]*|[()][0-9]*)+")
_COMPOUND = re.compile(r"\b(?:[A-Z][a-z]?[0-9]*){2,}(?![A-Za-z0-9])")
_LOWERED = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_SYMBOLS = {
    "1": "",
    "degree": "°",
    "angstrom": "Å",
    "count": "counts",
    "count s-1": "counts s⁻¹",
    "count cm-1": "counts cm⁻¹",
    "cm-1": "cm⁻¹",
    "percent": "%",
    "degree_Celsius": "°C",
}


def color_of(index: int) -> str:
    """Return the colour of the phase at ``index`` of the table."""
    return PHASE_COLORS[index % len(PHASE_COLORS)]


def marker_of(index: int) -> str:
    """Return the marker of the phase at ``index`` of the table."""
    return PHASE_MARKERS[index % len(PHASE_MARKERS)]


def axis_label(array: xr.DataArray) -> str:
    """Return ``long name (unit)`` of an array, from its attributes.

    Examples
    --------
    >>> time = xr.DataArray(1.0, attrs={"long_name": "milling time", "units": "h"})
    >>> axis_label(time)
    'milling time (h)'
    """
    plain = "" if array.name is None else str(array.name).replace("_", " ")
    name = str(array.attrs.get("long_name", plain))
    units = str(array.attrs.get("units", "1"))
    symbol = _SYMBOLS.get(units, units)
    return f"{name} ({symbol})" if symbol else name


def subscript(name: str) -> str:
    """Return a chemical formula with its digits lowered; other names as they are.

    Examples
    --------
    >>> subscript("NaTaCl6"), subscript("corundum")
    ('NaTaCl₆', 'corundum')
    """
    if not _FORMULA.fullmatch(name):
        return name
    return name.translate(_LOWERED)


def subscript_words(text: str) -> str:
    """Return a text with the digits lowered in its formulae of two elements or more.

    Examples
    --------
    >>> subscript_words("NaTaCl6 + Na2O, 10 N")
    'NaTaCl₆ + Na₂O, 10 N'
    """
    return _COMPOUND.sub(lambda word: subscript(word.group()), text)


def make_axes(width: float = SINGLE_COLUMN, height: float = 2.6) -> Axes:
    """Return the axes of a new figure of ``width`` x ``height`` inch."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return dress_axes(figure.subplots())


def dress_axes(ax: Axes) -> Axes:
    """Give axes the house's fonts, ticks and spines, and return them."""
    ax.tick_params(labelsize=TICK_SIZE, direction="out", length=3.0, width=0.7)
    for side, spine in ax.spines.items():
        spine.set_linewidth(0.7)
        spine.set_visible(side in {"left", "bottom"})
    ax.xaxis.label.set_fontsize(LABEL_SIZE)
    ax.yaxis.label.set_fontsize(LABEL_SIZE)
    ax.title.set_fontsize(LABEL_SIZE)
    return ax


def letter_panels(axes: Sequence[Axes]) -> None:
    """Write a, b, c ... above the upper left corner of each panel."""
    for letter, ax in zip("abcdefghij", axes, strict=False):
        ax.set_title(letter, loc="left", fontsize=LABEL_SIZE, fontweight="bold")


def write_figure(figure: Figure, path: Path) -> Path:
    """Write a figure, atomically, in the format of the path's suffix.

    Raises
    ------
    OutputError
        When the folder cannot be written.
    """
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=DPI, format=path.suffix.lstrip(".") or "png")
    return path
