from __future__ import annotations

import json
import math
import operator
import tempfile
import tomllib
from functools import reduce
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from structkit.errors import ReadError, SeriesFileError
from structkit.io.fields import parse_celsius, parse_hours
from structkit.io.manifest import load_series, load_spectra, read_series
from structkit.io.manifest_raman import RamanTable
from structkit.schema import make_pattern

CONTRACT = """
[series]
name = "CsBr + PbBr2, 10 N"
axis = "milling_time"

[xrd]
engine = "native"
range = [10.5, 49.5]
exclude = [[21.0, 22.5]]
background_terms = 6
humps = [17.0, 30.0]
particle_size_um = 5.0
blank = "film_blank.xy"
[xrd.instrument]
file = "Lab_CuKa.instprm"
[xrd.internal_standard]
phase = "corundum"
weight_fraction = 0.20
crystallinity = 1.0
[[xrd.phase]]
name = "PbBr2"
cif = "PbBr2.cif"
texture = [0, 0, 1]
cell_uncertain = false
[[xrd.phase]]
name = "corundum"

[[sample]]
id = "10N-15min"
milling_time = "15 min"
mixture = { CsBr = 1, PbBr2 = 1 }
role = "milled"
xrd = "15min.xye"

[[sample]]
id = "10N-90min"
milling_time = 1.5
xrd = "90min.xye"
raman = ["spot1.txt", "spot2.txt"]
eis = [
  { file = "cold.DTA", temperature = -25 },
  { file = "h.DTA", temperature = "298.15 K" },
]
dc = "dc.csv"
nmr = "nmr"
t1 = "t1"
spike = { phase = "corundum", weight_fraction = 0.1 }
"""
FILES = (
    "film_blank.xy Lab_CuKa.instprm PbBr2.cif 15min.xye 90min.xye spot1.txt spot2.txt "
    "cold.DTA h.DTA dc.csv"
).split()

