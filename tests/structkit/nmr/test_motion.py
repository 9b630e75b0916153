from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from structkit.errors import SchemaError
from structkit.nmr.motion import estimate_waugh_fedin, find_onset, fit_narrowing
from structkit.schema import FitStatus

EV_PER_K = 8.617333262e-5
KELVIN = np.arange(193.15, 394.0, 10.0)


def simulate(energy: float) -> np.ndarray:
    ratio = 82.0 / 5.6e-7
    return np.asarray(
        [
            82.0 / (1 + (ratio - 1) * math.exp(-energy / EV_PER_K / t)) + 3.4
            for t in KELVIN
        ]
    )


def test_the_energy_is_unbiased_and_covered() -> None:
    rng = np.random.default_rng(71)
    truth, found, covered = simulate(0.434), [], 0
    n_draws = 80
    for _ in range(n_draws):
        fit = fit_narrowing(KELVIN, truth + rng.normal(0.0, 0.6, KELVIN.size))
        found.append(fit.activation_energy)
        covered += fit.interval[0] <= 0.434 <= fit.interval[1]
    assert 0.90 <= covered / n_draws <= 0.99
    assert abs(np.mean(found) - 0.434) < 4.0 * np.std(found) / math.sqrt(n_draws)


def test_parameters_have_their_meaning() -> None:
    fit = fit_narrowing(KELVIN, simulate(0.434))
    assert fit.rigid_width == pytest.approx(82.0, rel=1e-4)
    assert fit.narrowed_width == pytest.approx(3.4, rel=1e-3)
    assert fit.thermal_width == pytest.approx(5.6e-7, rel=0.01)
    np.testing.assert_allclose(fit.curve(KELVIN), simulate(0.434), rtol=1e-4)
    assert fit.status is FitStatus.CONVERGED


def test_a_missing_plateau_is_said() -> None:
    warm = KELVIN > 265.0
    fit = fit_narrowing(KELVIN[warm], simulate(0.434)[warm])
    assert "add lower temperatures" in fit.reason or "limit" in fit.reason
    cold = KELVIN < 265.0
    fit = fit_narrowing(KELVIN[cold], simulate(0.434)[cold])
    assert "add higher temperatures" in fit.reason or "limit" in fit.reason


def test_widths_that_rise_are_no_narrowing() -> None:
    fit = fit_narrowing(KELVIN, simulate(0.434)[::-1])
    assert fit.status is FitStatus.DOUBTFUL
    assert "no motional narrowing" in fit.reason


@pytest.mark.parametrize("std", [None, np.ones(KELVIN.size)])
def test_a_constant_width_tells_nothing(std: np.ndarray | None) -> None:
    fit = fit_narrowing(KELVIN, np.full(KELVIN.size, 3.0), width_std=std)
    assert fit.status is FitStatus.DOUBTFUL


def test_few_temperatures_are_a_value() -> None:
    fit = fit_narrowing(KELVIN[:4], simulate(0.4)[:4])
    assert fit.status is FitStatus.FAILED
    assert math.isnan(find_onset(KELVIN[:4], np.full(4, 3.0)))


def test_bad_input() -> None:
    with pytest.raises(SchemaError, match="temperature"):
        fit_narrowing(KELVIN - 273.15, simulate(0.4))
    with pytest.raises(SchemaError, match="shape"):
        fit_narrowing(KELVIN, simulate(0.4)[:-1])
    with pytest.raises(SchemaError, match="onset"):
        estimate_waugh_fedin(-10.0)


@pytest.mark.shared
def test_published_fluorine_widths(shared_data: Path) -> None:
    """0.434(8) eV unweighted, 0.371(10) eV weighted by the quoted errors."""
    path = shared_data / "nmr" / "VT_19F_static" / "lineshapelineshape_data.csv"
    table = np.genfromtxt(path, delimiter=",", skip_header=1)
    kelvin, width, std = table[:, 2], table[:, 3], table[:, 4]
    plain = fit_narrowing(kelvin, width)
    assert plain.activation_energy == pytest.approx(0.434, abs=5e-4)
    assert plain.activation_energy_std == pytest.approx(0.008, abs=5e-4)
    np.testing.assert_allclose(plain.curve(kelvin), table[:, 5], rtol=1e-3)
    weighted = fit_narrowing(kelvin, width, width_std=std)
    assert weighted.activation_energy == pytest.approx(0.371, abs=6e-4)
    assert weighted.activation_energy_std == pytest.approx(0.010, abs=6e-4)
    assert "not to be trusted" in weighted.reason
    rough = estimate_waugh_fedin(find_onset(kelvin, width))
    assert rough == pytest.approx(plain.activation_energy, rel=0.3)
