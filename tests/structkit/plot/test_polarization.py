from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from structkit.eis.polarization import PolarizationSettings, fit_polarization
from structkit.eis.results import run_dataset
from structkit.plot.polarization import plot_polarization
from structkit.schema import make_polarization

STEADY = 3.5e-10


def make(length: float, *, volts: float = 0.1) -> xr.Dataset:
    """Return a stored run that decays with 200 s."""
    time = np.arange(0.0, length, 10.0)
    noise = np.random.default_rng(3).normal(size=time.size)
    current = STEADY + 5e-9 * np.exp(-time / 200.0) + 1e-13 * noise
    run = make_polarization(time, np.sign(volts) * current)
    settings = PolarizationSettings(voltage_v=volts)
    found = fit_polarization(run, None, settings=settings)
    return run_dataset(run, found, transference=(np.nan,) * 3)


@pytest.mark.parametrize("volts", [0.1, -0.1])
def test_the_fitted_decay_lies_on_the_points(volts: float) -> None:
    run = make(3000.0, volts=volts)
    gap = run["current_fit"].to_numpy() - run["current"].to_numpy()
    assert np.abs(gap).max() < 1e-12
    ax = plot_polarization(run)
    assert ax.get_yscale() == "log"
    height = float(np.asarray(ax.lines[2].get_ydata())[0])
    assert height == pytest.approx(STEADY, rel=0.01)
    assert str(ax.lines[2].get_label()).startswith("steady")


def test_a_short_run_says_that_it_is_not_steady() -> None:
    ax = plot_polarization(make(300.0))
    assert str(ax.lines[-1].get_label()).startswith("last third, not steady")
    assert "(s)" in ax.get_xlabel()
