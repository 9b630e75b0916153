"""The labelled layer: what goes in, what comes out, what is quoted."""

import numpy as np
import pytest
import xarray as xr

from refinement.crystallinity.kinetics import (
    Mill,
    curves,
    fit_consecutive,
    fit_kinetics,
    kinetics_table,
    milling_dose,
)
from structkit.errors import SchemaError

HOURS = np.array([1.0, 2.0, 4.0, 6.0])
MANY = np.array([0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0])
QUICK = ("first_order", "jmak")


def make(hours: np.ndarray, std: float = 0.02, **columns: np.ndarray) -> xr.Dataset:
    """Return a series with one variable for each column, and its ``_std``."""
    series = xr.Dataset(
        coords={
            "sample": [f"{hour:g}h" for hour in hours],
            "milling_time": ("sample", hours, {"units": "h"}),
        }
    )
    for name, values in columns.items():
        series[name] = ("sample", values, {"units": "1"})
        series[f"{name}_std"] = ("sample", np.full(hours.size, std), {"units": "1"})
    return series


def test_labels_units_and_what_is_quoted() -> None:
    given = make(HOURS, left=curves.first_order(HOURS, 0.5))
    before = given.copy(deep=True)
    found = fit_kinetics(given, "left")
    xr.testing.assert_identical(given, before)
    assert list(found["model"].values) == [
        "first_order",
        "first_order_plateau",
        "jmak",
        "delogu_cocco",
    ]
    for name, units in (
        ("rate", "h-1"),
        ("half_life_low", "h"),
        ("jmak_exponent_high", "1"),
        ("jmak_exponent_resolved", "1"),
        ("aicc", "1"),
    ):
        assert found[name].attrs["units"] == units
        assert found[name].attrs["long_name"]
    np.testing.assert_array_equal(found["preferred"], [1, 0, 0, 0])
    np.testing.assert_allclose(found["rate"], 0.5, rtol=1e-3)
    assert np.isnan(found["jmak_exponent"].sel(model="first_order"))
    assert "jmak_exponent not resolved" in str(found["remark"].sel(model="jmak").item())
    assert float(found["delta_aicc"].min()) == 0.0
    assert found.attrs["quantity"] == "left"


def test_four_times_quote_only_the_rate() -> None:
    few = make(HOURS, left=curves.jmak(HOURS, 0.5, 2.0))
    many = make(MANY, left=curves.jmak(MANY, 0.5, 2.0))
    quoted = [fit_kinetics(s, "left", models=QUICK)["preferred"] for s in (few, many)]
    np.testing.assert_array_equal(quoted, [[1, 0], [0, 1]])


def test_non_detects_are_used_by_limit_or_by_flag() -> None:
    value = curves.first_order(MANY, 0.5)
    hidden = value < 0.1
    series = make(MANY, left=np.where(hidden, np.nan, value))
    limit = np.where(hidden, 0.1, np.nan)
    by_limit = series.assign(left_limit=("sample", limit))
    by_flag = by_limit.assign(
        left=("sample", value), left_censored=("sample", hidden.astype(int))
    )
    dropped = fit_kinetics(series, "left", models=["first_order"])
    found = [
        fit_kinetics(s, "left", models=["first_order"]) for s in (by_limit, by_flag)
    ]
    xr.testing.assert_identical(*found)
    assert float(found[0]["n_censored"][0]) == hidden.sum() == 2
    assert float(found[0]["n_points"][0]) == MANY.size
    assert float(dropped["n_points"][0]) == MANY.size - 2
    assert "left of 6h" in dropped.attrs["remark"]
    assert float(found[0]["rate_low"][0]) > float(dropped["rate_low"][0])


def test_limit_stands_for_a_sigma_where_none_is_given() -> None:
    series = make(HOURS, left=np.array([0.6, 0.37, np.nan, np.nan]))
    series["left_limit"] = ("sample", [np.nan, np.nan, 0.2, 0.1])
    bare = series.copy()
    bare["left_std"] = ("sample", [0.02, 0.02, np.nan, np.nan])
    explicit = series.copy()
    explicit["left_std"] = ("sample", [0.02, 0.02, 0.2 / 3.29, 0.1 / 3.29])
    xr.testing.assert_identical(
        fit_kinetics(bare, "left", models=["first_order"]),
        fit_kinetics(explicit, "left", models=["first_order"]),
    )


