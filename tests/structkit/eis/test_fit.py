"""Circuit fits: published values, known truth and its coverage, what cannot be done."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray
from scipy.optimize import least_squares

from structkit.eis.circuits import Circuit, parse_circuit
from structkit.eis.fit import FitOptions, fit_impedance, fit_impedance_series
from structkit.errors import FitError, PlanError, SchemaError
from structkit.schema import FitStatus
from structkit.schema.impedance import make_impedance
from structkit.schema.names import MASKED

Floats = NDArray[np.float64]

PUBLISHED_DIGITS = 5e-4
"""The published table has four digits."""
STOP = 2e-3
"""Of a standard uncertainty: where the search stops."""
FREQUENCY = np.geomspace(0.1, 5e6, 70)
TWO_ARCS = parse_circuit("L0-p(R1,CPE1)-p(R2,CPE2)-CPE3")
TRUTH = np.array([2e-7, 40.0, 2e-9, 0.9, 300.0, 5e-8, 0.85, 1e-6, 0.85])
PELLET = parse_circuit("(R1pQ1)+(R2pQ2)+Q3")
# Adeleke, EISFitpython, results/Example3/Batch_EISfit_Report.txt: R1, Q1, n1, R2, Q2,
# n2, Q3, n3, their standard errors in per cent, and chi-square.
PUBLISHED = {
    140: (
        (1.462e5, 6.515e-11, 0.8382, 2.012e6, 1.546e-10, 0.7872, 1.382e-6, 0.5442),
        (8.545, 17.932, 1.658, 0.824, 5.915, 0.850, 1.411, 1.305),
        7.332255e-3,
    ),
    150: (
        (1.123e5, 1.075e-10, 0.8044, 1.139e6, 1.467e-10, 0.8047, 1.968e-6, 0.5703),
        (7.508, 16.413, 1.494, 0.875, 5.482, 0.765, 0.959, 0.859),
        5.039831e-3,
    ),
    160: (
        (7.949e4, 1.364e-10, 0.7909, 6.673e5, 1.365e-10, 0.8203, 2.672e-6, 0.5828),
        (5.909, 15.151, 1.337, 0.786, 4.366, 0.589, 0.578, 0.513),
        2.615951e-3,
    ),
    170: (
        (5.605e4, 1.538e-10, 0.7857, 3.980e5, 1.241e-10, 0.8360, 3.562e-6, 0.5846),
        (4.644, 14.633, 1.250, 0.706, 3.392, 0.444, 0.372, 0.363),
        1.233031e-3,
    ),
    180: (
        (3.984e4, 1.490e-10, 0.7898, 2.430e5, 1.102e-10, 0.8527, 4.694e-6, 0.5794),
        (5.176, 20.953, 1.725, 0.895, 3.735, 0.477, 0.324, 0.317),
        1.213739e-3,
    ),
    190: (
        (2.743e4, 1.183e-10, 0.8073, 1.526e5, 1.009e-10, 0.8647, 6.183e-6, 0.5724),
        (6.185, 33.467, 2.633, 1.154, 4.203, 0.530, 0.297, 0.292),
        1.264299e-3,
    ),
    200: (
        (2.246e4, 1.491e-10, 0.7948, 9.502e4, 7.939e-11, 0.8910, 8.630e-6, 0.5568),
        (9.708, 56.897, 4.458, 2.338, 5.926, 0.777, 0.374, 0.389),
        1.731865e-3,
    ),
}
STANDARD_ERROR_DIGITS = 2e-3
"""Relative: they are printed with three decimals of a per cent."""


def read_pellet(shared_data: Path, celsius: int) -> xr.Dataset:
    folder = shared_data / "eis/EISFitpython/EIS_Data/Example-3-4"
    rows = np.loadtxt(folder / f"s04147-{celsius}deg.txt", skiprows=3)[::-1]
    return make_impedance(rows[:, 0], rows[:, 1] + 1j * rows[:, 2])


def simulate(
    circuit: Circuit,
    values: Floats,
    *,
    seed: int,
    noise: float = 0.005,
    frequency: Floats = FREQUENCY,
) -> xr.Dataset:
    """Return a spectrum with proportional noise, independent in both parts."""
    rng = np.random.default_rng(seed)
    exact = circuit.evaluate(frequency, values)
    parts = rng.normal(size=(2, frequency.size))
    return make_impedance(frequency, exact * (1 + noise * (parts[0] + 1j * parts[1])))


@pytest.mark.shared
def test_published_pellet_is_reproduced(shared_data: Path) -> None:
    for celsius, (values, errors, chi_square) in PUBLISHED.items():
        fit = fit_impedance(read_pellet(shared_data, celsius), PELLET)
        assert fit.status is FitStatus.CONVERGED
        np.testing.assert_allclose(fit.values, values, rtol=PUBLISHED_DIGITS)
        np.testing.assert_allclose(
            100.0 * fit.values_std / fit.values, errors, rtol=STANDARD_ERROR_DIGITS
        )
        assert fit.chi_square == pytest.approx(chi_square, rel=1e-6)


@pytest.mark.shared
def test_published_series_never_swaps_arcs(shared_data: Path) -> None:
    spectra = [read_pellet(shared_data, celsius) for celsius in PUBLISHED]
    for order in (spectra, spectra[::-1]):
        fits = fit_impedance_series(order, PELLET)
        boundary = [fit.value("R2") for fit in fits]
        expected = [row[0][3] for row in PUBLISHED.values()]
        if order is not spectra:
            expected.reverse()
        np.testing.assert_allclose(boundary, expected, rtol=PUBLISHED_DIGITS)


def test_minimum_and_covariance_are_those_of_scipy() -> None:
    spectrum = simulate(TWO_ARCS, TRUTH, seed=3)
    fit = fit_impedance(spectrum, TWO_ARCS)
    measured = spectrum["impedance"].to_numpy()

    def residual(logs: Floats) -> Floats:
        gap = (TWO_ARCS.evaluate(FREQUENCY, np.exp(logs)) - measured) / abs(measured)
        return np.concatenate([gap.real, gap.imag])

    slow = least_squares(residual, np.log(TRUTH), xtol=1e-14, ftol=1e-14, gtol=1e-14)
    std = np.sqrt(fit.log_covariance.diagonal())
    assert np.all(np.abs(fit.log_values - slow.x) < STOP * std)
    variance = 2.0 * slow.cost / (2 * FREQUENCY.size - TRUTH.size)
    covariance = variance * np.linalg.inv(slow.jac.T @ slow.jac)
    # scipy's slopes are forward differences, good to 1e-7 of values 10^4 times larger.
    np.testing.assert_allclose(std, np.sqrt(covariance.diagonal()), rtol=5e-3)
    assert np.all(np.abs(fit.correlation) < 1.0 + 1e-12)
    assert fit.condition_number > 1.0


def test_intervals_cover_the_truth() -> None:
    draws = 120
    inside = np.zeros(TRUTH.size)
    start = dict(zip(TWO_ARCS.names, TRUTH, strict=True))
    for seed in range(draws):
        fit = fit_impedance(simulate(TWO_ARCS, TRUTH, seed=seed), TWO_ARCS, start=start)
        gap = np.abs(fit.log_values - np.log(TRUTH))
        inside += gap < 1.96 * np.sqrt(fit.log_covariance.diagonal())
    # 95 % of 120 has a standard deviation of 2 %; three of them, for each of nine.
    np.testing.assert_allclose(inside / draws, 0.95, atol=0.06)
    assert inside.mean() / draws == pytest.approx(0.95, abs=0.03)


@pytest.mark.parametrize("seed", range(6))
def test_starts_from_the_data_find_the_minimum(seed: int) -> None:
    rng = np.random.default_rng(100 + seed)
    tau = 10 ** rng.uniform(-6.8, -4.0)
    size = 10 ** rng.uniform(1.0, 6.0)
    values = [size * 1e-9]
    for shift in (0.0, rng.uniform(1.0, 3.0)):
        n, r = rng.uniform(0.7, 1.0), size * 10 ** rng.uniform(-0.7, 0.7)
        values += [r, (tau * 10**shift) ** n / r, n]
    values += [1.0 / (size * (30.0 / tau / 10**shift) ** 0.8) * 1e3, 0.8]
    spectrum = simulate(TWO_ARCS, np.array(values), seed=seed)
    start = dict(zip(TWO_ARCS.names, values, strict=True))
    best = fit_impedance(spectrum, TWO_ARCS, start=start)
    found = fit_impedance(spectrum, TWO_ARCS)
    assert found.chi_square <= best.chi_square * (1.0 + 1e-4)


def test_arcs_come_out_sorted_from_a_swapped_start() -> None:
    spectrum = simulate(TWO_ARCS, TRUTH, seed=1)
    straight = fit_impedance(spectrum, TWO_ARCS)
    swapped = TRUTH[[0, 4, 5, 6, 1, 2, 3, 7, 8]]
    start = dict(zip(TWO_ARCS.names, swapped, strict=True))
    fit = fit_impedance(spectrum, TWO_ARCS, start=start)
    np.testing.assert_allclose(fit.values, straight.values, rtol=1e-3)
    np.testing.assert_allclose(fit.values_std, straight.values_std, rtol=1e-3)


def test_series_keeps_arcs_apart_where_their_sizes_cross() -> None:
    scales = np.geomspace(0.2, 20.0, 12)
    truths = [TRUTH * np.where(np.arange(9) == 1, scale, 1.0) for scale in scales]
    spectra = [
        simulate(TWO_ARCS, truth, seed=n, noise=0.002) for n, truth in enumerate(truths)
    ]
    fits = fit_impedance_series(spectra, TWO_ARCS)
    for fit, truth in zip(fits, truths, strict=True):
        assert abs(np.log(fit.value("R2") / truth[4])) < 0.2
        assert fit.status.has_values


def test_masked_and_cut_points_have_no_weight() -> None:
    spectrum = simulate(TWO_ARCS, TRUTH, seed=2)
    values = spectrum["impedance"].to_numpy().copy()
    values[20] *= 3.0
    masked = np.arange(FREQUENCY.size) == 20
    spoiled = make_impedance(FREQUENCY, values).assign({MASKED: ("frequency", masked)})
    without = spectrum.isel(frequency=~masked)
    fit, expected = (fit_impedance(one, TWO_ARCS) for one in (spoiled, without))
    np.testing.assert_allclose(fit.values, expected.values, rtol=1e-4)
    assert fit.residual.size == FREQUENCY.size
    assert abs(fit.residual[20]) > 0.5
    cut = fit_impedance(spectrum, TWO_ARCS, FitOptions(frequency_range=(1.0, 1e6)))
    assert cut.frequency[cut.used].min() >= 1.0
    assert cut.frequency[cut.used].max() <= 1e6


def test_given_uncertainties_weigh_and_are_not_scaled_down() -> None:
    circuit = parse_circuit("R0-p(R1,C1)")
    truth = np.array([10.0, 100.0, 1e-6])
    exact = circuit.evaluate(FREQUENCY, truth)
    std = np.full(FREQUENCY.size, 0.5)
    pulls = []
    for seed in range(60):
        parts = np.random.default_rng(seed).normal(size=(2, FREQUENCY.size))
        spectrum = make_impedance(
            FREQUENCY, exact + 0.5 * (parts[0] + 1j * parts[1]), impedance_std=std
        )
        fit = fit_impedance(spectrum, circuit)
        assert fit.weighting == "std"
        pulls.append((fit.values - truth) / fit.values_std)
    # 180 pulls of unit variance: the root mean square is known to 5 %.
    assert np.sqrt(np.mean(np.square(pulls))) == pytest.approx(1.0, abs=0.16)
    # Where the spectrum scatters ten times as much, the covariance follows it.
    small = spectrum.assign(impedance_std=spectrum["impedance_std"] / 10.0)
    wide = fit_impedance(small, circuit)
    np.testing.assert_allclose(wide.values_std, fit.values_std, rtol=0.2)


def test_held_parameters_stay() -> None:
    spectrum = simulate(TWO_ARCS, TRUTH, seed=4)
    fit = fit_impedance(spectrum, TWO_ARCS, FitOptions(held={"n1": 0.9, "L0": 2e-7}))
    assert fit.value("n1") == pytest.approx(0.9, rel=1e-12)
    assert np.isnan(fit.std("n1"))
    assert fit.at_limit == ()
    assert fit.std("R1") < fit_impedance(spectrum, TWO_ARCS).std("R1")


def test_an_element_without_effect_is_said_and_harms_nothing() -> None:
    circuit = parse_circuit("R0-p(R1,CPE1)")
    spectrum = simulate(circuit, np.array([10.0, 100.0, 1e-5, 0.9]), seed=5)
    fit = fit_impedance(spectrum, parse_circuit("L0-R0-p(R1,CPE1)"))
    bare = fit_impedance(spectrum, circuit)
    assert fit.status is FitStatus.DOUBTFUL
    assert "L0" in fit.reason
    assert abs(fit.value("R1") - bare.value("R1")) < bare.std("R1")


def test_a_wrong_circuit_is_doubtful() -> None:
    spectrum = simulate(TWO_ARCS, TRUTH, seed=6)
    fit = fit_impedance(spectrum, parse_circuit("R0-p(R1,C1)"))
    assert fit.status is FitStatus.DOUBTFUL
    assert "not this circuit" in fit.reason


def test_running_out_of_steps_is_a_value() -> None:
    spectrum = simulate(TWO_ARCS, TRUTH, seed=7)
    start = dict(zip(TWO_ARCS.names, TRUTH * 3.0 ** np.arange(-4, 5), strict=True))
    start["n1"] = start["n2"] = start["n3"] = 0.5
    fit = fit_impedance(spectrum, TWO_ARCS, FitOptions(max_steps=1), start=start)
    assert fit.status is FitStatus.NOT_CONVERGED
    assert "1 steps" in fit.reason


def test_a_series_goes_on_past_what_cannot_be_fitted() -> None:
    good = simulate(TWO_ARCS, TRUTH, seed=8)
    fits = fit_impedance_series([good, good.isel(frequency=slice(3)), good], TWO_ARCS)
    assert [fit.status.has_values for fit in fits] == [True, False, True]
    assert "3 points with weight for 9 parameters" in fits[1].reason
    np.testing.assert_allclose(fits[2].values, fits[0].values, rtol=1e-3)


def test_refusals_say_what_to_do() -> None:
    spectrum = simulate(TWO_ARCS, TRUTH, seed=9)
    with pytest.raises(FitError, match="widen the range or use a simpler circuit"):
        fit_impedance(spectrum, TWO_ARCS, FitOptions(frequency_range=(1.0, 2.0)))
    with pytest.raises(PlanError, match="needs impedance_std"):
        fit_impedance(spectrum, TWO_ARCS, FitOptions(weighting="std"))
    with pytest.raises(PlanError, match="no parameter 'R9'"):
        fit_impedance(spectrum, TWO_ARCS, FitOptions(held={"R9": 1.0}))
    with pytest.raises(PlanError, match="start needs a positive value for each of L0"):
        fit_impedance(spectrum, TWO_ARCS, start={"R1": 1.0})
    other = fit_impedance(spectrum, parse_circuit("R0-p(R1,CPE1)"))
    with pytest.raises(PlanError, match="start is a fit of R0-p"):
        fit_impedance(spectrum, TWO_ARCS, start=other)
    with pytest.raises(PlanError, match="two ascending frequencies"):
        FitOptions(frequency_range=(2.0, 1.0))
    with pytest.raises(SchemaError, match="no variable 'impedance'"):
        fit_impedance(spectrum.drop_vars("impedance"), TWO_ARCS)
