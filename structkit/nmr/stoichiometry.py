"""What the formula NaTaO_xCl_(6-2x) and the weighed atoms allow: arithmetic alone.

Uncertainties, verdicts and other mixtures are in :mod:`structkit.checks.atoms`.
"""

from __future__ import annotations

CHLORIDES = 6.0
"""Chlorides of NaTaCl6."""
CEILING_X = 1.0
"""Largest x at Na2O : NaTaCl6 = 1 : 1, NaTaOCl4 + 2 NaCl."""


def oxide_from_ratio(chloride_per_product: float) -> float:
    """Return x by equation (1) from ``A_NaCl / A_NTOC``.

    Examples
    --------
    >>> oxide_from_ratio(1.0 / 8.0)
    0.0625
    """
    return 0.5 * chloride_per_product


def blank_from_share(chloride_share: float) -> float:
    """Return the blank's ratio from the share of NaCl in the control (0 to 1)."""
    return chloride_share / (1.0 - chloride_share)


def shares_from_ratio(chloride_share: float, mole_ratio: float) -> dict[str, float]:
    """Return shares of sodium from that of NaCl and the ratio NTOC : NaCl.

    Parameters
    ----------
    chloride_share : float
        0 to 1.
    mole_ratio : float
        Equation (2), NTOC over NaCl.

    Examples
    --------
    >>> shares = shares_from_ratio(0.048, 8.0)
    >>> {name: round(share, 3) for name, share in shares.items()}
    {'NTOC': 0.384, 'NaCl': 0.048, 'Na2O': 0.568}
    """
    product = chloride_share * mole_ratio
    rest = 1.0 - product - chloride_share
    return {"NTOC": product, "NaCl": chloride_share, "Na2O": rest}


def count_sodium(product_share: float, *, nominal: float = 3.0) -> tuple[float, float]:
    """Return sodium per tantalum by NMR, and NTOC over its ceiling less 1.

    Parameters
    ----------
    product_share : float
        Share of sodium in NTOC, 0 to 1; each formula unit holds one Na and one Ta.
    nominal : float
        Sodium per tantalum as weighed.

    Examples
    --------
    >>> [round(number, 3) for number in count_sodium(0.384)]
    [2.604, 0.152]
    """
    return 1.0 / product_share, product_share * nominal - 1.0


def exchange_extent(x: float) -> tuple[float, float]:
    """Return O/Cl of the product, and the part of chloride that was removed."""
    return x / (CHLORIDES - 2.0 * x), 2.0 * x / CHLORIDES
