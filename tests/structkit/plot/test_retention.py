from __future__ import annotations

import math

import numpy as np
import pytest
import xarray as xr

from structkit.plot.retention import plot_retention


def retention(ages: list[float]) -> xr.Dataset:
    """Return three retentions at 298 K, one at 323 K, one without a number."""
    values = np.array([1.0, 0.6, 0.5, 0.8, math.nan])
    dims = ("measurement",)
    return xr.Dataset(
        {"retention": (dims, values), "retention_std": (dims, 0.02 * values)},
        coords={
            "temperature": (dims, [298.0, 298.1, 298.0, 323.0, 473.0]),
            "history": (dims, ["new", "dry air", "150 C", "150 C", "hot"]),
            "age": (dims, ages),
        },
    )


def test_ages_are_the_axis_where_all_are_known() -> None:
    ax = plot_retention(retention([0.0, 24.0, 240.0, 240.0, math.nan]))
    assert ax.get_xlabel() == "age (d)"
    cold, hot = (container.lines[0] for container in ax.containers)
    assert list(cold.get_xdata()) == pytest.approx([0.0, 1.0, 10.0])
    assert list(hot.get_ydata()) == pytest.approx([0.8])
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts == ["measured at 298 K", "measured at 323 K"]


def test_else_the_histories_in_their_order() -> None:
    ax = plot_retention(retention([math.nan] * 5))
    assert ax.get_xlabel() == "history"
    ticks = [text.get_text() for text in ax.get_xticklabels()]
    assert ticks == ["new", "dry air", "150 C", "hot"]
    assert list(ax.containers[0].lines[0].get_xdata()) == [0.0, 1.0, 2.0]
