"""Statements are raised by the lines found, and by nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from structkit.errors import SchemaError
from structkit.raman.library import load_bands
from structkit.raman.statements import Statement, load_statements, review_statements
from structkit.raman.windows import A1G_STRETCH, STRETCH, STUDY_AXIAL_LINE

STATEMENTS = {one.name: one for one in load_statements()}
CRYSTAL = [125.0, 180.0, 298.0, 378.0, 405.0]


def raised(centres: list[float], measured: tuple[float, float] | None = None) -> set:
    """Return the names of the statements that lines raise, each alone."""
    return {
        name
        for name, one in STATEMENTS.items()
        if review_statements(centres, measured=measured, statements=[one])
    }


@pytest.mark.parametrize(
    ("centres", "names"),
    [
        ([], set()),
        ([298.0, 350.0], set()),
        ([125.0], {"T2g below 150"}),
        ([180.0], set()),
        (
            CRYSTAL,
            {
                "405 outside its window",
                "405 inside the A1g window",
                "axial in an octahedron",
                "axial would be lower",
                "405 as TaCl5",
                "T2g below 150",
                "names of crystal lines",
            },
        ),
        (
            [405.0],
            {
                "405 outside its window",
                "405 inside the A1g window",
                "axial in an octahedron",
                "405 as TaCl5",
                "405 as A1g",
            },
        ),
        (
            [780.0],
            {
                "Ta-O-Ta from infrared",
                "rivals of Ta-O-Ta: Ta2O5",
                "rivals of Ta-O-Ta: glass",
                "rivals of Ta-O-Ta: Ta=O",
            },
        ),
        ([880.0], {"Ta-O-Ta from infrared", "rivals of Ta-O-Ta: Ta=O"}),
    ],
)
def test_lines_raise_their_statements(centres: list[float], names: set[str]) -> None:
    assert raised(centres) == names


def test_every_statement_can_be_raised() -> None:
    assert raised(CRYSTAL) | raised([405.0]) | raised([780.0]) == set(STATEMENTS)


def test_a_remark_names_its_lines_and_those_of_the_rival() -> None:
    (remark,) = review_statements(
        [404.6, 378.0, 231.2], statements=[STATEMENTS["405 as TaCl5"]]
    )
    assert "Raised by 404.6 cm-1; in 210 to 270 found at 231.2 (" in remark
    (remark,) = review_statements(
        [404.6, 378.0], statements=[STATEMENTS["405 as TaCl5"]]
    )
    assert "none found in 210 to 270" in remark


def test_what_was_not_measured_is_not_absent() -> None:
    glass = [STATEMENTS["rivals of Ta-O-Ta: glass"]]
    (remark,) = review_statements([800.0], measured=(100.0, 950.0), statements=glass)
    assert "none found in 430 to 515; 1000 to 1110 not measured" in remark
    assert "405 as A1g" in raised([405.0], (100.0, 950.0))
    assert "405 as A1g" not in raised([405.0], (370.0, 950.0))


def test_order_and_shape_of_the_centres_do_not_matter() -> None:
    backwards = review_statements(np.array([CRYSTAL[::-1]]))
    assert backwards == review_statements(CRYSTAL)


def test_centres_without_a_value_are_refused() -> None:
    with pytest.raises(SchemaError, match="not finite; drop those bands"):
        review_statements([378.0, np.nan])


def test_the_studys_windows_contradict_its_line() -> None:
    assert not STRETCH.holds(STUDY_AXIAL_LINE)
    assert A1G_STRETCH.holds(STUDY_AXIAL_LINE)
    assert load_bands().get("405").wavenumber == STUDY_AXIAL_LINE


def test_companions_are_where_the_library_has_the_rivals_bands() -> None:
    rivals = {
        "405 as TaCl5": "TaCl5",
        "rivals of Ta-O-Ta: Ta2O5": "Ta2O5",
        "rivals of Ta-O-Ta: glass": "cover glass",
        "rivals of Ta-O-Ta: Ta=O": "Ta=O",
    }
    for name, species in rivals.items():
        bands = load_bands().select(species).bands
        for low, high in STATEMENTS[name].companions:
            assert any(low <= band.wavenumber <= high for band in bands), name


def test_a_range_must_ascend() -> None:
    with pytest.raises(SchemaError, match="range 420 to 400 must ascend"):
        Statement(name="a", said="b.", objection="c.", window=(420.0, 400.0))


def test_a_user_adds_a_statement(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        '[[statement]]\nname = "a"\nsaid = "It is so."\nobjection = "it is not."\n'
        "window = [500, 510]\n",
        encoding="utf-8",
    )
    statements = load_statements(path)
    assert len(statements) == len(STATEMENTS) + 1
    assert review_statements([505.0], statements=statements) == [
        "It is so. But it is not. Raised by 505.0 cm-1."
    ]
