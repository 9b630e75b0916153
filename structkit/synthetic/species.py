"""Which compounds the atoms of a milled sample are in, the amorphous ones named.

The study knows what the crystals hold and what is left of the atoms weighed in. Here
what is left is shared out: glass NaTaOxCl(6-2x), amorphous TaCl5, hidden Na2O, and NaCl
where sodium is over. Nothing is lost: atoms are conserved to 1e-12.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from structkit.errors import PlanError
from structkit.synthetic.study_truth import (
    ATOMS_TOLERANCE,
    Contents,
    formula_mass,
    structure_of,
)

GLASS_DENSITY = 3.0
"""Of NaTaOxCl(6-2x), **g cm-3**: an assumption, below that of crystalline NaTaCl6."""
_CHLORINE_MASS, _OXYGEN_MASS = 35.45, 15.999


@dataclass(frozen=True, slots=True, kw_only=True)
class Species:
    """Moles of every compound, per tantalum weighed in."""

    crystal: float
    """Crystalline NaTaCl6."""
    glass: float
    """NaTaOxCl(6-2x)."""
    oxygen: float
    """x of the glass."""
    nacl: float
    """NaCl, by-product and left over."""
    na2o: float
    """Na2O, crystalline or hidden."""
    tacl5: float
    """TaCl5, crystalline or amorphous."""

    @property
    def atoms(self) -> dict[str, float]:
        """Return the atoms of all compounds."""
        product = self.crystal + self.glass
        return {
            "Na": product + self.nacl + 2.0 * self.na2o,
            "Ta": product + self.tacl5,
            "O": self.oxygen * self.glass + self.na2o,
            "Cl": 6.0 * product
            - 2.0 * self.oxygen * self.glass
            + self.nacl
            + 5.0 * self.tacl5,
        }

    @property
    def sodium(self) -> dict[str, float]:
        """Return the share of sodium in ``product``, ``NaCl`` and ``Na2O``."""
        total = self.atoms["Na"]
        product = (self.crystal + self.glass) / total
        return {
            "product": product,
            "NaCl": self.nacl / total,
            "Na2O": 2.0 * self.na2o / total,
        }

    @property
    def product_oxygen(self) -> float:
        """Return x of glass and crystalline NaTaCl6 together: what a line shows."""
        product = self.glass + self.crystal
        return self.oxygen * self.glass / product if product > 0.0 else 0.0

    @property
    def volumes(self) -> dict[str, float]:
        """Return the volume fractions of ``glass``, ``crystal`` and ``insulator``."""
        glass_mass = formula_mass("NaTaCl6") + self.oxygen * (
            _OXYGEN_MASS - 2.0 * _CHLORINE_MASS
        )
        parts = {
            "glass": self.glass * glass_mass / GLASS_DENSITY,
            "crystal": self.crystal * _molar_volume("NaTaCl6"),
            "insulator": self.nacl * _molar_volume("NaCl")
            + self.na2o * _molar_volume("Na2O")
            + self.tacl5 * _molar_volume("TaCl5"),
        }
        total = sum(parts.values())
        return {name: volume / total for name, volume in parts.items()}


def share_out(contents: Contents, *, oxygen: float) -> Species:
    """Return the compounds of a sample.

    Parameters
    ----------
    contents : Contents
        From :func:`structkit.synthetic.study_truth.fill` or ``without_oxide``.
    oxygen : float
        x of the glass, below 0.5.

    Raises
    ------
    PlanError
        The atoms that are left make no such compounds, or are not conserved to 1e-12.

    Examples
    --------
    >>> from structkit.synthetic.study_truth import without_oxide
    >>> found = share_out(without_oxide(), oxygen=0.0)
    >>> print({name: round(share, 3) for name, share in found.sodium.items()})
    {'product': 0.95, 'NaCl': 0.05, 'Na2O': 0.0}
    """
    if not 0.0 <= oxygen < 0.5:
        raise PlanError(f"oxygen is {oxygen}; x of the glass must lie in 0..0.5")
    free = contents.amorphous_atoms
    moles = contents.crystalline
    wanted = (free["Na"] - 2.0 * free.get("O", 0.0)) / (1.0 - 2.0 * oxygen)
    glass = float(np.clip(wanted, 0.0, free["Ta"]))
    hidden = max(free.get("O", 0.0) - oxygen * glass, 0.0)
    salt = max(free["Na"] - glass - 2.0 * hidden, 0.0)
    found = Species(
        crystal=moles.get("NaTaCl6", 0.0),
        glass=glass,
        oxygen=oxygen,
        nacl=moles.get("NaCl", 0.0) + salt,
        na2o=moles.get("Na2O", 0.0) + hidden,
        tacl5=moles.get("TaCl5", 0.0) + free["Ta"] - glass,
    )
    _check(found, contents)
    return found


def _check(found: Species, contents: Contents) -> None:
    """Refuse compounds that are not the atoms of the sample."""
    for element, count in found.atoms.items():
        due = contents.weighed.get(element, 0.0)
        if abs(count - due) > ATOMS_TOLERANCE:
            raise PlanError(
                f"atoms are not conserved: {count:.15g} {element} in the compounds, "
                f"{due:.15g} in the sample; is the oxygen that of its time?"
            )


def _molar_volume(phase: str) -> float:
    """Return the volume of one mole of formula units, cm3."""
    return formula_mass(phase) / structure_of(phase).density
