"""Do heating and cooling give the same conductivities? Offsets between histories."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.stats import f as fisher
from scipy.stats import t as student

from structkit.eis.arrhenius_line import BOLTZMANN_EV
from structkit.schema import CONTRIBUTION, HISTORY, TEMPERATURE
from structkit.schema.conductivity import (
    CONDUCTIVITY,
    CONDUCTIVITY_STATISTICAL_STD,
    TOTAL,
)

Floats = NDArray[np.float64]

SIGNIFICANT = 0.01
"""Probability of so large a difference by chance, below which it is told."""
_LEVEL = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Hysteresis:
    """How far the conductivities of two or more histories are apart."""

    offsets: Mapping[str, float] = field(default_factory=dict)
    """For each history ln(sigma) less that of the first, at the mean 1/T."""
    offset_stds: Mapping[str, float] = field(default_factory=dict)
    """1 sigma of each; geometry and leads cancel."""
    offset_limits: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """95 % limits of each (Student)."""
    p_value: float = math.nan
    """Of one line for all histories against parallel lines."""
    slope_p_value: float = math.nan
    """Of parallel lines against a slope for each history; NaN: too few points."""
    verdict: str = "not tested"
    """``none seen``, ``hysteresis`` or ``not tested``."""
    text: str = ""
    """The arithmetic, or why it was not tested."""


def check_hysteresis(
    conductivity: xr.Dataset, *, contribution: str = TOTAL
) -> Hysteresis:
    """Test whether the conductivity depends on history at the same temperature.

    Parameters
    ----------
    conductivity : xarray.Dataset
        From :func:`structkit.eis.conductivity.compute_conductivity`; its ``history``
        says ``heating``, ``cooling`` or anything else.
    contribution : str, default ``total``
        Which conductivity.

    Returns
    -------
    Hysteresis
        Not tested where there are fewer than two histories, or no more points than
        parallel lines have parameters.

    Notes
    -----
    Weighted lines of ln(sigma T) over 1/T; ratios of variances (Fisher) with the
    scatter about the lines, so that errors that are given too small do not make a
    hysteresis. Only what changes along a history is seen: sweeps of one direction
    cannot show that the sample ages at the same time.
    """
    row = conductivity.sel({CONTRIBUTION: contribution})
    sigma = row[CONDUCTIVITY].to_numpy()
    std = row[CONDUCTIVITY_STATISTICAL_STD].to_numpy() / sigma
    used = np.isfinite(sigma) & (sigma > 0.0)
    past = row[HISTORY].to_numpy()[used]
    kelvin = row[TEMPERATURE].to_numpy()[used]
    known = bool(np.all(np.isfinite(std[used])))
    root = 1.0 / std[used] if known else np.ones(kelvin.size)
    return _compare(kelvin, np.log(sigma[used] * kelvin), past=past, root=root)


def _compare(
    kelvin: Floats, observed: Floats, *, past: NDArray[np.str_], root: Floats
) -> Hysteresis:
    """Return the offsets of the histories and whether chance makes them."""
    names = list(dict.fromkeys(past.tolist()))
    if len(names) < 2:
        return Hysteresis(text="one history: measure on heating and on cooling")
    x = -1.0 / (BOLTZMANN_EV * kelvin)
    others = np.stack([past == name for name in names[1:]], axis=1).astype(float)
    line = np.stack([np.ones_like(x), x - np.average(x, weights=root**2)], axis=1)
    parallel = np.hstack([line, others])
    own = np.hstack([parallel, others * line[:, 1:]])
    freedom = kelvin.size - parallel.shape[1]
    if freedom < 1:
        return Hysteresis(
            text=f"{kelvin.size} points for {len(names)} parallel lines: too few"
        )
    one, _ = _chi(line, observed, root)
    chi, values = _chi(parallel, observed, root)
    p_value = _probability(one, chi, more=len(names) - 1, freedom=freedom)
    left = kelvin.size - own.shape[1]
    free, _ = _chi(own, observed, root)
    slope = math.nan
    if left >= 1 and np.linalg.matrix_rank(own) == own.shape[1]:
        slope = _probability(chi, free, more=len(names) - 1, freedom=left)
    normal = np.linalg.pinv((parallel * root[:, None]).T @ (parallel * root[:, None]))
    stds = np.sqrt(np.diag(normal)[2:] * chi / freedom)
    reach = float(student.ppf(0.5 + 0.5 * _LEVEL, freedom)) * stds
    offsets = values[2:]
    seen = p_value < SIGNIFICANT or slope < SIGNIFICANT
    told = ", ".join(
        f"{name or 'no history'}: {100.0 * math.expm1(offset):+.1f} % "
        f"({100.0 * math.expm1(offset - r):+.1f} to "
        f"{100.0 * math.expm1(offset + r):+.1f} %)"
        for name, offset, r in zip(names[1:], offsets, reach, strict=True)
    )
    return Hysteresis(
        offsets=dict(zip(names[1:], offsets.tolist(), strict=True)),
        offset_stds=dict(zip(names[1:], stds.tolist(), strict=True)),
        offset_limits={
            name: (float(offset - r), float(offset + r))
            for name, offset, r in zip(names[1:], offsets, reach, strict=True)
        },
        p_value=p_value,
        slope_p_value=slope,
        verdict="hysteresis" if seen else "none seen",
        text=f"sigma against {names[0] or 'no history'}: {told}; p = {p_value:.2g}",
    )


def _chi(rows: Floats, observed: Floats, root: Floats) -> tuple[float, Floats]:
    """Return chi-square and parameters of weighted least squares."""
    values = np.linalg.lstsq(rows * root[:, None], observed * root, rcond=None)[0]
    return float(np.sum(((observed - rows @ values) * root) ** 2)), np.asarray(values)


def _probability(simple: float, full: float, *, more: int, freedom: int) -> float:
    """Return the probability of a gain by ``more`` parameters by chance."""
    if full <= 0.0:
        return 1.0 if simple <= 0.0 else 0.0
    ratio = max(simple - full, 0.0) / more / (full / freedom)
    return float(fisher.sf(ratio, more, freedom))
