"""Distribution of relaxation times against the one that is known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from structkit.eis.circuits import parse_circuit
from structkit.eis.drt import DrtOptions, compute_drt, find_peaks
from structkit.errors import FitError, PlanError
from structkit.schema.impedance import make_impedance

FREQUENCY = np.geomspace(0.1, 1e6, 71)
CIRCUIT = parse_circuit("R0-p(R1,CPE1)-p(R2,CPE2)")
TRUTH = [5.0, 100.0, 1e-7, 0.85, 200.0, 1e-5, 0.8]


def simulate(seed: int = 0, level: float = 0.003) -> xr.Dataset:
    parts = np.random.default_rng(seed).normal(size=(2, FREQUENCY.size))
    exact = CIRCUIT.evaluate(FREQUENCY, TRUTH)
    return make_impedance(FREQUENCY, exact * (1 + level * (parts[0] + 1j * parts[1])))


def known(taus: np.ndarray) -> np.ndarray:
    """Return the distribution of both arcs (Cole and Cole, 10.1063/1.1750906)."""
    total = np.zeros_like(taus)
    for r, q, n in (TRUTH[1:4], TRUTH[4:7]):
        x = n * np.log(taus / (r * q) ** (1.0 / n))
        angle = (1.0 - n) * np.pi
        total += r / (2.0 * np.pi) * np.sin(angle) / (np.cosh(x) - np.cos(angle))
    return total


def test_the_closed_form_lies_within_the_band() -> None:
    drt = compute_drt(simulate())
    taus = drt["time_constant"].to_numpy()
    truth = known(taus)
    inner = (taus > 1e-6) & (taus < 0.3)
    gap = np.abs(drt["relaxation"].to_numpy() - truth)[inner]
    band = drt["relaxation_std"].to_numpy()[inner]
    # The penalty rounds the tops off; the band is that of the smooth prior.
    assert np.mean(gap < 2.0 * band) > 0.9
    assert drt["relaxation"].attrs["units"] == "ohm"
    assert drt["time_constant"].attrs["units"] == "s"


def test_less_noise_comes_nearer() -> None:
    gaps = []
    for level in (0.02, 0.002, 0.0002):
        drt = compute_drt(simulate(level=level))
        truth = known(drt["time_constant"].to_numpy())
        gaps.append(
            float(np.sqrt(np.mean((drt["relaxation"].to_numpy() - truth) ** 2)))
        )
    assert gaps[0] > gaps[1] > gaps[2]


def test_peaks_are_the_arcs() -> None:
    peaks = find_peaks(compute_drt(simulate()), least=0.1)
    assert len(peaks) == 2
    for peak, (r, q, n) in zip(peaks, (TRUTH[1:4], TRUTH[4:7]), strict=True):
        assert peak.resistance == pytest.approx(r, rel=0.1)
        # The grid has ten points a decade.
        assert abs(np.log10(peak.time_constant / (r * q) ** (1.0 / n))) < 0.15


def test_the_whole_is_the_polarization() -> None:
    drt = compute_drt(simulate())
    step = np.log(drt["time_constant"][1] / drt["time_constant"][0])
    whole = float((drt["relaxation"].sum() * step) + drt["series_resistance"])
    assert whole == pytest.approx(305.0, rel=0.02)
    assert (drt["relaxation"] >= 0.0).all()


def test_a_heavier_penalty_is_smoother() -> None:
    rough = []
    for weight in (1e-4, 1e-2, 1.0):
        drt = compute_drt(simulate(), DrtOptions(weight=weight))
        bends = drt["relaxation"].diff("time_constant", n=2)
        rough.append(float(np.square(bends).sum()))
    assert rough[0] > rough[1] > rough[2]


def test_masked_points_are_left_out() -> None:
    spectrum = simulate()
    values = spectrum["impedance"].to_numpy().copy()
    values[10] *= 2.0
    masked = np.arange(FREQUENCY.size) == 10
    spoiled = make_impedance(FREQUENCY, values).assign(masked=("frequency", masked))
    peaks = find_peaks(compute_drt(spoiled), least=0.1)
    assert [round(peak.resistance / 100.0) for peak in peaks] == [1, 2]


def test_refusals() -> None:
    with pytest.raises(FitError, match="5 points; a distribution needs 8"):
        compute_drt(simulate().isel(frequency=slice(5)))
    with pytest.raises(PlanError, match="weight must be positive"):
        DrtOptions(weight=0.0)
