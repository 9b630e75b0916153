"""Atoms that the techniques count against those that were weighed in.

Shares of the element's signal (NMR) against the composition that was weighed. For
``Na2O : NaCl : TaCl5 = 1 : 1 : 1`` the reaction is ::

    NaTaCl6 + x Na2O -> NaTaO_xCl_(6-2x) + 2x NaCl

and each formula unit (one Ta) holds three Na. The arithmetic of shares and formulae is
that of :mod:`structkit.nmr.stoichiometry`; here are its uncertainties and verdicts.
Weight fractions of crystals and the remainder that they leave are in
:mod:`refinement.crystallinity.closure`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from structkit.checks.finding import Finding, Verdict
from structkit.errors import StructureError
from structkit.nmr.stoichiometry import (
    count_sodium,
    exchange_extent,
    oxide_from_ratio,
    shares_from_ratio,
)
from structkit.structures.composition import (
    mixture_elements,
    mixture_mass_fractions,
    parse_formula,
)

WEIGHED = {"Na2O": 1.0, "NaCl": 1.0, "TaCl5": 1.0}
"""Moles weighed in, for each mole of Ta."""
_TWO_SIGMA = 2.0
_MAX_X = 3.0
_WHOLE = 1.0 + 1e-9


def composition_of_reaction(
    x: float, *, x_std: float = math.nan, mixture: Mapping[str, float] | None = None
) -> dict[str, Finding]:
    """Return the shares of Na in product, NaCl and Na2O when x has reacted.

    Parameters
    ----------
    x : float
        Oxygen in NaTaO_xCl_(6-2x), 0 to 3.
    x_std : float, optional
        1 sigma.
    mixture : mapping of str to float, optional
        Moles weighed in of Na2O, NaCl and TaCl5; default one each.

    Returns
    -------
    dict of str to Finding
        ``NTOC``, ``NaCl`` and ``Na2O``: share of the sample's Na, ``1``;
        ``Na2O_reacted``: share of the Na2O. All Ta is taken to be in the product.

    Raises
    ------
    StructureError
        An x for which the weighed oxygen or chlorine does not suffice.

    Examples
    --------
    >>> found = composition_of_reaction(0.0625)
    >>> [round(100.0 * found[k].value, 2) for k in ("NTOC", "NaCl", "Na2O")]
    [33.33, 4.17, 62.5]
    """
    weighed = dict(mixture or WEIGHED)
    tantalum = weighed.get("TaCl5", 0.0)
    oxide, salt = weighed.get("Na2O", 0.0), weighed.get("NaCl", 0.0)
    sodium = mixture_elements(weighed).get("Na", 0.0)
    left = oxide - x * tantalum
    spare = salt - tantalum * (1.0 - 2.0 * x)
    if not 0.0 <= x <= _MAX_X or left < 0.0 or spare < 0.0 or tantalum <= 0.0:
        limit = oxide / tantalum if tantalum > 0.0 else math.nan
        raise StructureError(
            f"x = {x:g}: {weighed} allows x up to {min(limit, _MAX_X):g} and needs "
            "NaCl for every Ta"
        )
    amounts = {
        "NTOC": (tantalum, 0.0),
        "NaCl": (spare, 2.0 * tantalum),
        "Na2O": (2.0 * left, 2.0 * tantalum),
    }
    found = {
        name: Finding(
            name=f"share of Na in {name}",
            value=amount / sodium,
            std=slope * x_std / sodium if slope else 0.0,
            text=f"{amount:.4g} of {sodium:.4g} Na at x = {x:g}: "
            f"{100.0 * amount / sodium:.2f} %",
        )
        for name, (amount, slope) in amounts.items()
    }
    used = x * tantalum / oxide if oxide > 0.0 else math.nan
    found["Na2O_reacted"] = Finding(
        name="share of Na2O that has reacted",
        value=used,
        std=x_std * tantalum / oxide if oxide > 0.0 else math.nan,
        text=f"x n(Ta) / n(Na2O) = {100.0 * used:.1f} %",
    )
    return found


def find_shares(
    nacl_share: float,
    ratio: float,
    *,
    nacl_std: float = math.nan,
    ratio_std: float = math.nan,
) -> dict[str, Finding]:
    """Return the shares of Na that a NaCl share and a ratio NTOC : NaCl imply.

    Parameters
    ----------
    nacl_share : float
        Share of the Na signal, 0 to 1.
    ratio : float
        NTOC over NaCl, by moles of Na.
    nacl_std, ratio_std : float, optional
        1 sigma of each, independent.

    Returns
    -------
    dict of str to Finding
        ``NTOC``, ``Na2O`` (what is left), ``x``: half of NaCl over NTOC, no blank
        subtracted.

    Raises
    ------
    StructureError
        More than all Na, or a ratio that is not positive.

    Examples
    --------
    >>> found = find_shares(0.048, 8.0)
    >>> [round(found[k].value, 4) for k in ("NTOC", "Na2O", "x")]
    [0.384, 0.568, 0.0625]
    """
    shares = shares_from_ratio(nacl_share, ratio)
    product, rest = shares["NTOC"], shares["Na2O"]
    if not ratio > 0.0 or not 0.0 <= nacl_share or rest < 0.0:
        raise StructureError(
            f"NaCl {nacl_share:g} and NTOC:NaCl {ratio:g}: the shares of Na exceed 1"
        )
    x = oxide_from_ratio(1.0 / ratio)
    std = math.hypot(ratio * nacl_std, nacl_share * ratio_std)
    rest_std = math.hypot((1.0 + ratio) * nacl_std, nacl_share * ratio_std)
    return {
        "NTOC": Finding(
            name="share of Na in NTOC",
            value=product,
            std=std,
            text=f"{ratio:g} x {nacl_share:g} = {product:.4g}",
        ),
        "Na2O": Finding(
            name="share of Na in Na2O",
            value=rest,
            std=rest_std,
            text=f"1 - {nacl_share:g} - {product:.4g} = {rest:.4g}",
        ),
        "x": Finding(
            name="x in NaTaO_xCl_(6-2x), no blank subtracted",
            value=x,
            std=x * ratio_std / ratio,
            text=f"2 x = 1 / {ratio:g}, x = {x:.4g}",
        ),
    }


def ceiling_of_product(
    mixture: Mapping[str, float] | None = None, *, sodium_per_tantalum: float = 1.0
) -> Finding:
    """Return the largest share of Na that the product can hold.

    Parameters
    ----------
    mixture : mapping of str to float, optional
        Moles weighed in; default Na2O, NaCl and TaCl5 one each.
    sodium_per_tantalum : float, default 1
        Na for each Ta in the product, as its formula says.

    Returns
    -------
    Finding
        Share of Na, ``1``: all Ta in the product.

    Raises
    ------
    StructureError
        A mixture without Na or Ta.

    Examples
    --------
    >>> ceiling_of_product().text
    'all 1 Ta with 1 Na each, of 3 Na: at most 33.3 % of the Na'
    """
    atoms = mixture_elements(mixture or WEIGHED)
    sodium, tantalum = atoms.get("Na", 0.0), atoms.get("Ta", 0.0)
    if sodium <= 0.0 or tantalum <= 0.0 or sodium_per_tantalum <= 0.0:
        raise StructureError(f"{dict(mixture or WEIGHED)}: needs Na and Ta")
    share = min(sodium_per_tantalum * tantalum / sodium, 1.0)
    return Finding(
        name="largest share of Na in the product",
        value=share,
        std=0.0,
        text=f"all {tantalum:g} Ta with {sodium_per_tantalum:g} Na each, of "
        f"{sodium:g} Na: at most {100.0 * share:.1f} % of the Na",
    )


def census_of_sodium(
    product_share: float,
    *,
    share_std: float,
    mixture: Mapping[str, float] | None = None,
    mixture_relative_std: float = 0.005,
    sodium_per_tantalum: float = 1.0,
) -> Finding:
    """Compare Na per Ta as NMR counts it with what was weighed in.

    Parameters
    ----------
    product_share : float
        Share of the Na signal in the product with one Na for each Ta, 0 to 1.
    share_std : float
        1 sigma; NaN: unknown, no verdict.
    mixture : mapping of str to float, optional
        Moles weighed in; default Na2O, NaCl and TaCl5 one each.
    mixture_relative_std : float, default 0.005
        Of Na per Ta as weighed in.
    sodium_per_tantalum : float, default 1
        In the product.

    Returns
    -------
    Finding
        Na per Ta from NMR, ``1``. Below the weighed one the product holds more Na than
        its Ta allows: tension. Above it some Ta is not in the product, or Na2O is
        counted too much: pass with the amount in the text, for Ta in other species
        has no Na to be seen.

    Raises
    ------
    StructureError
        A share that is not above 0 and at most 1.

    Examples
    --------
    >>> census_of_sodium(0.384, share_std=0.01).verdict
    <Verdict.TENSION: 'tension'>
    """
    if not 0.0 < product_share <= _WHOLE:
        raise StructureError(
            f"share {product_share:g}: give a fraction of the Na, 0..1"
        )
    ceiling = ceiling_of_product(mixture, sodium_per_tantalum=sodium_per_tantalum)
    atoms = mixture_elements(mixture or WEIGHED)
    weighed = atoms["Na"] / atoms["Ta"]
    formulas, excess = count_sodium(product_share, nominal=1.0 / ceiling.value)
    counted = sodium_per_tantalum * formulas
    std = counted * share_std / product_share
    spread = math.hypot(std, mixture_relative_std * weighed)
    text = (
        f"Na/Ta = {sodium_per_tantalum:g} / {product_share:.4g} = {counted:.2f}, "
        f"weighed {weighed:.2f}: {counted - weighed:+.2f}({spread:.2f}); "
    )
    verdict = Verdict.PASS
    if not math.isfinite(spread):
        verdict = Verdict.NOT_TESTABLE
        text += "no uncertainty of the share, so no verdict; "
    elif weighed - counted > _TWO_SIGMA * spread:
        verdict = Verdict.TENSION
    if excess > 0.0:
        text += f"the product holds {100.0 * (1.0 + excess):.0f} % of the Na it can"
    else:
        text += (
            f"{100.0 * -excess:.0f} % of the Ta is not in the product, if every Na "
            "gives its signal"
        )
    return Finding(
        name="Na per Ta from NMR", value=counted, std=std, verdict=verdict, text=text
    )


def unreacted_sodium_chloride(
    product_share: float,
    nacl_share: float,
    *,
    nacl_std: float,
    mixture: Mapping[str, float] | None = None,
) -> Finding:
    """Compare NaCl with what must be left when part of the Ta has not reacted.

    Parameters
    ----------
    product_share, nacl_share : float
        Shares of the Na signal, 0 to 1.
    nacl_std : float
        1 sigma of the NaCl share.
    mixture : mapping of str to float, optional
        Moles weighed in; default Na2O, NaCl and TaCl5 one each.

    Returns
    -------
    Finding
        Share of Na that must be in NaCl, ``1``: Ta that is not in the product is
        TaCl5, and the NaCl that it would have taken is there. By-product NaCl comes on
        top. Tension: less is seen.

    Examples
    --------
    >>> found = unreacted_sodium_chloride(0.2943, 0.0229, nacl_std=0.002)
    >>> print(round(found.value, 3), found.verdict.value)
    0.039 tension
    """
    atoms = mixture_elements(mixture or WEIGHED)
    unreacted = atoms["Ta"] - product_share * atoms["Na"]
    needed = max(unreacted, 0.0) / atoms["Na"]
    short = needed - nacl_share
    verdict = Verdict.TENSION if short > _TWO_SIGMA * nacl_std else Verdict.PASS
    if not math.isfinite(nacl_std):
        verdict = Verdict.NOT_TESTABLE
    return Finding(
        name="share of Na in unreacted NaCl, at least",
        value=needed,
        verdict=verdict,
        text=f"1 - {product_share * atoms['Na'] / atoms['Ta']:.3f} of the Ta has not "
        f"reacted, so NaCl is at least {100.0 * needed:.1f} % of the Na; seen "
        f"{100.0 * nacl_share:.2f}({100.0 * nacl_std:.2f}) %",
    )


def oxygen_extent(x: float, *, x_std: float = math.nan) -> dict[str, Finding]:
    """Return what x means in atoms of the product.

    Parameters
    ----------
    x : float
        Oxygen in NaTaO_xCl_(6-2x), 0 to 3.
    x_std : float, optional
        1 sigma.

    Returns
    -------
    dict of str to Finding
        ``O_per_Cl``, ``Cl_removed`` (share of the Cl), ``Ta_per_O``, and
        ``Ta_per_bridge``: Ta for each Ta that touches an O when every O bridges two;
        all ``1``.

    Raises
    ------
    StructureError
        An x outside 0 to 3.

    Examples
    --------
    >>> found = oxygen_extent(0.0625)
    >>> [round(found[k].value, 4) for k in ("O_per_Cl", "Cl_removed", "Ta_per_O")]
    [0.0106, 0.0208, 16.0]
    """
    if not 0.0 <= x < _MAX_X:
        raise StructureError(f"x = {x:g}: NaTaO_xCl_(6-2x) has 0 <= x < 3")
    per_chloride, removed = exchange_extent(x)
    chlorine = 6.0 - 2.0 * x
    per = 1.0 / x if x > 0.0 else math.inf
    per_std = x_std / x**2 if x > 0.0 else math.nan
    return {
        "O_per_Cl": Finding(
            name="O per Cl",
            value=per_chloride,
            std=6.0 * x_std / chlorine**2,
            text=f"{x:g} / {chlorine:g} = {per_chloride:.4f}",
        ),
        "Cl_removed": Finding(
            name="share of Cl replaced",
            value=removed,
            std=x_std / _MAX_X,
            text=f"2 x {x:g} / 6 = {100.0 * removed:.1f} %",
        ),
        "Ta_per_O": Finding(
            name="Ta per O", value=per, std=per_std, text=f"one O for {per:.3g} Ta"
        ),
        "Ta_per_bridge": Finding(
            name="Ta per Ta that touches O",
            value=per / 2.0,
            std=per_std / 2.0,
            text=f"every O bridging two: one Ta in {per / 2.0:.3g} touches an O",
        ),
    }


def limit_of_oxygen(mixture: Mapping[str, float] | None = None) -> Finding:
    """Return the largest x that the weighed atoms allow.

    Parameters
    ----------
    mixture : mapping of str to float, optional
        Moles weighed in; default Na2O, NaCl and TaCl5 one each.

    Returns
    -------
    Finding
        Largest x, ``1``, at most the 3 of the formula; the text gives the mass
        fractions of the products there.

    Raises
    ------
    StructureError
        A mixture without Ta.

    Examples
    --------
    >>> limit_of_oxygen().text
    'O/Ta = 1 of 3 that the formula allows: NaTaOCl4 + 2 NaCl, 75.6 : 24.4 by weight'
    """
    atoms = mixture_elements(mixture or WEIGHED)
    tantalum = atoms.get("Ta", 0.0)
    if tantalum <= 0.0:
        raise StructureError(f"{dict(mixture or WEIGHED)}: no Ta")
    supply = atoms.get("O", 0.0) / tantalum
    x = min(supply, _MAX_X)
    salt = atoms.get("Na", 0.0) / tantalum - 1.0
    text = f"O/Ta = {supply:g} of {_MAX_X:g} that the formula allows"
    if supply <= _MAX_X and salt >= 0.0:
        product = _formula(x)
        mass = mixture_mass_fractions({product: 1.0, "NaCl": salt})
        by_weight = " : ".join(f"{100.0 * part:.1f}" for part in mass.values())
        text += f": {product} + {salt:g} NaCl, {by_weight} by weight"
    return Finding(name="largest x", value=x, std=0.0, text=text)


def _formula(x: float) -> str:
    """Return NaTaO_xCl_(6-2x) in letters."""
    parts = {"O": x, "Cl": 6.0 - 2.0 * x}
    text = "NaTa" + "".join(
        f"{name}{'' if n == 1.0 else f'{n:g}'}" for name, n in parts.items() if n > 0.0
    )
    parse_formula(text)
    return text
