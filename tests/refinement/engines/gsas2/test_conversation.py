"""How a pattern is led through GSAS-II: what is asked, in which order, and when not."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from refinement.engines.gsas2 import conversation
from refinement.engines.gsas2.checks import LEAST_SCALE
from refinement.engines.gsas2.conversation import Conversation, Outcome, Script
from refinement.engines.gsas2.options import Gsas2Options
from refinement.plan import Phase, RefinementPlan, Stage
from structkit.errors import FitError, PlanError
from structkit.structures import library
from structkit.xrd.instrument import Instrument
from structkit.xrd.radiation import tube

STRONG, WEAK = "corundum", "fluorite"
NAMES = (STRONG, WEAK)
CELL = [5.0, 5.0, 5.0, 90.0, 90.0, 90.0]
LEAST_W = 5.0
PEAKS = [[25.0, 5000.0, 4e4], [30.0, 6000.0, 4e4]]
OPTIONS = Gsas2Options()
START: dict[str, Any] = {
    "phases": {
        name: {"scale": 1.0, "size": 0.05, "strain": 2000.0, "cell": CELL, "march": 1.0}
        for name in NAMES
    },
    "background": [100.0],
    "peaks": [],
    "shift": 0.0,
    "zero": 0.0,
    "w": LEAST_W,
}

Report = dict[str, Any]
Trick = Callable[["ScriptedWorker", Report], None]


class ScriptedWorker:
    """Answers like a GSAS-II whose fits go well, but for the tricks it is told.

    A trick sees each report of a stage before it is given and may change it.
    """

    def __init__(
        self, *tricks: Trick, scales: Mapping[str, float] | None = None
    ) -> None:
        self.tricks = tricks
        self.scales = dict(scales or {STRONG: 1.0, WEAK: 1.0})
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.timeouts: list[float] = []
        self.values: dict[str, Any] = {"phases": {name: {} for name in NAMES}}
        self.kept = copy.deepcopy(self.values)

    def ask(self, op: str, timeout: float, **fields: Any) -> dict[str, Any]:
        self.asked.append((op, copy.deepcopy(fields)))
        self.timeouts.append(timeout)
        answer = {"open": self.open, "stage": self.stage, "values": self.set_values}
        if op in answer:
            return answer[op](fields)
        if op == "keep":
            self.kept = copy.deepcopy(self.values)
        elif op == "revert":
            self.values = copy.deepcopy(self.kept)
        elif op == "finish":
            return {"components": {}}
        return {}

    def open(self, _fields: dict[str, Any]) -> dict[str, Any]:
        return {"phases": {}, "points": 1000}

    def set_values(self, fields: dict[str, Any]) -> dict[str, Any]:
        for name, values in fields.get("phases", {}).items():
            self.values["phases"][name].update(values)
        self.values.update({k: v for k, v in fields.items() if k != "phases"})
        return {}

    def stage(self, fields: dict[str, Any]) -> dict[str, Any]:
        free = fields["free"]
        rows: dict[str, tuple[float, float]] = {":0:Back;0": (100.0, 1.0)}
        for number, name in enumerate(NAMES):
            scale = self.scales[name]
            held = self.values["phases"][name].get("scale", 1.0)
            if name in free["scale"]:
                rows[f"{number}:0:Scale"] = (scale, 0.001)
                self.values["phases"][name]["scale"] = scale
            elif held > scale:
                self.values["phases"][name]["scale"] = held
            for group, key, value, esd in (
                ("cell", "::A0", 0.04, 1e-6),
                ("size", ":0:Size;i", 0.06, 0.001),
                ("strain", ":0:Mustrain;i", 1500.0, 50.0),
                ("texture", ":0:MD", 0.9, 0.01),
            ):
                if name in free[group]:
                    rows[f"{number}{key}"] = (value, esd)
            if name in free.get("atoms", {}):
                rows[f"{number}::dAx:0"] = (0.001, 0.0001)
        for number in free["peaks"]:
            rows[f":0:BkPkint;{number}"] = (4000.0, 100.0)
        if free.get("shift"):
            rows[":0:Shift"] = (-20.0, 1.0)
        if free.get("resolution"):
            rows[":0:W"] = (9.0, 0.1)
        report: Report = {
            "free": free,
            "error": "",
            "returned_false": False,
            "returned_message": "",
            "rvals": {
                "Rwp": 20.0 - 0.01 * len(rows),
                "SVD0": 0,
                "msg": "",
                "Aborted": False,
            },
            "varied": list(rows),
            "values": [value for value, _ in rows.values()],
            "esd": [esd for _, esd in rows.values()],
            "last_shifts": [0.0] * len(rows),
            "covariance": [[1.0]],
            "frozen": [],
            "state": {
                "phases": {
                    name: {
                        "number": number,
                        "mass": 100.0,
                        "scale": self.values["phases"][name].get("scale", 1.0),
                        "cell": CELL,
                    }
                    for number, name in enumerate(NAMES)
                }
            },
        }
        for trick in self.tricks:
            trick(self, report)
        return report

    @property
    def operations(self) -> list[str]:
        return [op for op, _ in self.asked]

    @property
    def stages(self) -> list[dict[str, Any]]:
        """Return the flags of every stage that was asked for."""
        return [fields["free"] for op, fields in self.asked if op == "stage"]


def make_plan(**options: Any) -> RefinementPlan:
    texture = options.pop("texture", {})
    phases = tuple(
        Phase(structure=library.load(name), texture=texture.get(name)) for name in NAMES
    )
    instrument = Instrument(radiation=tube("CuKa"), calibrated=True)
    return RefinementPlan(
        **({"phases": phases, "instrument": instrument, "halo": False} | options)
    )


def talk(
    worker: ScriptedWorker,
    plan: RefinementPlan | None = None,
    options: Gsas2Options = OPTIONS,
    *,
    peaks: int = 0,
    **script: Any,
) -> Outcome:
    fields: dict[str, Any] = {
        "request": {"name": "s0", "peaks": PEAKS[:peaks]},
        "values": START,
        "warm": None,
        "reached_r_wp": math.nan,
        "least_w": LEAST_W,
        "structures": (),
    }
    made = Script(**(fields | script))
    return Conversation(worker, plan or make_plan(), made, options).run()


def freed(flags: dict[str, Any]) -> dict[str, Any]:
    """Return what is free beside scales and background."""
    kept = ("cell", "size", "strain", "texture", "shift", "resolution", "atoms")
    return {key: flags[key] for key in kept if flags.get(key)}


def test_a_cold_start_frees_positions_sizes_strains_texture_in_turn() -> None:
    worker = ScriptedWorker()
    outcome = talk(worker, make_plan(texture={STRONG: (1, 0, 0)}))
    both = list(NAMES)
    positions = {"cell": both, "shift": "displacement"}
    sizes = positions | {"size": both}
    strains = sizes | {"strain": both}
    assert [freed(flags) for flags in worker.stages] == [
        {},
        positions,
        sizes,
        strains,
        strains | {"texture": [STRONG]},
        strains | {"texture": [STRONG]},  # once more: is it stable?
    ]
    assert all(flags["scale"] == both for flags in worker.stages)
    assert outcome.stages == ["scales", "positions", "sizes", "strains", "texture"]
    assert outcome.stable
    assert not outcome.refused
    assert not outcome.notes
    assert worker.operations[:3] == ["open", "values", "keep"]
    assert worker.operations[-1] == "finish"
    assert worker.asked[1] == ("values", START)


def test_each_accepted_stage_is_kept_before_the_next() -> None:
    worker = ScriptedWorker()
    talk(worker)
    places = [n for n, op in enumerate(worker.operations) if op == "stage"]
    assert all(worker.operations[n + 1] == "keep" for n in places)
    assert "revert" not in worker.operations


def test_early_stages_are_shorter_than_the_last() -> None:
    worker = ScriptedWorker()
    talk(worker, make_plan(texture={STRONG: (1, 0, 0)}))
    asked = [
        (fields["cycles"], fields["tolerance"])
        for op, fields in worker.asked
        if op == "stage"
    ]
    early = (OPTIONS.early_cycles, OPTIONS.early_tolerance)
    last = (OPTIONS.cycles, OPTIONS.tolerance)
    assert asked == [early] * 4 + [last] * 2


def test_a_stage_that_frees_nothing_new_is_left_out() -> None:
    worker = ScriptedWorker()
    outcome = talk(worker)
    assert outcome.stages == ["scales", "positions", "sizes", "strains"]
    assert len(worker.stages) == 5


def test_what_the_plan_fixes_stays_fixed() -> None:
    strong, weak = make_plan().phases
    phases = (
        replace(strong, refine_cell=False, refine_strain=False),
        replace(weak, refine_size=False),
    )
    worker = ScriptedWorker()
    talk(worker, make_plan(phases=phases, shift="fixed", refine_resolution=True))
    assert freed(worker.stages[-1]) == {
        "cell": [WEAK],
        "size": [STRONG],
        "strain": [WEAK],
        "resolution": True,
    }


def test_stages_of_the_plan_follow_scales() -> None:
    stages = (Stage(name="cells", free=frozenset({"cell"})),)
    worker = ScriptedWorker()
    outcome = talk(worker, make_plan(stages=stages))
    assert outcome.stages == ["scales", "cells"]
    assert freed(worker.stages[-1]) == {"cell": list(NAMES)}


@pytest.mark.parametrize(
    ("share", "groups"),
    [
        (0.005, set()),
        (0.03, {"cell", "size"}),
        (0.06, {"cell", "size", "texture"}),
        (0.2, {"cell", "size", "strain", "texture"}),
    ],
)
def test_a_weak_phase_keeps_what_it_cannot_tell(share: float, groups: set[str]) -> None:
    worker = ScriptedWorker(scales={STRONG: 1.0 - share, WEAK: share})
    talk(worker, make_plan(texture={WEAK: (1, 1, 1)}))
    last = worker.stages[-1]
    seen = {g for g in ("cell", "size", "strain", "texture") if WEAK in last[g]}
    assert seen == groups
    assert last["cell"][0] == STRONG
    assert WEAK in last["scale"]


def test_an_uncertain_scale_makes_a_phase_weak() -> None:
    """Twenty per cent, but only two of its esds."""

    def be_uncertain(_worker: ScriptedWorker, report: Report) -> None:
        report["esd"][report["varied"].index("1:0:Scale")] = 0.1

    worker = ScriptedWorker(be_uncertain, scales={STRONG: 0.8, WEAK: 0.2})
    talk(worker)
    assert WEAK not in worker.stages[-1]["cell"]


def spoil(name: str, value: float, *, esd: float = 1.0) -> Trick:
    """Return a trick that gives a parameter an impossible value, whenever varied."""

    def trick(_worker: ScriptedWorker, report: Report) -> None:
        if name in report["varied"]:
            place = report["varied"].index(name)
            report["values"][place], report["esd"][place] = value, esd

    return trick


def test_what_crossed_a_bound_is_held_there_and_the_stage_tried_again() -> None:
    worker = ScriptedWorker(spoil("1:0:Mustrain;i", -300.0))
    outcome = talk(worker)
    free = [flags["strain"] for flags in worker.stages]
    assert free == [[], [], [], [STRONG, WEAK], [STRONG], [STRONG]]
    first = worker.operations.index("revert")
    again = worker.operations.index("stage", first)
    between = worker.asked[first + 1 : again]
    # Going back undoes the bound, so it is set after it.
    assert between
    assert all(op == "values" for op, _ in between)
    assert between[-1][1]["phases"] == {WEAK: {"strain": 1.0}}
    assert worker.kept["phases"][WEAK]["strain"] == 1.0
    assert "strains" in outcome.stages
    assert not outcome.refused
    assert "held strain of fluorite" in outcome.notes[0]
    assert "microstrain -300 is impossible" in outcome.notes[0]


def test_a_bound_survives_later_refusals() -> None:
    """A later revert goes to a project in which the bound was set; a fallback that
    reverts once more sets it again."""
    worker = ScriptedWorker(
        spoil("1:0:Mustrain;i", -300.0), spoil("0:0:MD", 0.9, esd=1e14)
    )
    outcome = talk(worker, make_plan(texture={STRONG: (1, 0, 0)}))
    assert worker.kept["phases"][WEAK]["strain"] == 1.0
    assert worker.stages[-1]["texture"] == []
    assert any("held texture of corundum" in note for note in outcome.notes)


def test_w_below_the_instruments_is_held_at_it() -> None:
    worker = ScriptedWorker(spoil(":0:W", 0.5 * LEAST_W))
    talk(worker, make_plan(refine_resolution=True))
    assert worker.values["w"] == LEAST_W
    assert not worker.stages[-1]["resolution"]
    assert worker.stages[-1]["size"] == list(NAMES)


def test_a_background_peak_below_zero_is_held_there_and_released_at_the_end() -> None:
    def dig(worker: ScriptedWorker, report: Report) -> None:
        if len(worker.stages) < 3:
            spoil(":0:BkPkint;1", -500.0)(worker, report)

    worker = ScriptedWorker(dig)
    outcome = talk(worker, make_plan(texture={STRONG: (1, 0, 0)}), peaks=2)
    assert [flags["peaks"] for flags in worker.stages][:3] == [[0, 1], [0], [0]]
    assert worker.stages[-1]["peaks"] == [0, 1]
    zero, start = {"areas": {"1": 0.0}}, {"areas": {"1": PEAKS[1][1]}}
    sent = [fields["areas"] for op, fields in worker.asked if "areas" in fields]
    assert sent[0] == zero["areas"]
    assert sent[-1] == start["areas"]
    assert outcome.stages[-1] == "texture"
    assert "held background peak 1" in outcome.notes[0]


def refuse_when(group: str) -> Trick:
    """Return a trick that refuses every stage in which a group is free."""

    def trick(_worker: ScriptedWorker, report: Report) -> None:
        if report["free"].get(group):
            report["returned_false"] = True
            report["returned_message"] = "singular"
            report["rvals"]["Rwp"] = None
            for key in ("varied", "values", "esd", "last_shifts", "covariance"):
                report[key] = []

    return trick


def test_a_stage_that_cannot_be_mended_is_given_up_and_later_ones_go_on() -> None:
    worker = ScriptedWorker(refuse_when("strain"))
    outcome = talk(worker, make_plan(texture={STRONG: (1, 0, 0)}))
    assert len(outcome.refused) == 1
    assert "stage strains: GSAS-II gave up: singular" in outcome.refused[0]
    assert outcome.stages == ["scales", "positions", "sizes", "texture"]
    assert worker.stages[-1]["texture"] == [STRONG]
    assert worker.stages[-1]["strain"] == []
    # Nothing of the failed stage is left: the figures are those of the last good one.
    assert outcome.report["rvals"]["Rwp"] is not None


def test_every_refusal_goes_back_to_the_last_good_project() -> None:
    worker = ScriptedWorker(refuse_when("strain"))
    talk(worker)
    after = [
        worker.operations[n + 1]
        for n, (op, fields) in enumerate(worker.asked)
        if op == "stage" and fields["free"]["strain"]
    ]
    assert after == ["revert"]


def test_a_worse_fit_is_refused() -> None:
    def rise(_worker: ScriptedWorker, report: Report) -> None:
        if report["free"]["size"]:
            report["rvals"]["Rwp"] = 36.0

    outcome = talk(ScriptedWorker(rise))
    assert any("Rwp rose from" in words for words in outcome.refused)
    assert outcome.report["rvals"]["Rwp"] < 30.0


def test_the_fallbacks_are_counted() -> None:
    """A GSAS-II that finds something else to blame each time is not asked for ever."""

    def blame(_worker: ScriptedWorker, report: Report) -> None:
        if report["free"]["size"]:
            report["rvals"]["msg"] = "Parameter(s) dropped:\n:0:Zippo;1"

    worker = ScriptedWorker(blame)
    talk(worker)
    assert len(worker.stages) < 4 * (1 + OPTIONS.fallbacks)


def test_not_even_scales_is_an_error() -> None:
    worker = ScriptedWorker(refuse_when("scale"))
    with pytest.raises(FitError, match=r"not even refine scales .*singular"):
        talk(worker)
    assert "finish" not in worker.operations


def test_a_misread_structure_ends_before_any_refinement() -> None:
    class Misreading(ScriptedWorker):
        def open(self, _fields: dict[str, Any]) -> dict[str, Any]:
            told = {
                "elements": {"N": 4.0, "Cl": 4.0},
                "operations": [],
                "centring": [],
                "inversion": False,
            }
            return {"phases": {"NaCl": told}}

    worker = Misreading()
    with pytest.raises(PlanError, match=r"NaCl: GSAS-II read Cl 4, N 4"):
        talk(worker, structures=(library.load("NaCl"),))
    assert worker.operations == ["open"]


WARM = copy.deepcopy(START) | {"shift": -18.0}


def test_a_warm_start_goes_to_the_end_at_once() -> None:
    worker = ScriptedWorker()
    outcome = talk(worker, warm=WARM)
    assert worker.asked[1] == ("values", WARM)
    assert ("values", START) not in worker.asked
    assert freed(worker.stages[0]) == {}
    both = list(NAMES)
    assert freed(worker.stages[1]) == {"cell": both, "shift": "displacement"}
    assert len(worker.stages) == 4  # scales, positions, everything, once more
    assert worker.stages[2]["strain"] == both
    assert outcome.stable
    assert not outcome.notes


def test_a_warm_start_that_fails_begins_cold() -> None:
    """The neighbour's minimum is none here: the first try at everything fails."""
    failures = []

    def fail_once(_worker: ScriptedWorker, report: Report) -> None:
        if report["free"]["strain"] and not failures:
            failures.append(1)
            refuse_when("strain")(_worker, report)

    worker = ScriptedWorker(fail_once)
    outcome = talk(worker, warm=WARM)
    begun = worker.asked.index(("values", START))
    assert worker.asked.index(("values", WARM)) < begun
    later = [f["free"] for op, f in worker.asked[begun:] if op == "stage"]
    assert [bool(flags["cell"]) for flags in later][:2] == [False, True]
    assert outcome.stages == ["scales", "positions", "sizes", "strains"]
    assert outcome.notes[0].startswith("warm start refused: ")
    assert not outcome.refused
    assert outcome.stable


