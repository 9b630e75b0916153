"""Laws by which magnetisation comes back to equilibrium."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gamma

from structkit.errors import SchemaError
from structkit.nmr.bpp import WEIGHTS, Selection

Floats = NDArray[np.float64]
LawName = Literal["mono", "stretched", "quadrupolar", "quadrupolar_slow"]
LAW_NAMES: tuple[LawName, ...] = get_args(LawName)

_SLOW_RATIO = 4.0
_STRETCH_LIMITS = (0.2, 1.0)
_RATIO_LIMITS = (1.0, _SLOW_RATIO)
_N_SHAPES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryLaw:
    """How what is missing to equilibrium falls from 1 to 0.

    ``mono``
        ``exp(-t/T1)``.
    ``stretched``
        ``exp(-(t/T*)^beta)``; its T1 is the mean ``T* Gamma(1/beta)/beta``.
    ``quadrupolar``
        Two rates of spins 3/2 with fixed weights; its T1 is that of the initial rate
        (:mod:`structkit.nmr.bpp`), its shape the ratio of the rates, 1 to 4.
    ``quadrupolar_slow``
        The same in the slow limit, ratio 4: no more parameters than ``mono``.
    """

    name: LawName = "mono"
    """Which of the laws above."""
    selection: Selection = "none"
    """Whether all transitions were inverted, or the central one (quadrupolar laws)."""

    def __post_init__(self) -> None:
        """Check both names."""
        if self.name not in LAW_NAMES:
            raise SchemaError(f"no law {self.name!r}; one of {', '.join(LAW_NAMES)}")
        if self.selection not in WEIGHTS:
            raise SchemaError(f"selection is {self.selection!r}; none or central")

    @property
    def shape_limits(self) -> tuple[float, float] | None:
        """Return the limits of beta or of the ratio; None where there is neither."""
        if self.name == "stretched":
            return _STRETCH_LIMITS
        return _RATIO_LIMITS if self.name == "quadrupolar" else None

    @property
    def shape_starts(self) -> Sequence[float]:
        """Return values of the shape to start from."""
        if self.shape_limits is None:
            return (math.nan,)
        low, high = self.shape_limits
        inner = (np.arange(_N_SHAPES) + 0.5) / _N_SHAPES
        return tuple(float(value) for value in low + (high - low) * inner)

    def missing(
        self, delay: ArrayLike, t1: ArrayLike, shape: ArrayLike = math.nan
    ) -> Floats:
        """Return what is missing to equilibrium.

        Parameters
        ----------
        delay : array_like, shape (n_delays,)
            **s**.
        t1 : array_like, shape (...)
            **s**, as the law means it.
        shape : array_like, shape (...)
            beta or ratio; not looked at where the law has none.

        Returns
        -------
        ndarray, shape (..., n_delays)
            1 at delay 0.
        """
        times = np.asarray(delay, dtype=float)
        time, form = np.broadcast_arrays(
            np.asarray(t1, dtype=float)[..., None],
            np.asarray(shape, dtype=float)[..., None],
        )
        if self.name == "mono":
            return np.asarray(np.exp(-times / time))
        if self.name == "stretched":
            return np.asarray(
                np.exp(-((times * gamma(1.0 / form) / form / time) ** form))
            )
        ratio = form if self.name == "quadrupolar" else np.full_like(time, _SLOW_RATIO)
        first, second = WEIGHTS[self.selection]
        slow_rate = 1.0 / (time * (first * ratio + second))
        fast = first * np.exp(-times * slow_rate * ratio)
        return np.asarray(fast + second * np.exp(-times * slow_rate))

    def characteristic_time(self, t1: float, shape: float) -> float:
        """Return ``T*`` of the stretched law, T1 of the others, **s**."""
        if self.name != "stretched":
            return t1
        return t1 * shape / float(gamma(1.0 / shape))
