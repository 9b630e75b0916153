"""read_pattern: choice of reader, bad input, real files."""

from pathlib import Path

import numpy as np
import pytest

from structkit.errors import DataQualityWarning, ReadError
from structkit.io.read import read_pattern
from structkit.schema import ARBITRARY, COUNTS, COUNTS_PER_SECOND
from structkit.store import sha256_of

GOOD = [(10.0 + 0.5 * i, 100 + 7 * i) for i in range(12)]


def write_columns(path: Path, rows: list[tuple[float, ...]]) -> Path:
    path.write_text("\n".join(" ".join(f"{v:g}" for v in row) for row in rows) + "\n")
    return path


def with_row(index: int, row: tuple[float, ...]) -> list[tuple[float, ...]]:
    rows: list[tuple[float, ...]] = list(GOOD)
    rows[index] = row
    return rows


BAD = {
    "nan": (with_row(3, (11.5, np.nan)), "line 4: intensity is nan"),
    "inf": (with_row(3, (11.5, np.inf)), "line 4: intensity is inf"),
    "repeated": (with_row(5, (12.0, 100)), "line 6: two_theta repeats at 12 "),
    "unsorted": (with_row(5, (11.0, 100)), "line 6: two_theta goes back at 11 "),
    "negative count": (with_row(6, (13.0, -3)), "line 7: .* negative count"),
    "subtracted": (with_row(6, (13.0, -0.37)), "line 7: .* background was subtracted"),
    "one column": ([(row[0],) for row in GOOD], "one column"),
    "ragged": (with_row(4, (12.0,)), "line 5: 1 numbers where other lines have 2"),
    "too few": (list(GOOD[:5]), "5 points"),
    "beyond 180": ([(20.0 * i, 5.0) for i in range(12)], "below 180"),
    "many columns": ([(a, b, 1, 2, 3) for a, b in GOOD], "5 columns"),
}


