"""How much can be crystalline at all, without any standard (SCIENCE B8 a)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import ndtri

from refinement.crystallinity.closure.composition import (
    ELEMENT,
    SIGMAS,
    ZERO,
    Composition,
    Floats,
    atoms_per_gram,
    stoichiometry,
)
from structkit.errors import StructureError
from structkit.structures.composition import parse_formula

Flags = NDArray[np.bool_]

CONSTRAINT = "constraint"
"""Dimension: what may not become negative."""
_ONE_SIDED = 0.05
"""Probability that a bound is exceeded."""
_RANK = 1e-9
"""Singular value, relative, below which compositions are not independent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Constraints:
    """Half-spaces ``rows @ atoms >= 0`` that together are all a remainder can be."""

    names: tuple[str, ...]
    """What is used up where each is zero."""
    rows: Floats
    """Shape (n_constraints, n_elements)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Limits:
    """The crystallinity at which each constraint is reached."""

    at: Floats
    """Weight fraction, NaN where a constraint is never reached."""
    std: Floats
    """1 sigma."""
    upper: Flags
    """Which hold from above; the others hold from below."""


def crystallinity_bound(
    composition: Composition,
    crystalline: Mapping[str, float],
    *,
    covariance: Floats | None = None,
    formulas: Mapping[str, str] | None = None,
    remainder: Sequence[str] | None = None,
) -> xr.Dataset:
    """Return the largest crystallinity that the atoms of the sample allow.

    Parameters
    ----------
    composition : Composition
        Of the whole sample (without any added standard).
    crystalline : mapping of str to float
        Amounts by weight of the crystalline phases among themselves, in any unit: the
        fractions of the crystalline part that a refinement gives.
    covariance : ndarray, shape (n_phases, n_phases), optional
        Of ``crystalline``, in its units. Not needed for a lone phase; without it the
        uncertainties and limits for several phases are NaN.
    formulas : mapping of str to str, optional
        Formula of each phase whose name is none.
    remainder : sequence of str, optional
        Compounds of which the amorphous part may be made, in any proportion; a solid
        solution is given by its end members. By default any composition at all.

    Returns
    -------
    xarray.Dataset
        Scalars (``1``, weight fractions of the sample): ``crystallinity_max`` with
        ``_std``; ``crystallinity_max_high``, which the truth exceeds with a
        probability of at most 5 %; ``amorphous_fraction_min`` (one less the first) and
        the interval ``amorphous_fraction_low`` to ``amorphous_fraction_high``, the
        latter below 1 only where ``remainder`` demands crystals; ``binding``: the
        element, or the compounds, of which nothing is left at the bound. Over
        ``constraint``: ``crystallinity_limit``, where each would be used up (NaN:
        never). Over ``element``: ``remainder_atoms`` at the bound, per formula unit.

    Raises
    ------
    StructureError
        A phase holds an element of which none was weighed in, no amount of the
        crystals with such a remainder gives the sample, or shapes do not fit.

    Notes
    -----
    Crystals of total weight fraction lambda, in known ratios r_p, take
    ``lambda c_e`` atoms, ``c_e = M sum_p r_p nu_pe / M_p``, so that
    ``lambda <= min_e n_e / c_e``. A remainder made of given compounds lies in the cone
    that they span; each face of that cone is one such inequality, a balance of several
    elements, found here by enumeration. The bound is therefore a formula, exact, with
    a derivative by which uncertainties go through.

    It holds whatever scatters and however it is measured; it needs the ratios of the
    crystals, and the composition. Where m constraints lie so close that any of them
    may be the one, each is given 5 %/m.

    References
    ----------
    Ziegler (1995), Lectures on Polytopes, section 1.1 (a cone by its rays and by its
    faces), doi:10.1007/978-1-4613-8431-1.

    Examples
    --------
    NaCl is the only crystal seen in a milled mixture of NaCl, TaCl5 and Na2O; the
    amorphous part is any NaTaO_xCl_{6-2x}, and Na2O.

    >>> from refinement.crystallinity.closure import weighed_composition
    >>> study = weighed_composition({"NaCl": 1, "TaCl5": 1, "Na2O": 1}, relative_std=0)
    >>> glass = ("NaTaCl6", "NaTaO3", "Na2O")
    >>> bound = crystallinity_bound(study, {"NaCl": 1}, remainder=glass)
    >>> print(round(float(bound.amorphous_fraction_low), 3), str(bound.binding.item()))
    0.756 Na2O
    """
    names, ratios, spread = _read_ratios(crystalline, covariance)
    phases = stoichiometry(names, formulas)
    parts = tuple(remainder) if remainder is not None else None
    made_of = [parse_formula(part) for part in parts or ()]
    whole = composition.widen([e for atoms in [*phases, *made_of] for e in atoms])
    kept = _without_foreign(whole, names, phases, ratios, spread)
    ratios, spread = _normalise(ratios[kept], spread[np.ix_(kept, kept)])
    chosen = [phase for phase, use in zip(phases, kept, strict=True) if use]
    mass = whole.formula_mass
    held = mass * atoms_per_gram(chosen, whole.elements)
    constraints = _constraints(whole.elements, parts)
    limits = _limits(whole, held, ratios, spread, constraints)
    unknown = covariance is None and len(chosen) > 1
    return _label(whole, ratios @ held, constraints, limits, unknown=unknown)


def _read_ratios(
    crystalline: Mapping[str, float], covariance: Floats | None
) -> tuple[list[str], Floats, Floats]:
    """Return names, amounts and covariance, or refuse them."""
    ratios = np.array(list(crystalline.values()), dtype=float)
    n = ratios.size
    matrix = np.zeros((n, n)) if covariance is None else np.asarray(covariance, float)
    usable = n > 0 and np.all(np.isfinite(ratios)) and np.all(ratios >= 0.0)
    if not usable or ratios.sum() <= 0.0:
        raise StructureError(
            f"crystalline {dict(crystalline)}: amounts of the phases, none negative, "
            "not all zero; without crystals there is nothing to bound"
        )
    if matrix.shape != (n, n) or not np.all(np.isfinite(matrix)):
        raise StructureError(
            f"covariance of {n} phases: finite, of shape {(n, n)}; got {matrix.shape}"
        )
    return list(crystalline), ratios, matrix


def _without_foreign(
    whole: Composition,
    names: Sequence[str],
    phases: Sequence[Mapping[str, float]],
    ratios: Floats,
    spread: Floats,
) -> Flags:
    """Return which phases to keep: not those that cannot be there and are not seen."""
    absent = {e for e, a in zip(whole.elements, whole.atoms, strict=True) if a == 0.0}
    kept = np.ones(len(phases), dtype=bool)
    for at, (name, phase) in enumerate(zip(names, phases, strict=True)):
        foreign = sorted(absent & phase.keys())
        kept[at] = not foreign
        if foreign and ratios[at] > SIGMAS * math.sqrt(spread[at, at]):
            raise StructureError(
                f"{name} holds {', '.join(foreign)}, of which none was weighed in: "
                "name the component that brings it (wear, moisture), or leave out the "
                "phase"
            )
    if not np.any(ratios[kept] > 0.0):
        raise StructureError("no crystal is left that the sample's elements can form")
    return kept


def _normalise(ratios: Floats, spread: Floats) -> tuple[Floats, Floats]:
    """Return the ratios adding up to 1, and their covariance."""
    total = float(ratios.sum())
    share = ratios / total
    slopes = (np.eye(share.size) - share[:, None]) / total
    return share, slopes @ spread @ slopes.T


@lru_cache(maxsize=64)
def _constraints(
    elements: tuple[str, ...], remainder: tuple[str, ...] | None
) -> _Constraints:
    """Return the faces of the cone that the remainder's compounds span."""
    if remainder is None:
        return _Constraints(names=elements, rows=np.eye(len(elements)))
    if not remainder:
        raise StructureError("remainder: name the compounds it may be made of")
    rays = atoms_per_gram([parse_formula(name) for name in remainder], elements)
    rays /= np.linalg.norm(rays, axis=1)[:, None]
    _, sizes, basis = np.linalg.svd(rays)
    rank = int(np.sum(sizes > _RANK * sizes[0]))
    span, beyond = basis[:rank], basis[rank:]
    inside = rays @ span.T
    faces: dict[tuple[str, ...], Floats] = {}
    for some in itertools.combinations(range(len(remainder)), rank - 1):
        _, size, vectors = np.linalg.svd(inside[list(some)].reshape(rank - 1, rank))
        if rank > 1 and size[-1] < _RANK:
            continue
        height = inside @ vectors[-1]
        inward = np.sign(height[np.argmax(np.abs(height))])
        height *= inward
        if np.all(height > -_RANK):
            off = tuple(
                name for name, h in zip(remainder, height, strict=True) if h > _RANK
            )
            faces.setdefault(off, inward * (vectors[-1] @ span))
    names = [" + ".join(off) for off in faces]
    rows = list(faces.values())
    for row in beyond:
        names += [f"exact balance of {' + '.join(remainder)}"] * 2
        rows += [row, -row]
    return _Constraints(names=tuple(names), rows=np.array(rows))


