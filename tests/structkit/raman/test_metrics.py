"""Ratios of areas and their uncertainties against brute force."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import t as student

from structkit.raman.bands import Band
from structkit.raman.covariance import FitCovariance, covariance_of
from structkit.raman.fit import BandFit, fit_bands
from structkit.raman.identify import (
    BandStatus,
    Identifiability,
    identify_bands,
)
from structkit.raman.metrics import (
    LogRatio,
    Sums,
    count_bands,
    log_ratio,
    loss_metric,
    ratio_metric,
    share_metric,
    why_by_overlap,
    why_by_width,
    why_unresolved,
)
from structkit.raman.model import BandModel, Template, Tie

Floats = NDArray[np.float64]
Simulate = Callable[..., xr.Dataset]
Near = Callable[..., tuple[Band, ...]]

DRAWS = 40_000
DRAWN = 0.04
"""A variance of 40 000 draws is known to 0.7 %; the logarithm is not quite linear."""
N_SPOTS = 6


@pytest.fixture(scope="module")
def fit(lines: tuple[Any, ...], simulate: Simulate, near: Near) -> BandFit:
    scales = (1.0, 0.7, 1.4, 1.0, 0.5, 1.2)
    return fit_bands(
        simulate(lines, seed=71, scales=scales), BandModel(bands=near(lines))
    )


@pytest.fixture(scope="module")
def covariance(fit: BandFit) -> FitCovariance:
    return covariance_of(fit)


@pytest.fixture(scope="module")
def known(fit: BandFit, covariance: FitCovariance) -> Identifiability:
    return identify_bands(fit, covariance=covariance, ensemble=(), refit=False)


def sums(above: list[float], below: list[float]) -> Sums:
    return Sums(above=np.asarray(above), below=np.asarray(below))


AXIAL = sums([0, 0, 0, 1, 0], [0, 1, 1, 0, 0])


def with_areas(fit: BandFit, areas: Floats) -> BandFit:
    """Return a fit whose spots have given areas."""
    own = []
    for row, local in zip(areas, fit.solution.locals, strict=True):
        changed = local.copy()
        changed[fit.layout.columns] = row
        own.append(changed)
    return replace(fit, solution=replace(fit.solution, locals=tuple(own)))


def plain(value: float, variance: float, *, ratio_std: float = math.nan) -> LogRatio:
    return LogRatio(
        value=value,
        spot_variance=math.nan,
        own_variance=variance,
        shared_variance=0.0,
        baseline_variance=0.0,
        n_spots=1,
        ratio=math.exp(value),
        ratio_std=ratio_std,
    )


# --- sums


def test_bands_count_by_where_they_are_expected(
    lines: tuple[Any, ...], simulate: Simulate, near: Near
) -> None:
    shift = np.arange(80.0, 920.0, 2.0)
    glass = Template(
        name="glass", species="g", raman_shift=shift, values=np.ones(shift.size)
    )
    bands = near(lines)
    tie = Tie(name="T", species="salt", bands=("band 1", "band 4"), shares=(3.0, 1.0))
    model = BandModel(
        bands=(*bands[:4], replace(bands[4], species="oxide")),
        ties=(tie,),
        templates=(glass,),
    )
    fit = fit_bands(simulate(lines, seed=72), model)
    assert fit.model.names == ("band 2", "band 3", "band 5", "T", "glass")
    assert count_bands(fit, (150.0, 300.0)).tolist() == [1.0, 0.0, 0.0, 0.75, 0.0]
    # The lower end is inside, the upper is not; windows add up.
    assert count_bands(fit, (378.0, 405.0)).tolist() == [0.0, 1.0, 0.0, 0.0, 0.0]
    both = count_bands(fit, (378.0, 405.0), (405.0, 900.0))
    assert both.tolist() == [0.0, 1.0, 1.0, 0.25, 0.0]
    without = count_bands(fit, (378.0, 900.0), without=("oxide",))
    assert without.tolist() == [0.0, 1.0, 0.0, 0.25, 0.0]


# --- the logarithm of a ratio


def test_value_is_that_of_the_sums_over_the_spots(
    fit: BandFit, covariance: FitCovariance
) -> None:
    found = log_ratio(fit, AXIAL, covariance=covariance)
    total = fit.areas.sum(axis=0)
    assert found.value == pytest.approx(math.log(total[3] / (total[1] + total[2])))
    assert found.ratio == pytest.approx(math.exp(found.value))
    assert found.n_spots == N_SPOTS
    some = log_ratio(fit, AXIAL, covariance=covariance, members=[1, 4])
    total = fit.areas[[1, 4]].sum(axis=0)
    assert some.value == pytest.approx(math.log(total[3] / (total[1] + total[2])))
    assert some.n_spots == 2


def test_variance_of_the_fit_against_draws_of_its_covariance(
    fit: BandFit, covariance: FitCovariance
) -> None:
    rng = np.random.default_rng(73)
    shared = rng.multivariate_normal(
        np.zeros(fit.layout.n_shared), covariance.shared, DRAWS, method="svd"
    )
    areas = np.zeros((DRAWS, N_SPOTS, 5))
    for spot in range(N_SPOTS):
        own = rng.multivariate_normal(np.zeros(5), covariance.own[spot], DRAWS)
        areas[:, spot] = fit.areas[spot] + own + shared @ covariance.lever[spot].T
    total = areas.sum(axis=1)
    drawn = total[:, 3] / (total[:, 1] + total[:, 2])
    found = log_ratio(fit, AXIAL, covariance=covariance)
    variance = found.own_variance + found.shared_variance
    assert variance == pytest.approx(np.var(np.log(drawn)), rel=DRAWN)
    one = log_ratio(
        fit, AXIAL, covariance=covariance, members=[2]
    )  # without scatter of spots
    alone = areas[:, 2, 3] / (areas[:, 2, 1] + areas[:, 2, 2])
    assert one.std**2 == pytest.approx(np.var(np.log(alone)), rel=2 * DRAWN)
    assert one.ratio_std == pytest.approx(np.std(alone), rel=2 * DRAWN)


def spot_sets(fit: BandFit, n_sets: int, *, scatter: float, seed: int) -> list[Floats]:
    """Return areas of spots whose ratio and brightness scatter, true ratio 0.5."""
    rng = np.random.default_rng(seed)
    sets = []
    for _ in range(n_sets):
        areas = np.ones((N_SPOTS, 5))
        areas[:, 3] = np.exp(scatter * rng.normal(size=N_SPOTS))
        areas *= rng.uniform(0.7, 1.3, (N_SPOTS, 1))
        sets.append(areas)
    return sets


def noiseless(fit: BandFit, covariance: FitCovariance) -> FitCovariance:
    return replace(
        covariance, own=covariance.own * 1e-12, lever=covariance.lever * 1e-12
    )


def test_variance_between_spots_against_many_sets(
    fit: BandFit, covariance: FitCovariance
) -> None:
    quiet = noiseless(fit, covariance)
    values, claimed = [], []
    for areas in spot_sets(fit, 500, scatter=0.2, seed=74):
        found = log_ratio(with_areas(fit, areas), AXIAL, covariance=quiet)
        values.append(found.value)
        claimed.append(found.spot_variance)
    # Unbiased but for the brightness of the spots, which weighs them unequally.
    assert np.mean(claimed) == pytest.approx(np.var(values), rel=0.15)


def test_limits_cover_the_truth(fit: BandFit, covariance: FitCovariance) -> None:
    quiet = noiseless(fit, covariance)
    inside = []
    sets = spot_sets(fit, 600, scatter=0.2, seed=75)
    true = 0.5 * math.exp(0.5 * 0.2**2)  # of the means
    for areas in sets:
        found = log_ratio(with_areas(fit, areas), AXIAL, covariance=quiet)
        for metric, truth in (
            (ratio_metric("r", found), true),
            (share_metric("s", found), true / (1.0 + true)),
        ):
            inside.append(metric.low < truth < metric.high)
    # 600 sets know a share of 95 % to 0.9 %; six spots of unequal weight a bit less.
    assert np.mean(inside) == pytest.approx(0.95, abs=0.03)


def test_noise_of_the_fit_stands_where_spots_scatter_less(
    fit: BandFit, covariance: FitCovariance
) -> None:
    same = with_areas(fit, np.tile(fit.areas.mean(axis=0), (N_SPOTS, 1)))
    found = log_ratio(same, AXIAL, covariance=covariance)
    assert found.spot_variance < 1e-12 < found.own_variance
    total = found.own_variance + found.shared_variance
    assert found.std == pytest.approx(math.sqrt(total))
    assert math.isinf(found.degrees_of_freedom)


def test_degrees_of_freedom_are_those_of_welch_and_satterthwaite() -> None:
    found = LogRatio(
        value=0.0,
        spot_variance=0.03,
        own_variance=0.01,
        shared_variance=0.02,
        baseline_variance=0.01,
        n_spots=5,
    )
    assert found.std == pytest.approx(math.sqrt(0.06))
    # (0.03 + 0.03)^2 / (0.03^2 / 4)
    assert found.degrees_of_freedom == pytest.approx(16.0)
    reach = student.ppf(0.975, 16.0) * math.sqrt(0.06)
    assert found.limits() == pytest.approx((-reach, reach))


def test_baselines_add_their_mean_square(
    fit: BandFit, covariance: FitCovariance
) -> None:
    others = []
    for factor in (0.9, 1.2):
        areas = fit.areas.copy()
        areas[:, 3] *= factor
        others.append(with_areas(fit, areas))
    found = log_ratio(fit, AXIAL, covariance=covariance, ensemble=others)
    slow = 0.5 * (math.log(0.9) ** 2 + math.log(1.2) ** 2)
    assert found.baseline_variance == pytest.approx(slow)
    alone = log_ratio(fit, AXIAL, covariance=covariance)
    assert found.std**2 - alone.std**2 == pytest.approx(slow)


def test_ratio_has_the_same_parts_as_its_logarithm(
    fit: BandFit, covariance: FitCovariance
) -> None:
    areas = fit.areas.copy()
    areas[:, 3] *= 1.1
    other = [with_areas(fit, areas)]
    for ensemble in ((), other):
        found = log_ratio(fit, AXIAL, covariance=covariance, ensemble=ensemble)
        # The square of ln 1.1 and that of 0.1 differ by a tenth.
        assert found.ratio_std == pytest.approx(found.ratio * found.std, rel=0.06)


# --- metrics


@pytest.mark.parametrize("value", [-3.0, 0.0, 1.2])
def test_shares_and_ratios_against_draws(value: float) -> None:
    rng = np.random.default_rng(76)
    drawn = value + 0.1 * rng.normal(size=DRAWS)
    found = plain(value, 0.01, ratio_std=0.1 * math.exp(value))
    share, ratio = share_metric("s", found), ratio_metric("r", found)
    assert share.value == pytest.approx(expit(value))
    assert share.std == pytest.approx(np.std(expit(drawn)), rel=DRAWN)
    assert ratio.value == pytest.approx(math.exp(value))
    assert ratio.std == pytest.approx(np.std(np.exp(drawn)), rel=DRAWN)
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert (share.low, share.high) == pytest.approx((expit(low), expit(high)), rel=0.01)
    assert (ratio.low, ratio.high) == pytest.approx(
        (math.exp(low), math.exp(high)), rel=0.01
    )


def test_loss_against_draws() -> None:
    rng = np.random.default_rng(77)
    sample, reference = plain(-0.8, 0.02**2), plain(-0.2, 0.03**2)
    kept = expit(-0.8 + 0.02 * rng.normal(size=DRAWS)) / expit(
        -0.2 + 0.03 * rng.normal(size=DRAWS)
    )
    found = loss_metric("S", sample, reference)
    assert found.value == pytest.approx(1.0 - expit(-0.8) / expit(-0.2))
    assert found.std == pytest.approx(np.std(kept), rel=DRAWN)
    low, high = np.quantile(1.0 - kept, [0.025, 0.975])
    assert found.low == pytest.approx(low, abs=0.03 * (high - low))
    assert found.high == pytest.approx(high, abs=0.03 * (high - low))
    same = loss_metric("S", reference, reference)
    assert same.value == pytest.approx(0.0, abs=1e-12)
    assert same.low < 0.0 < same.high


def test_loss_of_few_spots_has_wider_limits() -> None:
    def of_spots(n: int) -> LogRatio:
        return LogRatio(
            value=-0.5,
            spot_variance=0.01,
            own_variance=0.0,
            shared_variance=0.0,
            baseline_variance=0.0,
            n_spots=n,
        )

    widths = []
    for n in (3, 30):
        found = loss_metric("S", of_spots(n), of_spots(n))
        widths.append(math.log((1.0 - found.low) / (1.0 - found.high)))
    slope = 1.0 - expit(-0.5)
    reach = 2.0 * student.ppf(0.975, 4.0) * slope * math.sqrt(0.02)
    assert widths[0] == pytest.approx(reach)  # twice two degrees of freedom
    assert widths[1] < 0.75 * widths[0]


# --- nothing above or below the bar


def test_a_band_that_is_nothing_gives_a_limit(
    fit: BandFit, covariance: FitCovariance
) -> None:
    areas = fit.areas.copy()
    areas[:, 3] = 0.0
    none = with_areas(fit, areas)
    found = log_ratio(none, AXIAL, covariance=covariance)
    assert found.value == -math.inf
    ratio, share = ratio_metric("r", found), share_metric("s", found)
    assert ratio.value == share.value == ratio.low == share.low == 0.0
    weights = np.zeros(areas.shape)
    weights[:, 3] = 1.0 / areas[:, 1:3].sum()
    slow = math.sqrt(sum(covariance.variance_of(weights)))
    assert ratio.std == pytest.approx(slow)
    assert ratio.high == pytest.approx(1.96 * slow, rel=0.01)
    assert share.high == pytest.approx(ratio.high / (1.0 + ratio.high))
    whole = log_ratio(fit, AXIAL, covariance=covariance)
    loss = loss_metric("S", found, whole)
    assert loss.value == loss.high == 1.0
    kept = share.high / float(expit(whole.value))
    assert loss.low == pytest.approx(1.0 - kept, abs=0.02 * kept)
    assert loss.std == pytest.approx(share.std / float(expit(whole.value)))
    unknown = loss_metric("S", whole, found)
    assert math.isnan(unknown.value)
    assert not unknown.resolved


def test_loss_of_a_weak_band_against_draws(
    fit: BandFit, covariance: FitCovariance
) -> None:
    """One and a half sigma of a band: the logarithm knows nothing, the share does."""
    areas = fit.areas.copy()
    below = float(areas[:, 1:3].sum())
    weights = np.zeros(areas.shape)
    weights[:, 3] = 1.0
    std = math.sqrt(sum(covariance.variance_of(weights)))
    areas[:, 3] = 1.5 * std / N_SPOTS
    found = log_ratio(with_areas(fit, areas), AXIAL, covariance=covariance)
    reference = plain(0.0, 0.01**2, ratio_std=0.01)
    loss = loss_metric("S", found, reference)
    rng = np.random.default_rng(78)
    drawn = np.maximum(1.5 * std + std * rng.normal(size=DRAWS), 0.0) / below
    kept = drawn / (1.0 + drawn) / expit(0.01 * rng.normal(size=DRAWS))
    low, high = np.quantile(1.0 - kept, [0.025, 0.975])
    assert loss.high == 1.0
    assert loss.high == pytest.approx(high)
    # Where the spots scatter less than their noise, the noise stands.
    assert loss.low == pytest.approx(low, abs=0.1 * (1.0 - low))


def test_nothing_below_the_bar_gives_no_number(
    fit: BandFit, covariance: FitCovariance
) -> None:
    areas = fit.areas.copy()
    areas[:, 1:3] = 0.0
    found = log_ratio(with_areas(fit, areas), AXIAL, covariance=covariance)
    assert found.value == math.inf
    share = share_metric("s", found)
    assert share.value == 1.0
    assert (share.low, share.high) == (0.0, 1.0)
    assert ratio_metric("r", found).high == math.inf


# --- why not resolved


def test_a_ratio_of_strong_bands_is_resolved(
    fit: BandFit, covariance: FitCovariance, known: Identifiability
) -> None:
    found = log_ratio(fit, AXIAL, covariance=covariance)
    assert why_unresolved(fit, AXIAL, identifiability=known, ratio=found) == ""


def change(
    known: Identifiability, name: str, status: BandStatus, *, group: str = ""
) -> Identifiability:
    verdicts = tuple(
        replace(v, status=status, reason="on purpose", group=group or v.group)
        if v.name == name
        else v
        for v in known.verdicts
    )
    return replace(known, verdicts=verdicts)


@pytest.mark.parametrize(
    ("changed", "wanted", "reason"),
    [
        (("band 4", BandStatus.NOT_DETECTED, ""), AXIAL, "band 4 is not detected"),
        (("band 4", BandStatus.DOUBTFUL, ""), AXIAL, "band 4 is doubtful: on purpose"),
        (
            ("band 4", BandStatus.MERGED, "band 3 + band 4"),
            AXIAL,
            "band 4 is not determined apart from band 3",
        ),
        # Merged on one side of the bar: their sum is what counts.
        (
            ("band 3", BandStatus.MERGED, "band 2 + band 3"),
            AXIAL,
            "",
        ),
        # One of two bands is there: enough for its side.
        (("band 2", BandStatus.NOT_DETECTED, ""), AXIAL, ""),
        (
            ("band 1", BandStatus.DETERMINED, ""),
            sums([0, 0, 0, 0, 0], [1, 0, 0, 0, 0]),
            "the model has no band on one side",
        ),
        # Mirrored, but within what stands on both sides: part of a share.
        (
            ("band 4", BandStatus.MERGED, "band 3 + band 4"),
            sums([0, 0, 0, 1, 0], [0, 1, 0, 1, 0]),
            "",
        ),
    ],
)
def test_reasons_for_no_answer(
    fit: BandFit,
    covariance: FitCovariance,
    known: Identifiability,
    changed: tuple[str, BandStatus, str],
    wanted: Sums,
    reason: str,
) -> None:
    name, status, group = changed
    verdicts = change(known, name, status, group=group)
    ratio = plain(0.0, 0.01)
    found = why_unresolved(fit, wanted, identifiability=verdicts, ratio=ratio)
    assert found.startswith(reason)
    assert bool(found) == bool(reason)


def test_a_ratio_known_to_a_factor_only_is_no_answer(
    fit: BandFit, known: Identifiability
) -> None:
    for variance, resolved in ((0.24, True), (0.26, False)):
        found = why_unresolved(
            fit, AXIAL, identifiability=known, ratio=plain(0.0, variance)
        )
        assert (found == "") == resolved
    assert "known to 0.51 only" in found


def _log_ratio(value: float) -> LogRatio:
    return LogRatio(
        value=value,
        spot_variance=math.nan,
        own_variance=0.01,
        shared_variance=0.0,
        baseline_variance=0.0,
        n_spots=1,
    )


def test_unseen_bands_leave_a_ratio_open_where_their_width_changes_it() -> None:
    found = _log_ratio(-1.0)
    assert why_by_width(found, _log_ratio(-0.9)) == ""
    assert "factor 2.7" in why_by_width(found, _log_ratio(0.0))
    assert "factor" in why_by_width(found, _log_ratio(-math.inf))
    assert why_by_width(_log_ratio(-math.inf), _log_ratio(-math.inf)) == ""


# --- lines of one width that stand close


def placed(
    simulate: Simulate, make_line: Callable[..., Any], *, fwhm: float, other: float
) -> BandFit:
    """Return the fit of the lines at 378 and 405, of given widths."""
    lines = [
        make_line(centre=378.0, area=12_000.0, sigma=other / 4.0, gamma=other / 4.0),
        make_line(centre=405.0, area=9000.0, sigma=fwhm / 4.0, gamma=fwhm / 4.0),
    ]
    bands = tuple(
        Band(name=f"{line.centre:.0f}", species="salt", wavenumber=line.centre, fwhm=w)
        for line, w in zip(lines, (other, fwhm), strict=True)
    )
    return fit_bands(simulate(lines, seed=3), BandModel(bands=bands))


@pytest.mark.parametrize(
    ("fwhm", "other", "told"),
    [(9.0, 9.0, False), (36.0, 36.0, True), (9.0, 45.0, False)],
)
def test_lines_closer_than_their_width_are_not_told_apart(
    simulate: Simulate,
    make_line: Callable[..., Any],
    fwhm: float,
    other: float,
    told: bool,
) -> None:
    fit = placed(simulate, make_line, fwhm=fwhm, other=other)
    why = why_by_overlap(fit, (400.0, 420.0), (280.0, 400.0), members=[0])
    assert bool(why) is told
    if told:
        assert "405 and 378 are" in why
        assert not why_by_overlap(
            fit, (400.0, 420.0), (280.0, 400.0), members=[0], without=("salt",)
        )
