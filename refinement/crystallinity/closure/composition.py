"""Composition of a whole sample: weighed, or measured, and one against the other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import chdtrc

from structkit.errors import StructureError
from structkit.structures.composition import (
    mixture_elements,
    molar_mass,
    parse_formula,
)

Floats = NDArray[np.float64]

ELEMENT = "element"
"""Dimension: chemical elements."""
ZERO = 1e-9
"""What rounding may leave of a balance, as a share of its largest term."""
SIGMAS = 3.0
"""Standard uncertainties beyond which a contradiction is one."""
WEIGHING_STD = 0.005
"""Relative 1 sigma of each mass on the balance (SCIENCE B8)."""
_SIGNIFICANCE = 0.01
"""Probability below which a measured composition disagrees with the weighed one."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Composition:
    """Atoms of a whole sample, crystals and glass together."""

    elements: tuple[str, ...]
    """Symbols."""
    atoms: Floats
    """Moles of each element per formula unit of the sample, shape (n_elements,)."""
    covariance: Floats
    """Of ``atoms``, at a fixed mass, shape (n_elements, n_elements)."""

    def __post_init__(self) -> None:
        """Check shapes and signs."""
        n = len(self.elements)
        if self.atoms.shape != (n,) or self.covariance.shape != (n, n):
            raise StructureError("composition: one number for each element is needed")
        usable = np.all(np.isfinite(self.atoms)) and np.all(
            np.isfinite(self.covariance)
        )
        if not usable or np.any(self.atoms < 0.0) or not np.any(self.atoms > 0.0):
            raise StructureError(
                "composition: atoms must be finite, none negative, not all zero; got "
                + ", ".join(
                    f"{e} {a:.4g}"
                    for e, a in zip(self.elements, self.atoms, strict=True)
                )
            )

    @property
    def formula_mass(self) -> float:
        """Return the mass of one formula unit of the sample in g/mol."""
        return float(self.atoms @ atomic_masses(self.elements))

    def widen(self, elements: Sequence[str]) -> Composition:
        """Return the same with zero atoms, known exactly, of further elements."""
        further = tuple(e for e in dict.fromkeys(elements) if e not in self.elements)
        if not further:
            return self
        return Composition(
            elements=self.elements + further,
            atoms=np.pad(self.atoms, (0, len(further))),
            covariance=np.pad(self.covariance, (0, len(further))),
        )


def atomic_masses(elements: Sequence[str]) -> Floats:
    """Return g/mol of each element."""
    return np.array([molar_mass({element: 1.0}) for element in elements])


def stoichiometry(
    names: Sequence[str], formulas: Mapping[str, str] | None
) -> list[dict[str, float]]:
    """Return the atoms in a formula unit of each phase; its name unless mapped."""
    known = formulas or {}
    return [parse_formula(known.get(name, name)) for name in names]


def atoms_per_gram(
    phases: Sequence[Mapping[str, float]], elements: Sequence[str]
) -> Floats:
    """Return moles of each element in a gram of each phase, (n_phases, n_elements)."""
    rows = [
        [phase.get(element, 0.0) / molar_mass(phase) for element in elements]
        for phase in phases
    ]
    return np.array(rows).reshape(len(phases), len(elements))


def weighed_composition(
    mixture: Mapping[str, float], *, relative_std: float = WEIGHING_STD
) -> Composition:
    """Return the composition of a sample from what was weighed in.

    Parameters
    ----------
    mixture : mapping of str to float
        Moles of each formula, ``{"NaCl": 1, "TaCl5": 1, "Na2O": 1}``; these moles
        together are the formula unit. A component left out of a control may be absent
        or zero.
    relative_std : float
        1 sigma of each mass relative to itself, independent of the others; 0: exact.

    Returns
    -------
    Composition
        All elements of the mixture, those with zero moles too.

    Raises
    ------
    StructureError
        The mixture is empty or negative, or a formula cannot be read.

    Notes
    -----
    Only the ratios of the masses count, since the sample's own mass is the unit:
    ``dn_e / dm_i = nu_ei / M_i - n_e / M``, with M the mass of the formula unit. The
    covariance has no part along the atomic masses: closed in mass.

    Examples
    --------
    >>> study = weighed_composition({"NaCl": 1, "TaCl5": 1, "Na2O": 1})
    >>> dict(zip(study.elements, study.atoms.tolist()))
    {'Na': 3.0, 'Cl': 6.0, 'Ta': 1.0, 'O': 1.0}
    >>> round(study.formula_mass, 2)
    478.63
    """
    if not 0.0 <= relative_std < 1.0:
        raise StructureError(f"relative_std must lie in 0..1, not {relative_std:g}")
    found = mixture_elements(mixture)
    elements = tuple(found)
    phases = [parse_formula(formula) for formula in mixture]
    atoms = np.array(list(found.values()))
    masses = np.array(
        [n * molar_mass(p) for n, p in zip(mixture.values(), phases, strict=True)]
    )
    slopes = atoms_per_gram(phases, elements) - atoms / masses.sum()
    spread = (relative_std * masses)[:, None] * slopes
    return Composition(elements=elements, atoms=atoms, covariance=spread.T @ spread)