def _limits(
    whole: Composition,
    held: Floats,
    ratios: Floats,
    spread: Floats,
    constraints: _Constraints,
) -> _Limits:
    """Return where each constraint is reached; refuse what no amount can satisfy."""
    rows = constraints.rows
    taken = rows @ held.T
    supply, demand = rows @ whole.atoms, taken @ ratios
    rounding = ZERO * np.abs(rows).max(axis=1)
    reached = np.abs(demand) > rounding * (ratios @ held).max()
    supply_std = np.sqrt(np.maximum(_quadratic(rows, whole.covariance), 0.0))
    tolerance = SIGMAS * supply_std + rounding * whole.atoms.max()
    never = ~reached & (supply < -tolerance)
    at = np.full(supply.size, math.nan)
    at[reached] = supply[reached] / demand[reached]
    slopes = np.nan_to_num(at)[:, None] * taken
    variance = supply_std**2 + _quadratic(slopes, spread)
    std = np.full(supply.size, math.nan)
    std[reached] = np.sqrt(np.maximum(variance[reached], 0.0)) / np.abs(demand[reached])
    limits = _Limits(at=at, std=std, upper=reached & (demand > 0.0))
    low, high = _range(limits)
    worst = SIGMAS * float(np.nanmax(std, initial=0.0)) + ZERO
    if np.any(never) or high < max(low, 0.0) - worst:
        at_fault = constraints.names[int(np.argmax(never))] if np.any(never) else ""
        raise StructureError(
            "the weighed sample is no mixture of these crystals, in these ratios, and "
            "such a remainder"
            + (f": short of {at_fault}" if at_fault else "")
            + "; allow the remainder further compounds, or check the weighing"
        )
    return limits


