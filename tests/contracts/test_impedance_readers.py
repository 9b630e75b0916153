"""Every reader of IMPEDANCE_READERS keeps one contract, on a file of one spectrum."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from structkit.errors import ReadError
from structkit.io.impedance import read_impedance, read_impedances, read_polarization
from structkit.io.impedance_readers import IMPEDANCE_READERS, ImpedanceReader
from structkit.schema import validate_impedance

REFERENCE = Path(__file__).parents[1] / "reference" / "impedance"
FILES = {
    "gamry-dta": "gamry.dta",
    "biologic-mpr": "biologic.mpr",
    "biologic-mpt": "biologic.mpt",
    "zview-z": "zview.z",
    "versastudio-par": "versastudio.par",
    "ivium-idf": "ivium.idf",
    "dfr": "spectrum.dfr",
    "i2b": "spectrum.i2b",
    "p00": "spectrum.p00",
    "relaxis-text": "relaxis.txt",
    "autolab-z60w": "z60w.txt",
    "chi-text": "chi.txt",
    "impedance-text": "spectrum.txt",
}
NO_TIME = {"ivium-idf", "dfr", "i2b", "relaxis-text", "chi-text"}
NO_SIGN = {"i2b"}
FREQUENCY = np.array(
    [10, 21.54, 46.42, 100, 215.4, 464.2, 1e3, 2154, 4642, 1e4, 21540, 46420, 1e5]
)
REAL = [497.857, 482.546, 471.88, 463.566, 453.12, 425.667, 341.57, 194.52]
REAL += [94.2968, 61.3957, 53.2034, 51.1723, 50.58]
MINUS_IMAGINARY = [50.3862, 38.0314, 33.8764, 40.1727, 63.4771, 114.546, 184.978]
MINUS_IMAGINARY += [194.441, 124.94, 63.6031, 30.4263, 14.4009, 6.84332]
IMPEDANCE = np.array(REAL) - 1j * np.array(MINUS_IMAGINARY)
SECONDS = np.arange(12, -1, -1) * 0.5
ROUNDING = 1e-7
"""The .mpr has 32-bit numbers; the texts have all digits of the values above."""

each_reader = pytest.mark.parametrize("reader", IMPEDANCE_READERS, ids=lambda r: r.name)


def assert_reads_or_refuses(path: Path) -> None:
    """Ask for valid spectra or for an error of one line that names the file."""
    try:
        spectra = read_impedances(path)
    except ReadError as error:
        message = str(error)
        assert path.name in message
        assert "\n" not in message
    else:
        assert spectra
        for spectrum in spectra:
            validate_impedance(spectrum)


def test_names_are_distinct() -> None:
    names = [reader.name for reader in IMPEDANCE_READERS]
    assert len(set(names)) == len(names)
    assert set(names) == set(FILES)


@each_reader
def test_suffixes_are_lower_case_with_a_dot(reader: ImpedanceReader) -> None:
    assert reader.suffixes
    assert all(s.startswith(".") and s == s.lower() for s in reader.suffixes)


@each_reader
def test_reads_its_reference(reader: ImpedanceReader) -> None:
    path = REFERENCE / FILES[reader.name]
    assert path.suffix in reader.suffixes
    assert reader.sniff(path)
    spectrum = read_impedance(path)
    validate_impedance(spectrum)
    assert spectrum.attrs["reader"] == reader.name
    np.testing.assert_allclose(spectrum.frequency, FREQUENCY, rtol=ROUNDING)
    np.testing.assert_allclose(spectrum.impedance, IMPEDANCE, rtol=ROUNDING)
    assert spectrum.impedance.attrs["units"] == "ohm"
    assert spectrum.frequency.attrs["units"] == "Hz"
    if reader.name in NO_TIME:
        assert "time" not in spectrum.coords
    else:
        np.testing.assert_allclose(spectrum.time, SECONDS, atol=1e-12)
    has_remark = "sign of Z''" in spectrum.attrs["remarks"]
    assert has_remark == (reader.name in NO_SIGN)
    assert has_remark or spectrum.attrs["remarks"] == ""


@each_reader
def test_only_a_temperature_in_words_is_one(reader: ImpedanceReader) -> None:
    spectrum = read_impedance(REFERENCE / FILES[reader.name])
    if reader.name == "impedance-text":
        assert float(spectrum.temperature) == 333.15
    else:
        assert "temperature" not in spectrum.coords


@each_reader
def test_stamps_provenance(reader: ImpedanceReader) -> None:
    path = REFERENCE / FILES[reader.name]
    spectrum = read_impedance(path)
    assert spectrum.attrs["source_file"] == path.name
    assert len(spectrum.attrs["source_sha256"]) == 64
    assert spectrum.attrs["software"].startswith("structkit ")
    assert spectrum.attrs["block"] == 1


@each_reader
def test_is_stored_and_read_back(reader: ImpedanceReader, tmp_path: Path) -> None:
    spectrum = read_impedance(REFERENCE / FILES[reader.name])
    spectrum.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "a.nc", engine="h5netcdf") as stored:
        xr.testing.assert_identical(stored.load(), spectrum)


@each_reader
def test_impedance_is_no_run(reader: ImpedanceReader) -> None:
    with pytest.raises(ReadError, match="read it with read_impedance"):
        read_polarization(REFERENCE / FILES[reader.name])


@each_reader
def test_refuses_junk_under_its_suffixes(
    reader: ImpedanceReader, tmp_path: Path
) -> None:
    junk = bytes(range(256)) * 8
    for suffix in reader.suffixes:
        path = tmp_path / f"junk{suffix}"
        path.write_bytes(junk)
        with pytest.raises(ReadError, match=f"junk{suffix}") as caught:
            read_impedance(path)
        assert "\n" not in str(caught.value)


@each_reader
def test_cut_files_end_in_one_line_or_spectra(
    reader: ImpedanceReader, tmp_path: Path
) -> None:
    content = (REFERENCE / FILES[reader.name]).read_bytes()
    for share in np.linspace(0.02, 0.98, 13):
        path = tmp_path / FILES[reader.name]
        path.write_bytes(content[: int(share * len(content))])
        assert_reads_or_refuses(path)


@each_reader
def test_damaged_files_end_in_one_line_or_spectra(
    reader: ImpedanceReader, tmp_path: Path
) -> None:
    content = (REFERENCE / FILES[reader.name]).read_bytes()
    rng = np.random.default_rng(3)
    for _ in range(20):
        damaged = bytearray(content)
        for place in rng.integers(0, len(content), 3):
            damaged[place] = int(rng.integers(0, 256))
        path = tmp_path / FILES[reader.name]
        path.write_bytes(bytes(damaged))
        assert_reads_or_refuses(path)


@each_reader
def test_refuses_a_block_that_is_not_there(reader: ImpedanceReader) -> None:
    with pytest.raises(ReadError, match="no block 7 among 1"):
        read_impedance(REFERENCE / FILES[reader.name], block=7)
