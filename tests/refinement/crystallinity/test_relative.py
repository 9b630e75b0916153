"""Scales against a reference sample, which is chosen by rule and named."""

import numpy as np
import pytest
import xarray as xr

from refinement.crystallinity import choose_reference, relative_scale
from refinement.crystallinity.relative import Reference

TIMES = {"a": 1.0, "b": 0.0, "c": 0.5, "d": float("nan")}
ALL = frozenset(TIMES)


@pytest.mark.parametrize(
    ("roles", "refined", "sample", "rule"),
    [
        ({"c": "unmilled", "a": "crystalline_reference"}, ALL, "c", "unmilled"),
        ({"a": "crystalline_reference"}, ALL, "a", "crystalline_reference"),
        ({"a": "unmilled", "c": "unmilled"}, ALL, "c", "unmilled"),
        ({"d": "unmilled"}, ALL, "d", "unmilled"),
        ({"c": "unmilled"}, ALL - {"c"}, "c", "unmilled"),
        ({}, ALL, "b", "shortest"),
        ({}, ALL - {"b"}, "c", "shortest"),
        ({"b": "annealed", "c": "glass_reference"}, ALL, "a", "shortest"),
        (dict.fromkeys(TIMES, "annealed"), ALL, "", "no reference"),
        ({}, frozenset({"d"}), "", "no reference"),
    ],
)
def test_reference_is_chosen_by_rule(
    roles: dict[str, str | None], refined: frozenset[str], sample: str, rule: str
) -> None:
    found = choose_reference(TIMES, roles, refined=refined)
    assert found.sample == sample
    assert rule in found.rule


def scales() -> xr.Dataset:
    dims = ("sample", "phase")
    return xr.Dataset(
        {
            "scale": (dims, [[4.0, 0.01], [2.0, 1.0], [np.nan, np.nan], [0.0, 2.0]]),
            "scale_std": (dims, [[0.2, 0.1], [0.1, 0.1], [np.nan, np.nan], [0.1, 0.1]]),
            "detected": (
                dims,
                [[True, False], [True, True], [False, False], [False, True]],
            ),
        },
        coords={"sample": list("abcd"), "phase": ["NaTaCl6", "NaCl"]},
    )


def test_ratio_and_its_uncertainty() -> None:
    found = relative_scale(scales(), Reference(sample="a", rule="its role is unmilled"))
    left = found.sel(phase="NaTaCl6")
    np.testing.assert_allclose(left.relative_scale, [1.0, 0.5, np.nan, 0.0])
    expected = [np.nan, 0.5 * np.hypot(0.05, 0.05), np.nan, 0.1 / 4.0]
    np.testing.assert_allclose(left.relative_scale_std, expected)
    attrs = found.relative_scale.attrs
    assert attrs["reference_sample"] == "a"
    assert attrs["reference_rule"] == "its role is unmilled"
    assert "optics" in attrs["remark"]
    assert attrs["units"] == found.relative_scale_std.attrs["units"] == "1"


def test_phase_absent_in_the_reference_has_no_ratio() -> None:
    found = relative_scale(scales(), Reference(sample="a", rule="")).sel(phase="NaCl")
    assert np.isnan(found.relative_scale).all()
    assert "NaCl is not detected in the reference sample a" in str(
        found.relative_scale_reason.item()
    )


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        (Reference(sample="c", rule=""), "reference sample c has no scale of NaTaCl6"),
        (Reference(sample="", rule="no reference sample"), "no reference sample"),
    ],
)
def test_no_reference_no_ratio(reference: Reference, reason: str) -> None:
    found = relative_scale(scales(), reference)
    assert np.isnan(found.relative_scale).all()
    assert np.isnan(found.relative_scale_std).all()
    assert reason in str(found.relative_scale_reason[0].item())


def test_scales_are_left_alone() -> None:
    given = scales()
    before = given.copy(deep=True)
    relative_scale(given, Reference(sample="a", rule=""))
    xr.testing.assert_identical(given, before)
