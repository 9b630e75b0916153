"""True ratios against a slow way: integrate each band, ask where it belongs."""

from __future__ import annotations

import math

import numpy as np
import pytest

from structkit.errors import PlanError
from structkit.synthetic.raman import describe_series
from structkit.synthetic.raman_lines import line_density
from structkit.synthetic.raman_metrics import reduction_factor, true_metrics
from structkit.synthetic.raman_species import GLASS, NTC
from structkit.synthetic.raman_truth import RamanSample, RamanTruth

FOREIGN = ("TaCl5", "Ta2O5", "cover glass")
# trapezes, and Lorentzian tails beyond 40000 cm-1
INTEGRAL_TOLERANCE = 5e-4


def samples(seed: int = 1) -> list[RamanSample]:
    truth = RamanTruth.draw(np.random.default_rng(seed))
    found = describe_series(truth, seed=seed, adversary="ta2o5")
    return [*found, *describe_series(truth, seed=seed, adversary="cover_glass")[-1:]]


def slow_ratios(sample: RamanSample, *, foreign: bool) -> dict[str, float]:
    fine = np.concatenate([-np.geomspace(40000.0, 0.01, 2500), [0.0]])
    grid = np.concatenate([fine, -fine[-2::-1]])
    sums = dict.fromkeys(("out", "in", "stretch", "axial", "equatorial", "oxygen"), 0.0)
    for band in sample.bands:
        if band.species in FOREIGN and not foreign:
            continue
        density = line_density(band.centre + grid, band.shape)
        area = band.area * float(np.trapezoid(density, grid))
        place = band.nominal
        if 100 <= place < 150:
            sums["out"] += area
        elif 150 <= place < 200:
            sums["in"] += area
        elif 200 <= place <= 420:
            sums["stretch"] += area
        elif 700 <= place < 900:
            sums["oxygen"] += area
        if 280 <= place < 400:
            sums["equatorial"] += area
        elif 400 <= place <= 420:
            sums["axial"] += area
    return {
        "out_of_plane_ratio": divide(sums["out"], sums["stretch"]),
        "in_plane_ratio": divide(sums["in"], sums["stretch"]),
        "r_ax": divide(sums["axial"], sums["axial"] + sums["equatorial"]),
        "r_o": divide(sums["oxygen"], sums["oxygen"] + sums["stretch"]),
    }


def divide(part: float, whole: float) -> float:
    return part / whole if whole else math.nan


@pytest.mark.parametrize("sample", samples(), ids=lambda sample: sample.name)
def test_ratios_are_those_of_integrated_bands(sample: RamanSample) -> None:
    found = true_metrics(sample)
    for foreign, suffix in ((False, ""), (True, "_windows")):
        for name, slow in slow_ratios(sample, foreign=foreign).items():
            value = found[name + suffix]
            assert value == pytest.approx(slow, rel=INTEGRAL_TOLERANCE, nan_ok=True)


@pytest.mark.parametrize("seed", range(4))
def test_glass_share_is_that_of_the_amounts(seed: int) -> None:
    for sample in samples(seed)[1:]:
        amounts, found = sample.amounts, true_metrics(sample)
        share = amounts[GLASS] / (amounts[GLASS] + amounts[NTC])
        assert found["glass_share"] == pytest.approx(share, rel=1e-9)
        area = found["glass_area_share"]
        back = area / sample.kappa / (area / sample.kappa + 1.0 - area)
        assert back == pytest.approx(share, rel=1e-9)


def test_foreign_bands_mislead_windows() -> None:
    plain = describe_series(RamanTruth(), seed=1)[-1]
    oxide = describe_series(RamanTruth(), seed=1, adversary="ta2o5")[-1]
    assert true_metrics(oxide)["r_o"] == pytest.approx(true_metrics(plain)["r_o"])
    wrong = true_metrics(oxide)["r_o_windows"] / true_metrics(plain)["r_o_windows"]
    assert wrong > 1.2
    unmilled = true_metrics(describe_series(RamanTruth(), seed=1)[0])
    assert math.isnan(unmilled["r_ax"])
    assert unmilled["r_ax_windows"] > 0.5


def test_oxygen_grows_and_the_405_line_goes() -> None:
    found = [true_metrics(s) for s in describe_series(RamanTruth(), seed=1)[1:]]
    assert np.all(np.diff([each["r_o"] for each in found]) > 0.0)
    assert np.all(np.diff([each["r_ax"] for each in found]) < 0.0)
    assert np.all(np.diff([each["glass_share"] for each in found]) > 0.0)


@pytest.mark.parametrize(
    ("shift", "factor"),
    [(120.0, 0.145), (180.0, 0.29), (300.0, 0.65), (380.0, 0.92), (800.0, 2.40)],
)
def test_reduction_factor_of_the_table(shift: float, factor: float) -> None:
    # SCIENCE C3, two digits there
    assert reduction_factor(shift) == pytest.approx(factor, rel=0.01)


def test_reduced_ratios_use_the_factor() -> None:
    sample = describe_series(RamanTruth(), seed=1)[-1]
    plain = true_metrics(sample)
    reduced = true_metrics(sample, reduction="photon")
    assert reduced["r_o"] > 2.0 * plain["r_o"]
    assert reduced["out_of_plane_ratio"] < 0.3 * plain["out_of_plane_ratio"]
    assert reduced["glass_share"] == plain["glass_share"]
    with pytest.raises(PlanError, match="no reduction 'bose'"):
        true_metrics(sample, reduction="bose")  # type: ignore[arg-type]
