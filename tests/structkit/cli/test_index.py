"""``structkit index``: what is printed."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr

from structkit.cli.index import format_index
from structkit.index.combine import combine_metrics

NAN = math.nan


def made_up(bias: float = 0.0) -> xr.DataTree:
    def of(values: list[float]) -> tuple[str, list[float], dict[str, str]]:
        return "sample", values, {"units": "1", "long_name": "made up"}

    alpha = np.array([NAN, 0.3, 0.6, 0.8])
    metrics = xr.Dataset(
        {
            "amorphous_fraction": of(list(alpha)),
            "amorphous_fraction_std": of([NAN, 0.02, 0.02, 0.02]),
            "glass_log_ratio": of(list(np.log(alpha / (1 - alpha)))),
            "glass_log_ratio_std": of([NAN, 0.1, 0.1, 0.1]),
            "line_shift": of([0.0, 0.3 + bias, NAN, 0.8 + bias]),
            "line_shift_std": of([0.01] * 4),
            "role": ("sample", ["crystalline_reference", *["milled"] * 3]),
        },
        coords={
            "sample": ["NTC", "1h", "2h", "4h"],
            "milling_time": (
                "sample",
                [NAN, 1.0, 2.0, 4.0],
                {"units": "h", "long_name": "milling time"},
            ),
        },
    )
    return combine_metrics(metrics)


def test_scores_and_index_stand_in_one_table() -> None:
    text = format_index(made_up())
    lines = text.splitlines()
    assert lines[0].split()[:5] == ["sample", "t/h", "xrd", "raman", "nmr"]
    (row,) = [line for line in lines if line.startswith("4h")]
    assert "0.80(2)" in row
    assert "not calibrated" in text


def test_what_two_techniques_leave_open_is_said() -> None:
    (row,) = [line for line in format_index(made_up()).splitlines() if "2h" in line]
    assert "xrd and raman alone" in row
