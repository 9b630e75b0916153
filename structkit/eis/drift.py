"""How much a sample changed between two sweeps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from structkit.eis.validity import check_kramers_kronig
from structkit.errors import FitError
from structkit.schema.names import FREQUENCY, IMPEDANCE, MASKED

_MIN_POINTS = 8
_SURE = 3.0
"""Standard deviations by which a difference is above the noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepDrift:
    """How much a spectrum changed between two sweeps."""

    change: float
    """Mean change of ln |Z|."""
    change_std: float
    """Its standard uncertainty, from the noise of both."""
    largest: float
    """Largest |ln(Z2/Z1)|."""
    largest_at: float
    """Where, **Hz**."""
    drifted: bool
    """Whether the change is above the tolerance and beyond doubt."""
    reason: str
    """Its arithmetic."""


def compare_sweeps(
    first: xr.Dataset, second: xr.Dataset, *, tolerance: float = 0.01
) -> SweepDrift:
    """Compare two sweeps of one sample at one temperature.

    Parameters
    ----------
    first, second : xarray.Dataset
        Sweeps; their frequencies may differ, compared is where they overlap.
    tolerance : float, optional
        Change of |Z| that matters.

    Returns
    -------
    SweepDrift
        Change from first to second.

    Raises
    ------
    FitError
        The sweeps overlap at fewer than eight points.
    """
    checks = [check_kramers_kronig(one) for one in (first, second)]
    axes = [np.log(one[FREQUENCY].to_numpy()) for one in (first, second)]
    logs = [np.log(one[IMPEDANCE].to_numpy()) for one in (first, second)]
    good = [
        ~check.outlier & (True if MASKED not in one else one[MASKED].to_numpy() == 0)
        for one, check in zip((first, second), checks, strict=True)
    ]
    x, other = axes[0], axes[1][good[1]]
    inside = good[0] & (x >= other[0] - 1e-9) & (x <= other[-1] + 1e-9)
    if inside.sum() < _MIN_POINTS:
        raise FitError(
            f"the sweeps share {int(inside.sum())} points; {_MIN_POINTS} are needed"
        )
    phase = np.unwrap(logs[1].imag[good[1]])
    there = np.interp(x, other, logs[1].real[good[1]]) + 1j * np.interp(x, other, phase)
    gap = (there - logs[0])[inside]
    gap = gap.real + 1j * np.angle(np.exp(1j * gap.imag))
    noise = np.hypot(checks[0].noise, checks[1].noise)
    std = float(noise / np.sqrt(inside.sum()))
    change = float(np.mean(gap.real))
    worst = int(np.argmax(np.abs(gap)))
    size = float(np.sqrt(np.mean(np.abs(gap) ** 2) / 2.0))
    beyond = np.sqrt(max(size**2 - noise**2, 0.0))
    sure = size > noise * (1.0 + _SURE / np.sqrt(x.size))
    moved = f"{100 * change:+.2g}({100 * std:.1g})"
    return SweepDrift(
        change=change,
        change_std=std,
        largest=float(np.abs(gap[worst])),
        largest_at=float(np.exp(x[inside][worst])),
        drifted=bool(sure and beyond > tolerance),
        reason=(
            f"ln(Z2/Z1) is {100 * size:.2g} % per part (rms), noise "
            f"{100 * noise:.2g} %, mean change of |Z| {moved} %"
        ),
    )