@pytest.mark.parametrize(("reached", "cold"), [(18.2, False), (17.8, True)])
def test_a_warm_start_that_went_astray_begins_cold(reached: float, cold: bool) -> None:
    """Rwp is 19.9: up to a tenth above the native engine's is believed."""
    worker = ScriptedWorker()
    outcome = talk(worker, warm=WARM, reached_r_wp=reached)
    assert (("values", START) in worker.asked) is cold
    assert any("warm start refused: Rwp" in note for note in outcome.notes) is cold
    assert not outcome.refused


def test_what_a_failed_warm_start_held_is_free_again() -> None:
    def spoil_warm(worker: ScriptedWorker, report: Report) -> None:
        if ("values", START) not in worker.asked:
            spoil("1:0:Mustrain;i", -300.0)(worker, report)
            refuse_when("strain")(worker, report) if report["free"]["strain"] else None

    worker = ScriptedWorker(spoil_warm)
    talk(worker, warm=WARM)
    assert worker.stages[-1]["strain"] == list(NAMES)


def shift_by(*ratios: float, fall: float = 0.01) -> Trick:
    """Return a trick: the last stage and its repetitions move by these shares of an
    esd, and Rwp falls."""
    left = list(ratios)

    def trick(_worker: ScriptedWorker, report: Report) -> None:
        if report["free"]["strain"] and left:
            report["last_shifts"][0] = left.pop(0) * report["esd"][0]
            report["rvals"]["Rwp"] += fall * len(left)

    return trick


