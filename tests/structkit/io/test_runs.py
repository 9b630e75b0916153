"""Direct-current runs: several, damaged, in other units."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from structkit.errors import DataQualityWarning, ReadError
from structkit.io.impedance import read_polarization

REFERENCE = Path(__file__).parents[2] / "reference" / "impedance"


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_run_with_decimal_commas() -> None:
    run = read_polarization(REFERENCE / "run.dta")
    time = np.array([0, 10, 20, 40, 80, 160.0])
    np.testing.assert_array_equal(run.time, time)
    expected = 2e-9 + 8e-9 * np.exp(-time / 25.0)
    np.testing.assert_allclose(run.current, expected, rtol=1e-6)
    np.testing.assert_array_equal(run.voltage, np.full(6, 0.1))
    assert run.attrs["technique"] == "Chronoamperometry Scan, CHRONOA"
    assert run.attrs["remarks"] == "900 rows are declared, 6 are there."
    assert run.attrs["block"] == 1


def test_units_of_a_text_are_converted(tmp_path: Path) -> None:
    text = "t/min;I/nA;U/mV\n0;5;100\n1;3;100\n2;2;100\n"
    run = read_polarization(write(tmp_path / "a.txt", text))
    np.testing.assert_allclose(run.time, [0.0, 60.0, 120.0])
    np.testing.assert_allclose(run.current, [5e-9, 3e-9, 2e-9])
    np.testing.assert_allclose(run.voltage, [0.1, 0.1, 0.1])


def test_several_steps_are_blocks(tmp_path: Path) -> None:
    text = "time/s,I/A\n0,5\n1,4\n2,3\n0,2\n1,1\n2,1\n"
    path = write(tmp_path / "a.csv", text)
    with pytest.warns(DataQualityWarning, match="2 blocks"):
        np.testing.assert_array_equal(read_polarization(path).current, [5, 4, 3])
    second = read_polarization(path, block=2)
    np.testing.assert_array_equal(second.current, [2, 1, 1])


def test_a_row_written_twice_is_kept_once(tmp_path: Path) -> None:
    text = "time/s,I/A\n0,5\n1,4\n1,4\n2,3\n"
    run = read_polarization(write(tmp_path / "a.csv", text))
    assert run.sizes["time"] == 3
    assert "1 rows repeat" in run.attrs["remarks"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time/s,I/A\n0,5\n1,4\n1,3\n2,3\n", "line 4: the time 1 s repeats"),
        ("time/s,I/A\n0,5\n1,\n2,3\n", "line 3: time or current is missing"),
        ("time/s,I/A\n0,5\n3,4\n2,3\n", "line 2: 2 points until"),
        ("time/s,I (mA/cm2)\n0,5\n3,4\n4,3\n", "per area; export the current"),
        ("time/s,I/A\n0,5\n1,x\n2,3\n", "'x' is no number"),
    ],
)
def test_bad_runs_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ReadError, match=message):
        read_polarization(write(tmp_path / "a.csv", text))
