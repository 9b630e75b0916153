"""Every reader of READERS keeps the same contract, on a file of the same pattern."""

import contextlib
import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from structkit.errors import DataQualityWarning, ReadError
from structkit.io.read import read_pattern
from structkit.io.readers import READERS, Reader
from structkit.schema import COUNTS, validate_pattern

REFERENCE = Path(__file__).parents[1] / "reference" / "patterns"
FILES = {
    "panalytical-xrdml": "pattern.xrdml",
    "rigaku-ras": "pattern.ras",
    "gsas": "pattern.gsa",
    "text": "pattern.xy",
    "geddes": "pattern.uxd",
}
TWO_THETA = 20.0 + 0.05 * np.arange(24)
COUNTS_READ = np.concatenate(
    [
        [40, 41, 42, 43, 44, 40, 43, 54, 99, 233, 489, 798],
        [942, 800, 493, 229, 97, 54, 45, 44, 40, 41, 42, 43],
    ]
)

each_reader = pytest.mark.parametrize("reader", READERS, ids=lambda r: r.name)


def read_quietly(path: Path) -> xr.Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataQualityWarning)
        return read_pattern(path)


def test_names_are_distinct() -> None:
    names = [reader.name for reader in READERS]
    assert len(set(names)) == len(names)
    assert set(names) == set(FILES)


@each_reader
def test_suffixes_are_lower_case_with_a_dot(reader: Reader) -> None:
    assert reader.suffixes
    assert all(s.startswith(".") and s == s.lower() for s in reader.suffixes)


@each_reader
def test_reads_its_reference(reader: Reader) -> None:
    path = REFERENCE / FILES[reader.name]
    assert path.suffix in reader.suffixes
    assert reader.sniff(path)
    pattern = read_quietly(path)
    validate_pattern(pattern)
    assert pattern.attrs["reader"] == reader.name
    np.testing.assert_allclose(pattern.two_theta, TWO_THETA, atol=1e-9)
    np.testing.assert_array_equal(pattern.intensity, COUNTS_READ)
    assert pattern.intensity.attrs["units"] == COUNTS
    assert "intensity_std" not in pattern


@each_reader
def test_stamps_provenance(reader: Reader) -> None:
    path = REFERENCE / FILES[reader.name]
    attrs = read_quietly(path).attrs
    assert attrs["source_file"] == path.name
    assert len(attrs["source_sha256"]) == 64
    assert attrs["software"].startswith("structkit ")


@each_reader
def test_refuses_junk_under_its_suffixes(reader: Reader, tmp_path: Path) -> None:
    junk = bytes(range(256)) * 8
    for suffix in reader.suffixes:
        path = tmp_path / f"junk{suffix}"
        path.write_bytes(junk)
        with pytest.raises(ReadError, match=f"junk{suffix}") as caught:
            read_quietly(path)
        assert "\n" not in str(caught.value)


@each_reader
def test_cut_files_end_in_one_line_or_a_pattern(reader: Reader, tmp_path: Path) -> None:
    content = (REFERENCE / FILES[reader.name]).read_bytes()
    for share in (0.1, 0.3, 0.5, 0.7, 0.9):
        path = tmp_path / FILES[reader.name]
        path.write_bytes(content[: int(share * len(content))])
        with contextlib.suppress(ReadError):
            validate_pattern(read_quietly(path))


@each_reader
def test_refuses_a_scan_that_is_not_there(reader: Reader) -> None:
    with pytest.raises(ReadError):
        read_pattern(REFERENCE / FILES[reader.name], scan=7)
