"""Composition of what is not crystalline, by subtraction (SCIENCE B8)."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import xarray as xr
from scipy.optimize import nnls

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
from structkit.schema import PHASE
from structkit.structures.composition import format_formula

COVERAGE = 1.959963984540054
"""Standard uncertainties on each side of a 95 % interval."""
_ATOMS = "atoms of the amorphous remainder per formula unit of the sample"
_ALPHA = "amorphous weight fraction of the sample"


def amorphous_remainder(
    composition: Composition,
    weight_fractions: Mapping[str, float],
    *,
    covariance: Floats | None = None,
    formulas: Mapping[str, str] | None = None,
) -> xr.Dataset:
    """Return what is left of a sample when its crystals are taken away.

    Parameters
    ----------
    composition : Composition
        Of the whole sample (without any added standard).
    weight_fractions : mapping of str to float
        Weight fraction **of the sample** of each crystalline phase (not of the
        crystalline part), 0 to 1.
    covariance : ndarray, shape (n_phases, n_phases), optional
        Of the weight fractions. Without it they are held exactly, and what depends on
        it is NaN.
    formulas : mapping of str to str, optional
        Formula of each phase whose name is none.

    Returns
    -------
    xarray.Dataset
        Over ``element``: ``amorphous_atoms`` (moles per formula unit of the sample,
        ``1``), ``_std``, ``_low``, ``_high`` (95 % limits), ``_resolved`` (1 where the
        lower limit is above zero; else only the upper limit is to be quoted), and
        ``amorphous_atoms_covariance`` (``element``, ``element_``). Over ``phase``:
        ``weight_fraction_sample``, as closure leaves it. Scalars:
        ``amorphous_fraction`` with ``_std``, ``_low``, ``_high``;
        ``closure_chi_square``, what it cost to keep every element from being negative
        (0 where none was); ``scarcest_element``, the one of which the crystals hold
        the largest share; ``remainder_formula``. attrs: ``formula_mass`` (g/mol).

    Raises
    ------
    StructureError
        The crystals hold more of an element than the sample, or a weight fraction is
        negative, by more than 3 standard uncertainties; shapes do not fit.

    Notes
    -----
    Per formula unit of mass M, ``b_e = n_e - M sum_p W_p nu_pe / M_p`` and
    ``alpha = 1 - sum_p W_p``; atoms and mass are conserved identically. Where errors
    make an element or a fraction slightly negative, fractions and composition are
    moved together, by the least chi-square of their covariances, to where none is
    (least distance programming). Standard uncertainties are those of the plain
    subtraction. The limits are the constrained value and 1.96 of them, cut at zero;
    in the metric of the covariance the projection only comes nearer to any possible
    truth, so the limits are at least as wide as they need be.

    References
    ----------
    Lawson & Hanson (1995), Solving Least Squares Problems, chapter 23,
    doi:10.1137/1.9781611971217.

    Examples
    --------
    >>> from refinement.crystallinity.closure import weighed_composition
    >>> study = weighed_composition({"NaCl": 1, "TaCl5": 1, "Na2O": 1})
    >>> rest = amorphous_remainder(study, {"NaCl": 0.0176})
    >>> print(round(float(rest.amorphous_fraction), 4))
    0.9824
    """
    names = list(weight_fractions)
    phases = stoichiometry(names, formulas)
    whole = composition.widen([element for phase in phases for element in phase])
    fractions = np.array([weight_fractions[name] for name in names], dtype=float)
    spread = _check_covariance(covariance, fractions)
    mass = whole.formula_mass
    held = mass * atoms_per_gram(phases, whole.elements)
    n_phases, n_elements = held.shape
    joint = np.zeros((n_phases + n_elements,) * 2)
    joint[:n_phases, :n_phases] = spread
    joint[n_phases:, n_phases:] = whole.covariance
    balance = np.hstack([-held.T, np.eye(n_elements)])
    constraints = np.vstack([balance, np.eye(n_phases, n_phases + n_elements)])
    start = np.concatenate([fractions, whole.atoms])
    _refuse(start, constraints, joint, whole, names)
    nearest, chi_square = _project(start, constraints, joint)
    atoms = balance @ nearest
    atoms[atoms < ZERO * max(float(whole.atoms.max()), 1.0)] = 0.0
    matrix = balance @ joint @ balance.T
    unknown = covariance is None and bool(n_phases)
    if unknown:
        matrix = np.full_like(matrix, math.nan)
    alpha_std = math.nan if unknown else math.sqrt(max(float(spread.sum()), 0.0))
    kept = nearest[:n_phases]
    return _label(
        whole,
        atoms,
        matrix,
        xr.DataArray(np.maximum(kept, 0.0), coords={PHASE: names}, dims=(PHASE,)),
        alpha=(min(max(1.0 - float(kept.sum()), 0.0), 1.0), alpha_std),
        chi_square=chi_square,
    )


def remainder_ratio(
    remainder: xr.Dataset, numerator: str, denominator: str
) -> xr.Dataset:
    """Return the ratio of two elements in the amorphous remainder.

    Parameters
    ----------
    remainder : xarray.Dataset
        From :func:`amorphous_remainder`.
    numerator, denominator : str
        Symbols.

    Returns
    -------
    xarray.Dataset
        Scalars ``atom_ratio`` with ``_std``, ``_low``, ``_high`` (``1``, 95 %). The
        upper limit is infinite where the denominator may be zero.

    Raises
    ------
    StructureError
        An element that the remainder does not know.

    Notes
    -----
    Fieller's interval, cut at zero; the standard uncertainty is of first order.

    References
    ----------
    Fieller (1954), J. R. Stat. Soc. B 16, 175, doi:10.1111/j.2517-6161.1954.tb00159.x.
    """
    known = [str(element) for element in remainder[ELEMENT].to_numpy()]
    for element in (numerator, denominator):
        if element not in known:
            raise StructureError(f"{element} is none of the elements {known}")
    at = [known.index(numerator), known.index(denominator)]
    above, below = remainder["amorphous_atoms"].to_numpy()[at]
    matrix = remainder["amorphous_atoms_covariance"].to_numpy()[np.ix_(at, at)]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = float(np.float64(above) / below)
        slope = np.array([1.0, -ratio]) / below
        std = float(np.sqrt(slope @ matrix @ slope))
    low, high = _fieller(above, below, matrix)
    name = f"{numerator} over {denominator} in the amorphous remainder"
    return xr.Dataset(
        {
            "atom_ratio": ((), ratio, _units(name)),
            "atom_ratio_std": ((), std, _units(f"standard uncertainty of {name}")),
            "atom_ratio_low": ((), low, _units(f"lower 95 % limit of {name}")),
            "atom_ratio_high": ((), high, _units(f"upper 95 % limit of {name}")),
        }
    )


def _fieller(above: float, below: float, matrix: Floats) -> tuple[float, float]:
    """Return the 95 % limits of a ratio that is not negative."""
    if not np.all(np.isfinite(matrix)):
        return math.nan, math.nan
    square = COVERAGE**2
    a = below**2 - square * matrix[1, 1]
    half = above * below - square * matrix[0, 1]
    c = above**2 - square * matrix[0, 0]
    root = half**2 - a * c
    if a > 0.0:
        width = math.sqrt(max(root, 0.0))
        return max((half - width) / a, 0.0), max((half + width) / a, 0.0)
    if a == 0.0 or root < 0.0:
        return 0.0, math.inf
    # The denominator may be zero: all ratios outside the two roots.
    roots = sorted([(half - math.sqrt(root)) / a, (half + math.sqrt(root)) / a])
    return (roots[1], math.inf) if roots[0] <= 0.0 < roots[1] else (0.0, math.inf)


def _check_covariance(covariance: Floats | None, fractions: Floats) -> Floats:
    """Return the covariance, zeros where there is none; refuse what does not fit."""
    n = fractions.size
    if not np.all(np.isfinite(fractions)):
        raise StructureError("weight fractions must be finite; leave out the unknown")
    if covariance is None:
        return np.zeros((n, n))
    matrix = np.asarray(covariance, dtype=float)
    if matrix.shape != (n, n) or not np.all(np.isfinite(matrix)):
        raise StructureError(
            f"covariance of {n} weight fractions: finite, of shape {(n, n)}; got shape "
            f"{matrix.shape}"
        )
    return matrix


def _refuse(
    start: Floats,
    constraints: Floats,
    joint: Floats,
    whole: Composition,
    names: list[str],
) -> None:
    """Raise where an element or a fraction is negative beyond its uncertainty."""
    slack = constraints @ start
    spread = np.sqrt(
        np.maximum(np.einsum("ij,jk,ik->i", constraints, joint, constraints), 0.0)
    )
    size = max(float(np.abs(start).max()), 1.0)
    excess = -slack - SIGMAS * spread
    n_elements = len(whole.elements)
    if np.all(excess <= ZERO * size):
        return
    beyond = excess > ZERO * size
    if np.any(beyond[n_elements:]):
        at = n_elements + int(np.argmax(excess[n_elements:]))
        raise StructureError(
            f"weight fraction of {names[at - n_elements]} is {slack[at]:.4g} "
            f"({_spoken(spread[at])}): it must not be negative"
        )
    held = whole.atoms - slack[:n_elements]
    with np.errstate(divide="ignore", invalid="ignore"):
        times = np.where(beyond[:n_elements], held / whole.atoms, -np.inf)
    at = int(np.argmax(times))
    element, weighed = whole.elements[at], float(whole.atoms[at])
    holders = ", ".join(
        name
        for name, column in zip(names, constraints[at, : len(names)], strict=True)
        if column < 0.0
    )
    amount = (
        f"{100.0 * (times[at] - 1.0):.1f} % more than was weighed in ({weighed:.4g})"
        if weighed > 0.0
        else "and none was weighed in"
    )
    others = [e for e, t in zip(whole.elements, times, strict=True) if t > 0.0]
    others.remove(element)
    raise StructureError(
        f"{element}: the crystals ({holders}) hold {held[at]:.4g} atoms per formula "
        f"unit of the sample, {amount}; difference: {_spoken(spread[at])}"
        + (f"; too many also of {', '.join(others)}" if others else "")
        + ". Either their amount is too high (the external standard, microabsorption, "
        "a phase assigned wrongly), or the composition is not that of the sample (mass "
        "lost or gained, a component not named)"
    )


def _spoken(std: float) -> str:
    """Return an uncertainty as words."""
    return f"1 sigma {std:.2g}" if std > 0.0 else "held exactly"


def _project(start: Floats, constraints: Floats, joint: Floats) -> tuple[Floats, float]:
    """Return the nearest point that satisfies ``constraints @ x >= 0``.

    Nearest by the inverse of ``joint``, which may be singular: what has no uncertainty
    does not move. Second: the squared distance.
    """
    slack = constraints @ start
    slack[np.abs(slack) < ZERO * max(float(np.abs(start).max()), 1.0)] = 0.0
    if np.all(slack >= 0.0):
        return start, 0.0
    values, vectors = np.linalg.eigh(joint)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    reach = constraints @ root
    size = np.maximum(np.sqrt(np.einsum("ij,ij->i", reach, reach)), 1e-300)
    moved = size > ZERO * float(size.max())
    reach, goal = reach[moved] / size[moved, None], -slack[moved] / size[moved]
    system = np.vstack([reach.T, goal])
    aim = np.zeros(system.shape[0])
    aim[-1] = 1.0
    multipliers, distance = nnls(system, aim)
    if distance**2 < ZERO:
        raise StructureError(
            "the crystals cannot be fitted into the composition of the sample: more "
            "than one element is short at once"
        )
    residual = system @ multipliers - aim
    step = -residual[:-1] / residual[-1]
    return start + root @ step, float(step @ step)


def _units(long_name: str) -> dict[str, str]:
    """Return the attrs of a dimensionless variable."""
    return {"units": "1", "long_name": long_name}


def _label(
    whole: Composition,
    atoms: Floats,
    matrix: Floats,
    fractions: xr.DataArray,
    *,
    alpha: tuple[float, float],
    chi_square: float,
) -> xr.Dataset:
    """Return the labelled variables."""
    std = np.sqrt(np.maximum(np.diag(matrix), 0.0))
    low = np.maximum(atoms - COVERAGE * std, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        left = np.where(whole.atoms > 0.0, atoms / whole.atoms, np.inf)
    present = {e: float(a) for e, a in zip(whole.elements, atoms, strict=True) if a}
    value, value_std = alpha
    limits = np.clip([value - COVERAGE * value_std, value + COVERAGE * value_std], 0, 1)
    covariance = _units(f"covariance of {_ATOMS}")
    variables: dict[str, object] = {
        "amorphous_atoms": (ELEMENT, atoms, _units(_ATOMS)),
        "amorphous_atoms_std": (
            ELEMENT,
            std,
            _units(f"standard uncertainty of {_ATOMS}"),
        ),
        "amorphous_atoms_low": (ELEMENT, low, _units(f"lower 95 % limit of {_ATOMS}")),
        "amorphous_atoms_high": (
            ELEMENT,
            atoms + COVERAGE * std,
            _units(f"upper 95 % limit of {_ATOMS}"),
        ),
        "amorphous_atoms_resolved": (
            ELEMENT,
            (low > 0.0).astype(np.int64),
            _units("the lower 95 % limit is above zero"),
        ),
        "amorphous_atoms_covariance": ((ELEMENT, f"{ELEMENT}_"), matrix, covariance),
        "weight_fraction_sample": fractions.assign_attrs(
            _units("weight fraction of the sample, no element negative")
        ),
        "amorphous_fraction": ((), value, _units(_ALPHA)),
        "amorphous_fraction_std": (
            (),
            value_std,
            _units(f"standard uncertainty of {_ALPHA}"),
        ),
        "amorphous_fraction_low": (
            (),
            limits[0],
            _units(f"lower 95 % limit of {_ALPHA}"),
        ),
        "amorphous_fraction_high": (
            (),
            limits[1],
            _units(f"upper 95 % limit of {_ALPHA}"),
        ),
        "closure_chi_square": ((), chi_square, _units("chi-square of the closure")),
        "scarcest_element": (
            (),
            whole.elements[int(np.argmin(left))],
            {"long_name": "element of which the crystals hold the largest share"},
        ),
        "remainder_formula": (
            (),
            format_formula(present) if present else "",
            {"long_name": "what is not crystalline in a formula unit of the sample"},
        ),
    }
    return xr.Dataset(
        variables,
        coords={ELEMENT: list(whole.elements)},
        attrs={"formula_mass": whole.formula_mass},
    )
