"""Chemical formulae: parsing, masses, mass fractions, element balance."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import gemmi

from structkit.errors import StructureError

_TOKEN = re.compile(r"([A-Z][a-z]?)|([(\[{])|([)\]}])|(\d+\.?\d*|\.\d+)|([\s·*,]+)|(.)")
_NOBLE_GASES = (0, 2, 10, 18, 36, 54, 86, 118)
_HYDROGEN_GROUP = 15.5


def parse_formula(formula: str) -> dict[str, float]:
    """Count the atoms of a formula.

    Parameters
    ----------
    formula : str
        ``NaTaCl6``, ``Na4 Ta4 Cl24``, ``Ca5(PO4)3F``, ``Li0.5[Mn2(O4)]``; round,
        square and curly brackets nest. No charges, no hydrate dots.

    Returns
    -------
    dict of str to float
        Atoms of each element, in order of first appearance.

    Raises
    ------
    StructureError
        When the formula is empty, its brackets do not match, or it holds something
        that is no element.

    Examples
    --------
    >>> parse_formula("Ca5(PO4)3F")
    {'Ca': 5.0, 'P': 3.0, 'O': 12.0, 'F': 1.0}
    """
    stack: list[dict[str, float]] = [{}]
    last: dict[str, float] = {}
    for element, opening, closing, number, blank, other in _TOKEN.findall(formula):
        if other:
            raise StructureError(f"formula {formula!r}: cannot read {other!r}")
        if number:
            _add(stack[-1], last, float(number) - 1.0)
            last = {}
        elif element:
            last = {_known_element(element, formula): 1.0}
            _add(stack[-1], last, 1.0)
        elif opening:
            stack.append({})
            last = {}
        elif closing:
            if len(stack) == 1:
                raise StructureError(f"formula {formula!r}: a bracket is not opened")
            last = stack.pop()
            _add(stack[-1], last, 1.0)
        elif blank and "·" in blank:
            raise StructureError(f"formula {formula!r}: write hydrates with brackets")
    if len(stack) != 1:
        raise StructureError(f"formula {formula!r}: a bracket is not closed")
    if not stack[0] or min(stack[0].values()) <= 0.0:
        raise StructureError(f"formula {formula!r} holds no atoms, or none of one kind")
    return stack[0]


def _add(total: dict[str, float], part: Mapping[str, float], times: float) -> None:
    """Add ``times`` the atoms of ``part`` to ``total``."""
    for element, count in part.items():
        total[element] = total.get(element, 0.0) + times * count


def _known_element(symbol: str, formula: str) -> str:
    """Return ``symbol`` (D becomes H), or refuse what is no element."""
    element = gemmi.Element(symbol)
    if element.atomic_number == 0:
        raise StructureError(f"formula {formula!r}: {symbol!r} is no element")
    return "H" if element.atomic_number == 1 else str(element.name)


def format_formula(atoms: Mapping[str, float]) -> str:
    """Write a formula with the electropositive elements first.

    Notes
    -----
    Elements follow the order of the groups of the periodic table, heavier ones
    first within a group (IUPAC Red Book 2005, table VI, reversed); hydrogen stands
    between nitrogen's group and oxygen's.

    Examples
    --------
    >>> format_formula({"Cl": 6, "Na": 1, "Ta": 1})
    'NaTaCl6'
    """
    parts = []
    for element in sorted(atoms, key=_order):
        count = atoms[element]
        parts.append(element if abs(count - 1.0) < 5e-4 else f"{element}{count:.4g}")
    return "".join(parts)


def _order(symbol: str) -> tuple[float, int]:
    """Return the sorting key of an element: its group, then heavier ones first."""
    number = gemmi.Element(symbol).atomic_number
    if number == 1:
        return (_HYDROGEN_GROUP, 0)
    core = max(noble for noble in _NOBLE_GASES if noble < number)
    length = _NOBLE_GASES[_NOBLE_GASES.index(core) + 1] - core
    place = number - core
    if place <= 2:
        return (float(place), -number)
    if length - place < 16:
        return (float(18 - length + place), -number)
    return (3.0, -number)


def reduce_formula(atoms: Mapping[str, float]) -> tuple[dict[str, float], int]:
    """Divide atom counts by their greatest common divisor.

    Returns
    -------
    atoms : dict of str to float
        Atoms of one formula unit.
    formula_units : int
        The divisor; 1 where the counts are not whole numbers.

    Examples
    --------
    >>> reduce_formula({"Na": 4, "Cl": 4})
    ({'Na': 1.0, 'Cl': 1.0}, 4)
    """
    counts = [round(count) for count in atoms.values()]
    whole = all(
        abs(count - number) < 0.01
        for count, number in zip(atoms.values(), counts, strict=True)
    )
    divisor = math.gcd(*counts) if whole else 1
    units = max(divisor, 1)
    return {element: count / units for element, count in atoms.items()}, units


def molar_mass(formula: str | Mapping[str, float]) -> float:
    """Return the molar mass in g/mol.

    Parameters
    ----------
    formula : str or mapping of str to float
        A formula, or the atoms of each element.

    Examples
    --------
    >>> round(molar_mass("NaCl"), 2)
    58.44
    """
    atoms = parse_formula(formula) if isinstance(formula, str) else formula
    return float(
        sum(count * gemmi.Element(name).weight for name, count in atoms.items())
    )


def mass_fractions(formula: str | Mapping[str, float]) -> dict[str, float]:
    """Return each element's share of the mass, adding up to 1."""
    atoms = parse_formula(formula) if isinstance(formula, str) else formula
    total = molar_mass(atoms)
    return {name: molar_mass({name: count}) / total for name, count in atoms.items()}


