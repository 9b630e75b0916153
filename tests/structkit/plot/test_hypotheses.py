from __future__ import annotations

import numpy as np
import xarray as xr

from structkit.plot.hypotheses import plot_hypotheses


def make_readings() -> xr.Dataset:
    """Return four readings, one of them without a fit."""
    return xr.Dataset(
        {
            "delta_bic": ("hypothesis", [800.0, 0.0, np.nan, 4.0]),
            "n_parameters": ("hypothesis", [20, 38, np.nan, 34]),
            "discriminating_bands": (
                "hypothesis",
                [
                    "without NTOC Eg (z 9.1)",
                    "TaCl6 A1g (z 3.0)",
                    "out of range",
                    "",
                ],
            ),
        },
        coords={"hypothesis": ["NTC", "NTC + glass", "NTC + Ta2O5", "glass"]},
    )


def test_the_best_reading_is_on_top_and_the_unfitted_last() -> None:
    ax = plot_hypotheses(make_readings())
    names = [text.get_text() for text in ax.get_yticklabels()]
    assert [name.split("  ")[0] for name in names] == [
        "NTC + glass",
        "glass",
        "NTC",
        "NTC + Ta₂O₅",
    ]
    assert ax.yaxis_inverted()


def test_equally_good_readings_are_bold() -> None:
    ax = plot_hypotheses(make_readings())
    weights = [text.get_fontweight() for text in ax.get_yticklabels()]
    assert weights == ["bold", "bold", "normal", "normal"]


def test_bars_are_as_long_as_the_difference() -> None:
    ax = plot_hypotheses(make_readings())
    assert [bar.get_width() for bar in ax.patches] == [0.0, 4.0, 800.0]


def test_notes_tell_difference_and_bands() -> None:
    notes = [text.get_text() for text in plot_hypotheses(make_readings()).texts]
    assert "no fit" in notes
    assert "TaCl₆ A1g (z 3.0)" in notes
    assert "800" in notes


def test_a_reading_without_a_fit_has_no_number_of_parameters() -> None:
    ax = plot_hypotheses(make_readings())
    assert "[" not in ax.get_yticklabels()[-1].get_text()
