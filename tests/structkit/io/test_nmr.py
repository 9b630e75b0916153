from __future__ import annotations

import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from structkit.errors import ReadError
from structkit.io.nmr import read_decay, read_nmr
from structkit.schema import validate_nmr_spectrum

Write = Callable[..., Path]

POINTS = 100
DECAY = np.round(
    1e5 * np.exp((2j * np.pi * 0.11 - 0.02) * np.arange(POINTS))
)  # integers: words of every type hold them exactly
ROWS = np.stack([share * DECAY for share in (-1.0, 0.1, 0.5, 1.0)]).round()
SPECTRUM = np.round(1e4 / (1.0 + ((np.arange(64) - 20.0) / 3.0) ** 2))


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("kind", [0, 2])
def test_both_byte_orders_and_types(experiment: Write, order: int, kind: int) -> None:
    decay = read_decay(experiment(signal=DECAY, BYTORDA=order, DTYPA=kind))
    np.testing.assert_array_equal(decay["signal"], DECAY)
    assert float(decay["time"][1]) == pytest.approx(1.0 / 50000.0)
    assert decay.attrs["group_delay"] == 8.0
    assert decay.attrs["remarks"] == ""


def test_header_becomes_coordinates(experiment: Write) -> None:
    decay = read_decay(experiment(signal=DECAY, title="glass, 298 K"))
    assert decay["nucleus"].item() == "23Na"
    assert float(decay["carrier_frequency"]) == 79.3905
    assert float(decay["reference_frequency"]) == 79.390
    assert float(decay["recycle_delay"]) == 7.5
    assert float(decay["temperature"]) == 298.15
    assert int(decay["scans"]) == 16
    assert "mas_rate" not in decay.coords
    assert decay.attrs["title"] == "glass, 298 K"
    assert decay.attrs["pulse_program"] == "zg"
    assert decay.attrs["source_file"] == "7/fid"
    assert len(decay.attrs["source_sha256"]) == 64


def test_rows_of_delays_without_their_padding(experiment: Write) -> None:
    decay = read_decay(experiment(signal=ROWS, vdlist="500u\n20m\n1.5\n30s\n"))
    np.testing.assert_array_equal(decay["signal"], ROWS)
    np.testing.assert_allclose(decay["delay"], [5e-4, 0.02, 1.5, 30.0])
    assert decay["delay"].attrs["units"] == "s"
    assert "100 of 128 points of a row are measured" in decay.attrs["remarks"]


@pytest.mark.parametrize("entry", ["soon", "-1", "5x", "1 2"])
def test_list_that_holds_no_delay_names_its_line(experiment: Write, entry: str) -> None:
    folder = experiment(signal=ROWS, vdlist=f"1\n{entry}\n3\n4\n")
    with pytest.raises(ReadError, match="vdlist: line 2"):
        read_decay(folder)


def test_short_list_is_refused_long_one_told(experiment: Write) -> None:
    with pytest.raises(ReadError, match="3 delays for 4 rows"):
        read_decay(experiment(signal=ROWS, vdlist="1\n2\n3\n"))
    long = read_decay(experiment(signal=ROWS, vdlist="1\n2\n3\n4\n5\n"))
    assert long.sizes["delay"] == 4
    assert "5 delays for 4 rows" in long.attrs["remarks"]