def test_the_last_stage_is_repeated_until_it_rests() -> None:
    worker = ScriptedWorker(shift_by(9.0, 0.8, 0.5, 0.2))
    outcome = talk(worker)
    assert outcome.stable
    assert len([f for f in worker.stages if f["strain"]]) == 4


def test_what_never_rests_is_not_stable() -> None:
    worker = ScriptedWorker(shift_by(*[5.0] * 20))
    outcome = talk(worker)
    assert not outcome.stable
    assert not outcome.refused
    assert len([f for f in worker.stages if f["strain"]]) == 1 + OPTIONS.repetitions


def test_noise_of_gsas2_is_rest() -> None:
    """Rwp no longer changes, and nothing moves by an esd."""
    outcome = talk(ScriptedWorker(shift_by(*[0.9] * 20, fall=0.0)))
    assert outcome.stable


def abort(fall: float) -> Trick:
    """Return a trick: GSAS-II finds no step downhill ('ouch #4') in repetitions."""
    seen: list[float] = []

    def trick(_worker: ScriptedWorker, report: Report) -> None:
        if report["free"]["strain"]:
            seen.append(1.0)
            report["rvals"]["Aborted"] = True
            report["rvals"]["msg"] = "ouch #4"
            report["rvals"]["Rwp"] *= (1.0 - fall) ** len(seen)
            report["last_shifts"][0] = 3.0 * report["esd"][0]

    return trick


