from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes

from structkit.plot.engines import (
    compose_engines,
    plot_engine_differences,
    plot_engine_fractions,
    plot_engine_r_factors,
    plot_engine_times,
)
from structkit.plot.style import write_figure

NAN = float("nan")
NAME = "weight_fraction_crystalline"
CROSS, HOLLOW = "x", "white"


def make_table(
    n_engines: int = 3, n_samples: int = 5, n_phases: int = 3, *, esds: float = 1.0
) -> xr.Dataset:
    rng = np.random.default_rng(4)
    shape = (n_engines, n_samples, n_phases)
    dims = ("engine", "sample", "phase")
    fractions = rng.uniform(0.1, 0.5, shape)
    difference = esds * rng.normal(size=shape)
    difference[0] = NAN
    return xr.Dataset(
        {
            NAME: (dims, fractions),
            f"{NAME}_std": (dims, np.full(shape, 0.01)),
            f"{NAME}_systematic": (dims, np.full(shape, NAN)),
            "weight_fraction_difference_in_esd": (dims, difference),
            "r_wp_percent": (dims[:2], rng.uniform(8.0, 12.0, shape[:2])),
            "seconds": (dims[:2], rng.uniform(0.2, 20.0, shape[:2])),
            "status": (dims[:2], np.full(shape[:2], "converged", dtype="<U13")),
        },
        coords={
            "engine": ["native", "gsas2", "rietx"][:n_engines],
            "sample": [f"{number}h" for number in range(n_samples)],
            "phase": ["NaTaCl6", "NaCl", "Na2O", "corundum"][:n_phases],
        },
        attrs={"name": "made up", "reference": "native", "engines_left_out": ""},
    )


def fail(table: xr.Dataset, engine: int, sample: int) -> xr.Dataset:
    """Return the table with one pattern of one engine failed."""
    found = table.copy(deep=True)
    for name in (NAME, f"{NAME}_std", "r_wp_percent", "seconds"):
        found[name][engine, sample] = NAN
    where = slice(None) if engine == 0 else engine
    found["weight_fraction_difference_in_esd"][where, sample] = NAN
    found["status"][engine, sample] = "failed"
    return found


def points(ax: Axes, marker: str) -> list[tuple[float, float]]:
    """Return the finite points drawn with a marker."""
    lines = [line for line in ax.lines if line.get_marker() == marker]
    found = [line.get_xydata() for line in lines]
    return [(float(x), float(y)) for xy in found for x, y in np.asarray(xy) if y == y]


def notes(figure: object) -> str:
    return str(figure._supxlabel.get_text())  # type: ignore[attr-defined]


def test_each_engine_stands_beside_its_sample() -> None:
    table = make_table()
    ax = plot_engine_fractions(table, "NaCl")
    for index, marker in enumerate("os^"):
        drawn = points(ax, marker)
        assert [round(x) for x, _ in drawn] == list(range(5))
        assert [y for _, y in drawn] == pytest.approx(
            table[NAME].values[index, :, 1].tolist()
        )
    firsts = [points(ax, marker)[0][0] for marker in "os^"]
    assert firsts == sorted(firsts)
    assert len({round(x, 6) for x in firsts}) == 3
    assert [text.get_text() for text in ax.get_xticklabels()] == list(
        table["sample"].values
    )


def test_bars_are_esd_and_with_systematic_in_quadrature() -> None:
    table = make_table(2, 1, 1)
    table[f"{NAME}_systematic"][0] = 0.02
    ax = plot_engine_fractions(table, "NaTaCl6")
    heights = [
        float(np.ptp(segment[:, 1]) / 2.0)
        for bars in ax.containers
        for segment in bars.lines[2][0].get_segments()
    ]
    assert heights == pytest.approx([np.hypot(0.01, 0.02), 0.01, 0.01, 0.01])


def test_reference_has_no_difference_and_band_is_of_two_esds() -> None:
    table = make_table()
    ax = plot_engine_differences(table, "NaCl")
    assert not points(ax, "o")
    assert [y for _, y in points(ax, "^")] == pytest.approx(
        table["weight_fraction_difference_in_esd"].values[2, :, 1].tolist()
    )
    (band,) = ax.patches
    extent = band.get_extents().transformed(ax.transData.inverted())
    assert (extent.y0, extent.y1) == pytest.approx((-2.0, 2.0))


