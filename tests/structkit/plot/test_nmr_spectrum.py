from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from structkit.errors import SchemaError
from structkit.nmr.fit import fit_lines
from structkit.nmr.line_results import tabulate_lines
from structkit.nmr.sites import Site
from structkit.plot.nmr_spectrum import (
    compose_nmr_spectrum,
    plot_nmr_lines,
    plot_nmr_residual,
)
from structkit.schema import make_nmr_spectrum


@pytest.fixture(scope="module")
def lines() -> xr.Dataset:
    """Fit two lines."""
    shift = np.linspace(-30.0, 30.0, 400)
    light = 3.0 * np.exp(-(((shift + 11.2) / 2.0) ** 2))
    light += np.exp(-(((shift - 7.0) / 2.0) ** 2))
    light += 0.02 * np.random.default_rng(1).standard_normal(400)
    spectrum = make_nmr_spectrum(shift, light, scalars={"larmor_frequency": 132.294})
    sites = [
        Site(name="NTOC", shift_ppm=-11.0, fwhm_hz=400.0),
        Site(name="Na2O", shift_ppm=7.0, fwhm_hz=400.0),
    ]
    fit = fit_lines(spectrum, sites)
    table = tabulate_lines(fit)
    return table.assign(intensity=("chemical_shift", light))


def test_shift_descends_and_sites_are_told(lines: xr.Dataset) -> None:
    ax = plot_nmr_lines(lines)
    left, right = ax.get_xlim()
    assert (left, right) == (30.0, -30.0)
    assert ax.get_xlabel() == "chemical shift (ppm)"
    legend = ax.get_legend()
    assert legend is not None
    told = [text.get_text() for text in legend.get_texts()]
    assert told[0] == "data"
    assert told[1].startswith("NTOC  75.")
    assert told[2].startswith("Na₂O  2")


def test_residual_is_drawn_over_its_noise(lines: xr.Dataset) -> None:
    ax = plot_nmr_residual(lines)
    drawn = np.asarray(ax.get_lines()[0].get_ydata())
    assert np.std(drawn) == pytest.approx(1.0, abs=0.15)  # 400 points


def test_model_is_the_sum_of_lines_and_baseline(lines: xr.Dataset) -> None:
    ax = plot_nmr_lines(lines)
    (model,) = (line for line in ax.get_lines() if line.get_label() == "model")
    total = lines["line"].sum("site") + lines["baseline"]
    assert np.asarray(model.get_ydata()) == pytest.approx(total.to_numpy())


def test_doubt_stands_in_the_title(lines: xr.Dataset) -> None:
    figure = compose_nmr_spectrum(lines.assign_attrs(status="doubtful"), title="4h")
    assert isinstance(figure, Figure)
    assert figure.axes[0].get_title(loc="left") == "4h (doubtful)"


def test_curves_without_sites_are_refused(lines: xr.Dataset) -> None:
    with pytest.raises(SchemaError, match="own_site"):
        plot_nmr_lines(lines.rename(site="band"))
