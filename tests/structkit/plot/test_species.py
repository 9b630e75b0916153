from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from structkit.plot.species import (
    SPECIES,
    UNASSIGNED,
    band_label,
    draw_band_labels,
    species_styles,
    spread_places,
)
from structkit.plot.style import make_axes

PLACES = st.lists(st.floats(0.0, 100.0), min_size=1, max_size=12).map(sorted)


def test_no_two_species_look_alike() -> None:
    names = [*SPECIES, UNASSIGNED, *(f"other {k}" for k in range(14))]
    styles = species_styles(names).values()
    looks = {(style.color, style.dash) for style in styles}
    assert len(looks) == len(names)


def test_a_known_species_looks_the_same_in_every_figure() -> None:
    alone = species_styles(["TaCl5"])
    beside = species_styles(["TaOCl3", "NTOC glass", "TaCl5"])
    assert alone["TaCl5"] == beside["TaCl5"]


@pytest.mark.parametrize(
    ("name", "centre", "label"),
    [
        ("TaCl6 A1g (NTC)", 381.2, "TaCl₆ A1g · 381"),
        ("unassigned 157 (NTC)", 157.9, "unassigned · 158"),
        ("405", None, "405"),
    ],
)
def test_labels(name: str, centre: float | None, label: str) -> None:
    assert band_label(name, centre=centre) == label


@given(PLACES, st.floats(0.5, 6.0))
def test_spread_places_keep_distance_order_and_range(
    places: list[float], gap: float
) -> None:
    moved = spread_places(places, gap, low=0.0, high=100.0)
    assert np.all(np.diff(moved) >= gap - 1e-9)
    assert moved[0] >= -1e-9
    assert moved[-1] <= 100.0 + 1e-9


@given(PLACES, st.floats(0.5, 6.0))
def test_spread_places_move_no_further_than_needed(
    places: list[float], gap: float
) -> None:
    moved = spread_places(places, gap, low=0.0, high=100.0)
    best = float(np.sum((moved - places) ** 2))
    # no single step of one place that keeps the distances brings it nearer
    for index, step in itertools.product(range(len(places)), (-1e-3, 1e-3)):
        other = moved.copy()
        other[index] += step
        if np.all(np.diff(other) >= gap) and 0.0 <= other[0] and other[-1] <= 100.0:
            assert np.sum((other - places) ** 2) >= best - 1e-9


def test_labels_of_crowded_bands_do_not_overlap() -> None:
    ax = make_axes(7.2, 4.0)
    ax.set_xlim(100.0, 1000.0)
    ax.set_ylim(0.0, 1.0)
    places = [375.0, 376.0, 378.0, 380.0, 381.0, 405.0, 1200.0]
    names = [f"band {k}" for k in range(7)]
    draw_band_labels(ax, places, names, colors=["black"] * 7)
    figure = ax.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    boxes = sorted(
        (text.get_window_extent() for text in ax.texts), key=lambda box: box.x0
    )
    assert len(boxes) == 6  # that at 1200 is outside
    for left, right in itertools.pairwise(boxes):
        assert left.x1 <= right.x0