def test_no_step_downhill_at_the_minimum_is_rest() -> None:
    outcome = talk(ScriptedWorker(abort(0.0)))
    assert outcome.stable
    assert "no step that lowers chi-square" in outcome.notes[-1]


def test_no_step_downhill_far_from_the_minimum_is_not() -> None:
    outcome = talk(ScriptedWorker(abort(0.01)))
    assert not outcome.stable


@pytest.mark.parametrize(
    ("trick", "flag"),
    [
        (spoil("1:0:Mustrain;i", -300.0), "strain"),
        (spoil(":0:W", 1.0), "resolution"),
        (spoil(":0:Shift", -20.0, esd=1e14), "shift"),
        (spoil(":0:BkPkint;0", -500.0), "peaks"),
        (spoil(":0:BkPkint;0", 10.0, esd=1e14), "peaks"),
    ],
)
def test_a_repetition_that_crosses_a_bound_goes_on_without(
    trick: Trick, flag: str
) -> None:
    rounds = []

    def late(worker: ScriptedWorker, report: Report) -> None:
        if report["free"]["strain"]:
            rounds.append(1)
        if len(rounds) > 1:
            trick(worker, report)

    worker = ScriptedWorker(late)
    outcome = talk(worker, make_plan(refine_resolution=True), peaks=1)
    left = worker.stages[-1].get(flag)
    assert left == [STRONG] if flag == "strain" else not left
    assert outcome.stable
    assert any("repetition" in note for note in outcome.notes)


