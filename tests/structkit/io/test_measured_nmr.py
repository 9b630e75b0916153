"""What the headers of measured NMR files get wrong, and that it is noticed."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from structkit.errors import ReadError
from structkit.io.mas_rate import estimate_mas_rate
from structkit.io.nmr import read_decay, read_nmr
from structkit.schema import validate_nmr_spectrum

pytestmark = pytest.mark.shared

SIGMAS = 3.0


def test_inversion_recovery_of_the_wrong_nucleus(shared_data: Path) -> None:
    decay = read_decay(shared_data / "nmr" / "DNPLab" / "304")
    remarks = str(decay.attrs["remarks"])
    assert decay.sizes == {"delay": 8, "time": 7983}
    assert "7983 of 8064 points" in remarks
    assert "declares 15N" in remarks
    assert decay["nucleus"].item() == "1H"
    assert float(decay["delay"][0]) == pytest.approx(0.02)
    assert float(decay["delay"][-1]) == pytest.approx(30.0)
    assert decay.attrs["group_delay"] == 60.375
    assert "another experiment" in remarks


@pytest.mark.parametrize("number", [4, 8, 12, 16, 20, 24, 28, 32, 36, 40])
def test_static_fluorine_under_false_headers(shared_data: Path, number: int) -> None:
    folder = shared_data / "nmr" / "VT_19F_static" / str(number)
    spectrum = read_nmr(folder)
    remarks = str(spectrum.attrs["remarks"])
    validate_nmr_spectrum(spectrum)
    assert "declares 1H" in remarks
    assert "470.613 MHz" in remarks
    assert "declares 24 kHz of spinning, but the title says static" in remarks
    assert spectrum["nucleus"].item() == "19F"
    assert "mas_rate_estimated" not in spectrum.attrs
    celsius = 20.0 * (number // 4 - 4)
    assert float(spectrum["temperature"]) == pytest.approx(273.15 + celsius, abs=0.2)


@pytest.mark.parametrize(
    ("place", "rate"),
    [("V51_two_peaks/2", 10e3), ("O17_six_peaks/4", 33e3), ("O17_six_peaks/5", 35e3)],
)
def test_rotor_echoes_give_the_rate_of_the_title(
    shared_data: Path, place: str, rate: float
) -> None:
    spectrum = read_nmr(shared_data / "nmr" / place)
    estimate = spectrum.attrs["mas_rate_estimated"]
    assert abs(estimate - rate) < SIGMAS * spectrum.attrs["mas_rate_estimated_std"]
    assert abs(estimate / rate - 1.0) < 0.02
    assert "but the title says" in spectrum.attrs["remarks"]
    assert "rotor echoes" in spectrum.attrs["remarks"]


def test_sidebands_of_vanadium_give_the_same_rate(shared_data: Path) -> None:
    spectrum = read_nmr(shared_data / "nmr" / "V51_two_peaks" / "2")
    found = estimate_mas_rate(spectrum)
    assert abs(found.rate - 10e3) < SIGMAS * found.rate_std


def test_liquid_has_no_rate(shared_data: Path) -> None:
    decay = read_decay(shared_data / "nmr" / "topspin_1d" / "1")
    assert math.isnan(estimate_mas_rate(decay).rate)
    assert "temperature" not in decay.coords


def test_zipped_lithium_experiment(shared_data: Path) -> None:
    spectrum = read_nmr(shared_data / "vendor" / "71.zip")
    assert spectrum["nucleus"].item() == "7Li"
    assert spectrum.attrs["mas_rate_estimated"] == pytest.approx(40e3, rel=0.03)
    assert "313.1 K, the header 303.0 K" in spectrum.attrs["remarks"]


@pytest.mark.parametrize(
    ("name", "nucleus", "solvent_ppm"),
    [("1h.dx", "1H", 7.26), ("13c.jdx", "13C", 77.0)],
)
def test_jcamp_of_solutions_in_chloroform(
    shared_data: Path, name: str, nucleus: str, solvent_ppm: float
) -> None:
    spectrum = read_nmr(shared_data / "vendor" / name)
    validate_nmr_spectrum(spectrum)
    assert spectrum["nucleus"].item() == nucleus
    assert spectrum.sizes["chemical_shift"] == 32768
    near = np.abs(spectrum["chemical_shift"].to_numpy() - solvent_ppm) < 0.3
    values = spectrum["intensity"].to_numpy()
    assert values[near].max() > 20.0 * np.median(np.abs(values))


def test_every_file_reads_or_is_refused_in_one_line(shared_data: Path) -> None:
    nmr = shared_data / "nmr"
    texts = sorted(nmr.rglob("*.csv"))
    assert len(texts) > 5
    for path in texts:
        if "peak_data" in path.name:
            validate_nmr_spectrum(read_nmr(path))
            continue
        with pytest.raises(ReadError, match=path.name) as caught:
            read_nmr(path)
        assert "\n" not in str(caught.value)
