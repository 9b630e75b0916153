from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from structkit.eis.arrhenius import fit_arrhenius
from structkit.eis.conductivity import compute_conductivity, make_resistances
from structkit.eis.pellet import Pellet
from structkit.errors import SchemaError
from structkit.plot.arrhenius import plot_arrhenius

BOLTZMANN = 8.617333262e-5
KELVIN = np.array([260.0, 280.0, 300.0, 320.0, 340.0])


def make(*, hollow: int) -> xr.Dataset:
    """Return conductivities whose hottest bulk arcs are outside the band."""
    bulk = KELVIN * np.exp(0.3 / (BOLTZMANN * KELVIN))
    arcs = make_resistances(
        KELVIN,
        bulk=bulk,
        grain_boundary=2.0 * bulk,
        in_band={"bulk": np.arange(KELVIN.size) < KELVIN.size - hollow},
    )
    return compute_conductivity(arcs, Pellet(diameter_mm=8.0, thickness_mm=1.0))


def test_points_outside_the_band_are_hollow() -> None:
    conductivity = make(hollow=2)
    fits = fit_arrhenius(conductivity).assign_attrs(history="")
    ax = plot_arrhenius(conductivity, [fits])
    drawn = [
        (line.get_fillstyle(), len(np.asarray(line.get_xdata())))
        for line in ax.lines
        if line.get_marker() == "o" and len(np.asarray(line.get_xdata()))
    ]
    assert drawn == [("full", 3), ("none", 2)]
    legend = ax.get_legend()
    assert legend is not None
    texts = [text.get_text() for text in legend.get_texts()]
    assert texts[0].startswith("bulk, 0.300")
    assert "in band" in texts[0]
    assert "in band" not in texts[1]


@pytest.mark.parametrize(
    ("convention", "label"),
    [("ln_sigma_T", "σT (S K cm⁻¹)"), ("ln_sigma", "σ (S cm⁻¹)")],
)
def test_both_conventions_pass_through_their_points(
    convention: str, label: str
) -> None:
    conductivity = make(hollow=0)
    fits = fit_arrhenius(conductivity).assign_attrs(history="")
    ax = plot_arrhenius(conductivity, [fits], convention=convention)
    assert ax.get_ylabel() == label
    points = np.asarray(ax.lines[0].get_ydata())
    line = next(
        one
        for one in ax.lines
        if one.get_linestyle() == "-" and len(np.asarray(one.get_xdata())) == 2
    )
    # ln(sigma) is no exact line here: the truth is one in ln(sigma T).
    ends = np.sort(np.asarray(line.get_ydata()))
    np.testing.assert_allclose(ends, [points.min(), points.max()], rtol=0.02)


def test_an_unknown_convention_is_refused() -> None:
    with pytest.raises(SchemaError, match="convention 'log'"):
        plot_arrhenius(make(hollow=0), convention="log")