def test_a_repetition_that_fails_is_told() -> None:
    rounds = []

    def late(worker: ScriptedWorker, report: Report) -> None:
        rounds.append(1)
        if len(rounds) > 4:
            refuse_when("scale")(worker, report)

    worker = ScriptedWorker(late)
    outcome = talk(worker)
    assert not outcome.stable
    assert outcome.refused[0].startswith("repetition: GSAS-II gave up")
    assert worker.operations[-2:] == ["revert", "finish"]
    assert outcome.report["varied"]


def test_an_absent_phase_is_held_at_zero_and_tried_again_at_the_end() -> None:
    worker = ScriptedWorker(scales={STRONG: 1.0, WEAK: 1e-12})
    outcome = talk(worker)
    free = [WEAK in flags["scale"] for flags in worker.stages]
    assert free[0]
    assert not free[-1]
    assert free.count(True) >= 2  # at the start, and once more at the end
    assert worker.values["phases"][WEAK]["scale"] == pytest.approx(LEAST_SCALE)
    assert outcome.report["state"]["phases"][STRONG]["scale"] == 1.0
    assert "1:0:Scale" not in outcome.report["varied"]


def test_a_phase_that_only_seemed_absent_comes_back() -> None:
    """Before the cells were right, its lines met nothing."""

    def hide(worker: ScriptedWorker, report: Report) -> None:
        seen = any(flags["cell"] for flags in worker.stages)
        worker.scales[WEAK] = 0.2 if seen else 1e-12

    worker = ScriptedWorker(hide, scales={STRONG: 0.8, WEAK: 1e-12})
    outcome = talk(worker)
    assert WEAK in worker.stages[-1]["scale"]
    assert "1:0:Scale" in outcome.report["varied"]


