"""Every reader of NMR_READERS keeps one contract, on a spectrum written here."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from structkit.errors import DataQualityWarning, ReadError
from structkit.io.nmr import read_nmr
from structkit.io.nmr_readers import NMR_READERS, NmrReader
from structkit.schema import validate_nmr_spectrum

SHIFT = 30.0 - 0.5 * np.arange(64)
COUNTS = 2.0 * np.round(5e3 / (1.0 + ((SHIFT - 12.0) / 2.0) ** 2)) - 100.0
MHZ = 100.0
ROUNDING = 1e-9


def write_bruker(folder: Path) -> Path:
    place = folder / "12" / "pdata" / "1"
    place.mkdir(parents=True)
    acquired = {"NUC1": "<23Na>", "SFO1": 105.85, "BF1": 105.84}
    processed = {
        **{"SI": 64, "SF": MHZ, "SW_p": 32 * MHZ, "OFFSET": 30.0},
        **{"BYTORDP": 0, "DTYPP": 0, "NC_proc": 1},
    }
    for path, values in (
        (folder / "12" / "acqus", acquired),
        (place / "procs", processed),
    ):
        path.write_text("".join(f"##${key}= {v}\n" for key, v in values.items()))
    (place / "1r").write_bytes((COUNTS / 2.0).astype("<i4").tobytes())
    return folder / "12"


def write_reference(name: str, folder: Path) -> Path:
    """Write the same spectrum in the format of a reader."""
    if name == "bruker":
        return write_bruker(folder)
    if name == "bruker-zip":
        write_bruker(folder / "in")
        return Path(shutil.make_archive(str(folder / "a"), "zip", folder / "in"))
    if name == "nmr-jcamp":
        head = (
            "##TITLE= made up\n##JCAMPDX= 5.0\n##DATA TYPE= NMR SPECTRUM\n"
            "##XUNITS= PPM\n##YUNITS= ARBITRARY UNITS\n##XFACTOR= 1\n##YFACTOR= 2\n"
            f"##FIRSTX= {SHIFT[0]}\n##LASTX= {SHIFT[-1]}\n##NPOINTS= 64\n"
            "##XYDATA= (X++(Y..Y))\n"
        )
        body = "".join(
            f"{SHIFT[i]} " + " ".join(f"{v / 2}" for v in COUNTS[i : i + 8]) + "\n"
            for i in range(0, 64, 8)
        )
        path = folder / "a.jdx"
        path.write_text(head + body + "##END=\n")
        return path
    path = folder / "a.csv"
    rows = "".join(f"{x},{y}\n" for x, y in zip(SHIFT, COUNTS, strict=True))
    path.write_text("ppm,intensity\n" + rows)
    return path


def file_with_content(reader: NmrReader, path: Path) -> Path:
    """Return the file whose bytes are damaged in these tests."""
    return path if reader.suffixes else path / "pdata" / "1" / "procs"


def assert_reads_or_refuses(path: Path) -> None:
    message = ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DataQualityWarning)
            validate_nmr_spectrum(read_nmr(path))
    except ReadError as error:
        message = str(error)
        assert path.name in message
    assert "\n" not in message


each_reader = pytest.mark.parametrize("reader", NMR_READERS, ids=lambda r: r.name)


def test_names_are_distinct() -> None:
    names = [reader.name for reader in NMR_READERS]
    assert len(set(names)) == len(names)


@each_reader
def test_suffixes_are_lower_case_with_a_dot(reader: NmrReader) -> None:
    assert all(s.startswith(".") and s == s.lower() for s in reader.suffixes)


@each_reader
def test_reads_the_same_spectrum(reader: NmrReader, tmp_path: Path) -> None:
    path = write_reference(reader.name, tmp_path)
    assert reader.sniff(path)
    spectrum = read_nmr(path)
    validate_nmr_spectrum(spectrum)
    assert spectrum.attrs["reader"] == reader.name
    np.testing.assert_allclose(spectrum["chemical_shift"], SHIFT[::-1], atol=ROUNDING)
    np.testing.assert_array_equal(spectrum["intensity"], COUNTS[::-1])
    assert spectrum["intensity"].attrs["units"] == "1"
    assert spectrum["chemical_shift"].attrs["units"] == "ppm"
    assert len(spectrum.attrs["source_sha256"]) == 64
    assert spectrum.attrs["software"].startswith("structkit ")
    assert "title" in spectrum.attrs


@each_reader
def test_is_stored_and_read_back(reader: NmrReader, tmp_path: Path) -> None:
    spectrum = read_nmr(write_reference(reader.name, tmp_path))
    spectrum.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "a.nc", engine="h5netcdf") as stored:
        xr.testing.assert_identical(stored.load(), spectrum)


@each_reader
def test_decay_is_refused_in_one_line(reader: NmrReader, tmp_path: Path) -> None:
    path = write_reference(reader.name, tmp_path)
    with pytest.raises(ReadError) as caught:
        reader.read_decay(path)
    assert "\n" not in str(caught.value)


@each_reader
def test_junk_is_refused(reader: NmrReader, tmp_path: Path) -> None:
    for suffix in reader.suffixes:
        path = tmp_path / f"junk{suffix}"
        path.write_bytes(bytes(range(256)) * 8)
        with pytest.raises(ReadError, match=f"junk{suffix}"):
            read_nmr(path)


@each_reader
def test_cut_and_damaged_files_end_in_one_line(
    reader: NmrReader, tmp_path: Path
) -> None:
    path = write_reference(reader.name, tmp_path)
    target = file_with_content(reader, path)
    content = target.read_bytes()
    rng = np.random.default_rng(5)
    for share in np.linspace(0.02, 0.98, 9):
        target.write_bytes(content[: int(share * len(content))])
        assert_reads_or_refuses(path)
    for _ in range(15):
        damaged = bytearray(content)
        for place in rng.integers(0, len(content), 3):
            damaged[place] = int(rng.integers(0, 256))
        target.write_bytes(bytes(damaged))
        assert_reads_or_refuses(path)
