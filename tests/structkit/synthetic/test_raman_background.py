"""Fluorescence is broad and lives in the absolute wavelength."""

from __future__ import annotations

import numpy as np
import pytest

from structkit.errors import PlanError
from structkit.synthetic.raman_background import (
    Background,
    Hump,
    HumpKind,
    absolute_wavelength,
    draw_background,
)

# half heights are read from a grid of 0.001 nm
GRID_TOLERANCE = 0.003
SHIFT = np.linspace(60.0, 1100.0, 1041)


def half_places(hump: Hump) -> tuple[float, float]:
    grid = np.arange(hump.wavelength - 40.0, hump.wavelength + 60.0, 0.001)
    above = grid[hump.evaluate(grid) >= 0.5 * hump.height]
    return hump.wavelength - above[0], above[-1] - hump.wavelength


@pytest.mark.parametrize("kind", ["lognormal", "sech2"])
def test_hump_has_the_width_it_states(kind: HumpKind) -> None:
    hump = Hump(wavelength=550.0, fwhm=14.0, height=7.0, kind=kind, skew=1.4)
    near, far = half_places(hump)
    assert near + far == pytest.approx(14.0, abs=GRID_TOLERANCE)
    assert far / near == pytest.approx(1.4 if kind == "lognormal" else 1.0, abs=0.001)
    assert hump.evaluate(np.array([550.0]))[0] == pytest.approx(7.0)


@pytest.mark.parametrize("seed", range(12))
def test_drawn_background_is_broad_and_as_high_as_asked(seed: int) -> None:
    rng = np.random.default_rng(seed)
    background = draw_background(rng, fluorescence=9000.0, edge=500.0)
    assert len(background.humps) in (2, 3)
    for hump in background.humps:
        width_cm = hump.fwhm * 1e7 / hump.wavelength**2
        assert 350.0 <= width_cm <= 900.0
    fluorescence = background.fluorescence(SHIFT)
    assert fluorescence.max() == pytest.approx(9000.0, rel=1e-3)
    assert fluorescence.min() >= 0.0
    edge = background.edge(SHIFT)
    assert edge[0] == pytest.approx(500.0)
    assert np.all(np.diff(edge) < 0.0)


def test_scaling_leaves_the_edge() -> None:
    background = draw_background(
        np.random.default_rng(1), fluorescence=100.0, edge=10.0
    )
    twice = background.scale_fluorescence(2.0)
    np.testing.assert_allclose(
        twice.fluorescence(SHIFT), 2.0 * background.fluorescence(SHIFT)
    )
    np.testing.assert_allclose(twice.edge(SHIFT), background.edge(SHIFT))
    assert not Background().fluorescence(SHIFT).any()


def test_wavelength_of_silicon() -> None:
    # 1 / 532 nm - 1 / 547.15 nm is 520.5 cm-1
    assert absolute_wavelength(np.array(520.5)) == pytest.approx(547.15, abs=0.01)


def test_what_is_no_hump_is_refused() -> None:
    with pytest.raises(PlanError, match="a hump needs"):
        Hump(wavelength=550.0, fwhm=14.0, height=1.0, skew=1.0)
