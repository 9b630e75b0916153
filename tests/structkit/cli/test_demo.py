from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
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
)
from structkit.io.manifest import read_series
from structkit.store import read_dataset
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


def test_demo_writes_one_figure_and_says_where(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def run_refinement(series_file: Path, output: Path, **_options: Any) -> xr.Dataset:
        truth = complete_truth(read_dataset(series_file.with_name("truth.nc")))
        words = np.full(truth.sizes["sample"], "so amorphous")
        return truth.assign(verdict=("sample", words))

    fake = ModuleType("structkit.pipeline.diffraction")
    fake.run_refinement = run_refinement  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "structkit.pipeline.diffraction", fake)
    output = ["-o", str(tmp_path / "demo"), "--no-raman"]
    assert main(["demo", *output]) == 0
    shown = capsys.readouterr().out
    assert "so amorphous" in shown
    assert f"Figure: {tmp_path / 'demo' / FIGURE}" in shown
    assert (tmp_path / "demo" / FIGURE).stat().st_size > 10_000
    measured = tmp_path / "demo" / "measured"
    series = read_series(measured / "series.toml")
    assert series.samples[0].role == "unmilled"
    assert read_cif(measured / "TaCl5_idealised.cif").formula == "TaCl5"


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
