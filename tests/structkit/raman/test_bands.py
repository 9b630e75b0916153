"""A band refuses what no band can be."""

from __future__ import annotations

from typing import Any

import pytest

from structkit.errors import SchemaError
from structkit.raman.bands import Band


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": ""}, "needs a name"),
        ({"wavenumber": -1.0}, "wavenumber must be positive"),
        ({"wavenumber_std": 0.0}, "wavenumber_std must be positive"),
        ({"fwhm_factor": 1.0}, "above 1"),
        ({"strength": -0.1}, "strength"),
        ({"grade": "certain"}, "grade 'certain' is none of"),
        ({"window": (380.0, 400.0)}, "does not hold its wavenumber 378"),
        ({"window": (400.0, 360.0)}, "400 to 360"),
    ],
)
def test_nonsense_is_refused(change: dict[str, Any], message: str) -> None:
    good: dict[str, Any] = {"name": "a", "species": "b", "wavenumber": 378.0}
    with pytest.raises(SchemaError, match=message):
        Band(**{**good, **change})


def test_limits_are_four_sigma_or_the_window() -> None:
    band = Band(name="a", species="b", wavenumber=300.0, wavenumber_std=6.0)
    assert band.limits == (276.0, 324.0)
    windowed = Band(name="a", species="b", wavenumber=300.0, window=(290.0, 305.0))
    assert windowed.limits == (290.0, 305.0)
