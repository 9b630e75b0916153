"""Where the atoms of one element are: the census that two techniques must agree on."""

from __future__ import annotations

import math
from collections.abc import Mapping

import xarray as xr

from refinement.crystallinity.closure.composition import Composition
from structkit.errors import StructureError
from structkit.structures.composition import molar_mass, parse_formula


def weight_fraction_of_share(
    composition: Composition, formula: str, *, element: str, share: float
) -> float:
    """Return the weight fraction of a compound that holds a share of an element.

    Parameters
    ----------
    composition : Composition
        Of the whole sample.
    formula : str
        The compound.
    element : str
        Symbol of the element counted, as by NMR.
    share : float
        Of the sample's atoms of that element, 0 to 1.

    Returns
    -------
    float
        Weight fraction of the sample, 0 to 1.

    Raises
    ------
    StructureError
        Compound or sample without the element, or a share outside 0 to 1.

    Examples
    --------
    >>> from refinement.crystallinity.closure import weighed_composition
    >>> study = weighed_composition({"NaCl": 1, "TaCl5": 1, "Na2O": 1})
    >>> w = weight_fraction_of_share(study, "NaCl", element="Na", share=0.048)
    >>> round(w, 4)
    0.0176
    """
    counted = parse_formula(formula).get(element, 0.0)
    if not 0.0 <= share <= 1.0 or counted == 0.0 or element not in composition.elements:
        raise StructureError(
            f"share {share:g} of {element} in {formula}: a share lies in 0..1, and "
            f"compound and sample ({', '.join(composition.elements)}) hold the element"
        )
    atoms = share * float(composition.atoms[composition.elements.index(element)])
    return atoms / counted * molar_mass(formula) / composition.formula_mass


def element_census(
    composition: Composition,
    element: str,
    held: Mapping[str, float],
    *,
    std: Mapping[str, float],
) -> xr.Dataset:
    """Return whether the atoms counted in all species are those of the sample.

    Parameters
    ----------
    composition : Composition
        Of the whole sample.
    element : str
        Symbol.
    held : mapping of str to float
        Atoms of the element in each species (crystalline or not), per formula unit.
    std : mapping of str to float
        1 sigma of each, independent of one another; all are needed.

    Returns
    -------
    xarray.Dataset
        Scalars ``census_residual``, atoms counted less atoms weighed in per formula
        unit, with ``_std`` (composition included), and ``census_z``, one over the
        other (NaN where the uncertainty is zero); all ``1``.

    Raises
    ------
    StructureError
        An element that the sample does not hold, or a species without ``std``.
    """
    without = [name for name in held if name not in std]
    if element not in composition.elements or without:
        raise StructureError(
            f"census of {element}: the sample holds "
            f"{', '.join(composition.elements)}; no standard uncertainty of {without}"
        )
    at = composition.elements.index(element)
    residual = sum(held.values()) - float(composition.atoms[at])
    variance = float(composition.covariance[at, at])
    spread = math.sqrt(variance + sum(std[name] ** 2 for name in held))
    name = f"atoms of {element} counted less those weighed in, per formula unit"
    score = residual / spread if spread > 0.0 else math.nan
    return xr.Dataset(
        {
            "census_residual": ((), residual, {"units": "1", "long_name": name}),
            "census_residual_std": (
                (),
                spread,
                {"units": "1", "long_name": f"standard uncertainty of {name}"},
            ),
            "census_z": ((), score, {"units": "1", "long_name": "residual in sigma"}),
        }
    )