def test_reference_without_sigma_is_left_out_and_named() -> None:
    hours = np.append(0.0, HOURS)
    series = make(hours, left=curves.first_order(hours, 0.5))
    series["left_std"][0] = np.nan
    found = fit_kinetics(series, "left", models=["first_order"])
    assert "left of 0h" in found.attrs["remark"]
    assert float(found["n_points"][0]) == 4.0


def test_unknown_sigma_is_fitted() -> None:
    noise = np.array([0.02, -0.02, 0.02, -0.02])
    series = make(HOURS, left=curves.first_order(HOURS, 0.5) + noise)
    found = fit_kinetics(series.drop_vars("left_std"), "left", models=QUICK)
    assert float(found["noise_std"][0]) == pytest.approx(0.02, rel=0.2)
    assert np.isnan(found["aicc"].sel(model="jmak"))
    assert "more than 4 points" in str(found["aicc_reason"].sel(model="jmak").item())


def test_consecutive_and_the_table(tmp_path) -> None:
    precursors, phase = curves.consecutive(MANY, 2.0, 0.45)
    series = make(MANY, pre=precursors, phase=phase, total=precursors + phase)
    joint = fit_consecutive(series, "pre", "phase")
    assert joint["formation_rate"].attrs["units"] == "h-1"
    assert float(joint["loss_rate"][0]) == pytest.approx(0.45, rel=1e-3)
    single = fit_kinetics(series, "total", models=["first_order"])
    failed = fit_consecutive(series.isel(sample=[]), "pre", "phase")
    assert str(failed["status"][0].item()) == "failed"
    table = kinetics_table(single, joint, failed)
    assert list(table.columns) == [
        "model",
        "parameter",
        "value",
        "low",
        "high",
        "resolved",
    ]
    assert list(table["parameter"]) == [
        "rate",
        "half_life",
        "formation_rate",
        "loss_rate",
        "precursor_half_life",
        "phase_half_life",
        "",
    ]
    for number, dataset in enumerate((single, joint, failed)):
        path = tmp_path / f"{number}.nc"
        dataset.to_netcdf(path, engine="h5netcdf")
        with xr.open_dataset(path, engine="h5netcdf") as stored:
            xr.testing.assert_equal(stored, dataset)


def test_dose_may_be_the_axis() -> None:
    mill = Mill(ball_count=2, powder_mass=1.0, frequency=20.0, impact_energy=0.05)
    series = make(HOURS, left=curves.first_order(HOURS, 0.5))
    dose = milling_dose(series["milling_time"], mill)
    found = fit_kinetics(
        series.assign_coords(milling_dose=dose),
        "left",
        models=["first_order"],
        axis="milling_dose",
    )
    assert float(found["rate"][0]) == pytest.approx(0.5 / 7.2, rel=1e-4)
    assert found["rate"].attrs["units"] == "g kJ-1"
    assert found["half_life"].attrs["units"] == "kJ g-1"


def test_mistakes_are_named() -> None:
    series = make(HOURS, left=curves.first_order(HOURS, 0.5))
    flagged = series.assign(left_censored=("sample", [0, 0, 0, 1]))
    minutes = series.assign_coords(
        milling_time=("sample", 60.0 * HOURS, {"units": "min"})
    )
    cases = [
        (series, "right", {}, "no variable 'right'"),
        (series, "left", {"models": ["consecutive"]}, "fit_consecutive"),
        (series, "left", {"axis": "milling_dose"}, "coordinate 'milling_dose'"),
        (series.expand_dims(phase=["a"]), "left", {}, "choose one phase"),
        (flagged, "left", {}, "left of 6h is censored but has no left_limit"),
        (minutes, "left", {}, "units 'min'"),
        (series.assign(left_std=0.0 * series["left"]), "left", {}, "must be positive"),
    ]
    for given, name, options, message in cases:
        with pytest.raises(SchemaError, match=message):
            fit_kinetics(given, name, **options)
