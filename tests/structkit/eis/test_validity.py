"""Kramers-Kronig: what is valid passes, what drifts or is noise does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray

from structkit.eis.circuits import parse_circuit
from structkit.eis.drift import compare_sweeps
from structkit.eis.fit import fit_impedance
from structkit.eis.validity import (
    Validity,
    ValidityOptions,
    check_kramers_kronig,
    mark_points,
)
from structkit.errors import FitError, PlanError, SchemaError
from structkit.schema.impedance import make_impedance, validate_impedance

Complexes = NDArray[np.complex128]
FREQUENCY = np.geomspace(0.1, 5e6, 72)
CIRCUIT = parse_circuit("L0-p(R1,CPE1)-p(R2,CPE2)-CPE3")
TRUTH = np.array([2e-7, 40.0, 2e-9, 0.9, 300.0, 5e-8, 0.85, 1e-6, 0.85])
EXACT = CIRCUIT.evaluate(FREQUENCY, TRUTH)


def noise(seed: int, size: int = FREQUENCY.size) -> Complexes:
    parts = np.random.default_rng(seed).normal(size=(2, size))
    return np.asarray(parts[0] + 1j * parts[1])


def drifting(change: float, *, level: float = 0.001, seed: int = 0) -> xr.Dataset:
    """Return a sweep from high to low frequency while both resistances grow."""
    grown = 1.0 + change * np.linspace(1.0, 0.0, FREQUENCY.size)
    values = np.tile(TRUTH, (FREQUENCY.size, 1))
    values[:, [1, 4]] *= grown[:, None]
    points = [
        CIRCUIT.evaluate([f], row)[0] for f, row in zip(FREQUENCY, values, strict=True)
    ]
    return make_impedance(FREQUENCY, np.array(points) * (1 + level * noise(seed)))


def test_an_exact_spectrum_is_followed() -> None:
    check = check_kramers_kronig(make_impedance(FREQUENCY, EXACT))
    assert check.verdict is Validity.VALID
    assert np.max(np.abs(check.residual)) < 1e-4
    assert not check.outlier.any()


@pytest.mark.parametrize("level", [1e-4, 1e-3, 1e-2])
def test_the_noise_comes_out(level: float) -> None:
    checks = [
        check_kramers_kronig(
            make_impedance(FREQUENCY, EXACT * (1 + level * noise(seed)))
        )
        for seed in range(10)
    ]
    assert all(check.verdict is Validity.VALID for check in checks)
    # About 110 degrees of freedom in each of ten: known to 2 %.
    mean = np.sqrt(np.mean([check.noise**2 for check in checks]))
    assert mean == pytest.approx(level, rel=0.1)


def test_the_band_of_the_curve_covers_the_truth() -> None:
    inside = []
    for seed in range(30):
        spectrum = make_impedance(FREQUENCY, EXACT * (1 + 0.005 * noise(seed)))
        check = check_kramers_kronig(spectrum)
        gap = check.impedance - EXACT
        parts = np.abs([gap.real, gap.imag])
        inside.append(parts < 1.96 * check.impedance_std)
    assert np.mean(inside) == pytest.approx(0.95, abs=0.04)


@pytest.mark.parametrize("change", [0.2, 0.5])
def test_a_spectrum_that_drifts_is_refused(change: float) -> None:
    check = check_kramers_kronig(drifting(change))
    assert check.verdict is Validity.INCONSISTENT
    assert "drift" in check.reason
    assert check.systematic > 2e-3


def test_what_is_steady_is_not_called_drifting() -> None:
    verdicts = [check_kramers_kronig(drifting(0.0, seed=n)).verdict for n in range(20)]
    assert all(verdict is Validity.VALID for verdict in verdicts)


def test_a_small_drift_is_seen_below_the_tolerance() -> None:
    check = check_kramers_kronig(drifting(0.05, level=1e-4))
    assert check.verdict is Validity.VALID
    assert check.correlation > 0.9
    strict = ValidityOptions(tolerance=5e-4)
    again = check_kramers_kronig(drifting(0.05, level=1e-4), strict)
    assert again.verdict is Validity.INCONSISTENT


@pytest.mark.parametrize("seed", range(5))
def test_noise_alone_is_noise_dominated(seed: int) -> None:
    # Milled NaCl, Na2O: beyond the range of the instrument, any phase.
    check = check_kramers_kronig(make_impedance(FREQUENCY, 1e9 * noise(seed)))
    assert check.verdict is Validity.NOISE_DOMINATED
    biased = make_impedance(FREQUENCY, 1e9 * (1.0 + 0.6 * noise(seed)))
    assert check_kramers_kronig(biased).verdict is Validity.NOISE_DOMINATED


def test_an_insulator_is_noise_below_the_current_that_is_measured() -> None:
    # 5 pF; the current has noise of 0.3 nS times the voltage: all of it below 10 Hz.
    admittance = 1e-13 + 2j * np.pi * FREQUENCY * 5e-12
    ideal = 1.0 / (admittance * (1 + 0.002 * noise(1)) + 3e-10 * noise(2))
    check = check_kramers_kronig(make_impedance(FREQUENCY, ideal))
    assert check.noisy[FREQUENCY < 3.0].all()
    assert not check.noisy[FREQUENCY > 300.0].any()
    assert check.verdict is Validity.VALID
    assert "nothing but noise around" in check.reason
    # Without its upper decades there is nothing but noise.
    low = FREQUENCY < 100.0
    check = check_kramers_kronig(make_impedance(FREQUENCY[low], ideal[low]))
    assert check.verdict is Validity.NOISE_DOMINATED


def test_outliers_are_marked_and_stay() -> None:
    values = EXACT * (1 + 0.003 * noise(3))
    values[[30, 50, 51]] *= [1.1, 0.9, 1.3]
    spectrum = make_impedance(FREQUENCY, values)
    check = check_kramers_kronig(spectrum)
    assert list(np.flatnonzero(check.outlier)) == [30, 50, 51]
    assert check.noise == pytest.approx(0.003, rel=0.3)
    marked = mark_points(spectrum, check)
    validate_impedance(marked)
    assert marked.sizes == spectrum.sizes
    assert marked["outlier"].dtype == bool
    assert marked["outlier"].attrs["units"] == "1"
    assert int(marked["masked"].sum()) == 3
    assert "outlier" not in spectrum
    clean = fit_impedance(marked, CIRCUIT)
    assert np.all(
        np.abs(clean.log_values - np.log(TRUTH))
        < 4.0 * np.sqrt(clean.log_covariance.diagonal())
    )
    again = check_kramers_kronig(marked)
    assert not again.outlier.any()


def test_noise_has_few_outliers() -> None:
    found = sum(
        check_kramers_kronig(
            make_impedance(FREQUENCY, EXACT * (1 + 0.005 * noise(seed)))
        ).outlier.sum()
        for seed in range(40)
    )
    assert found <= 1  # 2880 points, five standard deviations


def test_the_inductive_tail_is_marked() -> None:
    long_leads = CIRCUIT.evaluate(FREQUENCY, TRUTH * [20, 1, 1, 1, 1, 1, 1, 1, 1])
    check = check_kramers_kronig(make_impedance(FREQUENCY, long_leads))
    assert check.inductive_tail.any()
    np.testing.assert_array_equal(check.inductive_tail, long_leads.imag > 0.0)
    spectrum = make_impedance(FREQUENCY, long_leads)
    marked = mark_points(spectrum, check, mask=("inductive_tail",))
    assert int(marked["masked"].sum()) == int(check.inductive_tail.sum())
    with pytest.raises(SchemaError, match="mask nonsense: one of outlier"):
        mark_points(spectrum, check, mask=("nonsense",))


def test_given_uncertainties_weigh() -> None:
    std = 0.005 * np.abs(EXACT)
    std[:10] *= 20.0
    spectrum = make_impedance(FREQUENCY, EXACT + std * noise(5), impedance_std=std)
    check = check_kramers_kronig(spectrum)
    assert check.verdict is Validity.VALID
    assert not check.outlier.any()


def test_repeated_sweeps_are_compared() -> None:
    first, second = (
        make_impedance(FREQUENCY, EXACT * (1 + 0.005 * noise(seed))) for seed in (1, 2)
    )
    same = compare_sweeps(first, second)
    assert not same.drifted
    assert abs(same.change) < 4.0 * same.change_std
    moved = make_impedance(FREQUENCY, 1.03 * EXACT * (1 + 0.005 * noise(2)))
    drift = compare_sweeps(first, moved)
    assert drift.drifted
    assert drift.change == pytest.approx(np.log(1.03), abs=4.0 * drift.change_std)
    shifted = FREQUENCY[:-3] * 1.07
    other = make_impedance(shifted, 1.03 * CIRCUIT.evaluate(shifted, TRUTH))
    # Straight lines between points in ln f, ln Z: good to some parts in 10^4.
    assert compare_sweeps(first, other).change == pytest.approx(np.log(1.03), abs=4e-3)
    with pytest.raises(FitError, match="the sweeps share 0 points"):
        compare_sweeps(first, first.assign_coords(frequency=FREQUENCY * 1e9))


def test_refusals() -> None:
    with pytest.raises(FitError, match="5 points; Kramers-Kronig needs 8"):
        check_kramers_kronig(make_impedance(FREQUENCY[:5], EXACT[:5]))
    with pytest.raises(PlanError, match="must be positive"):
        ValidityOptions(tolerance=0.0)
    check = check_kramers_kronig(make_impedance(FREQUENCY, EXACT))
    with pytest.raises(SchemaError, match="test this spectrum"):
        mark_points(make_impedance(FREQUENCY[1:], EXACT[1:]), check)


@pytest.mark.shared
def test_measured_spectra_are_valid(shared_data: Path) -> None:
    folder = shared_data / "eis"
    electrolyte = np.loadtxt(
        folder / "hybrid_drt_LPSCl/PEIS_LPSCl_IonBlocking_-25C_RelaxIS.txt",
        skiprows=4,
    )
    pellet = np.loadtxt(
        folder / "EISFitpython/EIS_Data/Example-3-4/s04147-170deg.txt", skiprows=3
    )[::-1]
    for rows in (electrolyte, pellet):
        spectrum = make_impedance(rows[:, 0], rows[:, 1] + 1j * rows[:, 2])
        check = check_kramers_kronig(spectrum)
        assert check.verdict is Validity.VALID
        assert check.noise < 2e-3
        assert not check.inductive_tail.any()
