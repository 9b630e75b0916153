from __future__ import annotations

from pathlib import Path

import pytest

from structkit.errors import SeriesFileError
from structkit.io.manifest import SeriesFile, read_series

HEAD = '[series]\nname = "pellets"\n'
SAMPLE = '[[sample]]\nid = "a"\nmilling_time = 1\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("cold.mpt", "hot.mpt", "dc.csv", "short.mpt"):
        (tmp_path / name).write_text("")
    return tmp_path


def read(folder: Path, text: str) -> SeriesFile:
    path = folder / "series.toml"
    path.write_text(HEAD + text, encoding="utf-8")
    return read_series(path)


def mistakes_of(folder: Path, text: str) -> str:
    with pytest.raises(SeriesFileError) as caught:
        read(folder, text)
    return str(caught.value)


def test_everything_that_may_be_said(folder: Path) -> None:
    series = read(
        folder,
        '[eis]\ndiameter_mm = 8\ndiameter_std_mm = 0.02\ncircuit = "p(R1,C1)"\n'
        "short_cell = { resistance_ohm = 1.0, resistance_std_ohm = 0.2 }\n"
        'weighting = "modulus"\ntemperature_std_k = 0.5\npolarization_voltage = 0.1\n'
        + SAMPLE
        + "pellet = { thickness_mm = 0.9 }\n"
        'eis = ["hot.mpt", { file = "cold.mpt", temperature = "248 K", '
        'history = "after 150 C", thickness_mm = 0.8, block = 2, age = "10 d" }]\n'
        'dc = { file = "dc.csv", voltage = -0.1, leakage_a = 1e-11 }\n',
    )
    assert series.eis is not None
    assert series.eis.short_cell is not None
    assert series.eis.short_cell.resistance_ohm == 1.0
    (sample,) = series.samples
    assert sample.pellet is not None
    assert sample.pellet.thickness_mm == 0.9
    assert sample.eis is not None
    hot, cold = sample.eis
    assert (hot.temperature, hot.history, hot.block) == (None, "", None)
    assert cold.temperature == pytest.approx(-25.15)
    assert (cold.history, cold.thickness_mm, cold.block) == ("after 150 C", 0.8, 2)
    assert (hot.age, cold.age) == (None, 240.0)
    assert sample.dc is not None
    assert sample.dc[0].voltage == -0.1


@pytest.mark.parametrize("dc", ['"dc.csv"', '["dc.csv"]', '{ file = "dc.csv" }'])
@pytest.mark.parametrize("eis", ['"hot.mpt"', '["hot.mpt"]', '[{file = "hot.mpt"}]'])
def test_a_lone_path_is_an_entry(folder: Path, eis: str, dc: str) -> None:
    (sample,) = read(folder, f"{SAMPLE}eis = {eis}\ndc = {dc}\n").samples
    assert sample.eis is not None
    assert sample.dc is not None
    assert sample.eis[0].file == folder / "hot.mpt"
    assert sample.dc[0].file == folder / "dc.csv"


def test_the_short_cell_may_be_a_file(folder: Path) -> None:
    series = read(folder, f'[eis]\nshort_cell = "short.mpt"\n{SAMPLE}eis = "hot.mpt"\n')
    assert series.eis is not None
    assert series.eis.short_cell is not None
    assert series.eis.short_cell.file == folder / "short.mpt"


def test_the_sample_before_is_another_with_impedance(folder: Path) -> None:
    other = '[[sample]]\nid = "4h"\nmilling_time = 4\neis = "hot.mpt"\n'
    start = SAMPLE + 'eis = "cold.mpt"\n'
    good = read(folder, f'{start}pristine = "4h"\n{other}')
    assert good.samples[0].pristine == "4h"
    said = mistakes_of(folder, f'{start}pristine = "4 h"\n{other}')
    assert "sample[0].pristine (a): '4 h' is no other sample with eis" in said
    assert "did you mean '4h'?" in said
    own = mistakes_of(folder, f'{start}pristine = "a"\n{other}')
    assert "the history of its eis entries" in own


@pytest.mark.parametrize(
    ("head", "samples", "is_asked"),
    [
        ("", 1, False),
        ("", 2, False),
        ('axis = "milling_time"\n', 1, True),
        ('axis = "age"\n', 2, True),
        ("", 3, True),
    ],
    ids=["lone", "pellets", "named", "named other", "one says it"],
)
def test_only_a_series_has_an_axis(
    folder: Path, head: str, samples: int, is_asked: bool
) -> None:
    tables = [f'[[sample]]\nid = "{n}"\neis = "hot.mpt"\n' for n in range(samples)]
    if samples == 3:
        tables[0] += "milling_time = 1\n"
    text = head + "".join(tables)
    if is_asked:
        assert "is missing; the series' axis is" in mistakes_of(folder, text)
    else:
        assert len(read(folder, text).samples) == samples


@pytest.mark.parametrize(
    ("eis", "sample", "said"),
    [
        ("thicknes_mm = 1", "", "eis.thicknes_mm: unknown key; did you mean"),
        ("diameter_mm = -8", "", "eis.diameter_mm: should be greater than 0"),
        ("short_cell = {}", "", "eis.short_cell: give file, or resistance_ohm"),
        (
            'short_cell = { file = "short.mpt", resistance_ohm = 1 }',
            "",
            "eis.short_cell: give file or resistance_ohm, not both",
        ),
        (
            'short_cell = { file = "short.mpt", inductance_h = 1e-7 }',
            "",
            "eis.short_cell: the file holds the inductance",
        ),
        ('weighting = "unit"', "", "eis.weighting: "),
        ("polarization_voltage = 0", "", "polarization_voltage is 0"),
        ("", 'eis = "holt.mpt"', "sample[0].eis[0].file (a): no file 'holt.mpt'; did"),
        ("", 'eis = [{ file = "hot.mpt", block = 0 }]', "sample[0].eis[0].block (a)"),
        ("", 'dc = { file = "dc.csv", voltage = 0 }', "voltage is 0; give the applied"),
        ("", "dc = { voltage = 1 }", "sample[0].dc[0].file (a): is missing"),
        ("", 'eis = "hot.mpt"\npellet = 3', "sample[0].pellet (a): must be a table"),
    ],
)
def test_mistakes_are_told_at_their_key(
    folder: Path, eis: str, sample: str, said: str
) -> None:
    sample = sample or 'eis = "hot.mpt"'
    assert said in mistakes_of(folder, f"[eis]\n{eis}\n{SAMPLE}{sample}\n")
