"""Equivalent and special positions against brute force."""

from __future__ import annotations

import gemmi
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from structkit.errors import StructureError
from structkit.structures.symmetry import (
    equivalent_positions,
    parse_operations,
    snap,
    symmetrize_metric,
)


def operations_of(symbol: str):
    group = gemmi.find_spacegroup_by_name(symbol)
    return parse_operations([op.triplet() for op in group.operations()])


SPECIAL = [
    ("F m -3 m", (0.0, 0.0, 0.0), 4),
    ("F m -3 m", (0.25, 0.25, 0.25), 8),
    ("R -3 c:H", (0.0, 0.0, 0.352), 12),
    ("R -3 c:H", (0.306, 0.0, 0.25), 18),
    ("P 63 m c", (1 / 3, 2 / 3, 0.382), 2),
    ("P 42/m n m", (0.305, 0.305, 0.0), 4),
    ("P 1 21/c 1", (0.213, 0.189, 0.252), 4),
    ("F d -3 m:2", (0.125, 0.125, 0.125), 8),
]


@pytest.mark.parametrize(("symbol", "position", "multiplicity"), SPECIAL)
def test_multiplicities_are_those_of_the_tables(symbol, position, multiplicity):
    operations = operations_of(symbol)
    assert snap(position, operations)[1] == multiplicity
    assert len(equivalent_positions(position, operations)) == multiplicity


@given(
    case=st.sampled_from(SPECIAL),
    noise=st.tuples(*[st.floats(-9e-4, 9e-4)] * 3),
)
def test_snapping_undoes_rounding_and_is_stable(case, noise):
    symbol, position, multiplicity = case
    operations = operations_of(symbol)
    rounded = tuple(x + dx for x, dx in zip(position, noise, strict=True))
    snapped, found = snap(rounded, operations)
    assert found == multiplicity
    assert np.abs(np.subtract(snapped, rounded)).max() <= 2e-3
    again, same = snap(snapped, operations)
    assert same == multiplicity
    assert again == pytest.approx(snapped, abs=1e-12)


@given(st.tuples(*[st.floats(0.02, 0.08)] * 3))
def test_general_positions_stay_where_they_are(position):
    x, y, z = position
    operations = operations_of("P 1 21/c 1")
    snapped, multiplicity = snap((x, y, z), operations)
    assert snapped == pytest.approx(position, abs=1e-15)
    assert multiplicity == 4


def test_metric_is_averaged_over_the_rotations():
    operations = operations_of("P 42/m n m")
    metric = np.diag([16.0, 16.2, 9.0])
    symmetric, deviation = symmetrize_metric(metric, operations)
    assert symmetric == pytest.approx(np.diag([16.1, 16.1, 9.0]))
    assert deviation == pytest.approx(0.2 / 16.2)


def test_a_broken_triplet_is_named():
    with pytest.raises(StructureError, match="'x,y' cannot be read"):
        parse_operations(["x,y"])
