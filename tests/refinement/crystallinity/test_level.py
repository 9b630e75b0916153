"""One dataset and two tables from the results of a series, failed ones included."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from refinement.crystallinity import first_level, phases_table, samples_table
from refinement.plan import InternalStandard
from refinement.result import RefinementResult, scalar
from structkit.errors import SchemaError
from structkit.schema import FitStatus
from structkit.store import read_dataset, write_dataset, write_table

Make = Callable[..., RefinementResult]

# The contract of files, word for word.
PHASES_CSV = (
    "sample,milling_time_h,phase,weight_fraction_crystalline,"
    "weight_fraction_crystalline_std,weight_fraction_crystalline_systematic,"
    "detection_limit,scale,scale_std,relative_scale,size_nm,size_nm_std,microstrain,"
    "microstrain_std,cell_a,cell_b,cell_c,cell_alpha,cell_beta,cell_gamma,cell_a_std,"
    "cell_b_std,cell_c_std,cell_alpha_std,cell_beta_std,cell_gamma_std"
)
SAMPLES_CSV = (
    "sample,milling_time_h,r_wp_percent,gof,status,reason,seconds,"
    "crystalline_area_fraction,crystalline_area_fraction_std,amorphous_fraction,"
    "amorphous_fraction_std,amorphous_fraction_low,amorphous_fraction_high,"
    "amorphous_method"
)
TIMES = {"raw": 0.0, "1h": 1.0, "2h": 2.0}
ROLES: dict[str, str | None] = {"raw": "unmilled", "1h": "milled", "2h": None}


def series(make_result: Make) -> dict[str, RefinementResult]:
    seconds = scalar("gof", 0.035)
    return {
        "raw": make_result((4.0, 1.0), extra={"seconds": seconds}),
        "1h": RefinementResult.failure(
            "by hand", "no points left", ("NaTaCl6", "NaCl")
        ),
        "2h": make_result((1.0, 2.0), status=FitStatus.DOUBTFUL, reason="at a bound"),
    }


def collect(
    results: dict[str, RefinementResult], standard: InternalStandard | None = None
) -> xr.Dataset:
    return first_level(
        results,
        milling_time=TIMES,
        roles=ROLES,
        internal_standards=dict.fromkeys(results, standard),
    )


def test_a_series_becomes_one_dataset(make_result: Make) -> None:
    found = collect(series(make_result))
    assert dict(found.sizes) == {"sample": 3, "phase": 2}
    np.testing.assert_array_equal(found.milling_time, [0.0, 1.0, 2.0])
    assert found.milling_time.attrs["units"] == "h"
    np.testing.assert_allclose(found.r_wp_percent, [7.1, np.nan, 7.1])
    np.testing.assert_allclose(found.seconds, [0.035, np.nan, np.nan])
    assert found.status.to_numpy().tolist() == ["converged", "failed", "doubtful"]
    assert found.reason.to_numpy().tolist() == ["", "no points left", "at a bound"]
    np.testing.assert_allclose(
        found.relative_scale, [[1.0, 1.0], [np.nan, np.nan], [0.25, 2.0]]
    )
    np.testing.assert_allclose(found.scale[2], [1.0, 2.0])
    assert np.isfinite(found.crystalline_area_fraction[[0, 2]]).all()
    assert "no curves" in str(found.crystalline_area_fraction_reason[1].item())


def test_a_failed_fit_has_no_numbers_but_its_reason(make_result: Make) -> None:
    with_leftovers = make_result(status=FitStatus.FAILED, reason="not finite")
    found = collect({"raw": with_leftovers}).isel(sample=0)
    for name, array in found.data_vars.items():
        if array.dtype.kind == "f":
            assert np.isnan(array).all(), name
    assert str(found.reason.item()) == "not finite"


def test_every_number_has_its_unit_and_name(make_result: Make) -> None:
    found = collect(series(make_result))
    units = {
        name: array.attrs["units"]
        for name, array in found.data_vars.items()
        if array.dtype.kind == "f"
    }
    assert units["cell_a"] == units["cell_a_std"] == "angstrom"
    assert units["cell_beta"] == "degree"
    assert units["size_nm"] == "nm"
    assert units["seconds"] == "s"
    assert units["r_wp_percent"] == "percent"
    rest = {
        unit
        for name, unit in units.items()
        if not str(name).startswith(("cell", "size", "seconds", "r_wp"))
    }
    assert rest == {"1"}
    assert all(array.attrs["long_name"] for array in found.data_vars.values())
    content = found.weight_fraction_crystalline.attrs["long_name"]
    assert "crystalline part" in content
    assert "content" not in content


def test_standard_gives_contents(make_result: Make) -> None:
    standard = InternalStandard(phase="NaCl", weight_fraction=0.2)
    found = collect(series(make_result), standard)
    np.testing.assert_allclose(found.amorphous_fraction, [0.0, np.nan, 0.875])
    np.testing.assert_allclose(
        found.weight_fraction_sample.sel(phase="NaTaCl6"), [1.0, np.nan, 0.125]
    )
    assert found.amorphous_fraction_reason.to_numpy().tolist() == [
        "",
        "the fit has no numbers",
        "",
    ]


def test_without_standard_contents_are_empty_with_a_reason(make_result: Make) -> None:
    found = collect(series(make_result))
    assert np.isnan(found.amorphous_fraction).all()
    assert "no internal standard" in str(found.amorphous_fraction_reason[0].item())


def test_phases_of_all_results_are_rows(make_result: Make) -> None:
    results = {
        "raw": make_result((4.0, 1.0)),
        "1h": make_result((4.0, 1.0), names=("NaCl", "Na2O")),
    }
    found = collect(results)
    assert found.phase.to_numpy().tolist() == ["NaTaCl6", "NaCl", "Na2O"]
    np.testing.assert_allclose(found.scale[1], [np.nan, 4.0, 1.0])
    assert "Na2O" in str(found.relative_scale_reason.sel(phase="Na2O").item())


def test_different_ranges_are_remarked(make_result: Make) -> None:
    results = series(make_result)
    assert "remark" not in collect(results).crystalline_area_fraction.attrs
    short = make_result((1.0, 2.0))
    cut = short.curves.sel(two_theta=slice(15.0, 60.0))
    results["2h"] = replace(short, curves=cut)
    remark = collect(results).crystalline_area_fraction.attrs["remark"]
    assert "not comparable" in remark


def test_unknown_times_are_nan(make_result: Make) -> None:
    found = first_level(
        {"x": make_result()}, milling_time={}, roles={}, internal_standards={}
    )
    assert np.isnan(found.milling_time).all()
    assert "no reference" in str(found.relative_scale_reason[0].item())


def test_no_result_is_refused() -> None:
    with pytest.raises(SchemaError, match="at least one"):
        collect({})


def test_tables_hold_the_contract(make_result: Make, tmp_path: Path) -> None:
    found = collect(series(make_result))
    phases = write_table(phases_table(found), tmp_path / "phases.csv")
    samples = write_table(samples_table(found), tmp_path / "samples.csv")
    rows = phases.read_text(encoding="utf-8").splitlines()
    assert rows[0] == PHASES_CSV
    assert len(rows) == 1 + 3 * 2
    assert rows[1].startswith("raw,0.0,NaTaCl6,0.8,0.004,0.01,0.02,4.0,0.01,1.0,30.0,")
    assert rows[3] == "1h,1.0,NaTaCl6" + "," * 23
    rows = samples.read_text(encoding="utf-8").splitlines()
    assert rows[0] == SAMPLES_CSV
    assert rows[2] == "1h,1.0,,,failed,no points left,,,,,,,,"


def test_the_dataset_survives_netcdf(make_result: Make, tmp_path: Path) -> None:
    found = collect(series(make_result))
    back = read_dataset(write_dataset(found, tmp_path / "level.nc"))
    xr.testing.assert_equal(back, found)
    assert back.relative_scale.attrs == found.relative_scale.attrs


def test_results_are_left_alone(make_result: Make) -> None:
    results = series(make_result)
    before = results["raw"].parameters.copy(deep=True)
    collect(results)
    xr.testing.assert_identical(results["raw"].parameters, before)
