"""Which patterns of a joint fit do not agree with what the others share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc

from refinement.engines.native.arrow import Block, Head, eliminate
from refinement.engines.native.bounds import inverse_normal

Floats = NDArray[np.float64]
_TOLD = 0.1
"""Information of a pattern, over the prior's, from which it has its own say in a
direction of the shared parameters."""
_LEAST_APART = 0.05
"""Least variance of own minus shared value, over that of the own one: fits that have
converged may differ by 0.2 standard deviations."""
CHANCE = 0.01
"""Chance that a whole series without any such pattern has one called so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What one pattern says about the shared parameters, its own ones following."""

    normal: Floats
    """Half the second derivatives of its weighted total, (n_shared, n_shared)."""
    moment: Floats
    """``normal @`` where its total would be least."""

    @classmethod
    def at(cls, block: Block, shared: Floats) -> Evidence:
        """Return the evidence of a block at the shared values ``shared``."""
        normal, gradient = eliminate(block)
        return cls(normal=normal, moment=normal @ shared + gradient)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How one pattern agrees with what the others share."""

    delta: float
    """Chi-square with the shared values minus with its own, over GOF^2."""
    given_up: int
    """Directions of the shared parameters in which it had its own say."""
    chance: float
    """Chance of a larger ``delta`` in a pattern that agrees."""
    score: float
    """The same as a normal deviate, which orders also those without any chance."""
    pulls: Floats
    """Own minus shared value over the standard deviation of it, (n_shared,)."""


def pool(evidence: Sequence[Evidence], prior: Head, center: Floats) -> Head:
    """Return the normal matrix of all evidence and prior, and its moment."""
    normal = prior.normal.copy()
    moment = prior.normal @ center
    for item in evidence:
        normal += item.normal
        moment += item.moment
    return Head(normal=normal, gradient=moment)


def pooled_values(evidence: Sequence[Evidence], prior: Head, center: Floats) -> Floats:
    """Return the shared values that all evidence and the prior agree on, linearly."""
    pooled = pool(evidence, prior, center)
    return np.asarray(inverse_normal(pooled.normal) @ pooled.gradient)


def directions(evidence: Evidence, prior: Head) -> Floats:
    """Return L, (n_shared, n_told), with ``L L' = normal`` where the pattern has a say.

    Directions in which it adds less than a tenth of the prior are left out.
    """
    sigma = 1.0 / np.sqrt(np.diag(prior.normal))
    values, vectors = np.linalg.eigh(evidence.normal * np.outer(sigma, sigma))
    told = values > _TOLD
    return np.asarray(vectors[:, told] * np.sqrt(values[told]) / sigma[:, None])


def deviate(square: float, freedom: float) -> float:
    """Return a chi-square as a normal deviate, whose chance may be too small to write.

    References
    ----------
    Wilson & Hilferty (1931), Proc. Natl. Acad. Sci. USA 17, 684,
    doi:10.1073/pnas.17.12.684.
    """
    spread = 2.0 / (9.0 * freedom)
    return float((np.cbrt(square / freedom) - 1.0 + spread) / np.sqrt(spread))


def apart(evidence: Evidence, others: Head, prior: Head) -> tuple[float, float]:
    """Return chance and deviate of a pattern's evidence, given the others', pooled.

    Its residual ``moment - normal theta`` with the others' ``theta`` has the covariance
    ``N + N V N`` where V is theirs: its weighted square is a chi-square.
    """
    root = directions(evidence, prior)
    if root.shape[1] == 0:
        return 1.0, -np.inf
    spread = inverse_normal(others.normal)
    residual = evidence.moment - evidence.normal @ (spread @ others.gradient)
    whitened = np.linalg.lstsq(root, residual, rcond=None)[0]
    covariance = np.eye(root.shape[1]) + root.T @ spread @ root
    square = float(whitened @ np.linalg.solve(covariance, whitened))
    return float(chdtrc(root.shape[1], square)), deviate(square, root.shape[1])


def screen(
    evidence: Sequence[Evidence],
    prior: Head,
    center: Floats,
    *,
    most: int,
    left_out: frozenset[int] = frozenset(),
) -> frozenset[int]:
    """Return the patterns to leave out, taken away one by one, the worst first.

    One at a time, because one pattern far off makes good ones look bad. ``left_out``
    are out already and stay so; at most ``most`` are out in the end.
    """
    out = set(left_out)
    limit = CHANCE / max(len(evidence), 1)
    while len(out) < most:
        kept = [k for k in range(len(evidence)) if k not in out]
        if len(kept) < 3:
            break
        pooled = pool([evidence[k] for k in kept], prior, center)
        judged = [
            apart(evidence[k], _without(pooled, evidence[k]), prior) for k in kept
        ]
        worst = int(np.argmax([score for _, score in judged]))
        if judged[worst][0] >= limit:
            break
        out.add(kept[worst])
    return frozenset(out)


def _without(pooled: Head, evidence: Evidence) -> Head:
    return Head(
        normal=pooled.normal - evidence.normal,
        gradient=pooled.gradient - evidence.moment,
    )


def judge(
    own: Evidence,
    *,
    delta: float,
    own_values: Floats,
    shared_values: Floats,
    joint_normal: Floats,
    prior: Head,
    included: bool,
) -> Verdict:
    """Return the verdict on one pattern.

    Parameters
    ----------
    own : Evidence
        What it says by itself.
    delta : float
        Its chi-square with the shared values minus with its own, over GOF^2.
    own_values, shared_values : ndarray, shape (n_shared,)
        Both kinds of values.
    joint_normal : ndarray, shape (n_shared, n_shared)
        Normal matrix of the joint fit's shared parameters, prior included.
    prior : Head
        The shared parameters' priors.
    included : bool
        Whether the pattern is part of the joint fit.

    Notes
    -----
    In a pattern that agrees, ``delta`` is a sum of chi-squares of one degree, each with
    the weight ``1 - v`` (included) or ``1 + v`` (left out), where v are the eigenvalues
    of ``L' V L``: V the joint covariance, ``L L'`` the pattern's own normal matrix. Its
    chance is that of a scaled chi-square of the same mean and variance.

    References
    ----------
    Satterthwaite (1946), Biometrics Bull. 2, 110, doi:10.2307/3002019.
    """
    spread = inverse_normal(joint_normal)
    root = directions(own, prior)
    sign = -1.0 if included else 1.0
    weights = 1.0 + sign * np.linalg.eigvalsh(root.T @ spread @ root)
    weights = np.maximum(weights, 1e-6)
    chance, score = 1.0, -np.inf
    if weights.size:
        mean, square = float(weights.sum()), float(weights @ weights)
        scaled = max(delta, 0.0) * mean / square
        chance = float(chdtrc(mean**2 / square, scaled))
        score = deviate(scaled, mean**2 / square)
    own_variance = np.diag(inverse_normal(own.normal + prior.normal))
    variance = own_variance + sign * np.diag(spread)
    sigma = np.sqrt(np.maximum(variance, _LEAST_APART * own_variance))
    return Verdict(
        delta=delta,
        given_up=int(weights.size),
        chance=chance,
        score=score,
        pulls=(own_values - shared_values) / sigma,
    )