@pytest.mark.parametrize(("rows", "message"), BAD.values(), ids=BAD)
def test_bad_columns_end_in_one_line(
    rows: list[tuple[float, ...]], message: str, tmp_path: Path
) -> None:
    path = write_columns(tmp_path / "bad.xy", rows)
    with pytest.raises(ReadError, match=message) as caught:
        read_pattern(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_absent_file(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="no such file"):
        read_pattern(tmp_path / "absent.xy")


def test_empty_file(tmp_path: Path) -> None:
    (tmp_path / "empty.xy").touch()
    with pytest.raises(ReadError, match="empty"):
        read_pattern(tmp_path / "empty.xy")


def test_folder(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="folder"):
        read_pattern(tmp_path)


def test_words_only(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("milled for two hours\nwith ten balls\n")
    with pytest.raises(ReadError, match="no line holds two numbers"):
        read_pattern(path)


def test_word_among_data_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "a.xy"
    path.write_text("10.0 5\n10.1 5\n10.2 five\n")
    with pytest.raises(ReadError, match="line 3: 'five' is no number"):
        read_pattern(path)


def test_unknown_binary(tmp_path: Path) -> None:
    path = tmp_path / "a.zzz"
    path.write_bytes(bytes(range(256)))
    with pytest.raises(ReadError, match="unknown format"):
        read_pattern(path)


def test_descending_scan_is_reversed(tmp_path: Path) -> None:
    path = write_columns(tmp_path / "down.xy", list(GOOD[::-1]))
    with pytest.warns(DataQualityWarning, match="descends"):
        pattern = read_pattern(path)
    np.testing.assert_allclose(pattern.intensity, [row[1] for row in GOOD])


def test_negative_passes_with_esds(tmp_path: Path) -> None:
    rows: list[tuple[float, ...]] = [(a, b + 0.5, 2.0) for a, b in GOOD]
    rows[2] = (11.0, -0.37, 2.0)
    pattern = read_pattern(write_columns(tmp_path / "a.xye", rows))
    assert float(pattern.intensity.min()) == -0.37
    assert pattern.intensity.attrs["units"] == ARBITRARY


def test_provenance(tmp_path: Path) -> None:
    path = write_columns(tmp_path / "a.xy", list(GOOD))
    attrs = read_pattern(path).attrs
    assert attrs["source_sha256"] == sha256_of(path)
    assert attrs["reader"] == "text"


READ = {
    "CG20396_jdb12-1.xrdml": 7181,
    "D5000_1.xy": 3651,
    "D5000_2.xy": 3651,
    "HL1-2_5-90_60min.xrdml": 6474,
    "example_bmb.xye": 575,
    "example_evadiffract.xy": 28,
    "example_mac.xye": 599,
    "example_mythen.dat": 730,
    "example_mythen.xye": 74,
    "example_ocx.xy": 1876,
    "panalytical_attenuator.xrdml": 1800,
    "panalytical_powder.xrdml": 5027,
    "rigaku_nims.ras": 3501,
}
READ_WITH_WARNING = {
    "D5000_1.RAW": 3651,
    "D5000_2.RAW": 3651,
    "JO_KL_16_ZF_3_60deg_0.02step_12degpermin_001.rasx": 2851,
    "TiO2.raw": 1647,
    "TiOF.brml": 2469,
    "bruker_absorber.brml": 2001,
    "rigaku_powder.rasx": 2726,
    "rigaku_zno_counts.rasx": 7001,
}
REFUSED = {
    "bruker_raw4_scrambled.raw": "negative",
    "panalytical_mesh.xrdml": "area measurement of 101 scans",
    "rigaku_three_column.ras": "4 points",
}


@pytest.mark.shared
@pytest.mark.parametrize(("name", "n_points"), READ.items())
def test_vendor_files_read(shared_data: Path, name: str, n_points: int) -> None:
    assert read_pattern(shared_data / "vendor/xrd" / name).sizes == {
        "two_theta": n_points
    }


@pytest.mark.shared
@pytest.mark.parametrize(("name", "n_points"), READ_WITH_WARNING.items())
def test_vendor_files_read_with_a_warning(
    shared_data: Path, name: str, n_points: int
) -> None:
    with pytest.warns(DataQualityWarning, match="unknown"):
        pattern = read_pattern(shared_data / "vendor/xrd" / name)
    assert pattern.sizes["two_theta"] == n_points


@pytest.mark.shared
@pytest.mark.parametrize(("name", "message"), REFUSED.items())
def test_vendor_files_refused(shared_data: Path, name: str, message: str) -> None:
    with pytest.raises(ReadError, match=message):
        read_pattern(shared_data / "vendor/xrd" / name)


@pytest.mark.shared
@pytest.mark.parametrize("name", ["D5000_1", "D5000_2"])
def test_raw_agrees_with_its_own_export(shared_data: Path, name: str) -> None:
    folder = shared_data / "vendor/xrd"
    with pytest.warns(DataQualityWarning, match="geddes"):
        raw = read_pattern(folder / f"{name}.RAW")
    text = read_pattern(folder / f"{name}.xy")
    np.testing.assert_allclose(raw.two_theta, text.two_theta, atol=1e-6)
    np.testing.assert_array_equal(raw.intensity, text.intensity)


@pytest.mark.shared
def test_fluorapatite(shared_data: Path) -> None:
    pattern = read_pattern(shared_data / "xrd/standards/FAP.XRA")
    assert pattern.sizes["two_theta"] == 5753
    np.testing.assert_allclose(pattern.two_theta[[0, -1]], [15.0, 130.04])
    np.testing.assert_array_equal(pattern.intensity[:4], [609, 612, 673, 619])
    assert pattern.intensity.attrs["units"] == COUNTS


@pytest.mark.shared
def test_milling_series_is_counts_per_second(shared_data: Path) -> None:
    folder = shared_data / "xrd/milling_csbr_pbbr2/10N_60rpm"
    pattern = read_pattern(folder / "20240618_103158_15min.xye")
    assert pattern.intensity.attrs["units"] == COUNTS_PER_SECOND
    assert float(pattern.intensity[0]) == 838.6775


@pytest.mark.shared
def test_synchrotron_with_block_comment(shared_data: Path) -> None:
    pattern = read_pattern(shared_data / "xrd/insitu_nacl/insitu_xye/100.xye")
    assert pattern.sizes["two_theta"] == 2500
    assert float(pattern.intensity_std[0]) == 97.2034
    header = read_pattern(shared_data / "vendor/xrd/example_bmb.xye")
    assert float(header.wavelength) == 0.414581
