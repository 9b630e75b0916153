"""Stages that GSAS-II calls converged and that are not to be believed (trap 2)."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest

from refinement.engines.gsas2.checks import (
    LEAST_SCALE,
    SIZES_UM,
    Owner,
    judge_stage,
    largest_shift,
    owner_of,
)

PHASES = ("corundum", "fluorite")
VALUES: dict[str, tuple[float, float]] = {
    ":0:Back;0": (100.0, 2.0),
    ":0:BkPkint;0": (5000.0, 100.0),
    ":0:Shift": (-30.0, 2.0),
    ":0:W": (8.0, 0.1),
    "0::A0": (0.0589, 1e-6),
    "0::A2": (0.0059, 1e-7),
    "0:0:Scale": (0.012, 1e-4),
    "0:0:Size;i": (0.06, 0.002),
    "0:0:Mustrain;i": (2000.0, 300.0),
    "0:0:MD": (0.9, 0.02),
    "1::A0": (0.0335, 1e-6),
    "1:0:Scale": (0.02, 2e-4),
    "1:0:Size;i": (0.03, 0.001),
    "1:0:C(4,1)": (0.3, 0.05),
    "1::AUiso:0": (0.008, 0.001),
}
"""A refinement that went well: values and esds."""


def make_report(**changes: Any) -> dict[str, Any]:
    """Return what the worker says of it; ``values`` and ``esd`` change by name."""
    values = {name: pair[0] for name, pair in VALUES.items()}
    esds = {name: pair[1] for name, pair in VALUES.items()}
    values |= changes.pop("values", {})
    esds |= changes.pop("esd", {})
    rvals = {
        "Rwp": 8.0,
        "GOF": 1.2,
        "converged": True,
        "SVD0": 0,
        "msg": "",
        "Aborted": False,
    } | changes.pop("rvals", {})
    cells = {name: {"cell": [5.0, 5.0, 5.0, 90.0, 90.0, 90.0]} for name in PHASES}
    return {
        "error": "",
        "returned_false": False,
        "returned_message": "",
        "rvals": rvals,
        "varied": list(values),
        "values": list(values.values()),
        "esd": list(esds.values()),
        "last_shifts": [0.0] * len(values),
        "covariance": [[1.0]],
        "frozen": [],
        "state": {"phases": cells},
    } | changes


def test_a_fresh_and_sane_stage_is_accepted() -> None:
    verdict = judge_stage(make_report(), PHASES, best_r_wp=8.5, least_w=5.0)
    assert verdict.accepted, verdict.problems
    assert not verdict.owners
    assert not verdict.bounds


FATAL: list[tuple[dict[str, Any], str]] = [
    ({"error": "ValueError: shapes not aligned"}, "GSAS-II stopped: ValueError"),
    (
        {"returned_false": True, "returned_message": "**** ERROR -\n  singular ****"},
        r"GSAS-II gave up: \*\*\*\* ERROR - singular \*\*\*\*$",
    ),
    ({"rvals": {"Rwp": None}}, "no figures of this stage"),
    ({"rvals": {"Rwp": 8.09}}, r"Rwp rose from 8\.00 to 8\.09 %"),
    ({"covariance": []}, "no covariance matrix"),
    ({"varied": []}, "no figures of this stage"),
]


@pytest.mark.parametrize(("changes", "words"), FATAL)
def test_a_stage_without_figures_of_its_own_is_refused(
    changes: dict[str, Any], words: str
) -> None:
    """Trap 1: ``refine`` raises nothing, and the figures are those of before."""
    verdict = judge_stage(make_report(**changes), PHASES, best_r_wp=8.0)
    assert not verdict.accepted
    assert len(verdict.problems) == 1
    assert not verdict.owners
    assert re.search(words, verdict.problems[0])


def test_converged_alone_says_nothing() -> None:
    report = make_report(rvals={"converged": True, "Rwp": 36.0})
    assert not judge_stage(report, PHASES, best_r_wp=30.0).accepted
    assert judge_stage(make_report(rvals={"converged": False}), PHASES).accepted


def test_a_little_noise_in_rwp_is_no_reason() -> None:
    report = make_report(rvals={"Rwp": 8.05})
    assert judge_stage(report, PHASES, best_r_wp=8.0).accepted


DROPPED: list[tuple[str, set[Owner]]] = [
    (
        "Error: 8 Parameter(s) dropped:\n1:0:Size;i, 0:0:Mustrain;i",
        {("size", "fluorite"), ("strain", "corundum")},
    ),
    (
        "Warning: correlation above 0.95\nError: 1 Parameter(s) dropped:\n1:0:C(2,0)",
        {("texture", "fluorite")},
    ),
    (
        "Error: 2 Parameter(s) dropped:\n0:0:C(4,-2,1), :0:Shift\n\nNote 1::A0 is fine",
        {("texture", "corundum"), ("shift", "")},
    ),
    (
        "Parameter(s) dropped:\n:0:BkPkint;1, 0::AUiso:3\nCheck 1:0:Scale",
        {("peaks", ""), ("atoms", "corundum")},
    ),
    ("Error: 1 Parameter(s) dropped:\n:0:Back;3", {("peaks", "")}),
    ("Error: 1 Parameter(s) dropped:\n", set()),
]


@pytest.mark.parametrize(("message", "owners"), DROPPED)
def test_dropped_parameters_are_found_in_the_message(
    message: str, owners: set[Owner]
) -> None:
    """Everything at once silently drops parameters, and says ``converged``."""
    report = make_report(rvals={"msg": message, "converged": True})
    verdict = judge_stage(report, PHASES)
    assert not verdict.accepted
    assert any("dropped" in problem for problem in verdict.problems)
    assert verdict.owners == owners


def test_other_messages_are_no_reason() -> None:
    note = "Warning: 2 pairs of parameters with correlation above 0.95: 0::A0, 0::A2"
    assert judge_stage(make_report(rvals={"msg": note}), PHASES).accepted
    assert judge_stage(make_report(rvals={"msg": None}), PHASES).accepted


SINGULAR: list[tuple[str, set[Owner]]] = [
    (
        "SVD problem(s) likely from:\n:0:BkPkint;1, :0:BkPkint;0, ",
        {("peaks", "")},
    ),
    (
        "SVD problem(s) likely from:\n1:0:MD, 0:0:C(2,0)\nError: other 0::A0",
        {("texture", "fluorite"), ("texture", "corundum")},
    ),
    ("", {("peaks", "")}),
]


@pytest.mark.parametrize(("message", "owners"), SINGULAR)
def test_singularities_are_blamed_on_what_gsas2_names(
    message: str, owners: set[Owner]
) -> None:
    report = make_report(rvals={"SVD0": 2, "msg": message})
    verdict = judge_stage(report, PHASES)
    assert not verdict.accepted
    assert verdict.problems[0] == "2 singularities (SVD)"
    assert verdict.owners == owners


def test_a_frozen_parameter_is_refused() -> None:
    verdict = judge_stage(make_report(frozen=["1:0:Size;i"]), PHASES)
    assert verdict.owners == {("size", "fluorite")}


ODD: list[tuple[str, Any, Any, Owner, float | None]] = [
    # name, value, esd (... unchanged), owner, bound at which it is held
    ("1:0:Size;i", ..., None, ("size", "fluorite"), None),
    ("0::A0", ..., None, ("cell", "corundum"), None),
    ("0::A0", ..., 0.0, ("cell", "corundum"), None),
    ("0::A0", ..., math.nan, ("cell", "corundum"), None),
    ("0::A0", ..., 0.0059, ("cell", "corundum"), None),
    (":0:Shift", None, None, ("shift", ""), None),
    (":0:Shift", math.inf, ..., ("shift", ""), None),
    (":0:Shift", ..., 1e14, ("shift", ""), None),
    ("0:0:MD", ..., 1e14, ("texture", "corundum"), 1.0),
    ("1:0:C(4,1)", ..., 1e14, ("texture", "fluorite"), 1.0),
    ("0:0:Mustrain;i", -5.0, ..., ("strain", "corundum"), 1.0),
    ("0:0:Mustrain;i", 1e6, ..., ("strain", "corundum"), 1.0),
    ("1:0:Size;i", 1e3, ..., ("size", "fluorite"), 10.0),
    ("1:0:Size;i", 0.5 * SIZES_UM[0], ..., ("size", "fluorite"), None),
    ("1:0:Scale", -0.02, ..., ("scale", "fluorite"), LEAST_SCALE),
    ("1:0:Scale", 1e-12, ..., ("scale", "fluorite"), LEAST_SCALE),
    ("1::AUiso:0", -0.01, ..., ("atoms", "fluorite"), None),
    ("1::AUiso:0", 0.9, ..., ("atoms", "fluorite"), None),
    (":0:W", 4.9, ..., ("resolution", ""), 5.0),
    (":0:BkPkint;0", -10.0, 100.0, ("peaks", "0"), 0.0),
]


@pytest.mark.parametrize(("name", "value", "esd", "owner", "bound"), ODD)
def test_impossible_and_undetermined_values_are_refused(
    name: str, value: Any, esd: Any, owner: Owner, bound: float | None
) -> None:
    changes: dict[str, Any] = {}
    if value is not ...:
        changes["values"] = {name: value}
    if esd is not ...:
        changes["esd"] = {name: esd}
    verdict = judge_stage(make_report(**changes), PHASES, least_w=5.0)
    assert not verdict.accepted
    assert verdict.owners == {owner}
    assert any(name in problem or "W " in problem for problem in verdict.problems)
    if bound is not None:
        assert verdict.bounds == {owner: pytest.approx(bound)}


@pytest.mark.parametrize(
    ("name", "value", "esd"),
    [
        ("1:0:Scale", 1e-6, 1e-5),  # a phase that is not there, but not at zero
        (":0:Back;0", -3.0, 50.0),
        (":0:Shift", 0.0, 5.0),
        (":0:W", 5.01, 0.2),
        ("0:0:Mustrain;i", 5.0, 300.0),
        ("0:0:MD", 0.9, 0.5),
    ],
)
def test_weak_is_not_wrong(name: str, value: float, esd: float) -> None:
    report = make_report(values={name: value}, esd={name: esd})
    verdict = judge_stage(report, PHASES, least_w=5.0)
    assert verdict.accepted, verdict.problems


def test_an_off_diagonal_of_a_cell_may_be_near_zero() -> None:
    """A4 of a monoclinic cell: its esd counts against the cell, not against itself."""
    report = make_report(values={"0::A4": 1e-7}, esd={"0::A4": 1e-6})
    assert judge_stage(report, PHASES).accepted


CELLS = {name: [5.0, 5.0, 5.0, 90.0, 90.0, 90.0] for name in PHASES}


def test_a_cell_that_ran_away_is_refused() -> None:
    state = {"phases": {name: {"cell": list(CELLS[name])} for name in PHASES}}
    state["phases"]["fluorite"]["cell"][2] = 5.06
    report = make_report(state=state)
    verdict = judge_stage(report, PHASES, cells=CELLS, cell_range=0.008)
    assert verdict.owners == {("cell", "fluorite")}
    assert verdict.problems == ("cell of fluorite ran away by 1.2 %",)
    assert judge_stage(report, PHASES, cells=CELLS, cell_range=0.02).accepted
    state["phases"]["fluorite"]["cell"][2] = math.nan
    assert not judge_stage(report, PHASES, cells=CELLS, cell_range=0.008).accepted


NAMES: list[tuple[str, Owner]] = [
    ("0::A0", ("cell", "corundum")),
    ("1::A5", ("cell", "fluorite")),
    ("1:0:Scale", ("scale", "fluorite")),
    ("0:0:Size;i", ("size", "corundum")),
    ("0:0:Size;a", ("size", "corundum")),
    ("1:0:Mustrain;i", ("strain", "fluorite")),
    ("1:0:MD", ("texture", "fluorite")),
    ("0:0:C(4,1)", ("texture", "corundum")),
    ("0:0:C(2,0,0)", ("texture", "corundum")),
    ("0::dAx:1", ("atoms", "corundum")),
    ("0::Az:12", ("atoms", "corundum")),
    ("1::AUiso:0", ("atoms", "fluorite")),
    ("1::AU12:0", ("atoms", "fluorite")),
    ("1::Afrac:2", ("atoms", "fluorite")),
    (":0:Shift", ("shift", "")),
    (":0:Zero", ("shift", "")),
    (":0:W", ("resolution", "")),
    (":0:X", ("resolution", "")),
    (":0:Back;0", ("background", "")),
    (":0:DebyeA;1", ("background", "")),
    (":0:BkPkint;1", ("peaks", "")),
    (":0:BkPkpos;0", ("peaks", "")),
    (":0:BF mult", ("blank", "")),
    (":0:Scale", ("other", "")),
    ("0:0:Extinction", ("other", "")),
]


@pytest.mark.parametrize(("name", "owner"), NAMES)
def test_every_variable_has_its_owner(name: str, owner: Owner) -> None:
    assert owner_of(name, PHASES) == owner


def test_the_eleventh_phase_is_not_the_second() -> None:
    phases = [f"phase {n}" for n in range(12)]
    assert owner_of("11:0:Size;i", phases) == ("size", "phase 11")
    assert owner_of("11::A0", phases) == ("cell", "phase 11")


def test_the_largest_shift_counts_in_esds() -> None:
    report = {
        "varied": ["0:0:Scale", "0::A0", "1::A0", ":0:Shift"],
        "last_shifts": [0.1, -0.4, None, 1.0],
        "esd": [1.0, 0.5, 1.0, None],
    }
    assert largest_shift(report) == (pytest.approx(0.8), "0::A0")


@pytest.mark.parametrize(
    "report",
    [
        {"varied": [], "last_shifts": [], "esd": []},
        {"varied": ["0::A0"], "last_shifts": [None], "esd": [1.0]},
        {"varied": ["0::A0"], "last_shifts": [0.1], "esd": [0.0]},
    ],
)
def test_an_unknown_shift_is_not_small(report: dict[str, Any]) -> None:
    assert largest_shift(report) == (math.inf, "")
