from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from structkit.cli.__main__ import main
from structkit.cli.demo import (
    FIGURE,
    complete_truth,
    format_comparison,
    format_raman,
    format_truth,
)
from structkit.cli.findings import Found
from structkit.io.manifest import read_series
from structkit.pipeline.limits import Limit
from structkit.pipeline.provenance import StageRecord, StageStatus, begin_provenance
from structkit.pipeline.run import RunResult
from structkit.store import read_dataset, write_dataset
from structkit.structures.cif import read_cif


def make_truth() -> xr.Dataset:
    """Return two samples of one phase: four, then one part of it beside the glass."""
    places = ("sample", "phase")
    return xr.Dataset(
        {
            "weight_fraction": (places, [[0.2], [0.8]]),
            "weight_fraction_crystalline": (places, [[1.0], [1.0]]),
            "size_nm": (places, [[5.0], [50.0]]),
            "component": ((*places, "two_theta"), [[[1.0, 0.0]], [[3.0, 1.0]]]),
            "halo": (("sample", "two_theta"), [[2.0, 1.0], [0.5, 0.5]]),
            "amorphous_fraction": ("sample", [0.8, 0.2]),
        },
        coords={
            "sample": ["late", "early"],
            "phase": ["NaCl"],
            "milling_time": ("sample", [2.0, 0.0]),
        },
    )


def test_truth_gets_the_names_of_the_results() -> None:
    truth = complete_truth(make_truth())
    np.testing.assert_allclose(truth["crystalline_area_fraction"], [0.25, 0.8])
    np.testing.assert_allclose(truth["relative_scale"], [[0.25], [1.0]])
    assert truth["relative_scale"].attrs["units"] == "1"


def test_a_phase_that_comes_later_has_no_relative_scale() -> None:
    known = make_truth()
    known["weight_fraction"][1] = 0.0
    scales = complete_truth(known)["relative_scale"]
    assert np.isnan(scales).all()


def test_comparison_shows_truth_beside_result() -> None:
    truth = complete_truth(make_truth())
    results = truth.assign(
        size_nm=(("sample", "phase"), [[5.4], [np.nan]]),
        size_nm_std=(("sample", "phase"), [[0.3], [np.nan]]),
        r_wp_percent=("sample", [6.78, np.nan]),
        amorphous_fraction_std=("sample", [0.03, np.nan]),
        amorphous_fraction_low=("sample", [0.74, np.nan]),
        amorphous_fraction_high=("sample", [0.86, np.nan]),
    )
    lines = format_comparison(results, truth).splitlines()
    early = ["late", "2", "6.8", "0.800", "0.80(3)", "0.740..0.860", "0.250", "0.250"]
    assert lines[1].split() == early
    late = lines[-2].split()
    assert late == ["late", "NaCl", "1.000", "1.000", "5.0", "5.4(3)"]
    assert lines[-1].split()[-1] == "-"


def make_whole_truth() -> xr.Dataset:
    """Return what is true of two samples, one of them without a conductivity."""
    return xr.Dataset(
        {
            "amorphous_fraction": ("sample", [0.2, 0.8]),
            "conductivity": ("sample", [np.nan, 4.4e-3]),
        },
        coords={"sample": ["1h", "4h"]},
    )


def test_truth_stands_beside_each_result_and_misses_are_named() -> None:
    found = (
        Found(sample="1h", quantity="amorphous", value=0.22, std=0.02),
        Found(sample="4h", quantity="amorphous", value=0.70, low=0.65, high=0.75),
        Found(sample="1h", quantity="sigma", value=0.1, std=0.01),
        Found(sample="4h", quantity="sigma", value=4.5, std=0.1),
        Found(sample="new", quantity="sigma", value=4.5, std=0.1),
    )
    blocks = format_truth(found, make_whole_truth()).split("\n\n")
    first, second = (block.splitlines() for block in blocks)
    assert first[1].split() == ["1h", "0.200", "0.22(2)", "0.18..0.26"]
    assert first[2].split() == ["4h", "0.800", "0.700", "0.650..0.750", "outside"]
    assert first[3] == "truth within 95 %: 1 of 2"
    assert second[1].split()[:2] == ["1h", "-"]
    assert second[2].split()[:3] == ["4h", "4.400", "4.5(1)"]
    assert second[4] == "truth within 95 %: 1 of 1"


