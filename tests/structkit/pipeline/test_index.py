"""Stored results of techniques -> index.nc and its tables."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from structkit.errors import ReadError
from structkit.io.manifest import read_series
from structkit.pipeline.index import gather_metrics, run_index
from structkit.schema.index_results import validate_index
from structkit.store import read_table, read_tree, write_tree

SERIES = """
[series]
name = "made up for a test"
axis = "milling_time"
mixture = { NaCl = 1, TaCl5 = 1, Na2O = 1 }

[index]
kappa = 2.0
kappa_std = 0.1

[[sample]]
id = "NTC"
role = "crystalline_reference"
nmr = "spectrum.csv"
mixture = { NaCl = 1, TaCl5 = 1 }

[[sample]]
id = "1h"
role = "milled"
nmr = "spectrum.csv"
milling_time = 1

[[sample]]
id = "4h"
role = "milled"
nmr = "spectrum.csv"
milling_time = 4

[[sample]]
id = "glass"
role = "glass_reference"
nmr = "spectrum.csv"
"""
PHASES = ("NaTaCl6", "NaCl", "Na2O", "TaCl5")
MASS = {"NaTaCl6": 416.64, "NaCl": 58.44, "Na2O": 61.98, "TaCl5": 358.2}
MIXTURE_G = MASS["NaCl"] + MASS["TaCl5"] + MASS["Na2O"]
SHARES = {"1h": 0.40, "4h": 0.80}
CRYSTALS = {"1h": (0.75, 0.05, 0.10, 0.10), "4h": (0.85, 0.10, 0.05, 0.0)}
"""Weight fractions of the crystals among themselves."""
ROUNDING = 1e-6


def of(dims: object, values: object, units: str = "1") -> tuple[object, ...]:
    return dims, np.asarray(values), {"units": units, "long_name": "made up"}


@pytest.fixture
def series_file(tmp_path: Path) -> Path:
    path = tmp_path / "series.toml"
    path.write_text(SERIES, encoding="utf-8")
    (tmp_path / "spectrum.csv").write_text("not read here", encoding="utf-8")
    return path


def write_diffraction(output: Path) -> None:
    weights = np.array([[(1 - SHARES[s]) * w for w in CRYSTALS[s]] for s in SHARES])
    alpha = np.array(list(SHARES.values()))
    root = xr.Dataset(
        {
            "amorphous_fraction": of("sample", alpha),
            "amorphous_fraction_std": of("sample", [0.03, 0.03]),
            "amorphous_fraction_low": of("sample", alpha - 0.06),
            "amorphous_fraction_high": of("sample", alpha + 0.06),
            "weight_fraction_sample": of(("sample", "phase"), weights),
            "weight_fraction_sample_std": of(("sample", "phase"), 0.02 * weights),
            "value": of("quantity", [0.02]),
        },
        coords={
            "sample": list(SHARES),
            "phase": list(PHASES),
            "quantity": ["instrument_constant_relative_std"],
        },
    )
    write_tree(xr.DataTree(root), output / "crystallinity.nc")


def phi(sample: str) -> float:
    """Return the share of tantalum in glass by counting moles."""
    grams = {
        p: (1 - SHARES[sample]) * w * MIXTURE_G
        for p, w in zip(PHASES, CRYSTALS[sample], strict=True)
    }
    product = grams["NaTaCl6"] / MASS["NaTaCl6"]
    chloride = grams["TaCl5"] / MASS["TaCl5"]
    return 1.0 - product / (1.0 - chloride)


def write_raman(output: Path, *, kappa: float, resolved: int = 1) -> None:
    share = []
    for sample in SHARES:
        odds = phi(sample) / (1.0 - phi(sample)) / kappa
        share.append(odds / (1.0 + odds))
    values = np.array(share)[:, None]
    logit = np.log(values / (1.0 - values))
    reach = 1.96 * math.hypot(0.7, 0.2)
    ends = [1.0 / (1.0 + np.exp(-(logit + sign * reach))) for sign in (-1, 1)]
    dims = ("sample", "metric")
    root = xr.Dataset(
        {
            "metric_value": of(dims, values),
            "metric_low": of(dims, ends[0]),
            "metric_high": of(dims, ends[1]),
            "metric_resolved": of(dims, np.full((2, 1), resolved, np.int8)),
        },
        coords={"sample": list(SHARES), "metric": ["amorphous_share"]},
    )
    write_tree(xr.DataTree(root), output / "raman.nc")


def write_nmr(output: Path) -> None:
    names = ["NTC", "1h", "4h", "glass"]
    place = [0.0, phi("1h"), phi("4h"), 1.0]
    shift = -10.6 - 0.6 * np.array(place)[:, None]
    dims = ("sample", "site")
    root = xr.Dataset(
        {
            "shift": of(dims, shift, "ppm"),
            "shift_std": of(dims, np.full((4, 1), 0.005), "ppm"),
            "t1": of(dims, np.full((4, 1), math.nan), "s"),
            "t1_std": of(dims, np.full((4, 1), math.nan), "s"),
        },
        coords={"sample": names, "site": ["NTOC"]},
    )
    write_tree(xr.DataTree(root), output / "nmr.nc")


def test_all_techniques_give_the_share_they_were_made_of(
    series_file: Path, tmp_path: Path
) -> None:
    write_diffraction(tmp_path)
    write_raman(tmp_path, kappa=2.0)
    write_nmr(tmp_path)
    tree = run_index(series_file, tmp_path)
    validate_index(tree)
    scores = tree.children["scores"].to_dataset()
    assert [str(one) for one in scores["modality"].to_numpy()] == [
        "xrd",
        "raman",
        "nmr",
    ]
    for sample, share in SHARES.items():
        found = scores["score"].sel(sample=sample).to_numpy()
        assert found == pytest.approx([share] * 3, abs=2e-3)
    # the logarithm's own error: the limits less what the cross-sections add
    metrics = gather_metrics(read_series(series_file), tmp_path)
    own = metrics["glass_log_ratio_std"].sel(sample="1h")
    assert float(own) == pytest.approx(0.2, rel=1e-2)
    joint = tree["value"].sel(index="AI_lat", variant="struct")
    assert joint.sel(sample=["1h", "4h"]).to_numpy() == pytest.approx(
        list(SHARES.values()), abs=5e-3
    )
    assert tree.attrs["calibration"] == "calibrated"


def test_tables_have_the_columns_of_the_issue_and_the_file_comes_back(
    series_file: Path, tmp_path: Path
) -> None:
    write_diffraction(tmp_path)
    tree = run_index(series_file, tmp_path)
    rows = read_table(tmp_path / "tables" / "index.csv")
    assert list(rows[0]) == (
        "sample,milling_time_h,index,variant,value,low,high,modalities,conflict,headline"
    ).split(",")
    scores = read_table(tmp_path / "tables" / "scores.csv")
    assert list(scores[0]) == "sample,milling_time_h,modality,score,std".split(",")
    assert {row["sample"] for row in scores} == {"NTC", "1h", "4h", "glass"}
    again = read_tree(tmp_path / "index.nc")
    validate_index(again)
    xr.testing.assert_equal(again["value"], tree["value"])


def test_unresolved_raman_is_no_evidence(series_file: Path, tmp_path: Path) -> None:
    write_diffraction(tmp_path)
    write_raman(tmp_path, kappa=2.0, resolved=0)
    tree = run_index(series_file, tmp_path)
    names = tree.children["scores"].to_dataset()["modality"].to_numpy()
    assert [str(one) for one in names] == ["xrd"]


def test_without_diffraction_glass_counts_by_tantalum(
    series_file: Path, tmp_path: Path
) -> None:
    write_raman(tmp_path, kappa=2.0)
    tree = run_index(series_file, tmp_path)
    scores = tree.children["scores"].to_dataset().sel(modality="raman")
    assert float(scores["score"].sel(sample="4h")) == pytest.approx(phi("4h"), abs=1e-3)
    assert "share of tantalum" in str(scores["remark"].sel(sample="4h").item())


def test_nothing_stored_is_an_error_with_its_remedy(
    series_file: Path, tmp_path: Path
) -> None:
    with pytest.raises(ReadError, match="structkit run"):
        run_index(series_file, tmp_path)


def test_a_damaged_file_is_named(series_file: Path, tmp_path: Path) -> None:
    (tmp_path / "raman.nc").write_bytes(b"no netCDF")
    with pytest.raises(ReadError, match=r"raman\.nc"):
        run_index(series_file, tmp_path)
