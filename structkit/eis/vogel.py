"""Is an Arrhenius plot curved? The Vogel-Fulcher-Tammann form against the line."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from structkit.eis.arrhenius_line import BOLTZMANN_EV, Convention
from structkit.schema import FitStatus
from structkit.schema.conductivity import LN_SIGMA_T

Floats = NDArray[np.float64]

MIN_TEMPERATURES = 8
"""Different temperatures below which a curve is not asked for."""
PREFERRED = -6.0
"""BIC of the curve less that of the line, below which the curve is preferred."""
_CLOSEST = 0.95
"""Largest Vogel temperature over the lowest of the points."""
_GRID = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvatureTest:
    """The curve ``ln A - B / (k (T - T0))`` against the line, ``T0`` = 0."""

    vogel_temperature: float = math.nan
    """``T0``, **K**."""
    pseudo_energy: float = math.nan
    """``B``, **eV**; no activation energy."""
    delta_bic: float = math.nan
    """BIC of the curve less that of the line; negative: the curve is better."""
    is_preferred: bool = False
    """Whether the curve is clearly better."""
    status: FitStatus = FitStatus.FAILED
    """FAILED: not asked."""
    reason: str = ""
    """Why it was not asked, or why it is not to be trusted."""


def compare_curved(
    temperature: Floats,
    conductivity: Floats,
    *,
    relative_std: Floats | None = None,
    convention: Convention = LN_SIGMA_T,
) -> CurvatureTest:
    """Compare a Vogel-Fulcher-Tammann curve with the Arrhenius line.

    Parameters
    ----------
    temperature, conductivity : ndarray, shape (n,)
        **K** and **S cm-1**, all positive.
    relative_std : ndarray, shape (n,), optional
        Relative weights; their common scale is found from the scatter.
    convention : {"ln_sigma_T", "ln_sigma"}
        What is a line or a curve.

    Returns
    -------
    CurvatureTest
        Below eight different temperatures the curve is not asked for.

    Notes
    -----
    BIC ``n ln(chi2 / n) + p ln n`` with three and two parameters. Curvature also comes
    from a second contribution that takes over, a phase change, leads that were not
    corrected, and a sample that ages: the form is a description.

    Examples
    --------
    >>> kelvin = np.linspace(260.0, 340.0, 9)
    >>> sigma = np.exp(-0.05 / (BOLTZMANN_EV * (kelvin - 180.0))) / kelvin
    >>> round(compare_curved(kelvin, sigma).vogel_temperature)
    180
    """
    different = np.unique(temperature).size
    if different < MIN_TEMPERATURES:
        return CurvatureTest(
            reason=f"{different} temperatures; a curve needs {MIN_TEMPERATURES}"
        )
    known = relative_std is not None and bool(np.all(np.isfinite(relative_std)))
    root = 1.0 / relative_std if known and relative_std is not None else 1.0
    has_t = convention == LN_SIGMA_T
    observed = np.log(conductivity) + (np.log(temperature) if has_t else 0.0)
    root = np.broadcast_to(root, observed.shape)

    def solve(vogel: float) -> tuple[float, Floats]:
        rows = np.stack([np.ones_like(temperature), -1.0 / (temperature - vogel)], 1)
        values = np.linalg.lstsq(rows * root[:, None], observed * root, rcond=None)[0]
        return float(np.sum(((observed - rows @ values) * root) ** 2)), np.asarray(
            values
        )

    highest = _CLOSEST * float(temperature.min())
    grid = np.linspace(0.0, highest, _GRID)
    at = int(np.argmin([solve(vogel)[0] for vogel in grid]))
    low, high = grid[max(at - 1, 0)], grid[min(at + 1, _GRID - 1)]
    found = minimize_scalar(
        lambda vogel: solve(vogel)[0], bounds=(low, high), method="bounded"
    )
    best, values = solve(float(found.x))
    straight, _ = solve(0.0)
    n = observed.size
    floor = np.finfo(float).eps * float(np.sum((observed * root) ** 2))
    gain = n * math.log(max(best, floor) / max(straight, floor))
    delta = min(gain, 0.0) + math.log(n)
    at_edge = at == _GRID - 1
    return CurvatureTest(
        vogel_temperature=float(found.x),
        pseudo_energy=float(values[1]) * BOLTZMANN_EV,
        delta_bic=delta,
        is_preferred=delta < PREFERRED and not at_edge,
        status=FitStatus.DOUBTFUL if at_edge else FitStatus.CONVERGED,
        reason="T0 is at the lowest temperature measured" if at_edge else "",
    )
