"""What the data determine, and what they do not."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import xarray as xr

from structkit.raman.bands import Band
from structkit.raman.covariance import covariance_of
from structkit.raman.fit import BandFit, fit_bands
from structkit.raman.identify import (
    BIC_NEEDED,
    BandStatus,
    condition_number,
    fit_ensemble,
    fit_without,
    identify_bands,
    independent_points,
    misfit_of,
)
from structkit.raman.model import BandModel, BaselineOptions, Template, Tie
from structkit.raman.parameters import make_parameters

Simulate = Callable[..., xr.Dataset]
Near = Callable[..., tuple[Band, ...]]
MakeLine = Callable[..., Any]

ENDS = 1.0
"""Of a BIC: what two refits without a band, each from its own start, may differ by."""
ABSENT = Band(
    name="absent", species="salt", wavenumber=620.0, wavenumber_std=10.0, fwhm=20.0
)


@pytest.fixture(scope="module")
def fit(lines: tuple[Any, ...], simulate: Simulate, near: Near) -> BandFit:
    model = BandModel(bands=(*near(lines, off=2.0), ABSENT))
    return fit_bands(simulate(lines, seed=51), model)


def test_bands_that_are_there_are_determined(fit: BandFit) -> None:
    known = identify_bands(fit)
    assert [v.name for v in known.verdicts] == list(fit.model.names)
    assert known.verdict("band 5").delta_bic < BIC_NEEDED  # broad: baselines matter
    for verdict in known.verdicts[:4]:
        assert verdict.status is BandStatus.DETERMINED, verdict
        assert verdict.reason == ""
        assert verdict.group == verdict.name
        assert verdict.z > 4.0
        assert verdict.delta_bic < BIC_NEEDED


def test_a_band_that_is_not_there_is_not_detected(
    lines: tuple[Any, ...], simulate: Simulate, near: Near
) -> None:
    """One spectrum and replicates: spots must not make a band out of noise."""
    model = BandModel(bands=(*near(lines), ABSENT))
    for seed in range(6):
        for scales in ((1.0,), (1.0, 0.8, 1.3, 1.1)):
            spectra = simulate(lines, seed=510 + seed, scales=scales)
            known = identify_bands(fit_bands(spectra, model), ensemble=())
            verdict = known.verdict("absent")
            assert verdict.status is BandStatus.NOT_DETECTED, (seed, verdict)
            assert "-6 is asked" in verdict.reason


def test_replicates_see_a_weak_band(
    lines: tuple[Any, ...], simulate: Simulate, near: Near, make_line: MakeLine
) -> None:
    weak = make_line(centre=622.0, area=1100.0, sigma=6.0, gamma=3.0)
    model = BandModel(bands=(*near(lines), ABSENT))
    found = []
    for scales in ((1.0,), (1.0,) * 6):
        spectra = simulate([*lines, weak], seed=52, scales=scales)
        known = identify_bands(fit_bands(spectra, model), ensemble=())
        found.append(known.verdict("absent"))
    one, six = found
    assert six.status is BandStatus.DETERMINED
    assert one.delta_bic > six.delta_bic + 15.0
    # The same amount six times: z grows by the root of six.
    assert six.z / one.z == pytest.approx(math.sqrt(6.0), rel=0.5)


def test_bands_too_close_are_one_sum(simulate: Simulate, make_line: MakeLine) -> None:
    """Two lines 3 cm-1 apart and 14 wide, known to be two by their names only."""
    lines = [make_line(centre=c, area=8000.0, sigma=5.0) for c in (398.5, 401.5)]
    bands = tuple(
        Band(
            name=name,
            species="s",
            wavenumber=wavenumber,
            wavenumber_std=2.0,
            fwhm=15.0,
            fwhm_factor=1.2,
            lorentz_std=0.1,
        )
        for name, wavenumber in (("low", 398.5), ("high", 401.5))
    )
    fit = fit_bands(simulate(lines, seed=53), BandModel(bands=bands))
    covariance = covariance_of(fit)
    known = identify_bands(fit, covariance=covariance, ensemble=())
    for verdict, other in zip(known.verdicts, ("high", "low"), strict=True):
        assert verdict.status is BandStatus.MERGED
        assert verdict.group == "low + high"
        assert f"not determined apart from {other}" in verdict.reason
    assert known.correlation[0, 1] < -0.95
    spread = covariance.of_spectrum(0)
    std, sum_std = np.sqrt(np.diag(spread)), math.sqrt(spread.sum())
    assert sum_std < 0.3 * std.min()
    assert fit.areas[0].sum() == pytest.approx(16_000.0, abs=4.0 * sum_std + 480.0)


def test_the_same_two_farther_apart_are_two(
    simulate: Simulate, make_line: MakeLine
) -> None:
    lines = [make_line(centre=c, area=8000.0, sigma=5.0) for c in (390.0, 410.0)]
    bands = tuple(
        Band(name=n, species="s", wavenumber=w, wavenumber_std=5.0, fwhm=15.0)
        for n, w in (("low", 390.0), ("high", 410.0))
    )
    known = identify_bands(
        fit_bands(simulate(lines, seed=54), BandModel(bands=bands)), ensemble=()
    )
    assert {v.status for v in known.verdicts} == {BandStatus.DETERMINED}


def test_a_centre_that_only_the_prior_knows_is_doubtful(
    simulate: Simulate, make_line: MakeLine
) -> None:
    """A strong band held by a prior far narrower than the data could place it."""
    line = make_line(centre=620.0, area=4000.0, sigma=12.0, gamma=1.0)
    band = replace(
        ABSENT, wavenumber_std=0.05, window=(600.0, 640.0), fwhm=30.0, name="held"
    )
    fit = fit_bands(simulate([line], seed=55, level=100.0), BandModel(bands=(band,)))
    verdict = identify_bands(fit, ensemble=()).verdict("held")
    assert verdict.delta_bic < BIC_NEEDED
    assert verdict.status is BandStatus.DOUBTFUL
    assert "its centre is the prior's: 0.0 of 0.1 cm-1" in verdict.reason


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"window": (600.0, 612.0)}, "its centre is at its limit, 612 cm-1"),
        ({"fwhm_factor": 1.2}, "its width is at its limit, 28.8 cm-1"),
    ],
)
def test_a_band_at_a_limit_is_doubtful(
    simulate: Simulate, make_line: MakeLine, changes: dict[str, Any], told: str
) -> None:
    """A strong line at 620, 47 wide, where the window or the width end before it."""
    line = make_line(centre=620.0, area=2e5, sigma=18.0, gamma=3.0)
    band = replace(ABSENT, wavenumber=610.0, **changes)
    # A stiff baseline: a soft one is the line itself where no band may be.
    model = BandModel(bands=(band,), baseline=BaselineOptions(smoothness=1e6))
    fit = fit_bands(simulate([line], seed=64), model)
    verdict = identify_bands(fit, ensemble=()).verdict("absent")
    assert verdict.delta_bic < BIC_NEEDED
    assert verdict.status is BandStatus.DOUBTFUL
    assert told in verdict.reason


def test_what_is_held_is_at_no_limit(simulate: Simulate, make_line: MakeLine) -> None:
    line = make_line(centre=620.0, area=2e4, sigma=6.0)
    band = replace(ABSENT, wavenumber=620.0)
    model = BandModel(bands=(band,))
    parameters = make_parameters(model)
    parameters["absent_centre"].set(vary=False)
    held = fit_bands(simulate([line], seed=65), model, parameters=parameters)
    assert not held.shared_priors.free[held.layout.centre.start]
    verdict = identify_bands(held, ensemble=()).verdict("absent")
    assert verdict.status is BandStatus.DETERMINED


def test_merged_bands_tell_of_limits(simulate: Simulate, make_line: MakeLine) -> None:
    lines = [make_line(centre=c, area=8000.0, sigma=5.0) for c in (398.5, 401.5)]
    bands = tuple(
        replace(
            ABSENT,
            name=name,
            wavenumber=wavenumber,
            window=(wavenumber - 0.3, wavenumber + 0.3),
            fwhm=15.0,
            fwhm_factor=1.2,
            lorentz_std=0.1,
        )
        for name, wavenumber in (("low", 397.0), ("high", 399.5))
    )
    known = identify_bands(
        fit_bands(simulate(lines, seed=53), BandModel(bands=bands)), ensemble=()
    )
    verdict = known.verdict("high")
    assert verdict.status is BandStatus.MERGED
    assert "not determined apart from low" in verdict.reason
    assert "its centre is at its limit, 399.8 cm-1" in verdict.reason


def test_without_a_refit_overlapping_bands_are_seen(
    simulate: Simulate, make_line: MakeLine
) -> None:
    """Two bands 100 apart and as wide: each is a few sigma, neither can be missed."""
    lines = [
        make_line(centre=720.0, area=1.8e4, sigma=28.0, gamma=16.0),
        make_line(centre=640.0, area=1.8e4, sigma=28.0, gamma=16.0),
    ]
    bands = tuple(
        Band(name=f"{c:.0f}", species="s", wavenumber=c, fwhm=80.0)
        for c in (640.0, 720.0)
    )
    absent = replace(ABSENT, wavenumber=300.0)
    model = BandModel(
        bands=(*bands, absent), baseline=BaselineOptions(knot_spacing=400.0)
    )
    fit = fit_bands(simulate(lines, seed=67), model)
    explicit = identify_bands(fit, ensemble=())
    quick = identify_bands(fit, ensemble=(), refit=False)
    for name in ("640", "720"):
        assert explicit.verdict(name).delta_bic < BIC_NEEDED
        verdict = quick.verdict(name)
        assert verdict.delta_bic == pytest.approx(
            explicit.verdict(name).delta_bic, abs=ENDS
        )
        assert 4.0 * math.log(400.0) - verdict.z**2 > BIC_NEEDED
        assert verdict.status is BandStatus.DOUBTFUL
        assert "others can take it over" in verdict.reason
    assert quick.verdict("absent").status is BandStatus.NOT_DETECTED


def test_a_band_that_another_baseline_takes_is_doubtful(fit: BandFit) -> None:
    """The same fit, but for one member of the ensemble in which an area is gone."""
    own = fit.solution.locals[0].copy()
    own[1] = 0.0
    other = replace(fit, solution=replace(fit.solution, locals=(own,)))
    known = identify_bands(fit, ensemble=(fit, other))
    assert known.verdict("band 2").status is BandStatus.DOUBTFUL
    assert "another baseline leaves 0.0 of its" in known.verdict("band 2").reason
    assert known.verdict("band 1").status is BandStatus.DETERMINED


def test_a_hump_as_wide_as_the_baseline_bends_is_no_band(
    simulate: Simulate,
) -> None:
    """Fluorescence alone, and a band that may be as wide as its hump."""
    broad = Band(
        name="broad", species="s", wavenumber=550.0, fwhm=250.0, fwhm_factor=1.3
    )
    fit = fit_bands(simulate([], seed=56, level=2000.0), BandModel(bands=(broad,)))
    verdict = identify_bands(fit).verdict("broad")
    assert verdict.status is not BandStatus.DETERMINED


def test_change_of_the_bic_is_that_of_an_explicit_refit(fit: BandFit) -> None:
    known = identify_bands(fit, ensemble=())
    verdict = known.verdict("absent")
    options = BaselineOptions(smoothness=fit.smoothness)
    less = replace(
        fit.model, bands=fit.model.bands[:5], baseline=options, loss="normal"
    )
    # The weights of the robust loss are kept: give the same spectra.
    without = fit_without(fit, 5)
    assert without.model.bands == less.bands
    assert without.spectra is not None
    price = 4.0 * math.log(400.0)  # area, centre, width, share; 400 points
    gained = 2.0 * (without.solution.cost - fit.solution.cost) / misfit_of(fit)
    assert verdict.delta_bic == pytest.approx(price - max(gained, 0.0))
    quadratic = identify_bands(fit, ensemble=(), refit=False).verdict("absent")
    assert quadratic.delta_bic == pytest.approx(price - quadratic.z**2)


def test_price_of_a_band_is_what_it_brings(
    lines: tuple[Any, ...], simulate: Simulate, near: Near
) -> None:
    """Its width and share cost nothing where its family has them already."""
    family = replace(ABSENT, family="f")
    bands = (*near(lines)[:4], replace(near(lines)[4], family="f"), family)
    fit = fit_bands(simulate(lines, seed=57), BandModel(bands=bands))
    verdict = identify_bands(fit, ensemble=(), refit=False).verdict("absent")
    assert verdict.delta_bic == pytest.approx(2.0 * math.log(400.0) - verdict.z**2)


def test_independent_points_are_fewer_than_points(fit: BandFit) -> None:
    assert independent_points(fit) == 400.0
    through = replace(fit, model=replace(fit.model, instrument_fwhm=5.0))
    assert independent_points(through) == pytest.approx(400.0 / 2.5)


def test_condition_number_is_that_of_the_scaled_jacobian(
    simulate: Simulate, make_line: MakeLine
) -> None:
    found = []
    for apart in (60.0, 6.0):
        lines = [make_line(centre=400.0 + s * apart / 2, area=2e4) for s in (-1, 1)]
        bands = tuple(
            Band(name=f"b{k}", species="s", wavenumber=line.centre, fwhm=10.0)
            for k, line in enumerate(lines)
        )
        options = BaselineOptions(edge_decays=())
        model = BandModel(bands=bands, shift_std=0.0, baseline=options)
        fit = fit_bands(simulate(lines, seed=58), model)
        matrix = fit.solution.normals[0].matrix[:-1, :-1]
        scale = np.sqrt(np.diag(matrix))
        slow = np.linalg.cond(matrix / np.outer(scale, scale))
        assert condition_number(fit) == pytest.approx(slow, rel=1e-6)
        found.append(condition_number(fit))
    assert found[1] > 2.0 * found[0]


def test_condition_of_two_bands_in_one_place_is_infinite(
    simulate: Simulate, make_line: MakeLine
) -> None:
    band = Band(
        name="a",
        species="s",
        wavenumber=400.0,
        window=(399.9, 400.1),
        fwhm=10.0,
        fwhm_factor=1.0001,
        lorentz_std=1e-6,
    )
    model = BandModel(bands=(band, replace(band, name="b")))
    fit = fit_bands(simulate([make_line(centre=400.0, area=2e4)], seed=59), model)
    assert condition_number(fit) > 1e6
    known = identify_bands(fit, ensemble=())
    assert {v.status for v in known.verdicts} == {BandStatus.MERGED}


def test_ensemble_has_other_baselines_and_the_same_bands(fit: BandFit) -> None:
    members = fit_ensemble(fit)
    assert len(members) >= 2
    ratios = {round(m.smoothness / fit.smoothness, 6) for m in members}
    assert ratios <= {0.1, 1.0, 10.0}
    assert 0.1 in ratios  # a softer baseline never does worse
    for member in members:
        assert member.model.names == fit.model.names
        assert np.array_equal(member.spectra[0].sigma, fit.spectra[0].sigma)
        other_knots = member.spectra[0].basis.shape != fit.spectra[0].basis.shape
        assert other_knots or member.smoothness != fit.smoothness


def test_a_baseline_that_cannot_follow_does_not_speak(
    simulate: Simulate, make_line: MakeLine
) -> None:
    """Strong light of much shape: knots farther apart leave more than noise."""
    band = Band(name="a", species="s", wavenumber=300.0, fwhm=12.0)
    hump = make_line(centre=600.0, area=2e7, sigma=60.0, gamma=0.1)
    fit = fit_bands(simulate([hump], seed=63), BandModel(bands=(band,)))
    members = fit_ensemble(fit)
    assert len(members) < 4
    for member in members:
        excess = 2.0 * (member.solution.cost - fit.solution.cost)
        assert excess < 4.0 * misfit_of(fit)


def test_members_are_judged_by_themselves(
    lines: tuple[Any, ...], simulate: Simulate, near: Near
) -> None:
    """Two samples in one fit; the band is in the second only."""
    model = BandModel(bands=near(lines))
    for seed in range(8):
        without = simulate([*lines[:3], lines[4]], seed=600 + seed)
        whole = simulate(lines, seed=620 + seed)
        fit = fit_bands([without, whole], model)
        first, second = (
            identify_bands(fit, ensemble=(), members=[k]).verdict("band 4")
            for k in (0, 1)
        )
        assert first.status is BandStatus.NOT_DETECTED, (seed, first)
        assert second.status is BandStatus.DETERMINED, (seed, second)


def test_a_fit_without_a_tie_or_a_template(
    lines: tuple[Any, ...], simulate: Simulate, near: Near
) -> None:
    shift = np.arange(80.0, 920.0, 2.0)
    glass = Template(
        name="glass",
        species="g",
        raman_shift=shift,
        values=np.exp(-(((shift - 600.0) / 60.0) ** 2)),
    )
    tie = Tie(name="T", species="salt", bands=("band 1", "band 2"), shares=(2.0, 3.0))
    model = BandModel(bands=near(lines), ties=(tie,), templates=(glass,))
    fit = fit_bands(simulate(lines, seed=62), model)
    assert fit.model.names == ("band 3", "band 4", "band 5", "T", "glass")
    assert fit_without(fit, 3).model.names == ("band 3", "band 4", "band 5", "glass")
    assert fit_without(fit, 3).model.bands[0].name == "band 3"
    assert fit_without(fit, 4).model.names == fit.model.names[:4]
    assert fit_without(fit, 0).model.names == ("band 4", "band 5", "T", "glass")
    known = identify_bands(fit, ensemble=())
    assert known.verdict("T").status is BandStatus.DETERMINED
    assert known.verdict("glass").status is BandStatus.NOT_DETECTED
