from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_hex

from structkit.errors import SchemaError
from structkit.plot.raman_metrics import compose_metrics, plot_metric
from structkit.schema import MILLING_TIME, label

NAN = np.nan


def make_metrics() -> xr.Dataset:
    """Return the metrics of a reference and three samples."""
    dims = ("sample", "metric")
    times = xr.DataArray([0.0, 1.0, 2.0, 4.0], dims="sample")
    value = np.array([[0.3, NAN], [0.2, 0.4], [0.1, 0.02], [0.05, 0.0]])
    value = np.column_stack([value, np.full(4, NAN)])
    low, high = 0.8 * value, 1.2 * value
    low[2, 1], high[2, 1] = 1e-9, 50.0
    return xr.Dataset(
        {
            "metric_value": (dims, value),
            "metric_value_std": (dims, 0.1 * value),
            "metric_low": (dims, low),
            "metric_high": (dims, high),
            "metric_resolved": (dims, [[1, 0, 0], [1, 1, 0], [1, 0, 0], [1, 0, 0]]),
        },
        coords={
            "sample": ["NTC", "1h", "2h", "4h"],
            "metric": ["r_ax", "oxide_ratio", "S_ax"],
            "role": ("sample", ["crystalline_reference", *["milled"] * 3]),
            MILLING_TIME: label(times, MILLING_TIME),
        },
    )


def test_unresolved_metrics_are_hollow_and_not_joined() -> None:
    ax = plot_metric(make_metrics(), "oxide_ratio")
    hollow = [
        list(line.get_xdata())
        for line in ax.lines
        if line.get_marker() == "o" and to_hex(line.get_markerfacecolor()) == "#ffffff"
    ]
    assert hollow == [[2.0, 4.0]]
    joined = [line for line in ax.lines if line.get_alpha() == 0.5]
    assert np.isfinite(joined[0].get_ydata()).tolist() == [True, False, False]


def test_limits_of_what_is_not_resolved_do_not_stretch_the_panel() -> None:
    ax = plot_metric(make_metrics(), "oxide_ratio")
    assert 0.4 < ax.get_ylim()[1] < 1.0
    arrows = [list(line.get_xdata()) for line in ax.lines if line.get_marker() == "^"]
    assert arrows == [[2.0]]


def test_the_reference_is_a_level() -> None:
    ax = plot_metric(make_metrics(), "r_ax")
    levels = [
        float(line.get_ydata()[0])
        for line in ax.lines
        if list(line.get_xdata()) == [0, 1]
    ]
    assert levels == [0.3]


def test_truth_is_drawn_where_it_is_known() -> None:
    metrics = make_metrics()
    truth = xr.Dataset({"r_ax": ("sample", [0.3, 0.21, 0.11, 0.04])}, metrics.coords)
    with_truth = len(plot_metric(metrics, "r_ax", truth=truth).lines)
    assert with_truth == len(plot_metric(metrics, "r_ax").lines) + 1


def test_metrics_without_a_value_are_left_out() -> None:
    figure = compose_metrics(make_metrics())
    titles = [ax.get_title() for ax in figure.axes if ax.get_title()]
    assert len(titles) == 2
    figure.draw_without_rendering()


def test_no_metric_is_refused() -> None:
    with pytest.raises(SchemaError, match="no metric has a value"):
        compose_metrics(make_metrics().isel(metric=[2]))
