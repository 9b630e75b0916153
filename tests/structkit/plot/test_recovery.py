from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from structkit.plot.recovery import compose_recoveries, plot_recovery, tell_t1


@pytest.fixture
def recovery() -> xr.Dataset:
    """Make up a recovery of two sites; the second has no fit."""
    delay = np.array([0.0, 0.01, 0.1, 1.0, 10.0])
    grid = np.geomspace(0.005, 15.0, 50)
    area = np.stack([5.0 * (1.0 - 1.8 * np.exp(-delay / 0.5)), np.zeros(5)])
    curve = 5.0 * (1.0 - 1.8 * np.exp(-grid / 0.5))
    by_law = ("own_site", "law")
    return xr.Dataset(
        {
            "area": (("own_site", "delay"), area),
            "area_std": ("own_site", [0.1, np.nan]),
            "curve": (("own_site", "curve_delay"), [curve, np.full(50, np.nan)]),
            "t1": (by_law, [[0.5, 0.6], [np.nan, np.nan]]),
            "t1_std": (by_law, [[0.012, 0.1], [np.nan, np.nan]]),
            "chosen": (by_law, [[1, 0], [1, 0]]),
            "fit_reason": (by_law, [["", ""], ["too few delays", ""]]),
            "temperature": ((), 298.15),
        },
        coords={
            "own_site": ["NTOC", "NaCl"],
            "law": ["mono", "quadrupolar_slow"],
            "delay": ("delay", delay, {"units": "s", "long_name": "recovery delay"}),
            "curve_delay": grid,
        },
    )


def test_areas_stand_over_the_equilibrium(recovery: xr.Dataset) -> None:
    ax = plot_recovery(recovery, "NTOC")
    curve = np.asarray(ax.get_lines()[1].get_ydata())
    assert curve[-1] == pytest.approx(1.0)
    assert ax.get_xlabel() == "recovery delay (s)"
    points = np.asarray(ax.get_lines()[2].get_xdata())
    assert points[0] == pytest.approx(0.005), "0 s stands at the edge of a logarithm"
    assert "T₁ = 0.500 ± 0.012 s (mono)" in ax.get_title(loc="left")


def test_short_times_are_told_in_ms(recovery: xr.Dataset) -> None:
    own = recovery.isel(own_site=0)
    own = own.assign(t1=0.01 * own["t1"], t1_std=0.01 * own["t1_std"])
    assert tell_t1(own) == "T₁ = 5.00 ± 0.12 ms (mono)"


def test_every_site_has_a_panel_also_without_a_fit(recovery: xr.Dataset) -> None:
    figure = compose_recoveries(recovery, title="4h")
    assert len(figure.axes) == 2
    assert figure.get_suptitle() == "4h, 298 K"
    assert "no T₁: too few delays" in figure.axes[1].get_title(loc="left")
