"""Files of impedance are read back by our readers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from structkit.io.impedance import read_impedance, read_polarization
from structkit.store import read_dataset
from structkit.synthetic.eis import EisStudy
from structkit.synthetic.eis_files import write_eis

# nine digits are written
DIGITS = 1e-8


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, EisStudy]:
    folder = tmp_path_factory.mktemp("eis")
    return folder, write_eis(folder, seed=7)


def test_sweeps_come_back(written: tuple[Path, EisStudy]) -> None:
    folder, study = written
    for name, sweep in study.sweeps.items():
        found = read_impedance(folder / "eis" / f"{name}.DTA")
        assert found.attrs["reader"] == "gamry-dta"
        assert not found.attrs["remarks"]
        np.testing.assert_allclose(found["frequency"], sweep["frequency"], rtol=DIGITS)
        np.testing.assert_allclose(found["impedance"], sweep["impedance"], rtol=DIGITS)


def test_series_comes_back_with_its_temperatures(
    written: tuple[Path, EisStudy],
) -> None:
    folder, study = written
    assert len(study.series) == 8
    for sweep in study.series:
        celsius = round(float(sweep["temperature"]) - 273.15)
        found = read_impedance(folder / "eis" / f"4h_{celsius}C.csv")
        assert float(found["temperature"]) == pytest.approx(celsius + 273.15)
        np.testing.assert_allclose(found["impedance"], sweep["impedance"], rtol=DIGITS)


def test_run_comes_back(written: tuple[Path, EisStudy]) -> None:
    folder, study = written
    found = read_polarization(folder / "eis" / "4h_dc.DTA")
    np.testing.assert_allclose(found["current"], study.run["current"], rtol=DIGITS)
    np.testing.assert_allclose(found["voltage"], study.run["voltage"], rtol=DIGITS)


def test_truth_is_written(written: tuple[Path, EisStudy]) -> None:
    folder, study = written
    known = read_dataset(folder / "eis_truth.nc")
    np.testing.assert_array_equal(known["conductivity"], study.truth["conductivity"])
    assert known.attrs["adversary"] == ""
