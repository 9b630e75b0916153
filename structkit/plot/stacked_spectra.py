"""Raman spectra above one another in the order of milling time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.transforms import blended_transform_factory
from numpy.typing import NDArray

from structkit.errors import SchemaError
from structkit.plot.species import (
    DETERMINED,
    UNASSIGNED,
    band_label,
    draw_band_labels,
    species_styles,
)
from structkit.plot.spectrum import COLUMN, light_label, mask_of
from structkit.plot.style import (
    BACKGROUND_COLOR,
    CALCULATED_COLOR,
    DOUBLE_COLUMN,
    NOTE_SIZE,
    axis_label,
    dress_axes,
    make_axes,
)
from structkit.schema import BAND, INTENSITY, MILLING_TIME, RAMAN_SHIFT, SPOT

_LEVEL_STEP = 1.05


def plot_spots(spectra: xr.Dataset, *, ax: Axes | None = None) -> Axes:
    """Plot all spots of a sample as they were recorded.

    Parameters
    ----------
    spectra : xarray.Dataset
        As :mod:`structkit.schema.spectra` describes; points whose ``masked`` is 1 are
        crosses.
    ax : Axes, optional
        Where to draw. Default: a new figure.
    """
    ax = make_axes(DOUBLE_COLUMN, 2.8) if ax is None else ax
    shift = spectra[RAMAN_SHIFT].to_numpy()
    colors = colormaps["viridis"](np.linspace(0.0, 0.9, spectra.sizes[SPOT]))
    for place, color in enumerate(colors):
        one = spectra.isel({SPOT: place})
        light, hidden = one[INTENSITY].to_numpy(), mask_of(one)
        ax.plot(shift, light, color=color, linewidth=0.7)
        if hidden.any():
            ax.plot(
                shift[hidden],
                light[hidden],
                linestyle="none",
                marker="x",
                markersize=4.0,
                color=CALCULATED_COLOR,
            )
    ax.set_xlim(float(shift[0]), float(shift[-1]))
    ax.set_xlabel(axis_label(spectra[RAMAN_SHIFT]))
    ax.set_ylabel(light_label(spectra))
    return dress_axes(ax)


def plot_stacked_spectra(
    curves: Mapping[str, xr.Dataset],
    *,
    ax: Axes | None = None,
    bands: Mapping[str, float] | None = None,
) -> Axes:
    """Plot spectra less their baselines above one another, bands marked.

    Parameters
    ----------
    curves : mapping of str to xarray.Dataset
        For each sample the curves of :mod:`structkit.plot.spectrum`, with the scalar
        coordinate ``milling_time`` where it is known. Each is scaled by the highest
        point of its model; points without weight are left out.
    ax : Axes, optional
        Where to draw. Default: a new figure.
    bands : mapping of str to float, optional
        Name and Raman shift (**cm-1**) of the bands to mark. Default: all bands that
        are determined in any of the spectra, at their mean centre.

    Returns
    -------
    Axes
        The shortest time at the bottom; times, or names, at the right.

    Raises
    ------
    SchemaError
        There is no spectrum.
    """
    if not curves:
        raise SchemaError("no spectrum to stack; give curves of at least one sample")
    height = max(3.2, 2.2 + 0.55 * len(curves))
    ax = make_axes(DOUBLE_COLUMN, height) if ax is None else ax
    ordered = sorted(curves.items(), key=lambda item: _time_of(item[1]))
    colors = colormaps["viridis"](np.linspace(0.0, 0.82, len(ordered)))
    for level, ((name, one), color) in enumerate(zip(ordered, colors, strict=True)):
        _draw_level(ax, one, level * _LEVEL_STEP, color=color)
        ax.annotate(
            _time_label(name, one),
            (1.0, level * _LEVEL_STEP),
            xycoords=blended_transform_factory(ax.transAxes, ax.transData),
            xytext=(4, 0),
            textcoords="offset points",
            va="bottom",
            fontsize=NOTE_SIZE,
            color=color,
        )
    ax.set_xlabel(axis_label(ordered[0][1][RAMAN_SHIFT]))
    ax.set_ylabel("intensity − baseline, over its maximum")
    ax.set_yticks([])
    ax.set_xlim(
        min(float(one[RAMAN_SHIFT][0]) for one in curves.values()),
        max(float(one[RAMAN_SHIFT][-1]) for one in curves.values()),
    )
    ax.set_ylim(-0.12, _LEVEL_STEP * len(ordered) + 0.05)
    places, looks = _bands_to_mark([one for _, one in ordered], bands)
    draw_band_labels(
        ax,
        list(places.values()),
        [band_label(name, centre=place) for name, place in places.items()],
        colors=[looks[name] for name in places],
    )
    return dress_axes(ax)


def _draw_level(
    ax: Axes, curves: xr.Dataset, level: float, *, color: NDArray[np.float64]
) -> None:
    """Draw one spectrum: its points faint, its model as a line."""
    shift, model = curves[RAMAN_SHIFT].to_numpy(), curves["component"].sum(COLUMN)
    scale = float(model.max()) or 1.0
    data = (curves[INTENSITY] - curves["baseline"]).to_numpy() / scale
    data = np.where(mask_of(curves), np.nan, data)
    ax.plot(shift, data + level, color=color, linewidth=0.5, alpha=0.45)
    ax.plot(shift, model.to_numpy() / scale + level, color=color, linewidth=1.1)


def _bands_to_mark(
    curves: Sequence[xr.Dataset], bands: Mapping[str, float] | None
) -> tuple[dict[str, float], dict[str, str]]:
    """Return place and colour of each band that is marked."""
    if bands is not None:
        return dict(bands), dict.fromkeys(bands, BACKGROUND_COLOR)
    centres: dict[str, list[float]] = {}
    species: dict[str, str] = {}
    for one in curves:
        if "centre" not in one:
            continue
        for name in _determined_bands(one):
            row = one.sel({BAND: name})
            label = band_label(name, centre=float(row["centre"]))
            key = label.rpartition(" · ")[0]
            if key == UNASSIGNED:
                key = label
            centres.setdefault(key, []).append(float(row["centre"]))
            species.setdefault(key, str(row["band_species"].item()))
    styles = species_styles(list(species.values()))
    places = {name: float(np.mean(found)) for name, found in centres.items()}
    return places, {name: styles[species[name]].color for name in places}


def _determined_bands(curves: xr.Dataset) -> list[str]:
    """Return the bands whose column is determined; all where nobody asked."""
    names = [str(name) for name in curves[BAND].to_numpy()]
    if "column_status" not in curves.coords:
        return names
    status = curves["column_status"].sel({COLUMN: curves["band_column"]}).to_numpy()
    return [n for n, s in zip(names, status, strict=True) if str(s) == DETERMINED]


def _time_of(curves: xr.Dataset) -> float:
    """Return the milling time; a spectrum without one goes on top."""
    if MILLING_TIME not in curves.coords:
        return math.inf
    return float(curves[MILLING_TIME])


def _time_label(name: str, curves: xr.Dataset) -> str:
    """Return the milling time and, unless it says the same, the sample's name."""
    if MILLING_TIME not in curves.coords:
        return name
    time = f"{float(curves[MILLING_TIME]):.3g} h"
    return time if name.replace(" ", "") == time.replace(" ", "") else f"{time}, {name}"
