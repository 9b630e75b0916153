from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from structkit.errors import SchemaError
from structkit.plot.linewidths import plot_linewidths


def make_results() -> xr.Dataset:
    """Return the study's widths and T1, out of order, and a site without width."""
    over = ("sample", "site")
    units = {"units": "Hz", "long_name": "full width at half maximum"}
    hours = {"units": "h", "long_name": "milling time"}
    return xr.Dataset(
        {
            "fwhm": (over, [[380.15, np.nan], [310.34, np.nan]], units),
            "fwhm_std": (over, [[5.0, np.nan], [np.nan, np.nan]]),
            "lifetime_width": (over, [[265.0, np.nan], [np.nan, np.nan]]),
        },
        coords={
            "sample": ["4h", "1h"],
            "site": ["NTOC", "NaCl"],
            "milling_time": ("sample", [4.0, 1.0], hours),
        },
    )


def test_widths_stand_in_the_order_of_time_with_their_lifetime_part() -> None:
    ax = plot_linewidths(make_results())
    widths, lifetime = ax.get_lines()[:2]
    assert list(np.asarray(widths.get_xdata())) == [1.0, 4.0]
    assert list(np.asarray(widths.get_ydata())) == [310.34, 380.15]
    assert list(np.asarray(lifetime.get_ydata())) == [265.0]
    assert ax.get_ylim()[0] == 0.0
    assert ax.get_ylabel() == "full width at half maximum (Hz)"
    legend = ax.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == [
        *("NTOC: 1/(πT₁)", "NTOC"),
    ]


def test_a_line_that_is_not_seen_is_left_out() -> None:
    over = ("sample", "site")
    results = make_results().assign(
        area=(over, [[5.0, 1.0], [0.2, 1.0]]), area_std=(over, np.full((2, 2), 0.1))
    )
    widths = plot_linewidths(results).get_lines()[0]
    assert list(np.asarray(widths.get_xdata())) == [4.0]


def test_nothing_to_draw_is_told() -> None:
    with pytest.raises(SchemaError, match="no width has a milling time"):
        plot_linewidths(make_results(), sites=["NaCl"])
