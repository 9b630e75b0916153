from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_hex

from structkit.errors import SchemaError
from structkit.plot.raman_bands import compose_band_parameters, plot_band_parameter
from structkit.schema import MILLING_TIME, label

SAMPLES = ["NTC", "1h", "2h", "4h"]
ROLES = ["crystalline_reference", "milled", "milled", "milled"]
NAN = np.nan


def make_bands() -> xr.Dataset:
    """Return a band, the same as learned from NTC, and one that is not always seen."""
    dims = ("sample", "band")
    wavenumber = {"units": "cm-1", "long_name": "centre"}
    area = {"units": "count cm-1", "long_name": "area"}
    times = xr.DataArray([0.0, 1.0, 2.0, 4.0], dims="sample")
    return xr.Dataset(
        {
            "centre": (
                dims,
                [[404, NAN, NAN], [NAN, 403, 760], [NAN, 402, NAN], [NAN, 401, 750]],
                wavenumber,
            ),
            "centre_std": (dims, np.full((4, 3), 0.5), wavenumber),
            "fwhm": (dims, np.full((4, 3), 9.0), wavenumber),
            "fwhm_std": (dims, np.full((4, 3), 0.5), wavenumber),
            "area": (
                dims,
                [[900, NAN, NAN], [NAN, 700, 20], [NAN, 500, 5], [NAN, 300, 90]],
                area,
            ),
            "area_std": (dims, np.full((4, 3), 10.0), area),
            "status": (
                dims,
                [
                    ["determined", "", ""],
                    ["", "determined", "doubtful"],
                    ["", "determined", "not detected"],
                    ["", "merged", "determined"],
                ],
            ),
        },
        coords={
            "sample": SAMPLES,
            "band": ["405", "405 (NTC)", "Ta-O-Ta bent"],
            "species": ("band", ["405 line", "405 line", "Ta-O-Ta bent"]),
            "role": ("sample", ROLES),
            MILLING_TIME: label(times, MILLING_TIME),
        },
    )


def points_of(bands: xr.Dataset, band: str, parameter: str) -> dict[str, list[float]]:
    """Return the times of filled and hollow points."""
    ax = plot_band_parameter(bands, parameter, band=band)
    found: dict[str, list[float]] = {"filled": [], "hollow": []}
    for line in ax.lines:
        if line.get_linestyle() == "None" and line.get_marker() not in ("_", ""):
            is_hollow = to_hex(line.get_markerfacecolor()) == "#ffffff"
            found["hollow" if is_hollow else "filled"] += list(line.get_xdata())
    return found


def test_what_is_not_determined_is_hollow() -> None:
    points = points_of(make_bands(), "405 (NTC)", "centre")
    assert points == {"filled": [1.0, 2.0], "hollow": [4.0]}


def test_an_area_that_is_not_detected_is_an_arrow_at_three_sigma() -> None:
    bands = make_bands()
    assert 2.0 not in points_of(bands, "Ta-O-Ta bent", "area")["filled"]
    ax = plot_band_parameter(bands, "area", band="Ta-O-Ta bent")
    bars = [line for line in ax.lines if line.get_marker() == "_"]
    assert [tuple(line.get_xydata()[0]) for line in bars] == [(2.0, 5.0 + 3.0 * 10.0)]


def test_the_reference_is_a_level_and_no_point() -> None:
    bands = make_bands()
    assert points_of(bands, "405", "centre") == {"filled": [], "hollow": []}
    ax = plot_band_parameter(bands, "centre", band="405")
    levels = [line.get_ydata()[0] for line in ax.lines if len(line.get_xdata()) == 2]
    assert levels == [404.0]


def test_a_learned_band_and_its_origin_are_one_row() -> None:
    figure = compose_band_parameters(make_bands())
    names = [ax.get_ylabel() for ax in figure.axes if ax.get_ylabel()]
    assert names == ["405", "Ta-O-Ta bent"]
    assert len(figure.axes) == 6
    figure.draw_without_rendering()


def test_titles_come_from_units() -> None:
    figure = compose_band_parameters(make_bands(), names=["405"])
    titles = [ax.get_title() for ax in figure.axes]
    assert titles == ["centre (cm⁻¹)", "FWHM (cm⁻¹)", "area (counts cm⁻¹)"]


def test_no_band_is_refused() -> None:
    bands = make_bands().isel(band=[])
    with pytest.raises(SchemaError, match="no band"):
        compose_band_parameters(bands)
