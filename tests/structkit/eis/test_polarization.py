"""Electronic conductivity: simulated runs, bounds, measured transients."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from structkit.eis.pellet import Pellet
from structkit.eis.polarization import (
    NO_OHMICITY,
    PolarizationSettings,
    check_ohmicity,
    fit_polarization,
    transference_number,
)
from structkit.errors import SchemaError
from structkit.schema import make_polarization

PELLET = Pellet(
    diameter_mm=8.0, diameter_std_mm=0.02, thickness_mm=0.9, thickness_std_mm=0.02
)
SETTINGS = PolarizationSettings(voltage_v=0.1, leakage_a=2e-11, leakage_std_a=2e-12)
TRUE_CURRENT = 3.6e-10
TRUE_SIGMA = TRUE_CURRENT * 0.09 / (math.pi / 4 * 0.8**2) / 0.1
DRAWS = 60
LEAST_HITS = 52
"""Of 60 intervals of 95 %: 57 expected, below 52 has a probability of 0.3 %."""


def simulate(
    random: np.random.Generator,
    *,
    length: float = 3600.0,
    current: float = TRUE_CURRENT,
    slowest: float = 250.0,
) -> xr.Dataset:
    """Return a run with an instrument that leaks 20 pA, give or take 2."""
    t = np.linspace(0.0, length, 180)
    ions = 4e-9 * np.exp(-t / 40.0) + 1.5e-9 * np.exp(-t / slowest)
    leak = 2e-11 + 2e-12 * random.standard_normal()
    noise = 5e-12 * random.standard_normal(180)
    return make_polarization(t, current + ions + leak + noise)


def test_conductivity_is_recovered_within_its_error() -> None:
    random = np.random.default_rng(4)
    found, hits = [], 0
    for _ in range(DRAWS):
        fit = fit_polarization(simulate(random), PELLET, settings=SETTINGS)
        assert int(fit["is_steady"])
        ratio = fit["current"].item() - TRUE_CURRENT
        hits += abs(ratio) < 1.96 * fit["current_std"].item()
        found.append(fit["electronic_conductivity"].item())
    error = float(np.std(found)) / math.sqrt(DRAWS)
    assert abs(np.mean(found) - TRUE_SIGMA) < 4.0 * error
    assert hits >= LEAST_HITS
    assert fit["electronic_conductivity"].attrs["units"] == "S cm-1"


def test_geometry_and_leakage_are_in_the_error() -> None:
    fit = fit_polarization(
        simulate(np.random.default_rng(1)), PELLET, settings=SETTINGS
    )
    relative = fit["electronic_conductivity_std"] / fit["electronic_conductivity"]
    share = fit["current_std"].item() / fit["current"].item()
    assert relative.item() == pytest.approx(math.hypot(share, PELLET.relative_std))
    assert fit["current_std"].item() > 2e-12


def test_short_run_is_an_upper_bound() -> None:
    run = simulate(np.random.default_rng(2), length=600.0, slowest=900.0)
    fit = fit_polarization(run, PELLET, settings=SETTINGS)
    assert not int(fit["is_steady"])
    assert "upper bound" in fit["reason"].item()
    assert math.isnan(fit["electronic_conductivity"].item())
    assert fit["electronic_conductivity_bound"].item() > TRUE_SIGMA


def test_no_electrons_are_a_bound_not_a_value() -> None:
    run = simulate(np.random.default_rng(3), current=0.0)
    fit = fit_polarization(run, PELLET, settings=SETTINGS)
    assert not int(fit["is_resolved"])
    assert "three sigma" in fit["reason"].item()
    assert 0.0 < fit["electronic_conductivity_bound"].item() < 0.1 * TRUE_SIGMA


def test_unknown_leakage_one_voltage_and_geometry_are_told() -> None:
    run = simulate(np.random.default_rng(5))
    fit = fit_polarization(run, None, settings=PolarizationSettings(voltage_v=0.1))
    remarks = fit.attrs["remarks"]
    assert NO_OHMICITY in remarks
    assert "no leakage current" in remarks
    assert "no pellet geometry" in remarks
    assert math.isnan(fit["electronic_conductivity"].item())
    assert fit["current"].item() == pytest.approx(TRUE_CURRENT + 2e-11, rel=0.05)


def test_negative_polarity_gives_the_same_conductivity() -> None:
    run = simulate(np.random.default_rng(6))
    turned = make_polarization(run["time"], -run["current"])
    minus = PolarizationSettings(voltage_v=-0.1, leakage_a=2e-11, leakage_std_a=2e-12)
    one = fit_polarization(run, PELLET, settings=SETTINGS)
    other = fit_polarization(turned, PELLET, settings=minus)
    np.testing.assert_allclose(
        one["electronic_conductivity"], other["electronic_conductivity"]
    )


def test_run_without_voltage_fails_as_a_value() -> None:
    fit = fit_polarization(simulate(np.random.default_rng(0)), PELLET)
    assert fit["status"].item() == "failed"
    assert "voltage_v" in fit["reason"].item()


def test_study_transference() -> None:  # C02
    found = [
        1.0 - transference_number(e, s, electronic_std=0.0, total_std=0.0)[0]
        for e, s in ((6.72e-10, 4.41e-3), (2.54e-9, 0.11e-3))
    ]
    assert found == pytest.approx([1.5e-7, 2.3e-5], rel=0.02)
    assert 2.54e-9 / 6.72e-10 == pytest.approx(3.78, abs=0.005)


def test_transference_error_and_shared_geometry() -> None:
    random = np.random.default_rng(1)
    z = random.standard_normal((3, 40_000))
    own = 2e-5 * (1 + 0.04 * z[0]) / (1e-3 * (1 + 0.02 * z[1]))
    _, std = transference_number(
        2e-5,
        1e-3,
        electronic_std=2e-5 * math.hypot(0.04, 0.05),
        total_std=1e-3 * math.hypot(0.02, 0.05),
        shared_relative_std=0.05,
    )
    assert std == pytest.approx(np.std(own), rel=0.02)
    with pytest.raises(SchemaError, match="shared error"):
        transference_number(
            2e-5, 1e-3, electronic_std=1e-8, total_std=1e-5, shared_relative_std=0.1
        )


def test_ohmicity_needs_voltages() -> None:
    assert check_ohmicity([0.1], [3e-10], [1e-11])[2] == NO_OHMICITY
    volts = [0.1, 0.2, 0.4]
    exponent, std, text = check_ohmicity(volts, [1e-10, 2e-10, 4e-10], [5e-12] * 3)
    assert exponent == pytest.approx(1.0)
    assert 0.0 < std < 0.1
    assert "ohmic within" in text
    assert "not ohmic" in check_ohmicity(volts, [1e-10, 4e-10, 1.6e-9], [5e-12] * 3)[2]


@pytest.mark.shared
@pytest.mark.parametrize("name", ["chronoa_data.dta", "chronoa_de_data.dta"])
def test_measured_transient_is_a_bound(shared_data: Path, name: str) -> None:
    text = (shared_data / "vendor" / "eis" / name).read_text(encoding="latin-1")
    rows = text[text.index("CURVE\tTABLE") :].splitlines()[3:]
    table = np.array(
        [[float(c.replace(",", ".")) for c in row.split("\t")[2:5]] for row in rows]
    )
    run = make_polarization(table[:, 0], table[:, 2], voltage=table[:, 1])
    fit = fit_polarization(run, PELLET)
    # the first row is from before the step, the last one was edited by its authors
    assert "2 of 10 points are not at 0.49966 V" in fit.attrs["remarks"]
    assert fit["voltage"].item() == pytest.approx(0.49966, abs=1e-4)
    assert not int(fit["is_steady"])
    assert fit["current"].item() > table[-2, 2]
