"""The figure of own weights draws what is stored, and refuses what it cannot draw."""

from __future__ import annotations

import math

import numpy as np
import pytest
import xarray as xr

from structkit.errors import SchemaError
from structkit.index.combine import combine_metrics
from structkit.plot.weights import plot_weights

ALPHA = np.array([0.3, 0.6, 0.8])
NMR = 0.4
"""By how much NMR says more amorphous than the rest does, at the second sample."""


def made_up(**weights: float) -> xr.DataTree:
    def of(values: list[float]) -> tuple[str, list[float], dict[str, str]]:
        return "sample", values, {"units": "1", "long_name": "made up"}

    nan = math.nan
    shift = 10.0 * ALPHA
    metrics = xr.Dataset(
        {
            "amorphous_fraction": of([*ALPHA, 0.0, 1.0]),
            "amorphous_fraction_std": of([0.02] * 5),
            "glass_log_ratio": of([*np.log(ALPHA / (1 - ALPHA)), nan, nan]),
            "glass_log_ratio_std": of([0.1] * 5),
            "line_shift": of([nan, shift[1] + NMR, nan, 0.0, 10.0]),
            "line_shift_std": of([0.05] * 5),
            "crystalline_product": of([1.0] * 5),
        },
        coords={
            "sample": ["1h", "2h", "4h", "NTC", "glass"],
            "milling_time": (
                "sample",
                [1.0, 2.0, 4.0, 0.0, 4.0],
                {"units": "h", "long_name": "milling time"},
            ),
        },
    )
    roles = ["milled"] * 3 + ["crystalline_reference", "glass_reference"]
    return combine_metrics(metrics.assign(role=("sample", roles)), weights=weights)


def test_two_techniques_are_a_line_from_one_to_the_other() -> None:
    tree = made_up(xrd=2.0, raman=1.0)
    ax = plot_weights(tree, sample="1h")
    weight, share = (np.asarray(one) for one in ax.lines[-1].get_data())
    scores = tree["scores"].to_dataset()["score"].sel(sample="1h")
    assert share[weight == 1.0] == pytest.approx(float(scores.sel(modality="xrd")))
    assert share[weight == 0.0] == pytest.approx(float(scores.sel(modality="raman")))
    level = np.asarray(ax.lines[0].get_ydata())
    mine = float(tree["weighted"]["value"].sel(sample="1h"))
    assert level == pytest.approx([mine, mine])


def test_three_techniques_are_a_triangle_with_each_share_at_its_corner() -> None:
    tree = made_up(xrd=1.0, raman=1.0, nmr=1.0)
    ax = plot_weights(tree, sample="2h")
    scores = tree["scores"].to_dataset()["score"].sel(sample="2h")
    wanted = {
        f"{name}\n{float(scores.sel(modality=key)):.2f}"
        for key, name in (("xrd", "XRD"), ("raman", "Raman"), ("nmr", "²³Na shift"))
    }
    assert wanted <= {text.get_text() for text in ax.texts}
    assert "by any" in ax.get_title()


def test_a_technique_that_did_not_measure_the_sample_is_left_out() -> None:
    ax = plot_weights(made_up(xrd=1.0, raman=1.0, nmr=1.0), sample="1h")
    assert ax.get_xlabel() == "weight of XRD against Raman"


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(SchemaError, match="give weights"):
        plot_weights(made_up(), sample="1h")
    tree = made_up(xrd=1.0, raman=1.0)
    with pytest.raises(SchemaError, match="no sample '9h'"):
        plot_weights(tree, sample="9h")
    with pytest.raises(SchemaError, match="by 1 of the weighted"):
        plot_weights(tree, sample="NTC")