@pytest.fixture
def quick_demo(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Put a run in place that takes the truth for its results; return what it got."""
    got: list[dict[str, Any]] = []

    def run_series(series_file: Path, output: Path, **options: Any) -> RunResult:
        got.append(options)
        series = read_series(series_file)
        known = complete_truth(read_dataset(series_file.with_name("truth.nc")))
        patterned = [one.id for one in series.samples if one.xrd is not None]
        write_dataset(known.sel(sample=patterned), output / "refine.nc")
        begun = begin_provenance(series, options={}, data=options["data"])
        done = StageRecord(name="report", status=StageStatus.DONE)
        limit = Limit(topic="xrd", sentence="Not all is known.")
        return RunResult(
            output=output,
            provenance=begun.with_stage(done),
            limits=(limit,),
            stages=(done,),
        )

    monkeypatch.setattr("structkit.pipeline.run.run_series", run_series)
    return got


def test_demo_says_what_is_true_what_was_found_and_where_it_is(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    quick_demo: list[dict[str, Any]],
) -> None:
    output = tmp_path / "demo"
    assert main(["demo", "-o", str(output), "--seed", "3"]) == 0
    (options,) = quick_demo
    assert options["data"] == {"kind": "synthetic", "seed": 3, "adversary": "none"}
    shown = capsys.readouterr().out
    assert shown.startswith("These data are synthetic")
    assert "amorphous: truth" in shown
    assert "- xrd: Not all is known." in shown
    assert f"Report: {output / 'results' / 'report.html'}" in shown
    assert f"Figure: {output / FIGURE}" in shown
    assert (output / FIGURE).stat().st_size > 10_000
    series = read_series(output / "measured" / "series.toml")
    assert {"xrd", "raman", "eis", "nmr"} <= {
        key
        for one in series.samples
        for key in ("xrd", "raman", "eis", "nmr")
        if getattr(one, key) is not None
    }
    assert read_cif(output / "measured" / "TaCl5_idealised.cif").formula == "TaCl5"


def test_demo_refuses_an_adversary_that_there_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "-o", str(tmp_path / "demo"), "--adversary", "gnome"]) == 2
    error = capsys.readouterr().err
    assert "no adversary 'gnome'; there are" in error
    assert "wrong_cif_a" in error
    assert not (tmp_path / "demo").exists()


def test_raman_shows_truth_beside_result() -> None:
    names = ["r_ax", "out_of_plane_ratio", "in_plane_ratio", "bend_ratio"]
    places = ("sample", "metric")
    results = xr.Dataset(
        {
            "role": ("sample", ["unmilled", "milled"]),
            "metric_value": (places, [[np.nan] * 4, [0.11, 0.21, 0.29, 0.7]]),
            "metric_value_std": (places, [[np.nan] * 4, [0.02, 0.01, 0.03, 0.1]]),
            "metric_resolved": (places, [[0] * 4, [1, 1, 0, 1]]),
        },
        coords={
            "sample": ["unmilled", "2h"],
            "metric": names,
            "milling_time": ("sample", [0.0, 2.0]),
        },
    )
    known = [[np.nan, 0.1], [np.nan, 0.2], [np.nan, 0.3]]
    truth = xr.Dataset(
        {name: ("sample", known[k]) for k, name in enumerate(names[:3])},
        coords={"sample": ["unmilled", "2h"]},
    )
    lines = format_raman(results, truth).splitlines()
    assert lines[1].split() == [
        *("2h", "2", "0.100", "0.11(2)", "0.200", "0.21(1)"),
        *("0.300", "n.r.", "0.667", "0.7(1)"),
    ]
    assert len(lines) == 3


def test_demo_checks_its_folder_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "taken").write_text("")
    assert main(["demo", "-o", str(tmp_path / "taken")]) == 1
    assert "is a file; give a folder" in capsys.readouterr().err
