"""Traces of plotly.js: numbers packed, curves thinned, texts plain."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st

from structkit.plot.interactive.figure import (
    line_trace,
    make_figure,
    pack_array,
    plain_text,
    point_trace,
    share_abscissae,
    thin_curves,
    unpack_array,
)

SINGLE = 2e-7
"""Relative rounding of single precision, and some more."""


def test_numbers_come_back_in_single_precision_with_their_gaps() -> None:
    values = np.array([0.1, -3.5e7, np.nan, 2.0e-9])
    found = unpack_array(pack_array(values))
    np.testing.assert_allclose(found, values, rtol=SINGLE)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([0, 65535], "u2"),
        ([0, 65536], "f4"),
        ([-1, 1], "f4"),
        ([0.5], "f4"),
        ([], "f4"),
    ],
)
def test_counts_take_two_bytes(values: list[float], kind: str) -> None:
    packed = pack_array(values)
    assert packed["dtype"] == kind
    np.testing.assert_array_equal(unpack_array(packed), values)


@given(
    seed=st.integers(0, 2**31),
    size=st.integers(1, 3000),
    curves=st.integers(1, 3),
    limit=st.integers(8, 400),
)
def test_thinning_keeps_ends_and_extremes_of_every_curve(
    seed: int, size: int, curves: int, limit: int
) -> None:
    data = np.random.default_rng(seed).standard_normal((curves, size))
    kept = thin_curves(list(data), limit=limit)
    assert (np.diff(kept) > 0).all()
    assert {0, size - 1} <= set(kept.tolist())
    np.testing.assert_array_equal(data[:, kept].max(axis=1), data.max(axis=1))
    np.testing.assert_array_equal(data[:, kept].min(axis=1), data.min(axis=1))
    assert kept.size <= max(limit, 2 * curves) + 2


def test_every_narrow_peak_survives() -> None:
    light = np.zeros(20000)
    peaks = np.arange(150, 20000, 500)
    light[peaks] = 7.0
    assert set(peaks.tolist()) <= set(thin_curves([light], limit=1000).tolist())


def test_no_text_is_markup() -> None:
    text = plain_text("<a href='x'>&lt;b&gt;</a>")
    assert "<" not in text
    assert "&lt;b" not in text.replace("&amp;lt;b", "")


def test_plotly_takes_the_figures() -> None:
    figure = make_figure(
        [
            line_trace([0.0, 1.0], [2.0, 3.0], "<b>a", "#000000", dash="dash"),
            point_trace(
                ["<i>x", "y"],
                [1.0, 2.0],
                "b",
                "#0072B2",
                low=[0.5, np.nan],
                high=[1.5, np.nan],
                texts=["p", "q"],
            ),
        ],
        x_title="x (1)",
        y_title="y (1)",
    )
    taken = go.Figure(figure).to_dict()  # plotly refuses what plotly.js does not know
    assert taken["data"][0]["name"] == "&lt;b&gt;a"
    assert taken["data"][1]["x"][0] == "&lt;i&gt;x"
    np.testing.assert_array_equal(
        unpack_array(figure["data"][1]["error_y"]["array"]), [0.5, 0.0]
    )


def test_one_abscissa_is_shared() -> None:
    data = [line_trace([1.5, 2.5], y, "a", "#000000") for y in ([0, 1], [1, 0])]
    assert share_abscissae(data)[1]["x"] == 0
    assert data[1]["x"] != 0
