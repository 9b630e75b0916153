from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import xarray as xr

from structkit.plot.spectrum import (
    compose_spectrum_figure,
    plot_recorded,
    plot_residual,
    plot_spectrum,
)

SHIFT = np.arange(100.0, 900.0, 2.0)
COLUMNS = {"NaTaCl6": (180.0, 380.0), "405": (405.0,), "NTOC stretch": (390.0,)}
MASKED = 20


def make_curves(*, tilt: float = 0.2, hidden: bool = True) -> xr.Dataset:
    """Return curves of a tie of two bands and of two bands, the last not determined."""
    rng = np.random.default_rng(5)
    light = np.stack(
        [
            sum(800.0 / (1.0 + ((SHIFT - c) / 6.0) ** 2) for c in centres)
            for centres in COLUMNS.values()
        ]
    )
    baseline = 400.0 + tilt * SHIFT
    sigma = np.sqrt(light.sum(axis=0) + baseline)
    residual = rng.normal(size=SHIFT.size)
    intensity = light.sum(axis=0) + baseline + residual * sigma
    masked = np.zeros(SHIFT.size, dtype=np.int8)
    if hidden:
        masked[MASKED], intensity[MASKED], residual[MASKED] = 1, 1e5, np.nan
    count = {"units": "count", "long_name": "intensity"}
    along = ("raman_shift",)
    bands = ["bend (NTC)", "A1g (NTC)", "405", "NTOC stretch"]
    return xr.Dataset(
        {
            "intensity": (along, intensity, count),
            "intensity_std": (along, sigma, count),
            "baseline": (along, baseline, count),
            "component": (("column", *along), light, count),
            "residual": (along, residual, {"units": "1"}),
            "masked": (along, masked),
            "centre": (("band",), [c for each in COLUMNS.values() for c in each]),
        },
        coords={
            "raman_shift": (
                along,
                SHIFT,
                {"units": "cm-1", "long_name": "Raman shift"},
            ),
            "column": list(COLUMNS),
            "column_species": ("column", ["NaTaCl6", "405 line", "NTOC glass"]),
            "column_status": ("column", ["determined", "determined", "doubtful"]),
            "band": bands,
            "band_column": ("band", ["NaTaCl6", "NaTaCl6", "405", "NTOC stretch"]),
            "band_species": (
                "band",
                ["NaTaCl6", "NaTaCl6", "405 line", "NTOC glass"],
            ),
        },
        attrs={"status": "converged", "reason": "", "chi_square": 1.04},
    )


def test_labels_come_from_the_attributes() -> None:
    ax = plot_spectrum(make_curves())
    assert ax.get_xlabel() == "Raman shift (cm⁻¹)"
    assert ax.get_ylabel() == "intensity (counts)"
    curves = make_curves()
    curves["intensity"].attrs["units"] = "1"
    assert plot_spectrum(curves).get_ylabel() == "intensity (arb. units)"


def test_the_model_is_drawn_on_the_baseline() -> None:
    curves = make_curves()
    lines = {str(line.get_label()): line for line in plot_spectrum(curves).get_lines()}
    total = curves["baseline"] + curves["component"].sum("column")
    np.testing.assert_allclose(np.asarray(lines["model"].get_ydata()), total)
    np.testing.assert_allclose(
        np.asarray(lines["baseline"].get_ydata()), curves["baseline"]
    )


def test_subtracted_curves_stand_on_zero() -> None:
    ax = plot_spectrum(make_curves(), subtracted=True)
    lines = {str(line.get_label()): line for line in ax.get_lines()}
    assert "baseline" not in lines
    assert np.asarray(lines["model"].get_ydata()).min() < 10.0
    assert "− baseline" in ax.get_ylabel()


def test_a_column_that_is_not_determined_has_no_fill() -> None:
    ax = plot_spectrum(make_curves())
    assert len(ax.collections) == len(COLUMNS) - 1


def test_a_masked_point_does_not_set_the_height() -> None:
    assert plot_spectrum(make_curves()).get_ylim()[1] < 3000.0


def test_the_recorded_panel_holds_the_whole_model() -> None:
    curves = make_curves()
    lines = {str(line.get_label()): line for line in plot_recorded(curves).get_lines()}
    total = curves["baseline"] + curves["component"].sum("column")
    np.testing.assert_allclose(np.asarray(lines["model"].get_ydata()), total)


def test_masked_points_are_marked_below_the_residual() -> None:
    lines = {str(line.get_label()): line for line in plot_residual(make_curves()).lines}
    assert np.asarray(lines["masked"].get_xdata()).tolist() == [SHIFT[MASKED]]
    bare = plot_residual(make_curves(hidden=False))
    assert "masked" not in [str(line.get_label()) for line in bare.lines]


@pytest.mark.parametrize(("tilt", "panels"), [(0.2, 2), (5.0, 3)])
def test_a_steep_baseline_is_taken_off(tilt: float, panels: int) -> None:
    figure = compose_spectrum_figure(make_curves(tilt=tilt), title="2h")
    assert len(figure.axes) == panels
    assert "χ² = 1.04" in figure.get_suptitle()


def test_bands_are_named_and_doubtful_ones_bracketed() -> None:
    figure = compose_spectrum_figure(make_curves())
    figure.draw_without_rendering()
    texts = figure.axes[0].texts
    assert [text.get_text() for text in texts] == [
        "bend · 180",
        "A1g · 380",
        "(NTOC stretch · 390)",
        "405 · 405",
    ]
    boxes = [text.get_window_extent() for text in texts]
    assert all(left.x1 <= right.x0 for left, right in pairwise(boxes))


def test_a_fit_that_did_not_converge_says_so() -> None:
    curves = make_curves().assign_attrs(status="not converged")
    assert "not converged" in compose_spectrum_figure(curves).get_suptitle()
