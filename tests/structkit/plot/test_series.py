from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from structkit.errors import SchemaError
from structkit.plot.series import (
    compose_series,
    plot_crystallinity,
    plot_fractions,
    plot_relative_scales,
    plot_sizes,
)
from structkit.plot.style import write_figure

TIMES = [2.0, 0.0, 0.5, 1.0]
"""Not in order: the plots sort them."""


def make_results() -> xr.Dataset:
    dims = ("sample", "phase")
    fraction = np.array([[0.01, 0.99], [0.7, 0.3], [0.5, 0.5], [0.3, 0.7]])
    scale = 1e-4 * np.array([[0.01, 0.6], [1.0, 1.0], [0.5, 0.9], [0.2, 0.8]])
    return xr.Dataset(
        {
            "weight_fraction_crystalline": (dims, fraction),
            "weight_fraction_crystalline_std": (dims, np.full((4, 2), 0.01)),
            "weight_fraction_crystalline_systematic": (dims, np.full((4, 2), 0.02)),
            "detection_limit": (dims, np.full((4, 2), 0.03)),
            "scale": (dims, scale),
            "scale_std": (dims, np.full((4, 2), 2e-6)),
            "relative_scale": (dims, scale / 1e-4),
            "size_nm": (dims, np.array([[5, 40.0], [60, 60], [30, 55], [12, 50]])),
            "size_nm_std": (dims, np.array([[50, 4.0], [6, 6], [3, 5], [1, 5]])),
            "crystalline_area_fraction": ("sample", [0.1, 0.9, 0.6, 0.3]),
            "crystalline_area_fraction_std": ("sample", [0.01, 0.02, 0.02, 0.01]),
            "amorphous_fraction": ("sample", [np.nan] * 4),
        },
        coords={
            "sample": ["d", "a", "b", "c"],
            "phase": ["NaTaCl6", "NaCl"],
            "milling_time": (
                "sample",
                TIMES,
                {"units": "h", "long_name": "milling time"},
            ),
        },
        attrs={"name": "made up", "axis": "milling_time"},
    )


def test_points_are_in_the_order_of_time() -> None:
    ax = plot_crystallinity(make_results())
    assert ax.get_xlabel() == "milling time (h)"
    np.testing.assert_array_equal(ax.lines[-1].get_xdata(), sorted(TIMES))
    np.testing.assert_array_equal(ax.lines[-1].get_ydata(), [0.9, 0.6, 0.3, 0.1])


def test_value_below_its_detection_limit_is_an_arrow_at_the_limit() -> None:
    ax = plot_fractions(make_results())
    arrows = [text for text in ax.texts if text.arrow_patch is not None]
    assert [arrow.xy for arrow in arrows] == [(2.0, 0.03)]
    drawn = [line for line in ax.lines if line.get_marker() == "o"]
    assert 0.01 not in np.asarray(drawn[0].get_ydata())


def test_scale_of_a_vanished_phase_is_limited_at_three_sigmas() -> None:
    ax = plot_relative_scales(make_results())
    (arrow,) = [text for text in ax.texts if text.arrow_patch is not None]
    assert arrow.xy == (2.0, pytest.approx(0.01 + 3 * 0.02))


def test_wide_range_of_scales_gets_a_logarithmic_axis() -> None:
    results = make_results()
    assert plot_relative_scales(results).get_yscale() == "linear"
    grown = results["relative_scale"] * xr.DataArray([1.0, 40.0], dims="phase")
    ax = plot_relative_scales(results.assign(relative_scale=grown))
    assert ax.get_yscale() == "log"
    low, high = ax.get_ylim()
    assert 0.0 < low < 0.06
    assert 40.0 < high < 100.0


def test_phase_without_reference_is_named_not_drawn() -> None:
    results = make_results()
    known = results["relative_scale"].where(results["phase"] != "NaCl")
    truth = results.isel(sample=slice(1, 3))
    ax = plot_relative_scales(results.assign(relative_scale=known), truth=truth)
    assert not [line for line in ax.lines if line.get_marker() == "s"]
    assert [text.get_text() for text in ax.texts if text.get_text()] == [
        "not seen in the reference: NaCl"
    ]


def test_shares_end_at_one() -> None:
    results = make_results()
    wide = xr.full_like(results["weight_fraction_crystalline_std"], 3.0)
    ax = plot_fractions(results.assign(weight_fraction_crystalline_std=wide))
    assert 1.0 < ax.get_ylim()[1] < 1.1


def test_sizes_without_calibration_are_lower_bounds() -> None:
    results = make_results()
    assert plot_sizes(results).get_ylabel() == "crystallite size (nm)"
    generic = results.assign_attrs(instrument_calibrated="false")
    assert plot_sizes(generic).get_ylabel() == "crystallite size, at least (nm)"


def test_one_sample_is_one_tick() -> None:
    ax = plot_fractions(make_results().isel(sample=[2]))
    assert list(ax.get_xticks()) == [0.5]


def test_size_of_a_vanished_phase_is_left_out() -> None:
    ax = plot_sizes(make_results())
    (line,) = [line for line in ax.lines if line.get_marker() == "o"]
    assert 5.0 not in np.asarray(line.get_ydata())
    assert ax.get_ylim()[0] > 0.0


def test_internal_standard_is_drawn_where_there_is_one() -> None:
    results = make_results()
    assert plot_crystallinity(results).get_legend() is None
    weighed = results.assign(amorphous_fraction=("sample", [0.8, 0.1, 0.3, 0.5]))
    legend = plot_crystallinity(weighed).get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == [
        "by area",
        "by weight",
    ]


@pytest.mark.parametrize("with_truth", [True, False])
def test_series_is_composed_of_four_panels(tmp_path: Path, with_truth: bool) -> None:
    results = make_results()
    truth = results.isel(sample=slice(1, 3)) if with_truth else None
    figure = compose_series(results, truth=truth)
    assert len(figure.axes) == 4
    entries = [text.get_text() for text in figure.legends[0].get_texts()]
    assert entries == ["NaTaCl₆", "NaCl", "truth"][: 3 if with_truth else 2]
    assert write_figure(figure, tmp_path / "series.pdf").stat().st_size > 5_000


def test_failed_and_undated_samples_leave_holes_only(tmp_path: Path) -> None:
    results = make_results()
    failed = results.where(results["sample"] != "b")
    failed["milling_time"] = ("sample", [2.0, 0.0, 0.5, np.nan])
    write_figure(compose_series(failed), tmp_path / "holes.png")
    nothing = results.where(results["sample"] == "no such sample")
    nothing["milling_time"] = results["milling_time"]
    write_figure(compose_series(nothing), tmp_path / "nothing.png")


def test_absent_variables_leave_empty_panels(tmp_path: Path) -> None:
    figure = compose_series(make_results()[["weight_fraction_crystalline"]])
    write_figure(figure, tmp_path / "few.png")


def test_results_without_axis_are_refused() -> None:
    with pytest.raises(SchemaError, match="no coordinate 'age'"):
        compose_series(make_results().assign_attrs(axis="age"))