def test_differences_are_framed_about_zero() -> None:
    ax = plot_engine_differences(make_table(esds=0.1), "NaCl")
    assert (ax.get_yscale(), ax.get_ylim()) == ("linear", (-3.0, 3.0))
    ax = plot_engine_differences(make_table(esds=300.0), "NaCl")
    low, high = ax.get_ylim()
    assert ax.get_yscale() == "symlog"
    assert low == -high
    assert high > max(abs(y) for _, y in points(ax, "s"))
    unknown = make_table()
    unknown["weight_fraction_difference_in_esd"][:] = NAN
    assert plot_engine_differences(unknown, "NaCl").get_ylim() == (-3.0, 3.0)


def test_failed_pattern_is_a_cross_on_the_edge() -> None:
    table = fail(make_table(), 1, 2)
    for ax in (
        plot_engine_fractions(table, "NaCl"),
        plot_engine_differences(table, "NaCl"),
        plot_engine_r_factors(table),
    ):
        ((x, y),) = points(ax, CROSS)
        assert (round(x), y) == (2, 0.0)
        assert len(points(ax, "s")) == 4
    assert len(points(plot_engine_times(table), "s")) == 4
    assert not points(plot_engine_fractions(make_table(), "NaCl"), CROSS)


def test_doubtful_fit_is_hollow_also_in_what_is_compared_with_it() -> None:
    table = make_table()
    table["status"][0, 1] = "doubtful"

    def hollow(ax: Axes) -> list[int]:
        lines = [line for line in ax.lines if line.get_markerfacecolor() == HOLLOW]
        return [round(x) for line in lines for x in np.asarray(line.get_xdata())]

    assert hollow(plot_engine_fractions(table, "NaCl")) == [1]
    assert hollow(plot_engine_differences(table, "NaCl")) == [1, 1]


@pytest.mark.parametrize(
    "size", [(2, 1, 1), (2, 5, 3), (3, 8, 4)], ids=["least", "two", "three"]
)
def test_figure_has_a_row_for_each_phase_and_one_for_the_fits(
    size: tuple[int, int, int], tmp_path: Path
) -> None:
    table = make_table(*size)
    figure = compose_engines(table)
    assert len(figure.axes) == 2 * (size[2] + 1)
    assert len(figure.legends[0].get_texts()) == size[0]
    assert figure.legends[0].get_texts()[0].get_text() == "native (reference)"
    # A layout that finds no room warns, and warnings are errors.
    assert write_figure(figure, tmp_path / "engines.png").stat().st_size > 10_000


def test_figure_of_an_engine_that_failed_throughout() -> None:
    table = make_table(2, 2, 1)
    for sample in range(2):
        table = fail(table, 0, sample)
    figure = compose_engines(table)
    figure.savefig(io.BytesIO(), format="png")
    assert "cross: no value" in notes(figure)


def test_notes_say_what_is_there_and_what_is_left_out() -> None:
    table = make_table(2, 2, 1)
    assert "hollow" not in notes(compose_engines(table))
    assert "thin bar" not in notes(compose_engines(table))
    table[f"{NAME}_systematic"][:] = 0.01
    table["status"][1, 0] = "not converged"
    left_out = "gsas2: install it\nrietx: no"
    figure = compose_engines(table.assign_attrs(engines_left_out=left_out))
    assert "thin bar: with its systematic part" in notes(figure)
    assert "hollow: the fit is doubtful" in notes(figure)
    assert "left out: gsas2, rietx" in notes(figure)


def test_long_names_are_written_upright() -> None:
    table = make_table(2, 8, 1)
    names = [f"10N-{number}min" for number in range(8)]
    figure = compose_engines(table.assign_coords(sample=names))
    assert {t.get_rotation() for t in figure.axes[-1].get_xticklabels()} == {90.0}
    figure = compose_engines(table)
    assert {t.get_rotation() for t in figure.axes[-1].get_xticklabels()} == {0.0}
