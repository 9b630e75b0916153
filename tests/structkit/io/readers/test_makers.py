"""Scan choice, attenuation and headers of .ras and .xrdml."""

import json
from pathlib import Path

import numpy as np
import pytest

from structkit.errors import DataQualityWarning, ReadError
from structkit.io.read import read_pattern
from structkit.io.readers.ras import RasReader
from structkit.io.readers.xrdml import XrdmlReader
from structkit.schema import COUNTS_PER_SECOND

REFERENCE = Path(__file__).parents[3] / "reference" / "patterns"


@pytest.fixture
def xrdml() -> str:
    return (REFERENCE / "pattern.xrdml").read_text()


@pytest.fixture
def ras() -> str:
    return (REFERENCE / "pattern.ras").read_text()


def test_xrdml_header() -> None:
    pattern = XrdmlReader().read(REFERENCE / "pattern.xrdml")
    assert float(pattern.wavelength) == 1.540593
    assert float(pattern.counting_time) == 1.5
    assert pattern.attrs["anode"] == "Cu"
    assert pattern.attrs["alpha2_ratio"] == 0.5


def test_xrdml_attenuation(xrdml: str, tmp_path: Path) -> None:
    factors = " ".join(["1"] * 10 + ["100"] * 4 + ["1"] * 10)
    path = tmp_path / "a.xrdml"
    path.write_text(
        xrdml.replace(
            "<counts",
            f"<beamAttenuationFactors>{factors}</beamAttenuationFactors><counts",
        )
    )
    pattern = XrdmlReader().read(path)
    assert float(pattern.intensity[10]) == 48900.0
    assert float(pattern.intensity_std[10]) == pytest.approx(100.0 * np.sqrt(489.0))
    assert float(pattern.intensity_std[0]) == pytest.approx(np.sqrt(40.0))


def test_xrdml_repeated_scan(xrdml: str, tmp_path: Path) -> None:
    start, end = xrdml.index("<scan "), xrdml.index("</scan>") + len("</scan>")
    second = xrdml[start:end].replace(">40 41", ">50 41")
    path = tmp_path / "a.xrdml"
    path.write_text(xrdml[:end] + second + xrdml[end:])
    with pytest.warns(DataQualityWarning, match="2 scans; the first"):
        assert float(XrdmlReader().read(path).intensity[0]) == 40.0
    pattern = XrdmlReader().read(path, scan=2)
    assert float(pattern.intensity[0]) == 50.0
    assert pattern.attrs["n_scans"] == 2


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("</xrdMeasurements>", "", "broken XML"),
        ("Gonio", "Omega", "along 'Omega'"),
        ("counts", "noises", "no intensities"),
        ("2Theta", "Phi", "no 2Theta positions"),
        ("endPosition", "end", "does not vary"),
        (">40 41", ">40 x41", "x41"),
    ],
)
def test_xrdml_refused(
    xrdml: str, tmp_path: Path, old: str, new: str, message: str
) -> None:
    path = tmp_path / "a.xrdml"
    path.write_text(xrdml.replace(old, new))
    with pytest.raises(ReadError, match=message):
        XrdmlReader().read(path)


def test_ras_header() -> None:
    pattern = RasReader().read(REFERENCE / "pattern.ras")
    assert float(pattern.wavelength) == 1.540593
    assert float(pattern.counting_time) == pytest.approx(1.5)
    assert pattern.attrs["anode"] == "Cu"


def test_ras_attenuator(ras: str, tmp_path: Path) -> None:
    path = tmp_path / "a.ras"
    path.write_text(ras.replace("489.0000 1.0000", "489.0000 10.0000"))
    pattern = RasReader().read(path)
    assert float(pattern.intensity[10]) == 4890.0
    assert float(pattern.intensity_std[10]) == pytest.approx(10.0 * np.sqrt(489.0))


def test_ras_counts_per_second_and_second_scan(ras: str, tmp_path: Path) -> None:
    ras = ras.replace('UNIT_Y "counts"', 'UNIT_Y "cps"')
    start, end = ras.index("*RAS_HEADER_START"), ras.index("*RAS_DATA_END")
    second = ras[start:end].replace(" 40.0000 1.0", " 50.0000 1.0")
    path = tmp_path / "a.ras"
    path.write_text(ras[:end] + second + ras[end:])
    with pytest.warns(DataQualityWarning, match="2 scans"):
        assert RasReader().read(path).intensity.units == COUNTS_PER_SECOND
    assert float(RasReader().read(path, scan=2).intensity[0]) == 50.0


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("*RAS_INT_END", "", "cut short"),
        ("20.2500 40.0000", "20.2500 forty", "line 20: .* holds a word"),
        ("20.2500 40.0000", "20.2500 4 1 1", "line 20: 5 numbers"),
    ],
)
def test_ras_refused(
    ras: str, tmp_path: Path, old: str, new: str, message: str
) -> None:
    path = tmp_path / "a.ras"
    path.write_text(ras.replace(old, new))
    with pytest.raises(ReadError, match=message):
        RasReader().read(path)


@pytest.mark.shared
def test_xrdml_against_another_reader(shared_data: Path) -> None:
    folder = shared_data / "vendor/xrd"
    oracle = json.loads((folder / "panalytical_powder.xrdml.json").read_text())
    pattern = read_pattern(folder / "panalytical_powder.xrdml")
    assert f"({pattern.sizes['two_theta']},)" == oracle["intensity"]
    source = oracle["metadata"]["source"]
    assert float(pattern.wavelength) == float(source["kAlpha1"])
    assert pattern.attrs["wavelength_alpha2"] == float(source["kAlpha2"])
    assert pattern.attrs["anode"] == source["anode_material"]
    assert pattern.attrs["scan_axis"] == oracle["scanmotname"]


@pytest.mark.shared
def test_xrdml_mesh_by_scan(shared_data: Path) -> None:
    folder = shared_data / "vendor/xrd"
    oracle = json.loads((folder / "panalytical_mesh.xrdml.json").read_text())
    pattern = read_pattern(folder / "panalytical_mesh.xrdml", scan=3)
    shape = (pattern.attrs["n_scans"], pattern.sizes["two_theta"])
    assert str(shape) == oracle["intensity"]


@pytest.mark.shared
def test_xrdml_attenuator_lifts_the_peak(shared_data: Path) -> None:
    pattern = read_pattern(shared_data / "vendor/xrd/panalytical_attenuator.xrdml")
    assert float(pattern.intensity.max()) == 188.0 * 1877.0
