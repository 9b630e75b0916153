"""Where the parameters stand, and what their priors are."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from structkit.raman.bands import Band
from structkit.raman.layout import local_priors, make_layout, shared_priors
from structkit.raman.model import BandModel, Template, Tie

SHIFT = np.linspace(50.0, 500.0, 100)
GLASS = Template(name="glass", species="g", raman_shift=SHIFT, values=np.ones(100))
HOLDER = replace(GLASS, name="holder", background=True)
BANDS = (
    Band(
        name="a", species="s", wavenumber=180.0, fwhm=8.0, fwhm_factor=1.5, family="f"
    ),
    Band(
        name="b",
        species="s",
        wavenumber=300.0,
        wavenumber_std=6.0,
        window=(290.0, 330.0),
        lorentz=0.2,
        lorentz_std=0.1,
    ),
    Band(name="c", species="s", wavenumber=400.0, fwhm=18.0, lorentz=0.7, family="f"),
)
MODEL = BandModel(
    bands=BANDS,
    templates=(GLASS, HOLDER),
    ties=(Tie(name="X", species="s", bands=("b",), shares=(1.0,)),),
    drift=True,
)


def test_slices_tile_both_vectors() -> None:
    layout = make_layout(MODEL, n_edges=2)
    shared = [
        layout.centre,
        layout.log_width,
        layout.mixing,
        layout.template_shift,
        layout.centre_drift,
        layout.width_drift,
    ]
    assert [s.stop - s.start for s in shared] == [3, 2, 2, 2, 3, 2]
    places = [k for s in shared for k in range(s.start, s.stop)]
    assert places == list(range(layout.n_shared))
    own = [layout.area, layout.scale, layout.edge]
    assert [s.stop - s.start for s in own] == [3, 2, 2]
    places = [k for s in own for k in range(s.start, s.stop)]
    assert [*places, layout.axis_shift] == list(range(layout.n_local))
    assert layout.family.tolist() == [0, 1, 0]
    assert layout.columns == slice(0, 5)
    assert layout.linear == slice(0, 7)
    assert make_layout(replace(MODEL, drift=False)).n_shared == 9


def test_priors_are_those_of_the_bands() -> None:
    layout = make_layout(MODEL)
    priors = shared_priors(MODEL, layout, step=1.0)
    assert priors.mean[layout.centre].tolist() == [180.0, 300.0, 400.0]
    assert priors.std[layout.centre].tolist() == [15.0, 6.0, 15.0]
    assert priors.low[layout.centre].tolist() == [120.0, 290.0, 340.0]
    assert priors.high[layout.centre].tolist() == [240.0, 330.0, 460.0]
    # A family: geometric mean of the widths, mean of the shares, the widest spread.
    assert np.exp(priors.mean[layout.log_width]) == pytest.approx([12.0, 15.0])
    assert np.exp(priors.std[layout.log_width]) == pytest.approx([2.0, 2.0])
    # The limits are as many sigma to both sides for all.
    middle, std = priors.mean[layout.log_width], priors.std[layout.log_width]
    reach = (priors.high[layout.log_width] - middle) / std
    assert reach == pytest.approx((middle - priors.low[layout.log_width]) / std)
    assert reach[0] == pytest.approx(reach[1])
    assert 1.0 < reach[0] < 5.0
    assert priors.mean[layout.mixing] == pytest.approx([0.6, 0.2])
    assert priors.std[layout.mixing] == pytest.approx([0.3, 0.1])
    assert np.all(priors.free[layout.centre])
    assert priors.free[layout.template_shift].tolist() == [True, False]


@pytest.mark.parametrize(
    ("shape", "instrument", "floor"),
    [("pseudo-voigt", 0.0, 2.4), ("pseudo-voigt", 10.0, 8.0), ("voigt", 10.0, 2.4)],
)
def test_no_band_is_narrower_than_points_or_instrument(
    shape: str, instrument: float, floor: float
) -> None:
    band = Band(name="a", species="s", wavenumber=180.0, fwhm=2.0, fwhm_factor=4.0)
    model = BandModel(bands=(band,), instrument_fwhm=instrument)
    model = replace(model, shape=shape)
    layout = make_layout(model)
    priors = shared_priors(model, layout, step=2.0)
    width = layout.log_width.start
    assert math.exp(priors.low[width]) == pytest.approx(floor)
    assert priors.low[width] < priors.mean[width] < priors.high[width]


def test_own_parameters_are_positive_and_the_axis_is_held_to_its_error() -> None:
    layout = make_layout(MODEL, n_edges=2)
    priors = local_priors(MODEL, layout)
    assert np.all(priors.low[layout.linear] == 0.0)
    assert np.all(np.isinf(priors.std[layout.linear]))
    assert priors.std[layout.axis_shift] == 0.3
    assert priors.high[layout.axis_shift] == pytest.approx(1.5)
    held = local_priors(replace(MODEL, shift_std=0.0), layout)
    assert not held.free[layout.axis_shift]
    assert np.all(held.free[layout.linear])