def _quadratic(rows: Floats, matrix: Floats) -> Floats:
    """Return ``row @ matrix @ row`` for each row."""
    return np.asarray(np.einsum("ij,jk,ik->i", rows, matrix, rows))


def _range(limits: _Limits) -> tuple[float, float]:
    """Return the crystallinities allowed, not yet cut at zero from below."""
    below = limits.at[~limits.upper & np.isfinite(limits.at)]
    above = limits.at[limits.upper]
    return float(below.max(initial=0.0)), float(above.min(initial=1.0))


def _outer(limits: _Limits) -> tuple[float, float]:
    """Return the limits at 95 %, each from one side."""
    low, high = _range(limits)
    found = []
    for sign, edge, side in ((-1.0, low, ~limits.upper), (1.0, high, limits.upper)):
        at, std = limits.at[side], limits.std[side]
        near = np.isfinite(at) & (sign * (at - edge) <= SIGMAS * std + ZERO)
        if not np.any(near):
            found.append(edge)
            continue
        quantile = float(-ndtri(_ONE_SIDED / int(near.sum())))
        reach = sign * (at[near] + sign * quantile * std[near])
        found.append(sign * float(reach.min()))
    return min(max(found[0], 0.0), 1.0), min(max(found[1], 0.0), 1.0)


def _label(
    whole: Composition,
    taken: Floats,
    constraints: _Constraints,
    limits: _Limits,
    *,
    unknown: bool,
) -> xr.Dataset:
    """Return the labelled variables."""
    best = max(_range(limits)[1], 0.0)
    low, high = _outer(limits)
    above = np.where(limits.upper, limits.at, np.inf)
    at = int(np.argmin(above))
    std = math.nan if unknown else float(limits.std[at])
    atoms = whole.atoms - best * taken
    atoms[np.abs(atoms) < ZERO * float(whole.atoms.max())] = 0.0
    if unknown:
        low = high = math.nan
    share, glass = "crystalline weight fraction", "amorphous weight fraction"
    described = {
        "crystallinity_max": (best, f"largest possible {share} of the sample"),
        "crystallinity_max_std": (std, f"standard uncertainty of the largest {share}"),
        "crystallinity_max_high": (high, f"95 % upper limit of the largest {share}"),
        "amorphous_fraction_min": (1.0 - best, f"least possible {glass} of the sample"),
        "amorphous_fraction_low": (1.0 - high, f"95 % lower limit of the {glass}"),
        "amorphous_fraction_high": (1.0 - low, f"95 % upper limit of the {glass}"),
    }
    variables: dict[str, object] = {
        name: ((), value, {"units": "1", "long_name": text})
        for name, (value, text) in described.items()
    }
    variables |= {
        "binding": (
            (),
            constraints.names[at],
            {"long_name": "of which nothing is left at the bound"},
        ),
        "crystallinity_limit": (
            CONSTRAINT,
            np.where(limits.upper, limits.at, np.nan),
            {"units": "1", "long_name": f"{share} at which it would be used up"},
        ),
        "remainder_atoms": (
            ELEMENT,
            atoms,
            {
                "units": "1",
                "long_name": "atoms left at the bound per formula unit of the sample",
            },
        ),
    }
    return xr.Dataset(
        variables,
        coords={ELEMENT: list(whole.elements), CONSTRAINT: list(constraints.names)},
        attrs={"formula_mass": whole.formula_mass},
    )