def mixture_mass_fractions(mixture: Mapping[str, float]) -> dict[str, float]:
    """Return the share of the mass of each compound of a weighed mixture.

    Parameters
    ----------
    mixture : mapping of str to float
        Moles of each formula, ``{"NaCl": 1, "TaCl5": 1, "Na2O": 1}``.

    Raises
    ------
    StructureError
        When an amount is negative, or all are zero.
    """
    masses = {
        formula: moles * molar_mass(formula)
        for formula, moles in _check_mixture(mixture).items()
    }
    total = sum(masses.values())
    return {formula: mass / total for formula, mass in masses.items()}


def mixture_elements(mixture: Mapping[str, float]) -> dict[str, float]:
    """Return the moles of each element in a weighed mixture.

    Parameters
    ----------
    mixture : mapping of str to float
        Moles of each formula.

    Examples
    --------
    >>> mixture_elements({"CsBr": 2, "PbBr2": 1})
    {'Cs': 2.0, 'Br': 4.0, 'Pb': 1.0}
    """
    elements: dict[str, float] = {}
    for formula, moles in _check_mixture(mixture).items():
        _add(elements, parse_formula(formula), moles)
    return elements


def element_balance(
    before: Mapping[str, float], after: Mapping[str, float]
) -> dict[str, float]:
    """Return the moles of each element that ``after`` has beyond ``before``.

    Parameters
    ----------
    before, after : mapping of str to float
        Moles of each formula, weighed in and found.

    Returns
    -------
    dict of str to float
        Moles gained (positive) or lost (negative); zero everywhere when the two
        mixtures hold the same atoms.
    """
    balance = mixture_elements(after)
    _add(balance, mixture_elements(before), -1.0)
    return balance


def _check_mixture(mixture: Mapping[str, float]) -> Mapping[str, float]:
    """Refuse negative amounts and an empty mixture."""
    if not mixture or min(mixture.values()) < 0.0 or sum(mixture.values()) <= 0.0:
        raise StructureError(f"mixture {dict(mixture)}: give positive moles")
    return mixture
