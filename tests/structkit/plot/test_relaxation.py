from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from structkit.plot.relaxation import plot_relaxation


def test_points_and_curve_stand_over_the_inverse_temperature() -> None:
    kelvin = np.array([[250.0, 300.0, 400.0], [250.0, 300.0, np.nan]])
    grid = np.linspace(250.0, 400.0, 20)
    over = ("own_site",)
    data = xr.Dataset(
        {
            "temperature": (("own_site", "point"), kelvin),
            "t1": (("own_site", "point"), 1e-3 * kelvin / 250.0),
            "t1_std": (("own_site", "point"), np.full((2, 3), 1e-5)),
            "curve_temperature": (("own_site", "curve_point"), [grid, grid]),
            "curve": (("own_site", "curve_point"), [1e-3 * grid, 1e-3 * grid]),
            "activation_energy": (over, [0.2, np.nan]),
            "activation_energy_low": (over, [0.18, np.nan]),
            "activation_energy_high": (over, [0.23, np.nan]),
            "side": (over, ["slow", "both"]),
        },
        coords={"own_site": ["NTOC", "NaCl"]},
    )
    ax = plot_relaxation(data)
    assert ax.get_yscale() == "log"
    points = np.asarray(ax.get_lines()[1].get_xdata())
    assert points == pytest.approx([4.0, 1e3 / 300.0, 2.5])
    legend = ax.get_legend()
    assert legend is not None
    told = [text.get_text() for text in legend.get_texts()]
    assert told == ["NTOC: 0.200 eV (0.180 to 0.230), slow side only", "NaCl: no fit"]
