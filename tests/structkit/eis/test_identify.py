"""What can be told apart: known truth, physical gates, a measured pellet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from structkit.eis.circuits import M0, M1, M2, M3, Circuit, parse_circuit
from structkit.eis.fit import FitOptions, fit_impedance
from structkit.eis.identify import IdentifyOptions, identify_circuit
from structkit.eis.nested import bayes_criterion, count_independent, fit_lean
from structkit.errors import FitError, PlanError
from structkit.schema.impedance import make_impedance
from structkit.synthetic.eis import simulate_eis

FREQUENCY = np.geomspace(0.1, 5e6, 70)
CELL = 0.169
"""L/A of a pellet of 8 mm and 0.85 mm, cm-1."""
PELLET_CELL = 0.41778


def simulate(
    model: Circuit, values: list[float], *, seed: int = 0, noise: float = 0.005
) -> xr.Dataset:
    parts = np.random.default_rng(seed).normal(size=(2, FREQUENCY.size))
    exact = model.evaluate(FREQUENCY, values)
    return make_impedance(FREQUENCY, exact * (1 + noise * (parts[0] + 1j * parts[1])))


def arc(resistance: float, capacitance: float, n: float) -> list[float]:
    """Return R, Q, n of an arc from its Hsu-Mansfeld capacitance."""
    return [resistance, (resistance * capacitance) ** n / resistance, n]


def test_a_good_conductor_gives_its_total_only() -> None:
    spectrum = simulate(M0, [5e-7, 40.0, 1e-6, 0.85])
    found = identify_circuit(spectrum, IdentifyOptions(cell_constant=CELL))
    assert found.chosen.fit.circuit.name == "M0"
    bulk, boundary = found.verdict("bulk"), found.verdict("grain_boundary")
    assert not bulk.identifiable
    assert "the band ends at 5 MHz" in bulk.reason
    assert not boundary.identifiable
    assert boundary.reason.startswith(
        "grain boundary not identifiable: no arc is enough"
    )
    total = found.verdict("total")
    assert total.identifiable
    assert abs(total.resistance - 40.0) < 3.0 * total.resistance_std


def test_one_arc_of_a_plausible_permittivity_is_bulk() -> None:
    values = [1e-6, *arc(2e6, 8e-12, 0.95), 1e-6, 0.85]
    found = identify_circuit(simulate(M1, values), IdentifyOptions(cell_constant=CELL))
    assert found.chosen.fit.circuit.name == "M1"
    bulk = found.verdict("bulk")
    assert bulk.identifiable
    assert abs(bulk.resistance - 2e6) < 4.0 * bulk.resistance_std
    assert not found.verdict("grain_boundary").identifiable


def test_a_capacitance_too_large_for_bulk_is_refused() -> None:
    values = [1e-7, *arc(430.0, 8e-11, 0.9), 1e-6, 0.85]
    found = identify_circuit(simulate(M1, values), IdentifyOptions(cell_constant=CELL))
    bulk = found.verdict("bulk")
    assert bulk.in_band
    assert not bulk.identifiable
    assert "stray capacitance of the cell or a boundary" in bulk.reason
    assert found.verdict("total").identifiable


def test_two_arcs_are_bulk_and_boundary() -> None:
    values = [1e-7, 2.0, *arc(5e4, 7e-12, 0.95), *arc(2e5, 4e-10, 0.9), 1e-6, 0.85]
    found = identify_circuit(simulate(M2, values), IdentifyOptions(cell_constant=CELL))
    assert found.chosen.fit.circuit.name == "M2"
    for name, truth in (("bulk", 5e4), ("grain_boundary", 2e5), ("total", 2.5e5)):
        verdict = found.verdict(name)
        assert verdict.identifiable
        assert abs(verdict.resistance - truth) < 4.0 * verdict.resistance_std


def test_a_stray_capacitance_is_found() -> None:
    values = [1e-7, 2e-10, *arc(1e5, 3e-10, 0.7), 1e-6, 0.85]
    found = identify_circuit(simulate(M3, values, noise=0.002))
    assert found.chosen.fit.circuit.name == "M3"
    stray = found.chosen.fit.value("C_stray")
    assert abs(stray - 2e-10) < 4.0 * found.chosen.fit.std("C_stray")


@pytest.mark.parametrize("seed", range(3))
def test_noise_buys_no_second_arc(seed: int) -> None:
    values = [1e-6, *arc(2e6, 8e-12, 0.95), 1e-6, 0.85]
    options = IdentifyOptions(models=(M1, M2))
    found = identify_circuit(simulate(M1, values, seed=seed), options)
    assert found.chosen.fit.circuit.name == "M1"


def test_arcs_that_the_data_leave_open_are_not_chosen() -> None:
    spectrum = simulate_eis(22).sweeps["6h"]
    found = identify_circuit(spectrum, IdentifyOptions(cell_constant=CELL))
    two = next(c for c in found.candidates if c.fit.circuit.name == "M2")
    assert two.bic < found.chosen.bic - 6.0  # the noise of this seed buys two arcs
    assert found.chosen.fit.circuit.name == "M0"
    true = simulate_eis(22).truth.sel(sample="6h")
    leads = float(true["resistance"] + true["lead_resistance"])
    total = found.verdict("total")
    assert abs(total.resistance - leads) < 3.0 * total.resistance_std


def test_an_arc_of_the_electrode_is_none_of_the_pellet() -> None:
    values = [1e-7, 190.0, *arc(5e4, 7e-12, 0.95), *arc(3e4, 2e-5, 0.9), 1e-4, 0.85]
    spectrum = simulate(M2, values)
    found = identify_circuit(spectrum, IdentifyOptions(cell_constant=CELL))
    assert found.chosen.fit.circuit.name == "M2"
    total = found.verdict("total")
    assert abs(total.resistance - 50190.0) < 4.0 * total.resistance_std
    assert "C L/A is that of an electrode" in total.reason
    unknown = identify_circuit(spectrum).verdict("total")
    assert unknown.resistance > 70e3


def test_elements_without_effect_are_left_out() -> None:
    values = [*arc(5e4, 7e-12, 0.95), *arc(2e5, 4e-10, 0.9), 1e-6, 0.85]
    bare = parse_circuit("(R_b|CPE_b)-(R_gb|CPE_gb)-CPE_el")
    spectrum = simulate(bare, values)
    lean = fit_lean(spectrum, M2, FitOptions())
    assert str(lean.circuit) == str(bare)
    np.testing.assert_allclose(
        lean.chi_square, fit_impedance(spectrum, bare).chi_square, rtol=1e-4
    )


def test_residuals_that_stick_together_count_less() -> None:
    white = fit_impedance(simulate(M1, [1e-6, *arc(2e6, 8e-12, 0.95), 1e-6, 0.85]), M1)
    assert count_independent(white) > 0.6 * 2 * FREQUENCY.size
    two = [1e-7, 2.0, *arc(5e4, 7e-12, 0.95), *arc(2e5, 4e-10, 0.9), 1e-6, 0.85]
    missed = fit_impedance(simulate(M2, two), M1)
    assert count_independent(missed) < 0.2 * 2 * FREQUENCY.size


def test_criterion_is_the_written_formula() -> None:
    fit = fit_impedance(simulate(M0, [5e-7, 40.0, 1e-6, 0.85]), M0)
    n = 2 * FREQUENCY.size
    expected = n * np.log(fit.chi_square / n) + 4 * np.log(n)
    assert bayes_criterion(fit, float(n)) == pytest.approx(expected, rel=1e-12)
    known = bayes_criterion(fit, float(n), scale=2.0)
    assert known == pytest.approx(fit.chi_square / 2.0 + 4 * np.log(n), rel=1e-12)


def test_refusals() -> None:
    with pytest.raises(PlanError, match="cell_constant"):
        IdentifyOptions(cell_constant=-1.0)
    short = simulate(M0, [5e-7, 40.0, 1e-6, 0.85]).isel(frequency=slice(0, 70, 35))
    short = xr.concat([short, short.assign_coords(frequency=[1e7, 2e7])], "frequency")
    with pytest.raises(FitError, match="no circuit of 1"):
        identify_circuit(short.isel(frequency=slice(3)), IdentifyOptions(models=(M2,)))


@pytest.mark.shared
@pytest.mark.parametrize(
    ("celsius", "inside"), [(140, True), (180, True), (190, False)]
)
def test_measured_pellet(shared_data: Path, celsius: int, inside: bool) -> None:
    folder = shared_data / "eis/EISFitpython/EIS_Data/Example-3-4"
    rows = np.loadtxt(folder / f"s04147-{celsius}deg.txt", skiprows=3)[::-1]
    spectrum = make_impedance(rows[:, 0], rows[:, 1] + 1j * rows[:, 2])
    found = identify_circuit(spectrum, IdentifyOptions(cell_constant=PELLET_CELL))
    assert found.chosen.fit.circuit.name == "M2"
    bulk = found.verdict("bulk")
    assert bulk.identifiable is inside
    assert bulk.in_band is inside
    assert found.verdict("grain_boundary").identifiable
    assert found.verdict("total").identifiable
    if inside:
        assert "C L/(A eps0)" in bulk.reason
    else:
        assert "Hz (factor 1." in bulk.reason
