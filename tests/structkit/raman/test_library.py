"""The band library: complete, honest, usable, and open to the user."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from structkit.errors import ReadError, SchemaError
from structkit.raman.bands import Band
from structkit.raman.library import BandLibrary, load_bands
from structkit.schema.names import BAND

LIBRARY = load_bands()

EXPECTED = {
    "NaTaCl6": [(375, 385), (298,), (320, 330), (158,), (180,), (100, 130)],
    "TaCl5": [(405, 415), (350, 395), (210, 270)],
    "TaCl5 monomer": [(406, 412), (320, 325)],
    "Ta-O-Ta linear": [(800, 900), (200, 260)],
    "Ta-O-Ta bent": [(650, 850)],
    "Ta-O-Ta study": [(700, 900)],
    "405 line": [(405,)],
    "Ta=O": [(930, 970), (890, 930)],
    "TaOCl3": [(750, 800)],
    "Ta2O5": [(100,), (200,), (250,), (340,), (490,), (630,), (705,), (845,)],
    "Ta2O5 amorphous": [(200,), (650, 700), (840,)],
    "cover glass": [(450, 500), (800,), (1000, 1100)],
    "Na2O": [(240,)],
}
"""The table that the library was drawn up from: a value or a range for each band."""

MEMORY_STD = 15.0
"""cm-1: how well a remembered wavenumber, or the end of a range, is known."""
RESOLUTION = 3.0
"""cm-1: what a grating of 600 per mm resolves."""
RANGE = (60.0, 1100.0)
"""cm-1: the range in which species are to serve as fit models."""


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("species", EXPECTED)
def test_every_row_of_the_table_is_there(species: str) -> None:
    bands = LIBRARY.select(species, with_unfitted=True).bands
    for row in EXPECTED[species]:
        low, high = row[0], row[-1]
        fitting = [b for b in bands if low <= b.wavenumber <= high]
        assert fitting, row
        assert any(b.limits[0] <= low and high <= b.limits[1] for b in fitting), row


def test_the_shipped_file_is_inside_the_package() -> None:
    file = resources.files("structkit.raman").joinpath("data/bands.toml")
    assert file.is_file()


@pytest.mark.parametrize("band", LIBRARY.bands, ids=lambda band: band.name)
def test_the_prior_is_as_wide_as_the_grade_says(band: Band) -> None:
    if band.grade == "verified":
        assert band.wavenumber_std == pytest.approx(max(6.0, band.fwhm / 10.0))
    else:
        assert band.wavenumber_std >= MEMORY_STD
    if band.window:
        widened = 0.0 if band.grade == "study" else 2.0 * MEMORY_STD
        known = band.window[1] - band.window[0] - widened
        assert 4.0 * band.wavenumber_std >= known


@pytest.mark.parametrize("band", LIBRARY.bands, ids=lambda band: band.name)
def test_every_band_says_where_it_comes_from(band: Band) -> None:
    assert band.source
    assert band.mode
    assert not band.doi or re.fullmatch(r"10\.\d{4}/\S+", band.doi)
    if band.grade == "memory":
        assert re.search("remembered|inferred", band.source)
    if band.grade == "verified":
        assert re.search(r"\b(19|20)\d\d\b", band.source)
    assert (band.grade == "study") == band.source.startswith("Ojelade")


def test_forbidden_bands_are_not_taken_into_fits() -> None:
    forbidden = [band for band in LIBRARY.bands if not band.raman_active]
    assert {"TaCl6 T1u stretch", "Ta-O-Ta linear asymmetric"} <= {
        band.name for band in forbidden
    }
    assert not any(band.in_hypotheses for band in forbidden)


@pytest.mark.parametrize("species", [one.name for one in LIBRARY.species])
def test_species_serve_as_fit_models(species: str) -> None:
    bands = LIBRARY.select(species).within(*RANGE).bands
    centres = np.sort([band.wavenumber for band in bands])
    assert np.all(np.diff(centres) > 3.0 * RESOLUTION)
    assert all(band.fwhm > RESOLUTION for band in bands)
    one = next(s for s in LIBRARY.species if s.name == species)
    named = LIBRARY.select(species, with_unfitted=True).bands
    assert one.raman_silent == (not named)
    assert not bands or max(band.strength for band in bands) > 0.2


def test_salt_and_fluorescence_are_known_to_have_no_band() -> None:
    silent = {one.name for one in LIBRARY.species if one.raman_silent}
    assert silent == {"NaCl", "fluorescence"}
    assert all(one.remark for one in LIBRARY.species)


def test_silicon_agrees_with_the_certified_line() -> None:
    silicon = LIBRARY.get("silicon")
    for published, std in ((520.45, 0.14), (520.2, 0.5)):
        assert abs(silicon.wavenumber - published) <= 2.0 * std


def test_selecting_keeps_the_order_and_names_the_unknown() -> None:
    chosen = LIBRARY.select(["TaCl5", "NaTaCl6", "NaCl"])
    assert [one.name for one in chosen.species] == ["NaTaCl6", "TaCl5", "NaCl"]
    assert chosen.bands[0].name == "TaCl6 A1g"
    assert "TaCl6 T2u" not in [band.name for band in chosen.bands]
    more = LIBRARY.select("NaTaCl6", with_unfitted=True)
    assert "TaCl6 T2u" in [band.name for band in more.bands]
    with pytest.raises(SchemaError, match="did you mean 'NaTaCl6'"):
        LIBRARY.select("NaTaC16")
    with pytest.raises(SchemaError, match="did you mean 'TaCl6 A1g'"):
        LIBRARY.get("TaCl6 a1g")


def test_a_range_splits_the_library_in_two() -> None:
    inside, outside = LIBRARY.within(100.0, 950.0), LIBRARY.outside(100.0, 950.0)
    assert "cover glass stretch" in [band.name for band in outside]
    assert len(inside.bands) + len(outside) == len(LIBRARY.bands)
    assert not set(inside.bands) & set(outside)
    assert inside.species == LIBRARY.species


def test_the_table_says_how_far_to_trust_each() -> None:
    table = LIBRARY.table()
    assert table.sizes == {BAND: len(LIBRARY.bands)}
    row = table.sel({BAND: "Ta2Cl10 terminal"})
    assert float(row["wavenumber"]) == 410.0
    assert (float(row["window_low"]), float(row["window_high"])) == (390.0, 430.0)
    assert str(row["grade"].item()) == "memory"
    for name in ("wavenumber", "wavenumber_std", "window_low", "window_high", "fwhm"):
        assert table[name].attrs["units"] == "cm-1"
    for name in ("strength", "raman_active", "in_hypotheses"):
        assert table[name].attrs["units"] == "1"
        assert table[name].dtype.kind in "fi"
    assert all(variable.attrs["long_name"] for variable in table.variables.values())
    assert BandLibrary(bands=(), species=()).table().sizes == {BAND: 0}


def test_a_users_band_replaces_what_it_gives(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        '[[band]]\nname = "TaCl6 A1g"\nwavenumber = 381\nwavenumber_std = 1.0\n',
    )
    old, new = LIBRARY.get("TaCl6 A1g"), load_bands(path).get("TaCl6 A1g")
    assert (new.wavenumber, new.wavenumber_std) == (381.0, 1.0)
    assert (new.window, new.fwhm, new.mode) == (old.window, old.fwhm, old.mode)
    assert (new.grade, new.source, new.doi) == ("user", "", "")
    names = [band.name for band in load_bands(path).bands]
    assert names == [band.name for band in LIBRARY.bands]


def test_a_user_adds_a_species_with_bands(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        '[[species]]\nname = "ZrO2"\n'
        '[[band]]\nname = "ZrO2 475"\nspecies = "ZrO2"\nwavenumber = 475.0\n'
        '[[band]]\nname = "ZrO2 615"\nspecies = "ZrO2"\nwavenumber = 615.0\n'
        'grade = "verified"\n',
    )
    bands = load_bands(path).select("ZrO2").bands
    assert [(b.name, b.grade) for b in bands] == [
        ("ZrO2 475", "user"),
        ("ZrO2 615", "verified"),
    ]


def test_all_mistakes_are_reported_at_once(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
bands = 3
[[species]]
name = "mine"
silent = true
[[band]]
name = "a"
species = "mine"
wavenumber = "378"
window = [1.0]
grade = "sure"
[[band]]
name = "a"
species = "mime"
wavenumber = 300.0
raman_active = 1
[[band]]
name = "b"
species = "NaCl"
wavenumber = nan
[[band]]
species = 4
[[band]]
name = "c"
species = "mine"
wavenumber = 300.0
window = [310.0, 320.0]
""",
    )
    with pytest.raises(SchemaError) as caught:
        load_bands(path)
    lines = str(caught.value).splitlines()
    assert lines[0] == f"{path}: {len(lines) - 1} mistakes"
    expected = [
        "bands: unknown table; did you mean 'band'?",
        "species[0].silent: unknown key; did you mean 'raman_silent'?",
        "band[0].wavenumber: must be a number, got '378'",
        "band[0].window: must be a list of 2, got [1.0]",
        "band[0].grade: must be one of verified, study, memory, user, got 'sure'",
        "band[1].raman_active: must be true or false, got 1",
        "band[1].name: 'a' is that of band[0] too",
        "band[1].species: unknown 'mime'; did you mean 'mine'?",
        "band[2].wavenumber: must be a number, got nan",
        "band[2].species: 'NaCl' has no band; set raman_silent = false",
        "band[3].name: is missing",
        "band[3].wavenumber: is missing",
        "band[3].species: must be a text, got 4",
    ]
    assert {f"  {line}" for line in expected} <= set(lines)
    assert any("band[4]: band 'c': its window 310 to 320" in line for line in lines)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[band]\nname = 'a'\n", r"write \[\[band\]\]"),
        ("band = [1]\n", r"write \[\[band\]\]"),
        ("[[band]]\nname = 3\n", "must be a text"),
    ],
)
def test_what_is_no_array_of_tables_is_refused(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(SchemaError, match=message):
        load_bands(write(tmp_path, text))


def test_a_file_that_is_no_toml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="cannot be read"):
        load_bands(tmp_path / "absent.toml")
    with pytest.raises(ReadError, match=r"is not TOML: .*line 2"):
        load_bands(write(tmp_path, "a = 1\nb = \n"))
    (tmp_path / "latin.toml").write_bytes("name = 'Å'".encode("latin-1"))
    with pytest.raises(ReadError, match="UTF-8"):
        load_bands(tmp_path / "latin.toml")
