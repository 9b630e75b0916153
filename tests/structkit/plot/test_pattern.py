from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr

from structkit.errors import OutputError, SchemaError
from structkit.plot.pattern import (
    compose_refinement,
    plot_difference,
    plot_fit,
    plot_pattern,
    plot_refinement,
    plot_stacked_series,
)
from structkit.plot.style import (
    PHASE_COLORS,
    PHASE_MARKERS,
    axis_label,
    make_axes,
    subscript,
    write_figure,
)
from structkit.schema import MILLING_TIME, label, make_pattern


def make_curves(*, gap: bool = False) -> xr.Dataset:
    rng = np.random.default_rng(7)
    angle = np.arange(10.0, 60.0, 0.05)
    if gap:
        angle = angle[(angle < 30.0) | (angle > 33.0)]
    background, halo = 50.0 - 0.3 * angle, 40.0 * np.exp(-(((angle - 30) / 6) ** 2))
    component = np.stack(
        [h * np.exp(-(((angle - c) / 0.3) ** 2)) for h, c in ((400, 27), (200, 45))]
    )
    calculated = background + halo + component.sum(axis=0)
    points = ("two_theta",)
    return xr.Dataset(
        {
            "observed": (points, rng.poisson(calculated).astype(float)),
            "observed_std": (points, np.sqrt(calculated)),
            "calculated": (points, calculated),
            "background": (points, background),
            "halo": (points, halo),
            "component": (("phase", "two_theta"), component),
        },
        coords={
            "two_theta": (points, angle, {"units": "degree", "long_name": "2θ"}),
            "phase": ["NaTaCl6", "corundum"],
        },
    )


REFLECTIONS = xr.Dataset(
    {
        "two_theta_hkl": ("reflection", [27.0, 45.0, 50.0]),
        "phase_index": ("reflection", [0, 1, 1]),
    }
)


def make_tree(status: str = "converged") -> xr.DataTree:
    root = xr.Dataset(
        {"r_wp": ((), 0.0712, {"units": "1"}), "gof": 1.03}, attrs={"status": status}
    )
    nodes = {"/": root, "/curves": make_curves(), "/reflections": REFLECTIONS}
    return xr.DataTree.from_dict(nodes)


def test_each_colour_has_its_marker() -> None:
    assert len(PHASE_COLORS) == len(PHASE_MARKERS) == len(set(PHASE_COLORS))


def test_labels_come_from_the_attributes() -> None:
    pattern = make_pattern(np.linspace(10, 20, 30), np.ones(30))
    ax = plot_pattern(pattern)
    assert ax.get_xlabel() == "2θ (°)"
    assert ax.get_ylabel() == "intensity (counts)"
    assert axis_label(xr.DataArray(1.0, name="size_nm")) == "size nm"


def test_only_formulas_get_subscripts() -> None:
    assert subscript("Ca5(PO4)3F") == "Ca₅(PO₄)₃F"
    assert subscript("NaTaCl6 (computed)") == "NaTaCl6 (computed)"


def test_drawing_changes_neither_data_nor_settings() -> None:
    curves, settings = make_curves(), dict(mpl.rcParams)
    before = curves.copy(deep=True)
    plot_refinement(curves, REFLECTIONS)
    xr.testing.assert_identical(curves, before)
    assert dict(mpl.rcParams) == settings


def test_plot_draws_where_it_is_told() -> None:
    ax = make_axes()
    assert plot_refinement(make_curves(), REFLECTIONS, ax=ax) is ax
    assert min(ax.get_ylim()) < 0.0
    assert min(ax.get_yticks()) >= 0.0


def test_phases_are_stacked_up_to_the_calculated_curve() -> None:
    curves = make_curves()
    ax = plot_fit(curves)
    top = max(
        float(path.vertices[:, 1].max())
        for collection in ax.collections
        for path in collection.get_paths()
    )
    assert top == pytest.approx(float(curves["calculated"].max()))


def test_lines_break_in_excluded_ranges() -> None:
    ax = plot_difference(make_curves(gap=True))
    values = np.asarray(ax.lines[-1].get_ydata(), dtype=float)
    assert int(np.isnan(values).sum()) == 1


def test_difference_without_esd_says_so() -> None:
    ax = plot_difference(make_curves().drop_vars("observed_std"))
    assert ax.get_ylabel() == "obs − calc"


def test_composed_refinement_names_fit_and_status(tmp_path: Path) -> None:
    figure = compose_refinement(make_tree("doubtful"), title="1 h")
    upper, middle, lower = figure.axes
    title = upper.get_title(loc="left")
    assert title.startswith("1 h · ")
    assert "7.12 %" in title
    assert title.endswith("doubtful")
    names = [text.get_text() for text in middle.get_yticklabels()]
    assert names == ["NaTaCl₆", "corundum"]
    assert lower.get_ylabel() == "Δ / σ"
    assert write_figure(figure, tmp_path / "fit.png").stat().st_size > 10_000
    assert [path.name for path in tmp_path.iterdir()] == ["fit.png"]


def test_figure_that_cannot_be_written_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(OutputError):
        write_figure(make_axes().get_figure(root=True), tmp_path / "taken" / "f.png")


def test_stack_goes_up_with_milling_time() -> None:
    angle = np.linspace(10, 20, 50)
    pattern = make_pattern(angle, np.linspace(1, 5, 50))
    patterns = {
        name: pattern.assign_coords(
            {MILLING_TIME: label(xr.DataArray(hours), MILLING_TIME)}
        )
        for name, hours in (("late", 2.0), ("early", 0.25))
    }
    patterns["unknown"] = pattern
    ax = plot_stacked_series(patterns)
    assert [text.get_text() for text in ax.texts] == ["0.25 h", "2 h", "unknown"]
    lowest = [float(np.nanmin(np.asarray(line.get_ydata()))) for line in ax.lines]
    assert lowest == [0.0, 1.0, 2.0]


def test_nothing_to_stack_is_refused() -> None:
    with pytest.raises(SchemaError, match="no pattern"):
        plot_stacked_series({})
