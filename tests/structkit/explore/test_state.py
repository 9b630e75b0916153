from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import xarray as xr

from structkit.errors import SchemaError
from structkit.explore.state import (
    Exploration,
    ExplorerState,
    fit_state,
    start_state,
)
from structkit.raman.library import load_bands
from structkit.raman.model import BandModel
from structkit.schema import make_spectra

LIBRARY = load_bands()
SHIFT = np.arange(90.0, 500.0, 1.8)
WITHIN = (float(SHIFT[0]), float(SHIFT[-1]))
BASE = BandModel(bands=LIBRARY.bands[:1])
LINES = {378.0: 900.0, 405.0: 500.0, 298.0: 150.0, 180.0: 350.0, 125.0: 200.0}
HALF_WIDTH = 5.0
AXIS_REACH = 5.0 * BASE.shift_std + 0.1
"""A held centre moves with the axis of its spectrum, at the most so far, cm-1."""
PLAIN = 30.0
"""A band this strong or a line this wrong changes the BIC by far more."""


@pytest.fixture(scope="module")
def spectrum() -> xr.Dataset:
    """Return crystalline NaTaCl6 with a line at 405 on a slope."""
    light = 300.0 + 0.3 * SHIFT
    for centre, height in LINES.items():
        light += height / (1.0 + ((SHIFT - centre) / HALF_WIDTH) ** 2)
    counts = np.random.default_rng(11).poisson(light).astype(float)
    return make_spectra(SHIFT, counts, intensity_std=np.sqrt(counts + 1.0))


@pytest.fixture(scope="module")
def state() -> ExplorerState:
    """Return the state to start from."""
    return start_state(
        ["NaTaCl6", "405 line"], library=LIBRARY, within=WITHIN, off=["TaCl5"]
    )


@pytest.fixture(scope="module")
def start(spectrum: xr.Dataset, state: ExplorerState) -> Exploration:
    """Return what the data say to it."""
    return fit_state(spectrum, state, base=BASE)


def test_bands_of_rivals_and_unfitted_ones_are_off(state: ExplorerState) -> None:
    on = {one.band.name for one in state.choices if one.on}
    off = {one.band.name for one in state.choices if not one.on}
    assert {"TaCl6 A1g", "405"} <= on
    assert {"Ta2Cl10 terminal", "TaCl6 T2u"} <= off
    centres = [one.centre for one in state.choices]
    assert centres == sorted(centres)


def test_a_change_leaves_the_state_as_it_was(state: ExplorerState) -> None:
    moved = state.change("405", centre=410.0, held=True)
    assert state.choice("405").centre == 405.0
    assert moved.choice("405") == dataclasses.replace(
        state.choice("405"), centre=410.0, held=True
    )


def test_an_unknown_band_is_refused(state: ExplorerState) -> None:
    with pytest.raises(SchemaError, match="no band 'A2g'"):
        state.change("A2g", on=True)


def test_no_band_in_the_range_is_refused() -> None:
    with pytest.raises(SchemaError, match="no band of TaCl5 within 2000 to 2100"):
        start_state(["TaCl5"], library=LIBRARY, within=(2000.0, 2100.0))


def test_the_start_is_compared_with_itself(
    spectrum: xr.Dataset, state: ExplorerState, start: Exploration
) -> None:
    again = fit_state(spectrum, state, base=BASE, against=start.fit)
    assert again.delta_bic == 0.0
    assert math.isnan(start.delta_bic)


def test_a_band_that_is_there_is_missed(
    spectrum: xr.Dataset, state: ExplorerState, start: Exploration
) -> None:
    less = fit_state(
        spectrum, state.change("405", on=False), base=BASE, against=start.fit
    )
    assert less.delta_bic > PLAIN
    assert less.n_parameters < start.n_parameters
    assert less.chi_square > start.chi_square


def test_a_held_centre_stays_and_costs(
    spectrum: xr.Dataset, state: ExplorerState, start: Exploration
) -> None:
    held = state.change("405", centre=395.0, held=True)
    found = fit_state(spectrum, held, base=BASE, against=start.fit)
    assert found.curves is not None
    assert found.delta_bic > PLAIN
    assert abs(float(found.curves["centre"].sel(band="405")) - 395.0) < AXIS_REACH
    assert found.n_parameters == start.n_parameters


def test_a_moved_centre_that_is_free_finds_its_line(
    spectrum: xr.Dataset, state: ExplorerState
) -> None:
    moved = fit_state(spectrum, state.change("405", centre=398.0), base=BASE)
    assert moved.curves is not None
    # the noise of a line of 500 counts and 10 cm-1 leaves it within 0.3
    assert abs(float(moved.curves["centre"].sel(band="405")) - 405.0) < 1.0


def test_tied_bands_have_one_width(
    spectrum: xr.Dataset, state: ExplorerState, start: Exploration
) -> None:
    tied = dataclasses.replace(state, tied=frozenset({"NaTaCl6"}))
    found = fit_state(spectrum, tied, base=BASE, against=start.fit)
    assert found.fit is not None
    assert found.fit.model.families == ("NaTaCl6", "405")
    assert found.n_parameters < start.n_parameters


def test_stiffness_is_handed_on(spectrum: xr.Dataset, state: ExplorerState) -> None:
    stiff = dataclasses.replace(state, smoothness=100.0)
    found = fit_state(spectrum, stiff, base=BASE)
    assert found.fit is not None
    assert found.fit.smoothness == 100.0


def test_all_bands_off_is_a_value_with_a_reason(
    spectrum: xr.Dataset, state: ExplorerState
) -> None:
    for one in state.choices:
        state = state.change(one.band.name, on=False)
    found = fit_state(spectrum, state, base=BASE)
    assert found.fit is None
    assert "needs a band" in found.reason
    with pytest.raises(SchemaError, match="nothing to draw"):
        found.compose_figure()


def test_metrics_statements_and_figure_come_along(start: Exploration) -> None:
    assert start.measured is not None
    share = start.measured.metric("r_ax")
    # areas of lines of one width are as their heights: 500 / (500 + 900 + 150)
    assert share.low < 500.0 / 1550.0 < share.high
    assert any("405" in one for one in start.statements)
    assert start.compose_figure(title="salt").get_suptitle().startswith("salt")
