"""Bands start where the spectra want them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray

from structkit.raman.bands import Band
from structkit.raman.fit import fit_bands
from structkit.raman.layout import make_layout, shared_priors
from structkit.raman.model import BandModel, Template
from structkit.raman.problem import evaluate_columns, form_normal
from structkit.raman.start import (
    areas_at_start,
    average_points,
    place_bands_at_start,
)
from structkit.schema import INTENSITY, make_spectra

Floats = NDArray[np.float64]
Simulate = Callable[..., xr.Dataset]

STEPS = 25
"""Centres are tried on 25 places between the limits."""


def place(spectra: xr.Dataset, model: BandModel) -> tuple[Floats, Floats]:
    """Return centres and widths of the families at the start."""
    blocks = fit_bands(spectra, model).spectra
    layout = make_layout(model, n_edges=blocks[0].edge.shape[1])
    priors = shared_priors(model, layout, step=2.0)
    start = place_bands_at_start(blocks, model, layout, priors=priors, templates=())
    assert np.array_equal(start, np.clip(start, priors.low, priors.high))
    return start[layout.centre], np.exp(start[layout.log_width])


def band(name: str, wavenumber: float, **changes: Any) -> Band:
    own = Band(name=name, species="s", wavenumber=wavenumber, wavenumber_std=15.0)
    return replace(own, **changes)


def test_bands_move_to_their_lines(
    simulate: Simulate, make_line: Callable[..., Any]
) -> None:
    true, areas = (300.0, 378.0, 405.0), (3e4, 9e4, 6e4)
    lines = [make_line(centre=c, area=a) for c, a in zip(true, areas, strict=True)]
    model = BandModel(
        bands=(
            band("a", 325.0, strength=0.3),
            band("b", 392.0, strength=1.0),
            band("c", 420.0, strength=0.7),
        )
    )
    centres, _ = place(simulate(lines, seed=1), model)
    grid = 8.0 * 15.0 / (STEPS - 1)
    assert centres == pytest.approx(true, abs=grid)


def test_width_follows_the_line(
    simulate: Simulate, make_line: Callable[..., Any]
) -> None:
    found = []
    for sigma in (2.0, 15.0):
        line = make_line(centre=400.0, area=5e4, sigma=sigma, gamma=sigma)
        model = BandModel(bands=(band("a", 395.0, fwhm=20.0),))
        found.append(place(simulate([line], seed=2), model)[1][0])
    assert found == pytest.approx([10.0, 40.0])  # one sigma of the prior, factor 2


def test_a_known_band_is_not_searched_for(
    simulate: Simulate, make_line: Callable[..., Any]
) -> None:
    line = make_line(centre=400.0, area=5e4)
    known = band("a", 385.0, fwhm_factor=1.15, fwhm=12.0)
    centres, widths = place(simulate([line], seed=3), BandModel(bands=(known,)))
    assert centres[0] == 385.0
    assert widths[0] == pytest.approx(12.0)


def test_nothing_to_see_leaves_the_priors(simulate: Simulate) -> None:
    model = BandModel(bands=(band("a", 385.0), band("b", 700.0)))
    flat = make_spectra(np.arange(100.0, 900.0, 2.0), np.full(400, 500.0))
    flat[INTENSITY].values[0, ::2] += 1.0
    centres, widths = place(flat, model)
    assert centres == pytest.approx([385.0, 700.0])
    assert widths == pytest.approx([15.0, 15.0])


def test_the_strongest_band_takes_the_strongest_line(
    simulate: Simulate, make_line: Callable[..., Any]
) -> None:
    """Both may reach the line; the one said to be strong is placed first."""
    lines = [make_line(centre=400.0, area=9e4), make_line(centre=430.0, area=1e4)]
    weak, strong = band("weak", 418.0, strength=0.1), band("strong", 412.0)

    def centres_of(bands: Sequence[Band]) -> dict[str, float]:
        centres, _ = place(simulate(lines, seed=4), BandModel(bands=tuple(bands)))
        return {b.name: float(c) for b, c in zip(bands, centres, strict=True)}

    for bands in ((weak, strong), (strong, weak)):
        found = centres_of(bands)
        assert found["strong"] == pytest.approx(400.0, abs=5.0)
        assert found["weak"] > 420.0


def test_spots_on_other_axes_do_not_disturb(
    simulate: Simulate, make_line: Callable[..., Any]
) -> None:
    line = make_line(centre=400.0, area=5e4)
    one = simulate([line], seed=5)
    other = simulate([line], seed=6, shift=np.arange(110.0, 880.0, 3.0))
    model = BandModel(bands=(band("a", 385.0),))
    fit = fit_bands([one, other], model)
    layout = fit.layout
    start = place_bands_at_start(
        fit.spectra, model, layout, priors=fit.shared_priors, templates=()
    )
    assert start[layout.centre][0] == pytest.approx(400.0, abs=5.0)


def test_a_template_that_is_all_baseline_starts_from_nothing(
    simulate: Simulate, make_line: Callable[..., Any]
) -> None:
    """A flat spectrum has no signature that the baseline does not have."""
    shift = np.arange(90.0, 910.0, 2.0)
    flat = Template(name="flat", species="g", raman_shift=shift, values=np.ones(410))
    model = BandModel(bands=(band("a", 405.0),), templates=(flat,))
    fit = fit_bands(simulate([make_line(centre=400.0, area=5e4)], seed=7), model)
    start, _ = areas_at_start(
        fit.spectra[0],
        model,
        fit.layout,
        shared=fit.solution.shared,
        templates=fit.templates,
    )
    assert start[fit.layout.scale].tolist() == [0.0]
    assert start[fit.layout.area] == pytest.approx([5e4], rel=0.05)


def test_areas_at_start_are_those_of_linear_least_squares(
    simulate: Simulate, make_line: Callable[..., Any]
) -> None:
    """Where all are positive, the step that a linear problem needs is none."""
    lines = [make_line(centre=c, area=3e4) for c in (300.0, 400.0)]
    model = BandModel(bands=(band("a", 300.0), band("b", 400.0)))
    fit = fit_bands(simulate(lines, seed=8), model)
    own, cost = areas_at_start(
        fit.spectra[0], model, fit.layout, shared=fit.solution.shared, templates=()
    )
    # The penalty is another one at the start.
    areas = own[fit.layout.area]
    assert areas == pytest.approx(fit.areas[0], rel=0.05)
    assert own[fit.layout.axis_shift] == 0.0
    block = fit.spectra[0]
    columns = evaluate_columns(
        block, model, fit.layout, templates=(), shared=fit.solution.shared, local=own
    )
    normal = form_normal(
        block,
        columns,
        fit.layout,
        local=own,
        sigma=block.sigma,
        projection=block.project(block.sigma, 0.1),
    )
    assert cost == pytest.approx(0.5 * normal.chi_square)


def test_averaged_points_hold_the_same_light(
    simulate: Simulate, make_line: Callable[..., Any]
) -> None:
    """Each is the weighted mean of its run; the narrowest band keeps four points."""
    shift = np.arange(100.0, 900.0, 1.0)
    spectra = simulate([make_line(centre=400.0, area=3e4)], seed=9, shift=shift)
    model = BandModel(bands=(band("a", 400.0, fwhm=12.0), band("b", 600.0, fwhm=40.0)))
    whole = fit_bands(spectra, model).spectra[0]
    few = average_points(whole, model)
    assert few.raman_shift.size == 267
    weight = whole.sigma[:3] ** -2.0
    assert few.intensity[0] == pytest.approx(
        float(weight @ whole.intensity[:3] / weight.sum())
    )
    assert few.sigma[0] == pytest.approx(float(weight.sum() ** -0.5))
    assert np.diff(few.raman_shift[:-1]) == pytest.approx(3.0, abs=0.1)
    assert few.basis.sum(axis=1) == pytest.approx(1.0)
    narrow = BandModel(bands=(band("a", 400.0, fwhm=5.0),))
    assert average_points(whole, narrow) is whole
