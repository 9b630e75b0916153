"""Hypotheses: of known species, told apart by bands that their fits take."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from structkit.errors import SchemaError
from structkit.raman.hypotheses import Hypothesis, load_hypotheses
from structkit.raman.library import load_bands

LIBRARY = load_bands()
HYPOTHESES = load_hypotheses()

MERGED = 0.95
"""Correlation of two amplitudes above which a fit has to merge their bands."""
SHIFT = np.arange(60.0, 1100.0, 2.0)
"""cm-1: a spectrum with a grating of 600 per mm."""


def get(name: str) -> Hypothesis:
    return next(one for one in HYPOTHESES if one.name == name)


def test_the_rivals_asked_for_are_there() -> None:
    sets = {frozenset(one.species) for one in HYPOTHESES}
    crystal = {"NaTaCl6", "405 line"}
    assert frozenset({"NaTaCl6", "TaCl5"}) in sets
    assert frozenset({"NTOC glass", "Ta-O-Ta bent"}) in sets
    for other in ("Ta-O-Ta bent", "Ta2O5", "cover glass", "Ta=O", "NTOC glass"):
        assert frozenset({*crystal, other}) in sets
    assert len(sets) == len(HYPOTHESES)


@pytest.mark.parametrize("one", HYPOTHESES, ids=lambda one: one.name)
def test_each_is_told_apart_by_bands_of_its_own(one: Hypothesis) -> None:
    assert one.statement.endswith(".")
    taken = [band.name for band in one.select_bands(LIBRARY)]
    assert one.discriminating
    assert set(one.discriminating) <= set(taken)
    for other in HYPOTHESES:
        if other is not one:
            theirs = {band.name for band in other.select_bands(LIBRARY)}
            assert set(taken) != theirs


@pytest.mark.parametrize("one", HYPOTHESES, ids=lambda one: one.name)
def test_its_bands_can_be_told_apart_where_they_are_expected(one: Hypothesis) -> None:
    """Correlations of the amplitudes of Lorentzians at the expected centres."""
    bands = one.select_bands(LIBRARY)
    curves = [1.0 / (1.0 + (2.0 * (SHIFT - b.wavenumber) / b.fwhm) ** 2) for b in bands]
    covariance = np.linalg.inv(np.inner(curves, curves))
    std = np.sqrt(np.diagonal(covariance))
    correlation = covariance / np.outer(std, std) - np.eye(len(bands))
    assert np.max(np.abs(correlation)) < MERGED


def test_one_line_has_one_owner() -> None:
    """No fit takes two bands that claim the line near 405."""
    claims = {"405", "Ta2Cl10 terminal"}
    for one in HYPOTHESES:
        taken = {band.name for band in one.select_bands(LIBRARY)}
        assert len(taken & claims) <= 1


def test_bands_out_of_the_spectrum_are_named() -> None:
    glass = get("NTC + cover glass")
    unseen = glass.find_unseen(LIBRARY, low=100.0, high=950.0)
    assert [band.name for band in unseen] == ["cover glass stretch"]
    assert not glass.find_unseen(LIBRARY, low=100.0, high=1200.0)


def test_a_user_adds_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        '[[species]]\nname = "ZrO2"\n'
        '[[band]]\nname = "ZrO2 475"\nspecies = "ZrO2"\nwavenumber = 475.0\n'
        '[[hypothesis]]\nname = "NTC + ZrO2"\nspecies = ["NaTaCl6", "ZrO2"]\n'
        'statement = "Wear of the jar."\ndiscriminating = ["ZrO2 475"]\n'
        '[[hypothesis]]\nname = "NTC"\nstatement = "As weighed."\n',
        encoding="utf-8",
    )
    loaded = load_hypotheses(path)
    assert loaded[-1].name == "NTC + ZrO2"
    assert loaded[0].statement == "As weighed."
    assert loaded[0].species == get("NTC").species
    assert len(loaded) == len(HYPOTHESES) + 1


def test_all_mistakes_are_reported_at_once(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        '[[hypothesis]]\nname = "x"\nspecies = ["NaTaCl"]\nstatements = "s"\n'
        '[[hypothesis]]\nname = "y"\nspecies = []\nstatement = "s"\n'
        '[[hypothesis]]\nname = "z"\nspecies = "NaTaCl6"\nstatement = "s"\n'
        'discriminating = ["none such"]\n',
        encoding="utf-8",
    )
    with pytest.raises(SchemaError) as caught:
        load_hypotheses(path)
    text = str(caught.value)
    for part in (
        f"{path}: 6 mistakes",
        "hypothesis[0].statements: unknown key; did you mean 'statement'?",
        "hypothesis[0].statement: is missing",
        "hypothesis[0].species: unknown 'NaTaCl'; did you mean 'NaTaCl6'?",
        "hypothesis[1]: hypothesis 'y' needs a species",
        "hypothesis[2].species: must be a list in square brackets",
        "hypothesis[2].discriminating: unknown 'none such'",
    ):
        assert part in text


def test_a_band_that_its_fit_leaves_out_cannot_tell(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        '[[hypothesis]]\nname = "x"\nspecies = ["NaTaCl6"]\nstatement = "s"\n'
        'discriminating = ["Ta2O5 845"]\n',
        encoding="utf-8",
    )
    with pytest.raises(SchemaError, match="'x': its fit does not take 'Ta2O5 845'"):
        load_hypotheses(path)