MINIMAL = """
[series]
name = "minimal"
[xrd]
[[xrd.phase]]
name = "NaCl"
[[sample]]
id = "a"
milling_time = 1
xrd = "15min.xye"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / name).write_text("")
    for name in ("nmr", "t1"):
        (tmp_path / name).mkdir()
    return tmp_path


def write(folder: Path, text: str) -> Path:
    path = folder / "series.toml"
    path.write_text(text, encoding="utf-8")
    return path


def mistakes_of(folder: Path, text: str) -> str:
    with pytest.raises(SeriesFileError) as caught:
        read_series(write(folder, text))
    return str(caught.value)


def test_contract_is_read_in_full(folder: Path) -> None:
    series = read_series(write(folder, CONTRACT))
    assert series.series.name == "CsBr + PbBr2, 10 N"
    assert series.series.axis == "milling_time"
    assert series.path == folder / "series.toml"
    assert len(series.sha256) == 64
    xrd = series.xrd
    assert xrd is not None
    assert xrd.engine == "native"
    assert xrd.two_theta_range == (10.5, 49.5)
    assert xrd.exclude == ((21.0, 22.5),)
    assert xrd.humps == (17.0, 30.0)
    assert xrd.blank == folder / "film_blank.xy"
    assert xrd.instrument is not None
    assert xrd.instrument.file == folder / "Lab_CuKa.instprm"
    assert xrd.internal_standard is not None
    assert xrd.internal_standard.weight_fraction == 0.2
    assert [phase.name for phase in xrd.phases] == ["PbBr2", "corundum"]
    assert xrd.phases[0].texture == (0, 0, 1)
    assert xrd.phases[1].cif is None
    first, second = series.samples
    assert first.milling_time == 0.25
    assert first.role == "milled"
    assert second.milling_time == 1.5
    assert second.raman == (folder / "spot1.txt", folder / "spot2.txt")
    assert second.eis is not None
    assert second.eis[0].temperature == -25.0
    assert second.eis[1].temperature == pytest.approx(25.0)
    assert second.nmr == folder / "nmr"
    assert second.t1 is not None
    assert second.t1[0].folder == folder / "t1"
    assert second.spike is not None


def test_defaults_are_those_of_the_contract(folder: Path) -> None:
    xrd = read_series(write(folder, MINIMAL)).xrd
    assert xrd is not None
    assert xrd.engine == "native"
    assert xrd.background_terms == 6
    assert xrd.instrument is None


def test_series_is_frozen(folder: Path) -> None:
    series = read_series(write(folder, MINIMAL))
    with pytest.raises(ValidationError, match="frozen"):
        series.series.name = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("written", "hours"),
    [("15 min", 0.25), ("15min", 0.25), ("1.5 h", 1.5), ("2 d", 48.0), ("1e1 h", 10.0)],
)
def test_times_become_hours(written: str, hours: float) -> None:
    assert parse_hours(written) == pytest.approx(hours)


@pytest.mark.parametrize("written", ["", "min", "15", "15 m", "1,5 h", "h 3", "1 2 h"])
def test_times_that_cannot_be_read_are_refused(written: str) -> None:
    with pytest.raises(ValueError, match="cannot read"):
        parse_hours(written)


def test_temperatures_become_celsius() -> None:
    assert parse_celsius("150 C") == 150.0
    assert parse_celsius("423.15 K") == pytest.approx(150.0)
    with pytest.raises(ValueError, match="cannot read"):
        parse_celsius("300 F")


def test_every_mistake_is_reported_at_once(folder: Path) -> None:
    text = CONTRACT
    for right, wrong in (
        ("range = [10.5, 49.5]", "rnge = [10.5, 49.5]"),
        ("[[21.0, 22.5]]", "[[22.5, 21.0]]"),
        ("background_terms = 6", 'background_terms = "six"'),
        ('blank = "film_blank.xy"', 'blank = "film_blnk.xy"'),
        ("weight_fraction = 0.20", "weight_fraction = 20"),
        ('phase = "corundum"\nweight', 'phase = "corundm"\nweight'),
        ("PbBr2 = 1 }", "PbBr2 = 1, Xyz3 = 1 }"),
        ('role = "milled"', 'role = "miled"'),
        ("milling_time = 1.5", 'milling_time = "90 mn"'),
        ('id = "10N-90min"', 'id = "10N-15min"'),
        ('xrd = "90min.xye"', 'xrd = "absent.xye"'),
        ('"spot2.txt"', '"spot9.txt"'),
    ):
        assert right in text
        text = text.replace(right, wrong)
    message = mistakes_of(folder, text)
    for expected in (
        "series.toml has 12 mistakes:",
        "xrd.rnge: unknown key; did you mean 'range'?",
        "xrd.exclude[0]: a range must ascend, got [22.5, 21.0]",
        "xrd.background_terms: should be a valid integer, got 'six'",
        "xrd.blank: no file 'film_blnk.xy'; did you mean 'film_blank.xy'?",
        "xrd.internal_standard.weight_fraction: should be less than 1",
        "xrd.internal_standard.phase: 'corundm' is no phase of [xrd]; "
        "did you mean 'corundum'?",
        "sample[0].mixture.Xyz3 (10N-15min): is neither a chemical formula",
        "sample[0].role (10N-15min): should be 'unmilled', 'milled'",
        "sample[1].milling_time (10N-15min): cannot read '90 mn'",
        "sample[1].id (10N-15min): '10N-15min' is already the id of sample[0]",
        "sample[1].xrd (10N-15min): no file 'absent.xye'",
        "sample[1].raman[1] (10N-15min): no file 'spot9.txt'",
    ):
        assert expected in message
    assert len(message.splitlines()) == 13


def test_one_mistake_is_one_line(folder: Path) -> None:
    message = mistakes_of(folder, MINIMAL.replace("milling_time", "miling_time"))
    first, *others = message.splitlines()
    assert "has 2 mistakes" in first
    assert len(others) == 2
    message = mistakes_of(folder, MINIMAL.replace("15min.xye", "16min.xye"))
    assert message == (
        f"{folder / 'series.toml'}: sample[0].xrd (a): no file '16min.xye'; "
        "did you mean '15min.xye'?"
    )


COMPONENT = """
[[xrd.component]]
name = "glass"
pattern = "15min.xye"
rir = 0.1
rir_std = 0.01
crystalline = false
subtract = "line"
[[xrd.component]]
name = "holder"
pattern = "film_blank.xy"
background = true
shift = false
[[sample]]
"""


def with_component(change: tuple[str, str] = ("", "")) -> str:
    return CONTRACT.replace("\n[[sample]]\n", COMPONENT, 1).replace(*change)


def test_measured_components_are_read(folder: Path) -> None:
    path = folder / "series.toml"
    path.write_text(with_component().replace('phase = "corundum"', 'phase = "glass"'))
    xrd = read_series(path).xrd
    assert xrd is not None
    glass, holder = xrd.components
    assert (glass.name, glass.rir, glass.rir_std) == ("glass", 0.1, 0.01)
    assert (glass.crystalline, glass.shift, glass.subtract) == (False, True, "line")
    assert glass.pattern.is_file()
    assert (holder.background, holder.shift, holder.rir) == (True, False, None)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("rir = 0.1\n", ""), "component[0]: give rir (against corundum)"),
        (("rir = 0.1\n", ""), "component[0].rir_std: needs rir"),
        (("rir = 0.1", "rir = 0.1\ncalibration = 2.0"), "calibration, not both"),
        (("rir = 0.1", "rir = -1"), "component[0].rir: should be greater than 0"),
        (("rir = 0.1", "rri = 0.1"), "rri: unknown key; did you mean 'rir'?"),
        (("background = true", "background = true\nrir = 1.0"), "[1].rir: a backgr"),
        (('"holder"', '"glass"'), "'glass' is already the name of component[0]"),
        (('name = "glass"', 'name = "PbBr2"'), "'PbBr2' is the name of a phase"),
        (('"line"', '"lien"'), "component[0].subtract: should be 'none'"),
        (('"15min.xye"\nrir', '"15mn.xye"\nrir'), "did you mean '15min.xye'?"),
        (("shift = false", "height = 5.0"), "component[1].height: needs rir"),
        (('engine = "native"', 'engine = "gsas2"'), "'gsas2' has no measured comp"),
        (('phase = "corundum"', 'phase = "holder"'), "'holder' is no phase of [xrd]"),
    ],
)
def test_mistakes_in_components_are_told(
    folder: Path, change: tuple[str, str], expected: str
) -> None:
    assert expected in mistakes_of(folder, with_component(change))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ('file = "x.instprm"\ntube = "CuKa"', "give file, or tube, not both"),
        ('tube = "CuKa"\nwavelength = 1.5', "give tube or wavelength, not both"),
        ('standard_phase = "NaCl"', "instrument.standard: standard_phase needs it"),
        ("monochromator_two_theta = 26.6", "give file, or tube"),
        ("wavelength = 0", "should be greater than 0"),
        ("wavelength = nan", "should be a finite number"),
        ('wavelength = "1.54"', "should be a valid number"),
    ],
)
def test_instrument_is_a_file_or_the_other_keys(
    folder: Path, written: str, expected: str
) -> None:
    text = MINIMAL.replace("[[sample]]", f"[xrd.instrument]\n{written}\n[[sample]]")
    assert expected in mistakes_of(folder, text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "is empty"),
        ("[series\n", "line 1"),
        ('a = 1\nb = "\n', "line 2"),
        ("a = 1\nb = [", "line 2, the end of the file"),
        ('[series]\nname = "x"\n', "sample: is missing"),
        ('[series]\nname = ""\n', "series.name: "),
        (MINIMAL.replace("[[sample]]", "[sample]"), "write [[sample]], not [sample]"),
        (MINIMAL.replace('name = "NaCl"', "texture = [0, 0, 0]"), "is no direction"),
        (MINIMAL.replace("milling_time = 1", ""), "series' axis is 'milling_time'"),
        (MINIMAL.replace('xrd = "15min.xye"', ""), "has no measurement"),
        (MINIMAL.replace('"15min.xye"', "3"), "must be the path of a file, got 3"),
        (MINIMAL.replace('id = "a"', 'id = "../a"'), "cannot name a file"),
        (MINIMAL.replace("= 1\n", "= -1\n"), "greater than or equal to 0, got -1"),
        (MINIMAL.replace("[xrd]", "[xrd]\nmixture = {}"), "it belongs in [series]"),
        (
            MINIMAL.replace('[xrd]\n[[xrd.phase]]\nname = "NaCl"\n', ""),
            "needs a table [xrd]",
        ),
    ],
)
def test_bad_files_say_what_to_do(folder: Path, text: str, expected: str) -> None:
    assert expected in mistakes_of(folder, text)


def test_text_that_is_not_utf8_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "series.toml"
    path.write_bytes(b"[series]\nname = '\xff\xfe'\n")
    with pytest.raises(SeriesFileError, match="line 2: not UTF-8"):
        read_series(path)


def test_absent_series_file_is_a_read_error(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="no series file"):
        read_series(tmp_path / "nothing.toml")
    with pytest.raises(ReadError, match="is a folder"):
        read_series(tmp_path)


def test_unmilled_stands_at_zero_and_references_need_no_time(folder: Path) -> None:
    text = MINIMAL.replace("milling_time = 1", 'role = "unmilled"')
    sample = read_series(write(folder, text)).samples[0]
    assert sample.position("milling_time") == 0.0
    text = MINIMAL.replace("milling_time = 1", 'role = "glass_reference"')
    sample = read_series(write(folder, text)).samples[0]
    assert sample.position("milling_time") is None


def test_other_axis_orders_the_samples(folder: Path) -> None:
    text = MINIMAL.replace('"minimal"', '"m"\naxis = "anneal_temperature"')
    assert "sample[0].anneal_temperature (a): is missing" in mistakes_of(folder, text)
    text = text.replace("milling_time = 1", 'anneal_temperature = "423.15 K"')
    series = read_series(write(folder, text))
    assert series.samples[0].position(series.series.axis) == pytest.approx(150.0)


def test_samples_mixture_wins_over_the_series(folder: Path) -> None:
    text = MINIMAL.replace('"minimal"', '"m"\nmixture = { CsBr = 2, PbBr2 = 1 }')
    series = read_series(write(folder, text))
    assert series.elements_of(series.samples[0]) == {"Cs": 2.0, "Br": 4.0, "Pb": 1.0}
    text += "mixture = { NaCl = 3 }"
    series = read_series(write(folder, text))
    assert series.mixture_of(series.samples[0]) == {"NaCl": 3.0}


def test_phase_names_in_a_mixture_take_their_formula(folder: Path) -> None:
    text = CONTRACT.replace("PbBr2 = 1 }", "corundum = 0.5 }")
    series = read_series(write(folder, text))
    elements = series.elements_of(series.samples[0], formulas={"corundum": "Al2O3"})
    assert elements == {"Cs": 1.0, "Br": 1.0, "Al": 1.0, "O": 1.5}


def test_one_bad_pattern_stops_no_other(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_pattern(path: Path) -> xr.Dataset:
        if path.name == "90min.xye":
            raise ReadError(f"{path}: empty")
        angle = np.linspace(10.0, 50.0, 20)
        return make_pattern(angle, np.full(20, 5.0))

    monkeypatch.setattr("structkit.io.manifest.read_pattern", read_pattern)
    series = read_series(write(folder, CONTRACT))
    tree, failures = load_series(series)
    assert list(failures) == ["10N-90min"]
    assert list(tree.children) == ["10N-15min"]
    pattern = tree["10N-15min/xrd"].to_dataset()
    assert float(pattern["milling_time"]) == 0.25
    assert pattern["milling_time"].attrs["units"] == "h"
    assert tree["10N-15min"].attrs["role"] == "milled"
    assert tree.attrs["axis"] == "milling_time"


RAMAN = """
[series]
name = "spectra alone"
[raman]
laser_nm = 532.29
range = [100, 1000]
calibration = "silicon.txt"
blank = "glass.txt"
reduction = "photon"
model = "series"
species = ["TaCl6-", "Ta2Cl10"]
bands = "bands.toml"
[[raman.template]]
species = "TaCl6-"
file = "template.txt"
[[sample]]
id = "a"
milling_time = "15 min"
role = "milled"
raman = ["spot1.txt", "spot2.txt", "spot3.txt"]
[[sample]]
id = "b"
milling_time = 1
raman = "spot4.txt"
"""
RAMAN_FILES = "silicon.txt glass.txt bands.toml template.txt".split()
N_SPOTS = 4


@pytest.fixture
def spectra_folder(tmp_path: Path) -> Path:
    """Return a folder with spectra in nm from which the laser is missing."""
    axis = 1e7 / (1e7 / 532.29 - np.linspace(100.0, 900.0, 200))
    lines = "".join(f"{nm:.6f}\t{5 + n % 3}\n" for n, nm in enumerate(axis))
    names = [f"spot{n}.txt" for n in range(1, N_SPOTS + 1)]
    for name in [*names, *RAMAN_FILES]:
        (tmp_path / name).write_text(f"# wavelength (nm)\tcounts\n{lines}")
    return tmp_path


def test_raman_table_is_read_without_xrd(spectra_folder: Path) -> None:
    series = read_series(write(spectra_folder, RAMAN))
    assert series.xrd is None
    table = series.raman
    assert table is not None
    assert (table.laser_nm, table.shift_range) == (532.29, (100.0, 1000.0))
    assert table.calibration == spectra_folder / "silicon.txt"
    assert table.blank == spectra_folder / "glass.txt"
    assert table.bands == spectra_folder / "bands.toml"
    assert (table.reduction, table.model) == ("photon", "series")
    assert table.species == ("TaCl6-", "Ta2Cl10")
    assert [(t.species, t.file.name) for t in table.templates] == [
        ("TaCl6-", "template.txt")
    ]
    assert (table.calibration_wavenumber, table.temperature_k) == (520.7, 298.15)


def test_defaults_of_raman_touch_nothing() -> None:
    table = RamanTable()
    assert (table.reduction, table.model, table.templates) == ("none", "replicates", ())
    assert table.laser_nm is table.shift_range is table.species is table.bands is None


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("laser_nm = 532.29", "laser_nm = -1", "raman.laser_nm: should be greater"),
        ("[100, 1000]", "[1000, 100]", "raman.range: a range must ascend"),
        ('"photon"', '"boson"', "raman.reduction: should be"),
        ('"silicon.txt"', '"silicone.txt"', "did you mean 'silicon.txt'?"),
        ("laser_nm", "laser", "raman.laser: unknown key; did you mean 'laser_nm'?"),
        ("[[raman.template]]", "[raman.template]", "write [[raman.template]]"),
        ("[[sample]]", '[[raman.template]]\nspecies="TaCl6-"\n[[sample]]', "already"),
    ],
)
def test_mistakes_in_raman_are_told(
    spectra_folder: Path, old: str, new: str, expected: str
) -> None:
    assert expected in mistakes_of(spectra_folder, RAMAN.replace(old, new, 1))


def test_spectra_are_loaded_file_by_file(spectra_folder: Path) -> None:
    tree, failures = load_spectra(read_series(write(spectra_folder, RAMAN)))
    assert failures == {}
    assert list(tree["a/raman"].children) == ["1", "2", "3"]
    assert list(tree["b/raman"].children) == ["1"]
    spectra = tree["a/raman/2"].to_dataset()
    assert spectra.attrs["source_file"] == "spot2.txt"
    assert float(spectra["laser_wavelength"]) == 532.29
    assert float(spectra["milling_time"]) == 0.25
    assert spectra["milling_time"].attrs["units"] == "h"
    assert float(spectra["raman_shift"][0]) == pytest.approx(100.0, abs=1e-4)
    assert tree["a"].attrs["role"] == "milled"
    assert tree.attrs["name"] == "spectra alone"


def test_one_bad_spectrum_stops_no_other(spectra_folder: Path) -> None:
    series = read_series(write(spectra_folder, RAMAN))
    (spectra_folder / "spot2.txt").write_text("nothing here\n")
    (spectra_folder / "spot4.txt").write_text("")
    tree, failures = load_spectra(series)
    assert list(tree["a/raman"].children) == ["1", "3"]
    assert list(tree.children) == ["a"]
    assert list(failures) == ["a", "b"]
    assert "spot2.txt: no line holds two numbers" in str(failures["a"])
    assert "spot1.txt" not in str(failures["a"])
    assert "spot4.txt: is empty" in str(failures["b"])


def test_spectra_in_nm_without_a_laser_ask_for_it(spectra_folder: Path) -> None:
    text = RAMAN.replace("laser_nm = 532.29\n", "")
    tree, failures = load_spectra(read_series(write(spectra_folder, text)))
    assert not tree.children
    assert "give laser_nm in [raman] of the series file" in str(failures["b"])


def as_toml(value: object) -> str:
    """Write a value inline."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, list):
        return f"[{', '.join(as_toml(item) for item in value)}]"
    if isinstance(value, dict):
        pairs = (f"{json.dumps(key)} = {as_toml(item)}" for key, item in value.items())
        return f"{{{', '.join(pairs)}}}"
    return repr(value)


