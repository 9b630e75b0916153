"""What a reference sample teaches holds in a mixture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import xarray as xr

from structkit.raman.bands import Band
from structkit.raman.covariance import covariance_of
from structkit.raman.fit import BandFit, fit_bands
from structkit.raman.model import BandModel
from structkit.raman.references import (
    CENTRE_STD,
    LORENTZ_STD,
    WIDTH_FACTOR,
    ReferenceBands,
    learn_bands,
)

Simulate = Callable[..., xr.Dataset]
Near = Callable[..., tuple[Band, ...]]
MakeLine = Callable[..., Any]


@pytest.fixture(scope="module")
def fit(lines: tuple[Any, ...], simulate: Simulate, near: Near) -> BandFit:
    absent = Band(name="absent", species="salt", wavenumber=600.0, fwhm=15.0)
    bands = near(lines, off=2.0)
    given = (*bands[:3], replace(bands[3], species="405 line"), bands[4], absent)
    model = BandModel(
        bands=(*given[:4], replace(given[4], species="unassigned"), absent)
    )
    return fit_bands(simulate(lines, seed=91, scales=(2.0, 3.0)), model)


@pytest.fixture(scope="module")
def learned(fit: BandFit) -> ReferenceBands:
    found = learn_bands(
        fit,
        species="salt",
        covariance=covariance_of(fit),
        source="NTC",
        apart=("405 line",),
    )
    assert found is not None
    return found


def test_bands_keep_what_was_fitted(
    learned: ReferenceBands, fit: BandFit, lines: tuple[Any, ...]
) -> None:
    names = [band.name for band in learned.bands]
    assert names == [f"band {k} (NTC)" for k in (1, 2, 3, 5, 4)]
    assert learned.species == ("salt", "405 line")
    shared, layout = fit.solution.shared, fit.layout
    for band, number in zip(learned.bands, (0, 1, 2, 4, 3), strict=True):
        assert band.wavenumber == shared[layout.centre][number]
        assert band.fwhm == pytest.approx(np.exp(shared[layout.log_width][number]))
        assert band.lorentz == shared[layout.mixing][number]
        assert CENTRE_STD < band.wavenumber_std < 2.0 * CENTRE_STD
        assert band.fwhm_factor == WIDTH_FACTOR
        assert band.lorentz_std == LORENTZ_STD
        assert band.limits == (band.wavenumber - 8.0, band.wavenumber + 8.0)
        assert band.wavenumber == pytest.approx(lines[number].centre, abs=1.0)
        assert band.grade == "user"
        assert band.source == "fitted to NTC"


def test_tie_has_the_ratios_of_the_reference(
    learned: ReferenceBands, lines: tuple[Any, ...]
) -> None:
    """What nobody assigned is the reference's own; what is apart is not tied."""
    assert learned.tie.bands == tuple(f"band {k} (NTC)" for k in (1, 2, 3, 5))
    shares = np.asarray(learned.tie.shares)
    true = np.asarray([lines[k].area for k in (0, 1, 2, 4)])
    # The broad one is known to 10 %, with its baseline.
    assert shares / shares.sum() == pytest.approx(true / true.sum(), rel=0.2)


def test_the_learned_ratio_is_found_again_in_a_mixture(
    learned: ReferenceBands,
    lines: tuple[Any, ...],
    simulate: Simulate,
    make_line: MakeLine,
) -> None:
    """Half of the salt, 0.8 cm-1 aside, under a broad band of something else."""
    mixture = [
        make_line(
            centre=line.centre + 0.8,
            area=0.5 * line.area,
            sigma=line.sigma,
            gamma=line.gamma,
        )
        for line in lines
    ]
    glass = make_line(centre=360.0, area=15_000.0, sigma=25.0, gamma=5.0)
    own = Band(name="glass", species="glass", wavenumber=350.0, fwhm=60.0)
    model = BandModel(bands=(*learned.bands, own), ties=(learned.tie,))
    fit = fit_bands(simulate([*mixture, glass], seed=92, scales=(1.0, 1.0)), model)
    assert fit.model.names == ("band 4 (NTC)", "glass", "salt")
    areas = fit.areas.mean(axis=0)
    covariance = covariance_of(fit)
    std = np.sqrt(np.diag(covariance.of_total([0, 1]))) / 2.0
    whole = 0.5 * sum(lines[k].area for k in (0, 1, 2, 4))
    # The reference's own noise is 3 % of its strongest shares.
    assert areas[2] == pytest.approx(whole, abs=3.0 * std[2] + 0.03 * whole)
    assert areas[0] == pytest.approx(4500.0, abs=3.0 * std[0] + 0.03 * 4500.0)
    assert areas[1] == pytest.approx(15_000.0, abs=3.0 * std[1] + 0.03 * 15_000.0)
    ratio = fit.band_areas[0, :4] / fit.band_areas[0, 0]
    assert ratio == pytest.approx(
        np.asarray(learned.tie.shares) / learned.tie.shares[0]
    )


def test_what_does_not_stand_out_teaches_nothing(fit: BandFit) -> None:
    covariance = covariance_of(fit)
    wide = replace(covariance, own=covariance.own * 1e6)
    assert learn_bands(fit, species="salt", covariance=wide, source="x") is None
    none = learn_bands(
        fit, species="no such", covariance=covariance, source="x", strange=()
    )
    assert none is None
    found = learn_bands(fit, species="salt", covariance=covariance, source="x")
    assert found is not None
    assert "absent (x)" not in [band.name for band in found.bands]
    assert "band 4 (x)" not in [band.name for band in found.bands]  # not of it
