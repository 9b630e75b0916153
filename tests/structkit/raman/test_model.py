"""What a model, a template and a tie may be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from structkit.errors import SchemaError
from structkit.raman.bands import Band
from structkit.raman.model import BandModel, BaselineOptions, Template, Tie

SHIFT = np.linspace(100.0, 300.0, 50)


def band(name: str, **changes: Any) -> Band:
    return replace(Band(name=name, species="salt", wavenumber=200.0), **changes)


def template(**changes: Any) -> Template:
    own = {
        "name": "glass",
        "species": "glass",
        "raman_shift": SHIFT,
        "values": np.ones(50),
    }
    return Template(**(own | changes))


def test_columns_of_a_model_are_free_bands_ties_templates() -> None:
    model = BandModel(
        bands=(
            band("a", family="f"),
            band("b", species="crystal"),
            band("c", family="f"),
            band("d", species="crystal"),
        ),
        ties=(Tie(name="X", species="crystal", bands=("d", "b"), shares=(3.0, 1.0)),),
        templates=(template(),),
    )
    assert model.families == ("f", "b", "d")
    assert model.free_bands == (0, 2)
    assert model.names == ("a", "c", "X", "glass")
    assert model.species == ("salt", "salt", "crystal", "glass")
    expected = [[1, 0, 0], [0, 0, 0.25], [0, 1, 0], [0, 0, 0.75]]
    assert model.shares.tolist() == expected


def test_a_template_knows_its_range() -> None:
    assert template().covers(100.0, 300.0)
    assert not template().covers(99.0, 300.0)
    assert not template().covers(100.0, 301.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"values": np.ones(49)}, "the same length"),
        ({"raman_shift": SHIFT[::-1]}, "ascending"),
        ({"raman_shift": SHIFT[:5], "values": np.ones(5)}, "needs 10"),
        ({"values": np.full(50, np.nan)}, "not finite"),
        ({"values": np.zeros(50)}, "area is 0"),
        ({"values": -np.ones(50)}, "background off"),
    ],
)
def test_a_bad_template_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SchemaError, match=message) as error:
        template(**changes)
    assert "'glass'" in str(error.value)


@pytest.mark.parametrize(
    ("bands", "shares"),
    [((), ()), (("a",), (1.0, 2.0)), (("a", "b"), (1.0, -1.0)), (("a",), (0.0,))],
)
def test_a_bad_tie_is_refused(
    bands: tuple[str, ...], shares: tuple[float, ...]
) -> None:
    with pytest.raises(SchemaError, match="'X'"):
        Tie(name="X", species="s", bands=bands, shares=shares)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bands": ()}, "needs a band or a template"),
        ({"bands": (band("a"), band("a"))}, "twice in a model: a"),
        ({"templates": (template(name="a"),)}, "twice in a model: a"),
        (
            {"ties": (Tie(name="X", species="s", bands=("z",), shares=(1.0,)),)},
            "not there",
        ),
        (
            {"ties": (Tie(name="X", species="s", bands=("a", "a"), shares=(1, 1)),)},
            "tied twice",
        ),
        ({"instrument_fwhm": -1.0}, "not be negative"),
        ({"shift_std": -1.0}, "not be negative"),
    ],
)
def test_a_bad_model_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        BandModel(**({"bands": (band("a"),)} | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"knot_spacing": 0.0}, "knot_spacing"),
        ({"penalty_order": 6}, "penalty_order"),
        ({"smoothness": 0.0}, "smoothness"),
    ],
)
def test_a_bad_baseline_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        BaselineOptions(**changes)