def measured_composition(
    atoms: Mapping[str, float],
    *,
    std: Mapping[str, float],
    formula_mass: float | None = None,
) -> Composition:
    """Return the composition of a sample from measured atom ratios.

    Parameters
    ----------
    atoms : mapping of str to float
        Relative number of atoms of **every** element of the sample, in any unit (at.%,
        moles). A method blind to one of them (EDS to hydrogen, often to oxygen) cannot
        give a composition: it can only be compared (:func:`compare_composition`).
    std : mapping of str to float
        1 sigma of each, in the same unit, independent of one another.
    formula_mass : float, optional
        Mass of the formula unit to refer to, **g/mol**, best that of the weighed
        composition; by default that of ``atoms`` as given.

    Returns
    -------
    Composition

    Raises
    ------
    StructureError
        A number is negative or not finite, or an element has no ``std``.
    """
    elements, values, errors = _read_measured(atoms, std)
    masses = atomic_masses(elements)
    total = float(values @ masses)
    mass = total if formula_mass is None else formula_mass
    if not (math.isfinite(mass) and mass > 0.0 and total > 0.0):
        raise StructureError("composition: its mass must be positive")
    scaled = values * mass / total
    slopes = (np.eye(len(elements)) - np.outer(scaled, masses) / mass) * mass / total
    return Composition(
        elements=elements,
        atoms=scaled,
        covariance=(slopes * errors**2) @ slopes.T,
    )


def compare_composition(
    weighed: Composition, atoms: Mapping[str, float], *, std: Mapping[str, float]
) -> xr.Dataset:
    """Return how far measured atom ratios depart from the weighed composition.

    Parameters
    ----------
    weighed : Composition
        From :func:`weighed_composition`.
    atoms, std : mapping of str to float
        Measured ratios and their 1 sigma, of at least two elements, not of all.

    Returns
    -------
    xarray.Dataset
        Over ``element`` (those measured): ``deviation``, measured over weighed less 1
        at the best common scale (NaN where none was weighed in), with ``_std``.
        Scalars: ``chi_square``, ``degrees_of_freedom`` (elements less one),
        ``p_value``, all ``1``; ``remark``: what disagrees, or an empty text.

    Raises
    ------
    StructureError
        Fewer than two elements, a standard uncertainty of zero, or no element in
        common.

    Notes
    -----
    Ratios know no absolute amount: one scale k is fitted by generalised least squares,
    ``V = diag(std^2) + k^2 cov(weighed)``, and chi-square is what is left. The
    deviations are therefore relative to the mean of all elements: what is lost of one
    shows also as a gain of the others.
    """
    elements, values, errors = _read_measured(atoms, std)
    wide = weighed.widen(elements)
    at = [wide.elements.index(element) for element in elements]
    expected, own = wide.atoms[at], wide.covariance[np.ix_(at, at)]
    if len(elements) < 2 or np.any(errors <= 0.0) or not np.any(expected > 0.0):
        raise StructureError(
            "compare: ratios of two elements or more are needed, each with a positive "
            "standard uncertainty, and one of them weighed in"
        )
    scale = float(values @ expected / (expected @ expected))
    for _ in range(3):
        weights = np.linalg.inv(np.diag(errors**2) + scale**2 * own)
        information = float(expected @ weights @ expected)
        scale = float(expected @ weights @ values) / information
    residual = values - scale * expected
    chi_square = float(residual @ weights @ residual)
    left = np.linalg.inv(weights) - np.outer(expected, expected) / information
    with np.errstate(divide="ignore", invalid="ignore"):
        unit = np.where(expected > 0.0, 1.0 / (scale * expected), np.nan)
    deviation = residual * unit
    spread = np.sqrt(np.maximum(np.diag(left), 0.0)) * np.abs(unit)
    freedom = len(elements) - 1
    probability = float(chdtrc(freedom, chi_square))
    remark = ""
    if probability < _SIGNIFICANCE:
        parts = [
            f"{e} {100 * d:+.1f} % (1 sigma {100 * s:.1f} %)"
            if math.isfinite(d)
            else f"{e} found, none weighed in"
            for e, d, s in zip(elements, deviation, spread, strict=True)
        ]
        remark = (
            "measured and weighed composition disagree (chi-square "
            f"{chi_square:.1f} on {freedom}, p = {probability:.1g}): "
            f"{', '.join(parts)}; something left or entered the jar (a volatile "
            "chloride, moisture, wear), or the sensitivities of the method are off"
        )
    name = "deviation of the measured from the weighed atoms"
    return xr.Dataset(
        {
            "deviation": (ELEMENT, deviation, _units(name)),
            "deviation_std": (
                ELEMENT,
                spread,
                _units(f"standard uncertainty of {name}"),
            ),
            "chi_square": ((), chi_square, _units("chi-square of the ratios")),
            "degrees_of_freedom": ((), freedom, _units("degrees of freedom")),
            "p_value": ((), probability, _units("probability of a larger chi-square")),
            "remark": ((), remark, {"long_name": "what disagrees"}),
        },
        coords={ELEMENT: list(elements)},
    )


def _units(long_name: str) -> dict[str, str]:
    """Return the attrs of a dimensionless variable."""
    return {"units": "1", "long_name": long_name}


def _read_measured(
    atoms: Mapping[str, float], std: Mapping[str, float]
) -> tuple[tuple[str, ...], Floats, Floats]:
    """Return elements, ratios and their errors, or refuse them."""
    without = [element for element in atoms if element not in std]
    if without:
        raise StructureError(f"composition: no standard uncertainty of {without}")
    wrong = [e for e in atoms if parse_formula(e) != {e: 1.0}]
    values = np.array(list(atoms.values()), dtype=float)
    errors = np.array([std[element] for element in atoms], dtype=float)
    finite = np.all(np.isfinite(values)) and np.all(np.isfinite(errors))
    if wrong or not finite or np.any(values < 0.0) or np.any(errors < 0.0):
        raise StructureError(
            f"composition {dict(atoms)}: give a symbol for each element, and ratios "
            "and standard uncertainties that are finite and not negative"
        )
    return tuple(atoms), values, errors
