"""Composition from areas: x in NaTaO_xCl_(6-2x), mole ratio, census of sodium.

Equation (1) of the study, ``2 x = A_NaCl / A_NTOC``, counts each NaCl as one that the
oxide set free. A control without oxide shows what else leaves NaCl: the blank. Areas
count spins only after saturation, flip angle and detected transitions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from structkit.errors import SchemaError
from structkit.nmr.line_fit import LineFit
from structkit.nmr.oxide_content import find_oxide_content
from structkit.nmr.response import CompositionSettings, saturation_factor
from structkit.nmr.stoichiometry import count_sodium

Floats = NDArray[np.float64]

QUANTITY = "quantity"


def correct_saturation(
    areas: Mapping[str, float],
    covariance: Floats,
    settings: CompositionSettings,
) -> tuple[Floats, Floats, tuple[str, ...]]:
    """Return areas divided by their saturation factors, with the errors of T1.

    Parameters
    ----------
    areas : mapping of str to float
        Area of each site.
    covariance : ndarray, shape (n_sites, n_sites)
        In the same order.
    settings : CompositionSettings
        Recycle delay, flip angle, T1.

    Returns
    -------
    areas : ndarray, shape (n_sites,)
    covariance : ndarray, shape (n_sites, n_sites)
    remarks : tuple of str
        Sites that were saturated (recycle delay below five T1), or whose T1 is unknown.
    """
    factor, slope, remarks = np.ones(len(areas)), np.zeros(len(areas)), []
    delay = settings.recycle_delay_s
    if delay is None:
        remarks.append("recycle delay unknown: not corrected for saturation")
    for number, name in enumerate(areas if delay is not None else ()):
        t1 = settings.t1_s.get(name)
        if t1 is None or delay is None:
            remarks.append(f"T1 of {name} unknown: not corrected for saturation")
            continue
        angle = settings.flip_angle_degree
        factor[number] = saturation_factor(delay, t1, flip_angle_degree=angle)
        step = 1e-4 * t1
        up = saturation_factor(delay, t1 + step, flip_angle_degree=angle)
        std = settings.t1_std_s.get(name, 0.0)
        slope[number] = (up - factor[number]) / step * std
        if delay < 5.0 * t1:
            remarks.append(
                f"{name} is saturated to {factor[number]:.2f} (recycle delay below "
                "5 T1); corrected"
            )
    values = np.asarray(list(areas.values()), dtype=float) / factor
    spread = covariance / np.outer(factor, factor)
    spread = spread + np.diag((values * slope / factor) ** 2)
    return values, np.asarray(spread), tuple(remarks)


def find_composition(
    areas: Mapping[str, float],
    covariance: Floats,
    settings: CompositionSettings | None = None,
) -> xr.Dataset:
    """Return the composition of a sample from the areas of its sites.

    Parameters
    ----------
    areas : mapping of str to float
        Area of each site, all sodium of the sample among them; any unit.
    covariance : ndarray, shape (n_sites, n_sites)
        In the same order.
    settings : CompositionSettings, optional
        How areas become moles.

    Returns
    -------
    xarray.Dataset
        ``value``, ``std``, ``low``, ``high`` (``1``) and ``remark`` over ``quantity``:
        ``x``, ``x_equation_1`` (as printed), ``x_detection_limit``,
        ``mole_ratio`` (equation 2, NTOC : NaCl), ``product_share`` (of sodium),
        ``na_per_ta`` and ``product_over_ceiling`` (NTOC share over the weighed one,
        less 1). Limits are those of 95 %.

    Raises
    ------
    SchemaError
        The sites of the settings are not among the areas, or shapes differ.

    Examples
    --------
    >>> areas = {"NTOC": 38.4, "NaCl": 4.8, "Na2O": 56.8}
    >>> table = find_composition(areas, np.diag([0.04, 0.01, 0.04]))
    >>> round(float(table["value"].sel(quantity="x_equation_1")), 4)
    0.0625
    """
    settings = settings or CompositionSettings()
    names = list(areas)
    for name in (settings.product, settings.chloride):
        if name not in names:
            raise SchemaError(f"no area of site {name!r}; there are {', '.join(names)}")
    if np.shape(covariance) != (len(names), len(names)):
        raise SchemaError(
            f"covariance has shape {np.shape(covariance)} for {len(names)} areas"
        )
    values, spread, remarks = correct_saturation(areas, covariance, settings)
    pair = [names.index(settings.chloride), names.index(settings.product)]
    content = find_oxide_content(values[pair], spread[np.ix_(pair, pair)], settings)
    raw = np.asarray(list(areas.values()), dtype=float)
    apparent = _ratio(raw, np.asarray(covariance), pair)
    inverse = _ratio(values, spread, pair[::-1])
    share = _share(values, spread, pair[1])
    census, excess = count_sodium(share[0], nominal=settings.nominal_na_per_ta)
    census_std = census * share[1] / share[0]
    saturation = "; ".join(remarks)
    over = excess > 2.0 * settings.nominal_na_per_ta * share[1]
    rows = [
        ("x", content.value, content.std, (content.low, content.high), content.remark),
        ("x_equation_1", *_half(apparent), None, "as printed: no blank, no correction"),
        ("x_detection_limit", content.detection_limit, math.nan, None, "95 %"),
        ("mole_ratio", *inverse, None, f"{settings.product} : {settings.chloride}"),
        ("product_share", *share, None, saturation),
        ("na_per_ta", census, census_std, None, _census_remark(excess, over=over)),
        (
            "product_over_ceiling",
            excess,
            settings.nominal_na_per_ta * share[1],
            None,
            _census_remark(excess, over=over),
        ),
    ]
    return _table(rows)


def composition_of_fit(
    fit: LineFit, settings: CompositionSettings | None = None
) -> xr.Dataset:
    """Return the composition from a line fit; see :func:`find_composition`."""
    areas = dict(zip(fit.names, fit.areas.tolist(), strict=True))
    return find_composition(areas, fit.area_covariance, settings)


_Row = tuple[str, float, float, tuple[float, float] | None, str]


def _table(rows: list[_Row]) -> xr.Dataset:
    """Return rows as a dataset over quantities."""
    reach = 1.959964
    lows, highs = [], []
    for _, value, std, limits, _ in rows:
        low, high = limits or (value - reach * std, value + reach * std)
        lows.append(low)
        highs.append(high)
    columns = {
        "value": ([row[1] for row in rows], "value"),
        "std": ([row[2] for row in rows], "1 sigma"),
        "low": (lows, "lower 95 % limit"),
        "high": (highs, "upper 95 % limit"),
    }
    table = xr.Dataset(
        {
            name: (QUANTITY, np.asarray(numbers, dtype=float))
            for name, (numbers, _) in columns.items()
        },
        coords={QUANTITY: [row[0] for row in rows]},
    )
    for name, (_, long_name) in columns.items():
        table[name].attrs.update(units="1", long_name=long_name)
    table["remark"] = (QUANTITY, np.asarray([row[4] for row in rows], dtype=str))
    return table


def _ratio(values: Floats, covariance: Floats, pair: list[int]) -> tuple[float, float]:
    """Return the ratio of two areas and its 1 sigma."""
    above, below = values[pair]
    ratio = above / below
    slope = np.array([1.0, -ratio]) / below
    part = covariance[np.ix_(pair, pair)]
    return float(ratio), math.sqrt(max(float(slope @ part @ slope), 0.0))


def _half(ratio: tuple[float, float]) -> tuple[float, float]:
    return 0.5 * ratio[0], 0.5 * ratio[1]


def _share(values: Floats, covariance: Floats, site: int) -> tuple[float, float]:
    """Return one area over the whole and its 1 sigma."""
    total = values.sum()
    share = values[site] / total
    slope = (np.arange(values.size) == site) / total - share / total
    return float(share), math.sqrt(max(float(slope @ covariance @ slope), 0.0))


def _census_remark(excess: float, *, over: bool) -> str:
    """Return what the census of sodium says."""
    if over:
        return (
            f"more sodium in the product than tantalum allows, by {100 * excess:.0f} "
            "%: areas are not moles, or sodium is not seen"
        )
    if excess < 0.0:
        return f"{-100 * excess:.0f} % of the tantalum is not in the product"
    return "within the ceiling"
