from __future__ import annotations

from pathlib import Path

import pytest

from structkit.errors import SeriesFileError
from structkit.io.manifest import read_series
from structkit.io.manifest_nmr import BlankTable, NmrTable

SERIES = """\
[series]
name = "sodium"
[nmr]
blank = "NTC"
[[nmr.site]]
name = "NTOC"
shift_ppm = -11.0
window = [-15.0, -7.0]
role = "product"
[[nmr.site]]
name = "NaCl"
shift_ppm = 7.0
role = "chloride"
[[sample]]
id = "NTC"
milling_time = 4
nmr = "1"
[[sample]]
id = "4h"
milling_time = 4
nmr = "1"
t1 = ["2", { folder = "3", temperature = "348.15 K" }]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in "123":
        (tmp_path / name).mkdir()
    return tmp_path


def write(folder: Path, text: str) -> Path:
    path = folder / "series.toml"
    path.write_text(text)
    return path


def test_table_is_read_in_full(folder: Path) -> None:
    series = read_series(write(folder, SERIES))
    table = series.nmr
    assert table is not None
    assert [site.role for site in table.sites] == ["product", "chloride"]
    assert table.blank is not None
    assert table.blank.sample == "NTC"
    recoveries = series.samples[1].t1
    assert recoveries is not None
    assert [one.folder for one in recoveries] == [folder / "2", folder / "3"]
    assert recoveries[0].temperature is None
    assert recoveries[1].temperature == pytest.approx(75.0)


def test_old_files_have_the_lines_of_the_study(folder: Path) -> None:
    head, rest = SERIES.split("[nmr]")
    old = head + rest[rest.index("[[sample]]") :]
    series = read_series(write(folder, old))
    assert series.nmr is None
    shifts = {site.name: site.shift_ppm for site in NmrTable().sites}
    assert shifts == {"NTOC": -11.2, "NaCl": 7.0, "Na2O": 55.0}


def test_share_of_the_control_is_a_ratio_of_its_lines() -> None:
    """5.07 % of the integral, the study's control, is 0.0534 of the other line."""
    ratio, std = BlankTable(share=0.0507, std=0.005).as_ratio
    assert ratio == pytest.approx(0.0534, abs=5e-5)
    assert std == pytest.approx(0.005 / 0.9493**2)
    assert BlankTable(ratio=0.05, std=0.01).as_ratio == (0.05, 0.01)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (('blank = "NTC"', 'blank = "NTX"'), "nmr.blank: no sample has the id 'NTX'"),
        (('blank = "NTC"', "blank = { share = 0.05 }"), "nmr.blank.std: is missing"),
        (('blank = "NTC"', "blank = { std = 0.05 }"), "give one of sample, share and"),
        (
            ('blank = "NTC"', 'blank = { sample = "NTC", std = 0.1 }'),
            "nmr.blank.std: is that of the sample's fit",
        ),
        (("[nmr]", '[nmr]\nnucleus = "23Nb"'), "nmr.nucleus: "),
        (("[nmr]", "[nmr]\nrecycle_delay = 1"), "did you mean 'recycle_delay_s'?"),
        (("[nmr]", "[nmr]\nflip_angle_degree = 180"), "nmr.flip_angle_degree: "),
        (("[nmr]", "[nmr]\nrange = [9.0, -9.0]"), "nmr.range: a range must ascend"),
        (("[-15.0, -7.0]", "[-10.0, -7.0]"), "does not hold shift_ppm = -11.0"),
        (('role = "chloride"', 'role = "product"'), "another site is the product"),
        (('role = "chloride"', ""), "needs sites with the roles product and chloride"),
        (('role = "chloride"', "t1_std_s = 1"), "needs t1_s, whose uncertainty it is"),
        (('role = "chloride"', 'shape = "czjzek"'), "sigma_cq_mhz: is missing"),
        (('name = "NaCl"', 'name = "NTOC"'), "is already the name"),
        (('["2", {', '["4", {'), "no file or folder '4'"),
        (("temperature =", "kelvin ="), "unknown key"),
    ],
)
def test_mistakes_are_told(folder: Path, change: tuple[str, str], told: str) -> None:
    assert change[0] in SERIES
    with pytest.raises(SeriesFileError) as caught:
        read_series(write(folder, SERIES.replace(*change, 1)))
    assert told in str(caught.value)


def test_another_nucleus_needs_its_lines(folder: Path) -> None:
    text = '[series]\nname = "F"\n[nmr]\nnucleus = "19F"\n'
    with pytest.raises(SeriesFileError, match=r"nmr\.site: is missing: the default"):
        read_series(write(folder, text + SERIES[SERIES.index("[[sample]]") :]))
