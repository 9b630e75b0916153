"""Every reader of SPECTRUM_READERS keeps one contract, on a file of one spectrum."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from structkit.errors import DataQualityWarning, ReadError
from structkit.io.spectra import read_spectra
from structkit.io.spectrum_readers import SPECTRUM_READERS, SpectrumReader
from structkit.schema import COUNTS, validate_spectra

REFERENCE = Path(__file__).parents[1] / "reference" / "spectra"
FILES = {
    "labspec-xml": "labspec.xml",
    "renishaw-wdf": "spectrum.wdf",
    "rod-cif": "spectrum.rod",
    "jcamp-dx": "spectrum.jdx",
    "witec-text": "witec.txt",
    "labspec-text": "labspec.txt",
    "spectrum-text": "spectrum.txt",
}
NO_LASER = {"witec-text"}
LASER_NM = 532.0
SHIFT = 300.0 + 2.5 * np.arange(40)
COUNTS_READ = np.concatenate(
    [
        [83, 88, 75, 88, 75, 73, 80, 72, 83, 79, 83, 80, 85, 77, 90, 76, 91, 117, 135],
        [214, 258, 245, 239, 203, 139, 107, 85, 79, 107, 91, 178, 417, 685, 447, 179],
        [88, 78, 79, 75, 53],
    ]
)
ROUNDING = 5e-5
"""The XML has its axis in nm with 9 decimals, the .wdf in 32 bits, cm-1."""

each_reader = pytest.mark.parametrize("reader", SPECTRUM_READERS, ids=lambda r: r.name)


def read_quietly(path: Path) -> xr.Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataQualityWarning)
        return read_spectra(path)


def assert_reads_or_refuses(path: Path) -> None:
    """Ask for valid spectra or for an error of one line that names the file."""
    message = ""
    try:
        validate_spectra(read_quietly(path))
    except ReadError as error:
        message = str(error)
    assert not message or (path.name in message and "\n" not in message)


def test_names_are_distinct() -> None:
    names = [reader.name for reader in SPECTRUM_READERS]
    assert len(set(names)) == len(names)
    assert set(names) == set(FILES)


@each_reader
def test_suffixes_are_lower_case_with_a_dot(reader: SpectrumReader) -> None:
    assert reader.suffixes
    assert all(s.startswith(".") and s == s.lower() for s in reader.suffixes)


@each_reader
def test_reads_its_reference(reader: SpectrumReader) -> None:
    path = REFERENCE / FILES[reader.name]
    assert path.suffix in reader.suffixes
    assert reader.sniff(path)
    spectra = read_quietly(path)
    validate_spectra(spectra)
    assert spectra.attrs["reader"] == reader.name
    np.testing.assert_allclose(spectra.raman_shift, SHIFT, atol=ROUNDING)
    np.testing.assert_array_equal(spectra.intensity[0], COUNTS_READ)
    assert spectra.intensity.attrs["units"] == COUNTS
    assert spectra.intensity.attrs["count_step"] == 1.0
    if reader.name not in NO_LASER:
        assert float(spectra.laser_wavelength) == pytest.approx(LASER_NM, abs=1e-5)
    assert [int(spectra[name]) for name in ("baseline_subtracted", "summed")] == [0, 0]
    assert spectra.attrs["remarks"] == ""


@each_reader
def test_stamps_provenance(reader: SpectrumReader) -> None:
    path = REFERENCE / FILES[reader.name]
    spectra = read_quietly(path)
    assert spectra.attrs["source_file"] == path.name
    assert spectra.source.to_numpy().tolist() == [path.name]
    assert len(spectra.attrs["source_sha256"]) == 64
    assert spectra.attrs["software"].startswith("structkit ")


@each_reader
def test_is_stored_and_read_back(reader: SpectrumReader, tmp_path: Path) -> None:
    spectra = read_quietly(REFERENCE / FILES[reader.name])
    spectra.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "a.nc", engine="h5netcdf") as stored:
        xr.testing.assert_identical(stored.load(), spectra)


@each_reader
def test_refuses_junk_under_its_suffixes(
    reader: SpectrumReader, tmp_path: Path
) -> None:
    junk = bytes(range(256)) * 8
    for suffix in reader.suffixes:
        path = tmp_path / f"junk{suffix}"
        path.write_bytes(junk)
        with pytest.raises(ReadError, match=f"junk{suffix}") as caught:
            read_quietly(path)
        assert "\n" not in str(caught.value)


@each_reader
def test_cut_files_end_in_one_line_or_spectra(
    reader: SpectrumReader, tmp_path: Path
) -> None:
    content = (REFERENCE / FILES[reader.name]).read_bytes()
    for share in np.linspace(0.02, 0.98, 13):
        path = tmp_path / FILES[reader.name]
        path.write_bytes(content[: int(share * len(content))])
        assert_reads_or_refuses(path)


@each_reader
def test_damaged_files_end_in_one_line_or_spectra(
    reader: SpectrumReader, tmp_path: Path
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
def test_refuses_a_block_that_is_not_there(reader: SpectrumReader) -> None:
    with pytest.raises(ReadError, match="no block 7 among 1"):
        read_spectra(REFERENCE / FILES[reader.name], block=7)
