"""Conductivities of the invented study: its anchors, and Bruggeman's medium."""

from __future__ import annotations

import numpy as np
import pytest

from structkit.errors import PlanError
from structkit.synthetic.eis import SERIES_C, list_species
from structkit.synthetic.eis_truth import (
    Cell,
    EisTruth,
    check_eis_adversary,
    solve_medium,
)

# the anchors were set by the two conductivities of the defaults, given to two digits
ANCHOR = 0.01
# energies of the study are printed with two digits
PRINTED_EV = 0.005
KELVIN = [one + 273.15 for one in SERIES_C]


def test_anchors_of_the_study() -> None:
    truth = EisTruth()
    species = list_species(truth.study)
    found = {
        name: 1e3 * truth.conductivity(made, time_h=time)
        for name, (time, made) in species.items()
    }
    assert found["4h"] == pytest.approx(4.41, rel=ANCHOR)
    assert found["NTC-4"] == pytest.approx(0.11, rel=ANCHOR)
    assert found["1h"] < found["2h"] < found["6h"] < found["4h"]
    energies = {
        name: truth.activation_energy(made, KELVIN)
        for name, (_, made) in species.items()
    }
    assert energies["4h"] == pytest.approx(0.32, abs=PRINTED_EV)
    assert energies["1h"] == pytest.approx(0.36, abs=PRINTED_EV)


def test_over_milling_is_that_much() -> None:
    truth = EisTruth()
    _, made = list_species(truth.study)["6h"]
    worn = truth.conductivity(made, time_h=6.0) / truth.conductivity(made, time_h=4.0)
    assert np.log10(worn) == pytest.approx(-0.15)


@pytest.mark.parametrize("share", [0.05, 0.3, 0.34, 0.8])
def test_medium_of_two_phases_is_the_root_of_its_quadratic(share: float) -> None:
    first, second = 9.5, 0.08
    b = (3.0 * share - 1.0) * first + (2.0 - 3.0 * share) * second
    exact = 0.25 * (b + np.sqrt(b * b + 8.0 * first * second))
    found = solve_medium([share, 1.0 - share], [first, second])
    assert found == pytest.approx(exact, rel=1e-9)


def test_insulators_block_below_a_third() -> None:
    assert solve_medium([0.3, 0.7], [1.0, 0.0]) == 0.0
    assert solve_medium([1.0, 0.0], [2.0, 1.0]) == pytest.approx(2.0)


def test_adversaries_change_what_they_say() -> None:
    truth = EisTruth()

    def cell(adversary: object) -> Cell:
        rng = np.random.default_rng(3)
        return Cell.draw(rng, truth=truth, adversary=adversary)  # type: ignore[arg-type]

    plain, doubled, stray = (
        cell(a) for a in (None, "thickness_doubled", "stray_capacitance")
    )
    assert doubled.measured_thickness_mm == 2.0 * plain.measured_thickness_mm
    assert doubled.thickness_mm == plain.thickness_mm
    assert plain.stray_f <= 8e-11 < 3e-10 <= stray.stray_f <= 1e-9
    with pytest.raises(PlanError, match="no impedance adversary 'rain'"):
        check_eis_adversary("rain")