def test_a_phase_that_turns_out_too_weak_gets_its_start_back() -> None:
    """A line of noise can look like a phase until its width is free."""

    def fade(_worker: ScriptedWorker, report: Report) -> None:
        if report["free"]["texture"]:
            report["values"][report["varied"].index("1:0:Scale")] = 0.002
            report["state"]["phases"][WEAK]["scale"] = 0.002

    worker = ScriptedWorker(fade, scales={STRONG: 1.0, WEAK: 0.05})
    outcome = talk(worker, make_plan(texture={STRONG: (1, 0, 0)}))
    assert any(WEAK in flags["size"] for flags in worker.stages)
    last = worker.stages[-1]
    assert not any(WEAK in last[group] for group in ("cell", "size", "strain"))
    kept = worker.kept["phases"][WEAK]
    start = START["phases"][WEAK]
    assert (kept["cell"], kept["size"]) == (start["cell"], start["size"])
    assert any(f"too weak for cell or widths: {WEAK}" in n for n in outcome.notes)
    assert outcome.stable


def test_coordinates_are_freed_after_all_else() -> None:
    worker = ScriptedWorker()
    outcome = talk(worker, coordinates_of=NAMES)
    atoms = [flags["atoms"] for flags in worker.stages if flags.get("atoms")]
    assert atoms[0] == {STRONG: "X"}
    assert {STRONG: "XU", WEAK: "XU"} in atoms
    first = next(n for n, flags in enumerate(worker.stages) if flags.get("atoms"))
    assert all(flags.get("atoms") for flags in worker.stages[first:])
    assert worker.stages[first]["strain"] == list(NAMES)
    assert outcome.stages[-1] == f"atoms of {WEAK}: XU"
    assert outcome.stable


