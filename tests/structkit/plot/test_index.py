"""Figures of the index draw what is stored."""

from __future__ import annotations

import math

import numpy as np
import pytest
import xarray as xr

from structkit.index.combine import combine_metrics
from structkit.plot.index import compose_index, plot_agreement, plot_scores

ALPHA = np.array([0.3, 0.6, 0.8])


def made_up(*, alone: bool = False) -> xr.DataTree:
    def of(values: list[float]) -> tuple[str, list[float], dict[str, str]]:
        return "sample", values, {"units": "1", "long_name": "made up"}

    columns = {
        "amorphous_fraction": of(list(ALPHA)),
        "amorphous_fraction_std": of([0.02] * 3),
    }
    if not alone:
        columns |= {
            "glass_log_ratio": of(list(np.log(ALPHA / (1 - ALPHA)))),
            "glass_log_ratio_std": of([0.1] * 3),
            "crystalline_product": of([1.0] * 3),
        }
    metrics = xr.Dataset(
        columns,
        coords={
            "sample": ["1h", "2h", "4h"],
            "milling_time": (
                "sample",
                [1.0, 2.0, 4.0],
                {"units": "h", "long_name": "milling time"},
            ),
        },
    ).assign(role=("sample", ["milled"] * 3))
    return combine_metrics(metrics)


def test_points_stand_at_the_scores() -> None:
    ax = plot_scores(made_up())
    heights = [line.get_ydata() for line in ax.lines]
    found = [np.asarray(one) for one in heights if len(np.asarray(one)) == 3]
    assert any(np.allclose(one, ALPHA) for one in found)
    low, high = ax.get_ylim()
    assert low < 0.0 < 1.0 < high


def test_truth_is_drawn_where_it_is_known() -> None:
    truth = xr.DataArray(ALPHA, dims="sample", coords={"sample": ["1h", "2h", "4h"]})
    labels = [text.get_text() for text in plot_scores(made_up(), truth=truth).texts]
    legend = plot_scores(made_up(), truth=truth).get_legend()
    assert legend is not None
    assert "truth" in [text.get_text() for text in legend.get_texts()]
    assert labels == []


def test_agreement_names_each_technique() -> None:
    ax = plot_agreement(made_up())
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == ["XRD", "Raman"]


@pytest.mark.parametrize("alone", [True, False])
def test_whole_figure(alone: bool) -> None:
    figure = compose_index(made_up(alone=alone))
    assert len(figure.axes) == 2
    assert all(math.isfinite(edge) for edge in figure.axes[1].get_xlim())
