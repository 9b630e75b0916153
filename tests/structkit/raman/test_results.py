"""From fits to the stored tree and its tables: nothing lost, nothing made up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from structkit.errors import SchemaError
from structkit.raman.bands import Band
from structkit.raman.fit import fit_bands
from structkit.raman.hypotheses import Hypothesis
from structkit.raman.identify import BandStatus
from structkit.raman.library import load_bands
from structkit.raman.model import BandModel, BaselineOptions, Template
from structkit.raman.result_tables import (
    bands_table,
    hypotheses_table,
    metrics_table,
    remarks_table,
)
from structkit.raman.results import SUM_STATUS, report_metrics, series_dataset
from structkit.raman.sample import MetricRules, measure_sample
from structkit.raman.series import (
    SampleResult,
    SeriesOptions,
    SeriesResult,
    SeriesSample,
    fit_series,
)
from structkit.schema import make_spectra
from structkit.schema.raman_results import validate_raman_results
from structkit.store import read_tree, write_tree

SHIFT = np.arange(90.0, 500.0, 1.5)
TRUE = {"TaCl6 A1g": (379.0, 11.0, 30_000.0), "405": (405.5, 10.0, 12_000.0)}
MANY_SIGMAS = 5.0
"""One seed in a million is further off."""
RULES = MetricRules(rivals=("TaCl5",))


def gauss(centre: float, fwhm: float, area: float) -> np.ndarray:
    sigma = fwhm / np.sqrt(8.0 * np.log(2.0))
    height = area / (sigma * np.sqrt(2.0 * np.pi))
    return np.asarray(height * np.exp(-0.5 * ((SHIFT - centre) / sigma) ** 2))


def simulate(
    lines: dict[str, tuple[float, float, float]], *, seed: int, n_spots: int = 3
) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    light = 500.0 + 0.3 * SHIFT + sum(gauss(*line) for line in lines.values())
    counts = rng.poisson(np.tile(light, (n_spots, 1)))
    return make_spectra(SHIFT, counts, scalars={"gain": 1.0, "readout_std": 1e-3})


CRYSTAL = {
    **TRUE,
    "TaCl6 Eg": (298.0, 14.0, 5_000.0),
    "TaCl6 T2g": (180.0, 14.0, 12_000.0),
    "out-of-plane bend": (125.0, 16.0, 9_000.0),
}
EDUCT = {
    "Ta2Cl10 terminal": (410.0, 9.0, 20_000.0),
    "Ta2Cl10 bridge": (240.0, 12.0, 6_000.0),
}


@pytest.fixture(scope="module")
def fitted() -> SeriesResult:
    """Fit a crystal and an educt; a third sample has no spectrum."""
    samples = [
        SeriesSample(name="salt", spectra=(simulate(CRYSTAL, seed=1),), milling_time=2),
        SeriesSample(
            name="educt",
            spectra=(simulate(EDUCT, seed=2, n_spots=2),),
            milling_time=0.0,
            role="unmilled",
        ),
    ]
    readings = (
        Hypothesis(name="salt", species=("NaTaCl6", "405 line"), statement="salt"),
        Hypothesis(name="glass", species=("cover glass",), statement="out of range"),
    )
    options = SeriesOptions(
        species=("NaTaCl6", "405 line"),
        rivals=("TaCl5",),
        hypotheses=(*readings[:1], replace(readings[1], species=("Ta-O-Ta bent",))),
        ensemble=False,
        rules=RULES,
        max_extra=0,
    )
    result = fit_series(samples, options)
    return replace(result, samples=(*result.samples, failed("lost", "no such file")))


def failed(name: str, reason: str) -> SampleResult:
    return SampleResult(
        sample=SeriesSample(name=name, spectra=()),
        measured=None,
        members=(),
        loss=None,
        assignment=None,
        rivals=(),
        reason=reason,
    )


@pytest.fixture(scope="module")
def tree(fitted: SeriesResult) -> xr.DataTree:
    told = [("salt", "a.txt", "summed"), ("salt", "a.txt", "summed"), ("", "", "all")]
    attrs = {"reduction": "photon"}
    return series_dataset(fitted, rules=RULES, remarks=told, attrs=attrs)


def test_tables_have_the_columns_that_were_agreed(tree: xr.DataTree) -> None:
    assert ",".join(bands_table(tree).columns) == (
        "sample,milling_time_h,spot,band,species,centre,centre_std,fwhm,fwhm_std,"
        "area,area_std,status"
    )
    assert ",".join(metrics_table(tree).columns) == (
        "sample,milling_time_h,metric,value,std,low,high,resolved,remark"
    )
    assert ",".join(hypotheses_table(tree).columns) == (
        "sample,hypothesis,delta_bic,n_parameters,discriminating_bands"
    )


def test_bands_are_those_simulated(tree: xr.DataTree) -> None:
    table = bands_table(tree)
    salt = table[table["sample"] == "salt"]
    assert sorted(set(salt["spot"])) == [1, 2, 3]
    assert set(salt["milling_time_h"]) == {2.0}
    for name, (centre, fwhm, area) in TRUE.items():
        rows = salt[salt["band"] == name]
        assert len(rows) == 3
        for key, true in (("centre", centre), ("fwhm", fwhm), ("area", area)):
            misfit = (rows[key] - true) / rows[f"{key}_std"]
            assert misfit.abs().max() < MANY_SIGMAS, (name, key)
        assert set(rows["status"]) == {BandStatus.DETERMINED.value}


def test_curves_add_up_to_the_data(tree: xr.DataTree, fitted: SeriesResult) -> None:
    spectra = tree["/salt/spectra/1"].to_dataset(inherit=False)
    light = spectra["component"].sum("column") + spectra["baseline"]
    rest = spectra["residual"] * spectra["intensity_std"]
    np.testing.assert_allclose(light + rest, spectra["intensity"], rtol=1e-5)
    measured = fitted.sample("salt").sample.spectra[0]["intensity"]
    np.testing.assert_array_equal(spectra["intensity"], measured)
    chi = float(tree["/salt/bands"]["chi_square"].mean())
    assert 0.7 < chi < 1.4


def test_a_failed_sample_is_a_row_everywhere(tree: xr.DataTree) -> None:
    bands, metrics = bands_table(tree), metrics_table(tree)
    (row,) = bands[bands["sample"] == "lost"].to_dict("records")
    assert row["status"] == "failed: no such file"
    lost = metrics[metrics["sample"] == "lost"]
    assert len(lost) == len(set(metrics["metric"]))
    assert set(lost["resolved"]) == {0}
    assert lost["value"].isna().all()
    assert set(lost["remark"]) == {"failed: no such file"}
    ranks = hypotheses_table(tree)
    assert set(ranks[ranks["sample"] == "lost"]["discriminating_bands"]) == {
        "no such file"
    }
    root = tree.to_dataset(inherit=False).sel(sample="lost")
    assert root["status"].item() == "failed"
    assert int(root["n_spots"]) == 0


def test_metrics_without_their_bands_are_unknown_not_nought(tree: xr.DataTree) -> None:
    table = metrics_table(tree)
    educt = table[table["sample"] == "educt"]
    assert educt[["value", "std", "low", "high"]].isna().to_numpy().all()
    assert set(educt["resolved"]) == {0}
    (r_ax,) = educt[educt["metric"] == "r_ax"].to_dict("records")
    assert "no band of the salt in the model" in r_ax["remark"]
    salt = table[table["sample"] == "salt"].set_index("metric")
    true = 12.0 / (12.0 + 35.0)
    assert salt.loc["r_ax", "resolved"] == 1
    assert abs(salt.loc["r_ax", "value"] - true) < MANY_SIGMAS * salt.loc["r_ax", "std"]
    assert np.isnan(salt.loc["r_O", "value"])
    assert "no band in the model within 700 to 900" in salt.loc["r_O", "remark"]


def test_readings_come_best_first_and_say_why_not(tree: xr.DataTree) -> None:
    table = hypotheses_table(tree)
    salt = table[table["sample"] == "salt"].to_dict("records")
    assert [row["hypothesis"] for row in salt] == ["salt", "glass"]
    assert salt[0]["delta_bic"] == 0.0
    assert np.isnan(salt[1]["delta_bic"])
    assert "no band of it within the range" in salt[1]["discriminating_bands"]


def test_the_tree_survives_the_disk(tree: xr.DataTree, tmp_path: Path) -> None:
    again = read_tree(write_tree(tree, tmp_path / "raman.nc"))
    validate_raman_results(again)
    for make in (bands_table, metrics_table, hypotheses_table):
        assert make(again).to_csv() == make(tree).to_csv()
    assert again.attrs["reduction"] == "photon"
    root = again.to_dataset(inherit=False)
    assert list(root["remark_text"].to_numpy()) == ["summed", "all"]


def test_units_and_long_names_are_everywhere(tree: xr.DataTree) -> None:
    for node in tree.subtree:
        for name, variable in node.to_dataset(inherit=False).data_vars.items():
            assert variable.attrs["long_name"], name
            if variable.dtype.kind in "fiu":
                assert variable.attrs["units"], name
    bands = tree["/salt/bands"]
    assert bands["area"].attrs["units"] == "count cm-1"
    assert bands["centre"].attrs["units"] == "cm-1"


def drop_value(root: xr.Dataset) -> xr.Dataset:
    return root.drop_vars("metric_value")


def forget_value(root: xr.Dataset) -> xr.Dataset:
    return root.assign(metric_value=xr.full_like(root["metric_value"], np.nan))


def negate(bands: xr.Dataset) -> xr.Dataset:
    std = bands["area_std"]
    return bands.assign(area_std=std.copy(data=-std.to_numpy()))


def strip(bands: xr.Dataset) -> xr.Dataset:
    return bands.assign(centre=bands["centre"].drop_attrs())


@pytest.mark.parametrize(
    ("node", "change", "message"),
    [
        ("/", drop_value, "/: no variable 'metric_value'"),
        ("/", forget_value, "resolved, but not finite"),
        ("/salt/bands", negate, "/salt/bands area_std: a standard uncertainty below"),
        ("/salt/bands", strip, "/salt/bands centre: no long_name"),
        ("/salt/spectra/1", xr.Dataset.transpose, "/salt/spectra/1 .*: dims"),
    ],
)
def test_broken_trees_are_refused(
    tree: xr.DataTree,
    node: str,
    change: Callable[[xr.Dataset], xr.Dataset],
    message: str,
) -> None:
    nodes = {each.path: each.to_dataset(inherit=False) for each in tree.subtree}
    nodes[node] = change(nodes[node])
    with pytest.raises(SchemaError, match=message):
        validate_raman_results(xr.DataTree.from_dict(nodes))


def test_bands_that_mirror_each_other_are_summed_too() -> None:
    spectra = simulate({"one": (378.0, 12.0, 20_000.0)}, seed=4)
    pair = tuple(
        Band(
            name=name,
            species="NaTaCl6",
            wavenumber=place,
            wavenumber_std=0.3,
            fwhm=12.0,
            fwhm_factor=1.2,
            family="pair",
        )
        for name, place in (("low", 377.5), ("high", 378.5))
    )
    fit = fit_bands(spectra, BandModel(bands=pair))
    measured = measure_sample(fit, RULES, ensemble=(), refit=False)
    verdicts = tuple(
        replace(v, status=BandStatus.MERGED, reason="alike", group="low + high")
        for v in measured.identifiability.verdicts
    )
    known = replace(measured.identifiability, verdicts=verdicts)
    sample = SeriesSample(name="a", spectra=(spectra,))
    one = replace(
        failed("a", ""),
        sample=sample,
        measured=replace(measured, identifiability=known),
        members=(0, 1, 2),
    )
    result = SeriesResult(samples=(one,), learned={}, remarks=())
    table = bands_table(series_dataset(result, rules=RULES))
    first = table[table["spot"] == 1].set_index("band")
    assert list(first.index) == ["low", "high", "low + high"]
    assert first.loc["low + high", "status"] == SUM_STATUS
    total = first.loc["low", "area"] + first.loc["high", "area"]
    assert first.loc["low + high", "area"] == pytest.approx(total)
    # The sum is known far better than either: their errors cancel.
    assert first.loc["low + high", "area_std"] < 0.2 * first.loc["low", "area_std"]
    assert abs(total - 20_000.0) < MANY_SIGMAS * first.loc["low + high", "area_std"]


def test_a_measured_spectrum_has_no_bands_to_count() -> None:
    axis = np.arange(80.0, 510.0, 1.0)
    crystal = np.interp(axis, SHIFT, gauss(378.0, 11.0, 1.0))
    model = BandModel(
        bands=load_bands().select("405 line").bands,
        templates=(
            Template(
                name="NTC", species="NaTaCl6", raman_shift=axis, values=crystal + 1e-9
            ),
        ),
        baseline=BaselineOptions(smoothness=1.0),
    )
    lines = {"378": (378.0, 11.0, 30_000.0), "405": TRUE["405"]}
    fit = fit_bands(simulate(lines, seed=3), model)
    measured = measure_sample(fit, RULES, ensemble=(), refit=False)
    one = replace(failed("a", ""), measured=measured, members=(0, 1, 2))
    found = {metric.name: metric for metric in report_metrics(one, RULES)}
    assert not found["r_ax"].resolved
    assert np.isnan(found["r_ax"].value)
    assert "measured spectrum of NaTaCl6" in found["r_ax"].remark


def test_remarks_are_told_once() -> None:
    table = remarks_table([("a", "f", "x"), ("a", "f", "x"), ("a", "", "y")])
    assert table.to_csv(index=False) == "sample,file,remark\na,f,x\na,,y\n"
