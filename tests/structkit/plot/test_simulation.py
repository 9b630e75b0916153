from __future__ import annotations

import pytest

from structkit.plot.simulation import plot_simulation
from structkit.plot.style import make_axes
from structkit.structures.library import load
from structkit.xrd.background import Halo
from structkit.xrd.simulate import SimulatedPhase, Surroundings, simulate_pattern


@pytest.mark.parametrize("own_axes", [True, False])
def test_draws_every_phase_and_the_halo_but_no_absent_film(own_axes: bool) -> None:
    around = Surroundings(halos=(Halo(center=18.0, fwhm=7.0, height=500.0),))
    phases = [SimulatedPhase(structure=load(name)) for name in ("NaCl", "Na2O")]
    pattern = simulate_pattern(phases, surroundings=around)
    before = pattern.copy(deep=True)
    axes = plot_simulation(pattern, ax=make_axes() if own_axes else None)
    assert axes.get_legend_handles_labels()[1] == ["halo", "total", "NaCl", "Na₂O"]
    assert axes.get_xlabel() == "2θ (°)"
    assert axes.get_ylabel() == "intensity (counts)"
    assert pattern.identical(before)
