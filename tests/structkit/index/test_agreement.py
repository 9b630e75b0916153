"""Conflicts: told where one technique is off, silent where none is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr

from structkit.index.agreement import (
    compare_with_rest,
    overlap_of,
    scatter_of,
    standing_off,
)
from structkit.index.modalities import IndexOptions, make_evidence, structural_of
from structkit.index.scores import Score, score_all

CALIBRATED = IndexOptions(kappa_std=0.15, calibrated=True)
N = 7
SERIES = 120
MOST_FALSE = 0.09
"""5 % asked; 120 series have 1 sigma of 2 %."""


def off(metrics: xr.Dataset) -> list[str]:
    evidence = structural_of(make_evidence(metrics, CALIBRATED))
    return [one.name for one in standing_off(compare_with_rest(evidence, n_samples=N))]


def test_honest_series_are_rarely_accused(
    make_metrics: Callable[..., xr.Dataset],
) -> None:
    accused = [bool(off(make_metrics(seed))) for seed in range(SERIES)]
    assert np.mean(accused) < MOST_FALSE


@pytest.mark.parametrize("name", ["xrd", "raman", "nmr"])
@pytest.mark.parametrize("bias", [-0.3, 0.3])
def test_a_biased_technique_is_told(
    make_metrics: Callable[..., xr.Dataset], name: str, bias: float
) -> None:
    told = [bool(off(make_metrics(seed, **{name: bias}))) for seed in range(30)]
    assert np.mean(told) >= 0.7


def test_one_technique_has_nothing_to_be_compared_with(
    make_metrics: Callable[..., xr.Dataset],
) -> None:
    evidence = make_evidence(make_metrics(1), CALIBRATED)[:1]
    (found,) = compare_with_rest(evidence, n_samples=N)
    assert not found.comparable
    assert standing_off([found]) == ()


def _score(value: float, std: float) -> Score:
    return Score(name="a", value=np.array([value]), covariance=np.array([[std**2]]))


def test_overlap_is_zero_for_the_same_and_one_for_strangers() -> None:
    same = [_score(0.5, 0.05)] * 3
    strangers = [_score(0.1, 0.01), _score(0.5, 0.01), _score(0.9, 0.01)]
    assert overlap_of(same, 0) == pytest.approx(0.0, abs=1e-9)
    assert overlap_of(strangers, 0) == pytest.approx(1.0, abs=1e-6)
    assert np.isnan(overlap_of(same[:1], 0))


def test_narrow_within_broad_diverges_without_conflict() -> None:
    # why the divergence is shown and not judged by
    scores = [_score(0.5, 0.01), _score(0.5, 0.2)]
    assert overlap_of(scores, 0) > 0.5
    assert scatter_of(scores, 0)[0] == pytest.approx(1.0)


def test_scores_of_the_truth_are_the_truth(
    make_metrics: Callable[..., xr.Dataset],
) -> None:
    truth = np.array([0.33, 0.53, 0.81, 0.93])
    for score in score_all(make_evidence(make_metrics(None), CALIBRATED)[:4]):
        milled = score.value[2:6]
        kept = np.isfinite(milled)
        assert milled[kept] == pytest.approx(truth[kept], abs=2e-3)
