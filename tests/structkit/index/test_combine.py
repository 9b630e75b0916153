"""The stored index: which numbers there are, which lead, what is said where not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from structkit.errors import PlanError
from structkit.index.combine import combine_metrics
from structkit.index.modalities import IndexOptions
from structkit.index.variants import refuse_circle
from structkit.schema.index_results import validate_index
from structkit.store import read_tree, write_tree

CALIBRATED = IndexOptions(kappa_std=0.15, calibrated=True)


def lead(tree: xr.DataTree) -> xr.Dataset:
    return tree.to_dataset(inherit=False).sel(variant="struct", index="AI_lat")


def test_holds_to_its_schema_and_comes_back_from_a_file(
    make_metrics: Callable[..., xr.Dataset], tmp_path: Path
) -> None:
    tree = combine_metrics(make_metrics(1), CALIBRATED, weights={"xrd": 1.0, "nmr": 2})
    validate_index(tree)
    write_tree(tree, tmp_path / "index.nc")
    again = read_tree(tmp_path / "index.nc")
    validate_index(again)
    xr.testing.assert_equal(again["value"], tree["value"])


def test_three_techniques_lead_and_two_do_not(
    make_metrics: Callable[..., xr.Dataset],
) -> None:
    root = combine_metrics(make_metrics(1), CALIBRATED).to_dataset(inherit=False)
    one = root.sel(variant="struct", index="AI_lat")
    assert one["headline"].sel(sample=["1h", "4h"]).to_numpy().tolist() == [1, 1]
    assert int(one["headline"].sel(sample="2h")) == 0
    assert "xrd and raman alone" in str(one["reason"].sel(sample="2h").item())
    pooled = root.sel(variant="struct", index="AI_pool")
    assert np.isnan(pooled["value"].sel(sample="2h"))
    assert "see both values" in str(pooled["reason"].sel(sample="2h").item())


def test_variants_hold_what_they_say(make_metrics: Callable[..., xr.Dataset]) -> None:
    root = combine_metrics(make_metrics(1), CALIBRATED).to_dataset(inherit=False)
    cell = root["modalities"].sel(sample="4h", index="AI_lat")
    assert str(cell.sel(variant="struct").item()) == "xrd raman nmr"
    assert str(cell.sel(variant="all").item()) == "xrd raman nmr t1 eis"
    assert str(cell.sel(variant="without_xrd").item()) == "raman nmr"
    assert str(cell.sel(variant="without_eis").item()) == "xrd raman nmr t1"
    none = root["value"].sel(variant="without_xrd", index="AI_lat")
    assert np.isnan(none).all()


def test_conflict_takes_the_headline_away(
    make_metrics: Callable[..., xr.Dataset],
) -> None:
    one = lead(combine_metrics(make_metrics(None, raman=0.35), CALIBRATED))
    honest = lead(combine_metrics(make_metrics(None), CALIBRATED))
    assert "stands" in str(one["conflict"].sel(sample="4h").item())
    assert int(one["headline"].sel(sample="4h")) == 0
    assert int(honest["headline"].sel(sample="4h")) == 1


def test_diffraction_alone_says_so(make_metrics: Callable[..., xr.Dataset]) -> None:
    metrics = make_metrics(1)
    names = [n for n in metrics.data_vars if str(n).startswith("amorphous")]
    tree = combine_metrics(metrics[[*names, "role"]])
    root = tree.to_dataset(inherit=False)
    anchor = root.sel(variant="struct", index="AI_X")
    assert np.isfinite(anchor["value"].sel(sample="4h"))
    joint = root.sel(variant="struct", index="AI_lat")
    assert np.isnan(joint["value"]).all()
    assert "one technique: no consensus number" in str(joint["reason"][0].item())
    assert int(root["headline"].sum()) == 0


def test_nothing_measured_is_an_empty_index(
    make_metrics: Callable[..., xr.Dataset],
) -> None:
    tree = combine_metrics(make_metrics(1)[["role"]])
    validate_index(tree)
    assert np.isnan(tree["value"]).all()


def test_bounds_are_kept_as_bounds(make_metrics: Callable[..., xr.Dataset]) -> None:
    metrics = make_metrics(1)
    metrics["amorphous_fraction"] = metrics["amorphous_fraction"].where(
        metrics["sample"] != "4h"
    )
    metrics["amorphous_fraction"].attrs["constant_std"] = 0.03
    tree = combine_metrics(metrics, CALIBRATED)
    anchor = tree.to_dataset(inherit=False).sel(
        variant="struct", index="AI_X", sample="4h"
    )
    assert np.isnan(anchor["value"])
    assert float(anchor["low"]) > 0.5
    assert str(anchor["reason"].item()) == "bounds only"
    scores = tree.children["scores"].to_dataset()
    assert np.isfinite(scores["score_low"].sel(sample="4h", modality="xrd"))


def test_uncalibrated_is_said(make_metrics: Callable[..., xr.Dataset]) -> None:
    tree = combine_metrics(make_metrics(1))
    assert tree.attrs["calibration"] == "uncalibrated"
    assert "not calibrated" in str(tree.attrs["remarks"])


def test_weights_come_with_what_others_would_give(
    make_metrics: Callable[..., xr.Dataset],
) -> None:
    tree = combine_metrics(make_metrics(3), weights={"xrd": 2, "raman": 1, "nmr": 1})
    weighted = tree.children["weighted"].to_dataset()
    one = weighted.sel(sample="4h")
    assert float(one["least"]) <= float(one["value"]) <= float(one["most"])
    assert np.allclose(weighted["weight"].sum("modality"), 1.0)
    assert weighted.sizes["mix"] == 21 * 22 // 2


@pytest.mark.parametrize("weights", [{"nmrx": 1.0}, {"xrd": 0.0}, {"xrd": -1.0}])
def test_weights_that_cannot_be_are_refused(
    make_metrics: Callable[..., xr.Dataset], weights: dict[str, float]
) -> None:
    with pytest.raises(PlanError, match="weights"):
        combine_metrics(make_metrics(3), weights=weights)


def test_an_index_is_not_held_against_what_made_it() -> None:
    refuse_circle("struct", ["xrd", "raman"], against="eis")
    with pytest.raises(PlanError, match="against itself"):
        refuse_circle("all", ["xrd", "raman", "eis"], against="eis")
