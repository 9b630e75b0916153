"""The page on the bands is what the library says."""

from __future__ import annotations

from pathlib import Path

from structkit.raman.bands import Band
from structkit.raman.library import BandLibrary, Species, load_bands
from structkit.raman.page import compose_page


def test_the_page_is_written_from_the_library(repository: Path) -> None:
    page = (repository / "docs" / "raman_bands.md").read_text(encoding="utf-8")
    assert page == compose_page(), (
        "write it anew: python -m structkit.raman.page > docs/raman_bands.md"
    )


def test_every_band_has_its_row() -> None:
    rows = [line for line in compose_page().splitlines() if " ± " in line]
    bands = load_bands().bands
    for band, row in zip(bands, rows, strict=True):
        wavenumber = f"| {band.wavenumber:g} ± {band.wavenumber_std:g} |"
        for part in (band.name, band.species, wavenumber, band.grade, band.source):
            assert part in row
        assert band.doi in row


def test_a_row_keeps_its_cells() -> None:
    band = Band(name="a|b", species="c", wavenumber=300.0, mode="d | e", grade="user")
    page = compose_page(BandLibrary(bands=(band,), species=(Species(name="c"),)))
    assert "| c: a/b | 300 ± 15 | 240-360 |  | d / e | user |  |" in page
    assert "Of 1 bands: 1 user." in page
