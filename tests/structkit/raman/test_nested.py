"""A larger model that starts from a smaller fit ends no higher."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import xarray as xr

from structkit.raman.bands import Band
from structkit.raman.fit import BandFit, fit_bands
from structkit.raman.model import BandModel, Template, Tie
from structkit.raman.nested import CLOSE, fit_from_nested, is_nested

Simulate = Callable[..., xr.Dataset]
Near = Callable[..., tuple[Band, ...]]

EXTRA = Band(name="extra", species="s", wavenumber=620.0, fwhm=20.0)
SHIFT = np.arange(90.0, 910.0, 2.0)
GLASS = Template(
    name="glass",
    species="g",
    raman_shift=SHIFT,
    values=np.exp(-(((SHIFT - 600.0) / 60.0) ** 2)),
)


@pytest.fixture(scope="module")
def smaller(lines: tuple[Any, ...], simulate: Simulate, near: Near) -> BandFit:
    """Return a fit of four bands of five, a tie among them, to two spots."""
    bands = near(lines, off=2.0)
    tie = Tie(name="T", species="salt", bands=("band 3", "band 4"), shares=(4.0, 3.0))
    model = BandModel(bands=bands[:4], ties=(tie,), loss="normal")
    return fit_bands(simulate(lines, seed=71, scales=(1.0, 0.7)), model)


def test_what_one_model_holds_of_another(smaller: BandFit) -> None:
    model = smaller.model
    assert is_nested(model, model)
    larger = replace(model, bands=(EXTRA, *model.bands), templates=(GLASS,))
    assert is_nested(model, larger)
    assert not is_nested(larger, model)
    moved = replace(model.bands[0], wavenumber=181.0)
    assert not is_nested(model, replace(larger, bands=(moved, *model.bands[1:])))
    assert not is_nested(model, replace(larger, ties=()))
    joined = replace(EXTRA, family="band 1")
    assert not is_nested(model, replace(model, bands=(*model.bands, joined)))


def test_more_bands_and_a_template_end_lower(
    smaller: BandFit, lines: tuple[Any, ...], near: Near
) -> None:
    """The fifth line is found, wherever in the model its band stands."""
    fifth = near(lines, off=2.0)[4]
    model = replace(
        smaller.model,
        bands=(fifth, EXTRA, *smaller.model.bands),
        templates=(GLASS,),
    )
    fit = fit_from_nested(smaller, model)
    assert fit.solution.cost < smaller.solution.cost - 100.0
    assert fit.smoothness == smaller.smoothness
    centre = fit.solution.shared[fit.layout.centre]
    assert centre[0] == pytest.approx(lines[4].centre, abs=2.0)
    assert fit.model.names == ("band 5", "extra", "band 1", "band 2", "T", "glass")


def test_nothing_to_add_changes_nothing(smaller: BandFit) -> None:
    again = fit_from_nested(smaller, smaller.model)
    assert again.solution.cost == pytest.approx(smaller.solution.cost, abs=CLOSE)
    assert again.solution.shared == pytest.approx(smaller.solution.shared, abs=0.02)


@pytest.mark.parametrize("seed", range(4))
def test_a_band_that_misleads_does_no_harm(
    lines: tuple[Any, ...], simulate: Simulate, near: Near, seed: int
) -> None:
    """Bands beside strong lines, which take them over in a fit from the priors."""
    model = BandModel(bands=near(lines, off=3.0))
    smaller = fit_bands(simulate(lines, seed=80 + seed), model)
    rivals = tuple(
        replace(EXTRA, name=f"rival {k}", wavenumber=line.centre - 12.0, strength=3.0)
        for k, line in enumerate(lines)
    )
    fit = fit_from_nested(smaller, replace(model, bands=(*rivals, *model.bands)))
    assert fit.solution.cost <= smaller.solution.cost + CLOSE