def test_series_that_was_stopped_keeps_its_rows(experiment: Write) -> None:
    stopped = np.concatenate([ROWS[[0, 2]], np.zeros((2, POINTS))])
    decay = read_decay(experiment(signal=stopped, vdlist="1\n2\n3\n4\n"))
    assert decay.sizes["delay"] == 2
    assert "2 of 4 rows were measured" in decay.attrs["remarks"]
    folder = experiment(signal=ROWS, vdlist="1\n2\n3\n4\n")
    content = (folder / "ser").read_bytes()
    (folder / "ser").write_bytes(content[: len(content) // 2 + 100])
    assert read_decay(folder).sizes["delay"] == 2


def test_cut_decay_is_told_and_an_empty_one_refused(experiment: Write) -> None:
    folder = experiment(signal=DECAY)
    content = (folder / "fid").read_bytes()
    (folder / "fid").write_bytes(content[:401])
    decay = read_decay(folder)
    assert decay.sizes["time"] == 50
    assert "50 of 100 points" in decay.attrs["remarks"]
    (folder / "fid").write_bytes(content[:100])
    with pytest.raises(ReadError, match="12 points make no decay"):
        read_decay(folder)
    (folder / "fid").write_bytes(b"")
    with pytest.raises(ReadError, match="is empty"):
        read_decay(folder)


@pytest.mark.parametrize("name", ["acqus", "fid"])
def test_missing_file_is_named(experiment: Write, name: str) -> None:
    folder = experiment(signal=DECAY)
    (folder / name).unlink()
    with pytest.raises(ReadError, match=name):
        read_decay(folder)


@pytest.mark.parametrize(
    ("parameters", "delay"),
    [
        ({"GRPDLY": 67.98}, 67.98),
        ({"GRPDLY": -1, "DSPFVS": 10, "DECIM": 12}, 60.375),
        ({"GRPDLY": -1, "DSPFVS": 12, "DECIM": 16}, 71.625),
        ({"GRPDLY": -1, "DIGMOD": 0}, 0.0),
    ],
)
def test_delay_of_the_digital_filter(
    experiment: Write, parameters: dict[str, float], delay: float
) -> None:
    decay = read_decay(experiment(signal=DECAY, **parameters))
    assert decay.attrs["group_delay"] == delay


def test_filter_that_is_not_tabulated_is_refused(experiment: Write) -> None:
    folder = experiment(signal=DECAY, GRPDLY=-1, DSPFVS=10, DECIM=7)
    with pytest.raises(ReadError, match="DSPFVS 10, DECIM 7"):
        read_decay(folder)


@pytest.mark.parametrize("parameters", [{"AQ_mod": 2}, {"DTYPA": 5}, {"SW_h": "wide"}])
def test_what_cannot_be_read_is_refused(
    experiment: Write, parameters: dict[str, object]
) -> None:
    folder = experiment(signal=DECAY)
    experiment(signal=None, TD=200, **parameters)
    with pytest.raises(ReadError, match=next(iter(parameters))):
        read_decay(folder)


def test_processed_spectrum_ascends(experiment: Write) -> None:
    spectrum = read_nmr(experiment(spectrum=SPECTRUM))
    validate_nmr_spectrum(spectrum)
    np.testing.assert_array_equal(spectrum["intensity"], SPECTRUM[::-1])
    width = 50000.0 / 79.390
    top = float(spectrum["chemical_shift"][int(np.argmax(SPECTRUM[::-1]))])
    assert top == pytest.approx(500.0 / 79.390 + width * (0.5 - 20 / 64), abs=1e-6)
    assert spectrum.attrs["source_file"] == "7/pdata/1/1r"


def test_processed_series_has_its_delays(experiment: Write) -> None:
    rows = np.stack([SPECTRUM * share for share in (-1.0, 0.5, 1.0, 0.0)]).round()
    folder = experiment(spectrum=rows, vdlist="1m\n1\n10\n")
    spectrum = read_nmr(folder)
    validate_nmr_spectrum(spectrum)
    np.testing.assert_array_equal(spectrum["intensity"], rows[:3, ::-1])
    np.testing.assert_allclose(spectrum["delay"], [1e-3, 1.0, 10.0])


def test_path_to_a_part_means_the_experiment(experiment: Write) -> None:
    folder = experiment(signal=DECAY, spectrum=SPECTRUM)
    whole = read_nmr(folder)
    for part in ("pdata/1", "pdata/1/1r", "pdata", "acqus"):
        np.testing.assert_array_equal(
            read_nmr(folder / part).intensity, whole.intensity
        )


def test_spectrum_without_acqus_has_a_remark(experiment: Write) -> None:
    folder = experiment(spectrum=SPECTRUM)
    (folder / "acqus").unlink()
    spectrum = read_nmr(folder)
    assert "nucleus" not in spectrum.coords
    assert "no acqus" in spectrum.attrs["remarks"]


def test_spectrum_that_is_cut_or_empty_is_refused(experiment: Write) -> None:
    folder = experiment(spectrum=np.zeros(64))
    with pytest.raises(ReadError, match="every point of the intensity is zero"):
        read_nmr(folder)
    (folder / "pdata/1/1r").write_bytes(SPECTRUM[:60].astype("<i4").tobytes())
    with pytest.raises(ReadError, match="60 points where ##\\$SI announces 64"):
        read_nmr(folder)
    with pytest.raises(ReadError, match="no processing 3; there is 1"):
        read_nmr(folder, procno=3)


def test_decay_alone_asks_for_its_transform(experiment: Write) -> None:
    folder = experiment(signal=DECAY)
    with pytest.raises(ReadError, match="raw=True"):
        read_nmr(folder)
    plain = read_nmr(folder, raw=True)
    top = plain["chemical_shift"][int(np.argmax(np.abs(plain["intensity"].data)))]
    expected = (500.0 + 0.11 * 50000.0) / 79.390
    step = float(plain["chemical_shift"][1] - plain["chemical_shift"][0])
    assert abs(float(top) - expected) < step


def test_false_nucleus_is_told_and_the_only_fitting_one_taken(
    experiment: Write,
) -> None:
    folder = experiment(signal=DECAY, NUC1="<1H>", BF1=500.16, SFO1=470.61)
    decay = read_decay(folder)
    assert decay["nucleus"].item() == "19F"
    assert decay.attrs["nucleus_declared"] == "1H"
    assert "declares 1H" in decay.attrs["remarks"]
    assert "19F" in decay.attrs["remarks"]


def test_false_temperature_and_reference_are_told(experiment: Write) -> None:
    folder = experiment(signal=DECAY, spectrum=SPECTRUM, TE=303.0, SFO1=76.0, BF1=76.0)
    decay = read_decay(folder)
    assert "another experiment" in decay.attrs["remarks"]
    assert float(decay["reference_frequency"]) == 76.0
    (folder / "pdata/1/title").write_text("T = 40 C\n")
    assert "313.1 K, the header 303.0 K" in read_decay(folder).attrs["remarks"]
    cold = read_decay(experiment(signal=DECAY, TE=-55.7))
    assert "temperature" not in cold.coords
    assert "-55.7 K is no temperature" in cold.attrs["remarks"]
    hot = read_decay(experiment(signal=DECAY, TE=683.0))
    assert "temperature" not in hot.coords
    assert "TE 683 K is hotter than probes get" in hot.attrs["remarks"]


def test_folder_of_experiments_names_them(experiment: Write) -> None:
    folder = experiment(signal=DECAY)
    with pytest.raises(ReadError, match="give one of 7"):
        read_nmr(folder.parent)
    (folder.parent / "empty").mkdir()
    with pytest.raises(ReadError, match=r"no folder of a Bruker experiment$"):
        read_nmr(folder.parent / "empty")
    with pytest.raises(ReadError, match="no such file"):
        read_nmr(folder.parent / "absent.jdx")


def test_zipped_experiment(experiment: Write, tmp_path: Path) -> None:
    folder = experiment(signal=DECAY, spectrum=SPECTRUM)
    archive = Path(shutil.make_archive(str(tmp_path / "a"), "zip", tmp_path, "7"))
    zipped = read_decay(archive)
    np.testing.assert_array_equal(zipped["signal"], DECAY)
    assert zipped.attrs["reader"] == "bruker-zip"
    assert read_nmr(archive).attrs["source_file"] == "a.zip"
    with zipfile.ZipFile(archive, "a") as several:
        several.write(folder / "acqus", "8/acqus")
    with pytest.raises(ReadError, match=r"a\.zip: one experiment .* found 7, 8"):
        read_nmr(archive)


def test_zip_error_names_the_archive(experiment: Write, tmp_path: Path) -> None:
    folder = experiment(signal=DECAY)
    (folder / "acqus").unlink()
    archive = Path(shutil.make_archive(str(tmp_path / "a"), "zip", tmp_path, "7"))
    with pytest.raises(ReadError, match=r"a\.zip/7/acqus"):
        read_decay(archive)


def test_stored_and_read_back(experiment: Write, tmp_path: Path) -> None:
    spectrum = read_nmr(experiment(spectrum=SPECTRUM, MASR=5000))
    spectrum.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "a.nc", engine="h5netcdf") as stored:
        xr.testing.assert_identical(stored.load(), spectrum)


def jcamp(kind: str, body: str, **labels: object) -> str:
    head = {"TITLE": "made up", "JCAMPDX": "5.01", "DATA TYPE": kind, **labels}
    lines = [f"##{name}= {value}" for name, value in head.items()]
    return "\n".join([*lines, body, "##END=", ""])


def test_jcamp_axis_in_hertz_becomes_ppm(tmp_path: Path) -> None:
    body = "##XYDATA= (X++(Y..Y))\n200 1 2 3 4\n160 5 9 5 4\n120 3 2"
    labels = {
        ".OBSERVE FREQUENCY": 79.390,
        ".OBSERVE NUCLEUS": "^23Na",
        ".SHIFT REFERENCE": "INTERNAL, NaCl, 1, 10.5",
        "XUNITS": "HZ",
        "FIRSTX": 200,
        "LASTX": 110,
        "NPOINTS": 10,
        "YFACTOR": 2,
    }
    path = tmp_path / "a.jdx"
    path.write_text(jcamp("NMR SPECTRUM", body, **labels))
    spectrum = read_nmr(path)
    assert spectrum["nucleus"].item() == "23Na"
    assert float(spectrum["chemical_shift"][-1]) == pytest.approx(10.5)
    assert float(spectrum["chemical_shift"][0]) == pytest.approx(10.5 - 90 / 79.39)
    np.testing.assert_array_equal(spectrum.intensity, [4, 6, 8, 10, 18, 10, 8, 6, 4, 2])
    with pytest.raises(ReadError, match="not a decay"):
        read_decay(path)
    path.write_text(path.read_text().replace("120 3 2", ""))
    with pytest.raises(ReadError, match="8 points where 10"):
        read_nmr(path)


def test_jcamp_decay_of_two_pages(tmp_path: Path) -> None:
    real = " ".join(f"{value:.0f}" for value in DECAY.real)
    imaginary = " ".join(f"{value:.0f}" for value in DECAY.imag)
    body = (
        "##NTUPLES= NMR FID\n##SYMBOL= X, R, I, N\n##VAR_DIM= 100, 100, 100, 2\n"
        "##UNITS= SECONDS, ARBITRARY UNITS, ARBITRARY UNITS,\n"
        f"##FIRST= 0, 0, 0, 1\n##LAST= {99 / 50000.0}, 0, 0, 2\n"
        "##FACTOR= 2e-5, 2, 2, 1\n"
        f"##PAGE= N=1\n##DATA TABLE= (X++(R..R)), XYDATA\n0 {real}\n"
        f"##PAGE= N=2\n##DATA TABLE= (X++(I..I)), XYDATA\n0 {imaginary}\n"
        "##END NTUPLES= NMR FID"
    )
    path = tmp_path / "a.dx"
    path.write_text(jcamp("NMR FID", body, **{"$SFO1": 79.39, "$GRPDLY": 68}))
    decay = read_decay(path)
    np.testing.assert_array_equal(decay["signal"], 2.0 * DECAY)
    assert float(decay["time"][1]) == pytest.approx(2e-5)
    assert decay.attrs["group_delay"] == 68.0


def test_columns_by_title(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rows = [f"{9.0 - 0.5 * i},{i},{7 * i},0" for i in range(12)]
    path.write_text("\n".join(["x_data,y_fit,y_data,component_1", *rows]))
    spectrum = read_nmr(path)
    np.testing.assert_array_equal(spectrum.intensity, 7.0 * np.arange(12)[::-1])
    assert spectrum.attrs["remarks"] == "Columns left out: y_fit, component_1."
    path.write_text("\n".join(["Frequency (Hz),y_fit,real,imag", *rows]))
    with pytest.raises(ReadError, match="no chemical shift in ppm"):
        read_nmr(path)


def test_columns_without_titles_need_equal_steps(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("\n".join(f"{-50.0 + 2 * i} {i % 5}" for i in range(20)))
    assert "taken as ppm" in read_nmr(path).attrs["remarks"]
    path.write_text("\n".join(f"{i * i} {i}" for i in range(20)))
    with pytest.raises(ReadError, match="not equally spaced"):
        read_nmr(path)


def test_file_of_nothing_is_refused(tmp_path: Path) -> None:
    for name in ("a.jdx", "a.csv", "a.zip", "fid"):
        path = tmp_path / name
        path.write_bytes(struct.pack("<6I", 1, 2, 3, 4, 5, 0))
        with pytest.raises(ReadError):
            read_nmr(path)
