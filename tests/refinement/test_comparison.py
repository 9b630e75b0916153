"""Engines side by side: the formulae, unknown values, verdicts, the table."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import xarray as xr

from refinement.comparison import (
    AGREE_CELL_PPM,
    AGREE_WEIGHT_FRACTION,
    ENGINE_COLUMNS,
    Verdict,
    compare_engines,
    engines_table,
)
from refinement.result import RefinementResult, phase_variable, scalar
from structkit.errors import SchemaError
from structkit.schema import FitStatus

NAN = float("nan")
PHASES = ("NaCl", "CsBr")
# The contract of the issue.
COLUMNS = (
    "sample,phase,engine,weight_fraction_crystalline,"
    "weight_fraction_crystalline_std,cell_a,cell_b,cell_c,size_nm,r_wp_percent,"
    "seconds,status"
)


def make_result(
    fractions: tuple[float, ...] = (0.6, 0.4),
    *,
    stds: tuple[float, ...] = (0.003, 0.003),
    cells: tuple[float, ...] = (5.64, 4.29),
    cell_stds: tuple[float, ...] = (1e-4, 1e-4),
    scale_stds: tuple[float, ...] = (),
    phases: tuple[str, ...] = PHASES,
    status: FitStatus = FitStatus.CONVERGED,
) -> RefinementResult:
    columns: dict[str, Any] = {
        "weight_fraction_crystalline": fractions,
        "weight_fraction_crystalline_std": stds,
        "size_nm": (50.0,) * len(phases),
        "scale": (1.0,) * len(phases),
        "scale_std": scale_stds or (0.01,) * len(phases),
    }
    for key in "abc":
        columns |= {f"cell_{key}": cells, f"cell_{key}_std": cell_stds}
    variables = {
        name: phase_variable(name, np.array(column)) for name, column in columns.items()
    }
    variables |= {"r_wp": scalar("r_wp", 0.12), "seconds": scalar("seconds", 3.0)}
    return RefinementResult(
        engine="made up 1.0",
        status=status,
        reason="" if status is FitStatus.CONVERGED else "look at it",
        parameters=xr.Dataset(variables, coords={"phase": list(phases)}),
        curves=xr.Dataset(),
        reflections=xr.Dataset(),
        recipe={},
    )


def verdict(first: RefinementResult, second: RefinementResult) -> tuple[Verdict, str]:
    found = compare_engines({"one": {"a": first}, "two": {"a": second}})
    place = {"engine": "two", "sample": "a"}
    return (
        Verdict(str(found["verdict"].sel(place).item())),
        str(found["verdict_reason"].sel(place).item()),
    )


def test_differences_against_a_slow_form() -> None:
    rng = np.random.default_rng(3)
    results: dict[str, dict[str, RefinementResult]] = {}
    for engine in ("one", "two", "three"):
        results[engine] = {
            sample: make_result(
                tuple(rng.uniform(0.2, 0.8, 2)),
                stds=tuple(rng.uniform(0.001, 0.01, 2)),
                cells=tuple(rng.uniform(4.0, 5.0, 2)),
                cell_stds=tuple(rng.uniform(1e-4, 1e-3, 2)),
            )
            for sample in ("a", "b", "c")
        }
    found = compare_engines(results)
    assert found.attrs["reference"] == "one"
    for engine in ("two", "three"):
        for sample in ("a", "b", "c"):
            for phase in PHASES:
                mine = results[engine][sample].parameters.sel(phase=phase)
                theirs = results["one"][sample].parameters.sel(phase=phase)
                at = found.sel(engine=engine, sample=sample, phase=phase)
                name = "weight_fraction_crystalline"
                plain = float(mine[name]) - float(theirs[name])
                esd = math.sqrt(
                    float(mine[f"{name}_std"]) ** 2 + float(theirs[f"{name}_std"]) ** 2
                )
                assert float(at["weight_fraction_difference"]) == pytest.approx(plain)
                in_esd = float(at["weight_fraction_difference_in_esd"])
                assert in_esd == pytest.approx(plain / esd)
                a, b = float(mine["cell_a"]), float(theirs["cell_a"])
                ppm = float(at["cell_a_difference_ppm"])
                assert ppm == pytest.approx((a / b - 1.0) * 1e6)
                esd = math.sqrt(
                    float(mine["cell_a_std"]) ** 2 + float(theirs["cell_a_std"]) ** 2
                )
                in_esd = float(at["cell_a_difference_in_esd"])
                assert in_esd == pytest.approx((a - b) / esd)


def test_units_and_names() -> None:
    found = compare_engines({"one": {"a": make_result()}, "two": {"a": make_result()}})
    units = {
        "weight_fraction_crystalline": "1",
        "weight_fraction_difference": "1",
        "weight_fraction_difference_in_esd": "1",
        "cell_b": "angstrom",
        "cell_beta": "degree",
        "cell_b_difference_ppm": "1e-6",
        "cell_b_difference_in_esd": "1",
        "size_nm": "nm",
        "r_wp_percent": "percent",
        "seconds": "s",
    }
    for name, unit in units.items():
        assert found[name].attrs["units"] == unit, name
    assert all("long_name" in found[name].attrs for name in found.data_vars)
    assert found["weight_fraction_difference"].dims == ("engine", "sample", "phase")
    assert found["r_wp_percent"].values.tolist() == [[12.0], [12.0]]
    assert found["description"].values.tolist() == ["made up 1.0"] * 2


def test_what_one_lacks_is_unknown_never_zero() -> None:
    results = {
        "one": {"a": make_result((0.6, NAN)), "b": make_result()},
        "two": {
            "a": make_result(),
            "b": make_result(stds=(NAN, 0.0), cell_stds=(0.0, 0.0)),
        },
        "three": {"a": make_result((1.0,), stds=(0.1,), cells=(5.6,), cell_stds=(0.1,),
                                   phases=("NaCl",))},
    }  # fmt: skip
    found = compare_engines(results)
    difference = found["weight_fraction_difference"]
    assert np.isnan(difference.sel(engine="one")).all()
    assert difference.sel(engine="two", sample="a").values == pytest.approx(
        [0.0, NAN], nan_ok=True
    )
    in_esd = found["weight_fraction_difference_in_esd"].sel(engine="two", sample="b")
    assert np.isnan(in_esd.values[0])
    assert in_esd.values[1] == 0.0
    three = found.sel(engine="three")
    assert np.isnan(three["weight_fraction_crystalline"].sel(phase="CsBr")).all()
    assert np.isnan(three["weight_fraction_difference"].sel(sample="b")).all()
    assert str(three["status"].sel(sample="b").item()) == "failed"
    assert str(three["reason"].sel(sample="b").item()) == "not refined by this engine"
    assert not np.isinf(in_esd).any()


def test_no_esds_at_all_give_no_difference_in_esds() -> None:
    one, two = make_result(stds=(0.0, 0.0)), make_result((0.7, 0.3), stds=(0.0, 0.0))
    found = compare_engines({"one": {"a": one}, "two": {"a": two}})
    assert np.isnan(found["weight_fraction_difference_in_esd"]).all()
    assert verdict(one, two)[0] is Verdict.DIFFER


def test_failed_pattern_keeps_its_time_and_reason_but_no_numbers() -> None:
    broken = make_result(status=FitStatus.FAILED)
    found = compare_engines({"one": {"a": make_result()}, "two": {"a": broken}})
    two = found.sel(engine="two", sample="a")
    assert np.isnan(two["weight_fraction_crystalline"]).all()
    assert np.isnan(two["r_wp_percent"])
    assert float(two["seconds"]) == 3.0
    assert str(two["reason"].item()) == "look at it"
    assert str(two["verdict"].item()) == Verdict.UNKNOWN.value
    bare = RefinementResult.failure("two", "no counts", PHASES)
    found = compare_engines({"one": {"a": bare}, "two": {"a": make_result()}})
    assert np.isnan(found["weight_fraction_difference"]).all()
    assert found["verdict"].values.tolist() == [["reference"], ["unknown"]]


def test_equal_results_agree() -> None:
    assert verdict(make_result(), make_result()) == (Verdict.AGREE, "")


@pytest.mark.parametrize("step", [1.0, -1.0])
def test_half_a_per_cent_agrees_and_more_does_not(step: float) -> None:
    exact = {"stds": (1e-6, 1e-6)}
    near, far = AGREE_WEIGHT_FRACTION, AGREE_WEIGHT_FRACTION + 2e-4
    first = make_result(**exact)  # type: ignore[arg-type]
    for distance, expected in ((near, Verdict.AGREE), (far, Verdict.DIFFER)):
        other = (0.6 + step * distance, 0.4 - step * distance)
        second = make_result(other, **exact)  # type: ignore[arg-type]
        assert verdict(first, second)[0] is expected


def test_two_combined_esds_agree_and_more_do_not() -> None:
    first = make_result(stds=(0.03, 0.03))
    for distance, expected in ((0.099, Verdict.AGREE), (0.101, Verdict.DIFFER)):
        second = make_result((0.6 + distance, 0.4 - distance), stds=(0.04, 0.04))
        assert verdict(first, second)[0] is expected


def test_cells_agree_within_ppm_or_esds() -> None:
    sharp, blunt = (1e-7, 1e-7), (1e-3, 1e-3)
    for ppm, esds, expected in (
        (AGREE_CELL_PPM - 1.0, sharp, Verdict.AGREE),
        (AGREE_CELL_PPM + 1.0, sharp, Verdict.DIFFER),
        (AGREE_CELL_PPM + 1.0, blunt, Verdict.AGREE),
    ):
        moved = (5.64 * (1.0 + 1e-6 * ppm), 4.29)
        pair = (make_result(cell_stds=esds), make_result(cells=moved, cell_stds=esds))
        assert verdict(*pair)[0] is expected


def test_cell_of_a_phase_that_one_does_not_detect_is_not_judged() -> None:
    moved = {"cells": (5.70, 4.29)}
    pair = (make_result(), make_result(**moved, scale_stds=(0.5, 0.01)))  # type: ignore[arg-type]
    assert verdict(*pair)[0] is Verdict.AGREE
    assert verdict(*reversed(pair))[0] is Verdict.AGREE
    found = compare_engines({"one": {"a": pair[0]}, "two": {"a": pair[1]}})
    assert found["detected"].values.tolist() == [[[1.0, 1.0]], [[0.0, 1.0]]]
    pair = (make_result(), make_result(**moved))  # type: ignore[arg-type]
    assert verdict(*pair)[0] is Verdict.DIFFER


def test_reason_names_phase_quantity_and_distance() -> None:
    second = make_result((0.65, 0.35), cells=(5.64, 4.2943))
    found, reason = verdict(make_result(), second)
    assert found is Verdict.DIFFER
    assert "NaCl by +5.00 wt% (11.8 esd)" in reason
    assert "CsBr by -5.00 wt% (11.8 esd)" in reason
    assert "CsBr cell_a by +1002 ppm (30.4 esd)" in reason


def test_fraction_that_one_lacks_is_no_agreement() -> None:
    found, reason = verdict(make_result(), make_result((0.6, NAN)))
    assert (found, reason) == (Verdict.INCOMPLETE, "one of the two lacks CsBr")
    # A phase that neither sees is no matter.
    both = make_result((1.0, NAN))
    assert verdict(both, both)[0] is Verdict.AGREE


def test_esd_of_one_is_a_lower_bound_of_the_combined_one() -> None:
    held = make_result(cells=(5.642, 4.29), cell_stds=(NAN, NAN))
    free = make_result(cell_stds=(1.1e-3, 1e-4))
    assert verdict(free, held)[0] is Verdict.AGREE
    assert verdict(held, free)[0] is Verdict.AGREE
    free = make_result(cell_stds=(0.9e-3, 1e-4))
    assert verdict(free, held)[0] is Verdict.DIFFER


def test_table_has_the_columns_of_the_contract() -> None:
    assert ",".join(ENGINE_COLUMNS) == COLUMNS
    one = {"a": make_result(), "b": make_result()}
    two = {"a": make_result(), "b": RefinementResult.failure("two", "why", PHASES)}
    table = engines_table(compare_engines({"one": one, "two": two}))
    assert ",".join(table.columns) == COLUMNS
    keys = list(zip(table["sample"], table["phase"], table["engine"], strict=True))
    assert keys == [(s, p, e) for s in "ab" for p in PHASES for e in ("one", "two")]
    text = table.to_csv(index=False).splitlines()
    assert text[1] == "a,NaCl,one,0.6,0.003,5.64,5.64,5.64,50.0,12.0,3.0,converged"
    assert text[-1] == "b,CsBr,two,,,,,,,,,failed"


def test_samples_keep_their_order_and_need_not_be_the_same() -> None:
    one, two = {"b": make_result(), "a": make_result()}, {"c": make_result()}
    found = compare_engines({"one": one, "two": two})
    assert found["sample"].values.tolist() == ["b", "a", "c"]
    assert found["engine"].values.tolist() == ["one", "two"]
    assert (found["verdict"].sel(engine="two") == "unknown").all()


@pytest.mark.parametrize("results", [{}, {"one": {}}])
def test_nothing_to_compare(results: dict[str, dict[str, RefinementResult]]) -> None:
    with pytest.raises(SchemaError, match="at least one refined pattern"):
        compare_engines(results)