def test_coordinates_that_are_refused_stay_and_are_told() -> None:
    worker = ScriptedWorker(spoil("1::dAx:0", 0.1, esd=50.0))
    outcome = talk(worker, coordinates_of=NAMES)
    assert worker.stages[-1]["atoms"] == {STRONG: "XU"}
    assert any(f"atoms of {WEAK}, X, refused" in note for note in outcome.notes)
    assert not outcome.refused


def test_without_wish_no_coordinates_move() -> None:
    worker = ScriptedWorker()
    talk(worker)
    assert not any(flags.get("atoms") for flags in worker.stages)


def test_a_pattern_has_a_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(conversation.time, "monotonic", lambda: now[0])

    def take_long(_worker: ScriptedWorker, _report: Report) -> None:
        now[0] += 100.0

    worker = ScriptedWorker(take_long)
    options = replace(OPTIONS, job_timeout=250.0, stage_timeout=120.0)
    with pytest.raises(FitError, match=r"longer than 250 s .* narrow the range"):
        talk(worker, options=options)
    assert len(worker.stages) == 3
    # Each request waits for the stage's time, or for what is left of the pattern's.
    times = [
        time
        for time, op in zip(worker.timeouts, worker.operations, strict=True)
        if op == "stage"
    ]
    assert times == [120.0, 120.0, 50.0]
