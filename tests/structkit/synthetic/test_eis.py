"""Sweeps and runs: limits of the physics, noise, determinism, adversaries."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from structkit.eis.identify import IdentifyOptions, identify_circuit
from structkit.eis.pellet import Pellet
from structkit.eis.polarization import PolarizationSettings, fit_polarization
from structkit.eis.validity import Validity, check_kramers_kronig
from structkit.synthetic.eis import (
    LEAKAGE_A,
    VOLTAGE_V,
    draw_study,
    frequency_grid,
    sample_impedance,
    simulate_eis,
    simulate_run,
    simulate_sweep,
)
from structkit.synthetic.eis_truth import Cell
from structkit.synthetic.raman import simulate_series

# 24 nodes of a log-normal spread of 0.5
QUADRATURE = 1e-3
# scatter of a standard deviation over 2 x 78 points, three sigma
NOISE = 3.0 / np.sqrt(2.0 * 2 * 78)


def test_grid_is_that_of_the_study() -> None:
    grid = frequency_grid()
    assert (grid[0], grid[-1]) == pytest.approx((0.1, 5e6))
    assert np.all(np.diff(grid) > 0.0)


@pytest.mark.parametrize("spread", [0.0, 0.5])
def test_impedance_goes_from_leads_over_the_resistance_to_the_spike(
    spread: float,
) -> None:
    cell = Cell(spread=spread, stray_f=1e-18, inductance_h=1e-18, lead_ohm=2.0)
    high, middle, low = sample_impedance(
        np.array([1e14, 3e4, 1e-2]), cell, resistance=1000.0, capacitance=8e-12
    )
    assert abs(high - 2.0) < 0.5
    q, n = cell.electrode
    spike = 1.0 / (q * (2j * np.pi * 3e4) ** n)
    assert middle - spike == pytest.approx(1002.0, rel=0.01)
    assert abs(low) == pytest.approx(1.0 / (q * (2 * np.pi * 1e-2) ** n), rel=0.02)


def test_log_normal_spread_is_its_integral() -> None:
    cell = Cell(
        spread=0.5, stray_f=0.0, inductance_h=0.0, lead_ohm=0.0, electrode=(1e12, 0.9)
    )
    frequency = np.geomspace(1e5, 1e9, 9)
    found = sample_impedance(frequency, cell, resistance=100.0, capacitance=1e-11)
    y = np.linspace(-6.0, 6.0, 4001)
    weight = np.exp(-0.5 * y**2)
    kernel = 1.0 / (1.0 + 2j * np.pi * np.outer(frequency, 1e-9 * np.exp(0.5 * y)))
    slow = 100.0 * kernel @ weight / weight.sum()
    assert np.max(np.abs(found - slow)) / 100.0 < QUADRATURE


def test_a_leak_ends_the_spike() -> None:
    cell = Cell(electronic=1e-4, lead_ohm=0.0)
    found = sample_impedance(
        np.array([1e-6]), cell, resistance=100.0, capacitance=8e-12
    )
    assert found[0].real == pytest.approx(1e4, rel=0.01)


def test_noise_is_what_the_cell_says() -> None:
    cell = Cell(noise=0.01, noise_floor=0.0)
    sweep = simulate_sweep(
        cell,
        sigma=4.4e-3,
        diameter_mm=8.0,
        permittivity=15.0,
        rng=np.random.default_rng(1),
    )
    constant = cell.constant(8.0)
    clean = sample_impedance(
        sweep["frequency"].to_numpy(),
        cell,
        resistance=constant / 4.4e-3,
        capacitance=15.0 * 8.8541878128e-14 / constant,
    )
    gap = (sweep["impedance"].to_numpy() - clean) / np.abs(clean)
    std = np.sqrt(np.mean(np.abs(gap) ** 2) / 2.0)
    assert std == pytest.approx(0.01, rel=NOISE)
    check = check_kramers_kronig(sweep)
    assert check.verdict is Validity.VALID


def test_a_seed_is_one_study_and_the_same_as_for_raman() -> None:
    first, again, other = (simulate_eis(seed) for seed in (5, 5, 6))
    for name, sweep in first.sweeps.items():
        xr.testing.assert_identical(sweep, again.sweeps[name])
        assert not np.allclose(sweep["impedance"], other.sweeps[name]["impedance"])
    xr.testing.assert_identical(first.truth, again.truth)
    xr.testing.assert_identical(first.run, again.run)
    _, raman = simulate_series(5)
    oxygen = float(raman["oxygen"].sel(sample="4h"))
    assert draw_study(5).oxygen(4.0) == pytest.approx(oxygen, rel=1e-12)


def test_truth_is_consistent() -> None:
    study = simulate_eis(9)
    known = study.truth
    area = 0.25 * np.pi * 0.8**2
    rough = 0.1 * known["thickness"] / area / known["resistance"]
    # the die is off by 0.5 %, its area by 1 % (1 sigma)
    np.testing.assert_allclose(rough, known["conductivity"], rtol=0.05)
    assert known["conductivity"].attrs["units"] == "S cm-1"
    assert 0.25 < float(known["activation_energy"]) < 0.45
    assert [float(one["temperature"]) for one in study.series] == pytest.approx(
        known["temperature"].to_numpy()
    )


def test_current_ends_at_electrons_and_leakage() -> None:
    cell = Cell()
    rng = np.random.default_rng(2)
    run = simulate_run(cell, electronic=1e-9, diameter_mm=8.0, rng=rng)
    steady = 1e-9 * VOLTAGE_V / cell.constant(8.0) + LEAKAGE_A
    late = float(run["current"][-100:].mean())
    assert late == pytest.approx(steady, rel=0.02)
    assert float(run["current"][0]) > 2.0 * steady
    found = fit_polarization(
        run,
        Pellet(
            diameter_mm=8.0,
            diameter_std_mm=0.04,
            thickness_mm=0.85,
            thickness_std_mm=0.01,
        ),
        settings=PolarizationSettings(leakage_a=LEAKAGE_A, leakage_std_a=1e-12),
    )
    value = float(found["electronic_conductivity"])
    assert abs(value - 1e-9) < 3.0 * float(found["electronic_conductivity_std"])


def test_stray_capacitance_is_flagged_and_no_bulk_is_claimed() -> None:
    study = simulate_eis(4, adversary="stray_capacitance")
    found = identify_circuit(study.sweeps["NTC-4"], IdentifyOptions(cell_constant=0.17))
    bulk = found.verdict("bulk")
    assert not bulk.identifiable
    assert "stray capacitance" in bulk.reason
    assert found.arcs[0].in_band


def test_a_leak_is_in_the_run() -> None:
    study = simulate_eis(4, adversary="electronic_leak")
    own = study.truth.sel(sample="4h")
    share = float(own["electronic_conductivity"] / own["conductivity"])
    assert share == pytest.approx(0.03)
    plain = simulate_eis(4)
    assert float(study.run["current"][-1]) > 1e3 * float(plain.run["current"][-1])