def places(
    value: object, place: tuple[str | int, ...] = ()
) -> list[tuple[str | int, ...]]:
    """Return where in a nest of tables and lists a value could be put."""
    items: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    inner = [found for key, item in items for found in places(item, (*place, key))]
    return [place, *inner] if place else inner


ANYTHING = st.one_of(
    st.booleans(),
    st.integers(-5, 5),
    st.sampled_from([0.5, math.inf, math.nan, -1e300]),
    st.sampled_from(["", "15 min", "é", "..", "NaCl", "\x00", "a" * 300]),
    st.just([]),
    st.just({}),
    st.just([[], {}, 1]),
    st.just({"name": "x", "phase": 3}),
)


@given(st.data())
@settings(deadline=None, max_examples=150)
def test_nothing_in_a_series_file_breaks_the_check(data: st.DataObject) -> None:
    tables = tomllib.loads(CONTRACT)
    *path, last = data.draw(st.sampled_from(places(tables)))
    holder = reduce(operator.getitem, path, tables)
    holder[last] = data.draw(ANYTHING)
    with tempfile.TemporaryDirectory() as name:
        lines = [f"{key} = {as_toml(value)}" for key, value in tables.items()]
        path_written = write(Path(name), "\n".join(lines))
        with pytest.raises(SeriesFileError):
            read_series(path_written)
