"""What may be fitted to C(t): parameters, bounds and curves, one entry each."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammainccinv

from refinement.crystallinity.kinetics import curves
from refinement.crystallinity.kinetics.observations import Observations

Floats = NDArray[np.float64]

MOST_LOADINGS = 20
"""Largest number of critical loadings tried: beyond, the curve is a step."""
HALF_LIFE = "half_life"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of a model."""

    name: str
    """Its name in every output."""
    kind: str
    """``rate`` (per time), ``time``, ``fraction``, ``share`` (0 to 1) or ``number``."""
    bounds: tuple[float, float]
    """Limits of the search; a ``rate``'s in units of one over the longest and one over
    the shortest time, a ``time``'s in units of the shortest and the longest."""
    starts: tuple[float, ...]
    """Where the search starts; for a ``rate`` or ``time`` the ends of a geometric
    row, in the units of ``bounds``."""
    logarithmic: bool = True
    """Whether the search is in the logarithm."""
    null: float = math.nan
    """The value an interval must exclude for the parameter to be resolved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A curve with its parameters, for an initial amount of 1."""

    name: str
    """Its name in every output."""
    parameters: tuple[Parameter, ...]
    """In the order in which ``curve`` takes them; a rate comes first."""
    curve: Callable[[Observations, Floats], Floats]
    """C at each observation."""
    unit_half_life: Callable[[Floats], float] | None = None
    """Half-life times rate, from the values after the first; None: has none."""
    whole: tuple[str, int] | None = None
    """A parameter that is a whole number, held at this value, and its name."""
    n_channels: int = 1
    """How many curves are fitted jointly."""


def _rate(name: str) -> Parameter:
    """Return a rate constant, sought from almost nothing gone to almost all gone."""
    return Parameter(name=name, kind="rate", bounds=(1e-4, 1e4), starts=(0.03, 30.0))


_RESIDUAL = Parameter(
    name="residual_fraction",
    kind="share",
    bounds=(0.0, 0.999),
    starts=(0.02, 0.15, 0.4, 0.7),
    logarithmic=False,
    null=0.0,
)
_BELOW_HALF = (0.0, 0.499999)
"""Shares of a plateau below which half of the initial amount is ever lost."""
_EXPONENT = Parameter(
    name="jmak_exponent",
    kind="number",
    bounds=(0.1, 20.0),
    starts=(0.4, 0.7, 1.0, 1.6, 3.0),
    null=1.0,
)
LOADINGS = Parameter(
    name="critical_loadings",
    kind="number",
    bounds=(1.0, float(MOST_LOADINGS)),
    starts=(1.0,),
    null=1.0,
)
INITIAL = Parameter(
    name="initial_fraction", kind="fraction", bounds=(1e-6, 1e3), starts=(0.5, 1.0)
)
NOISE = Parameter(
    name="noise_std", kind="fraction", bounds=(1e-6, 1e2), starts=(0.02, 0.1)
)


def _half_of_plateau(values: Floats) -> float:
    """Return k t where ``rho + (1 - rho) exp(-k t)`` is one half."""
    residual = float(values[0])
    return math.log((1.0 - residual) / (0.5 - residual)) if residual < 0.5 else math.inf


def _consecutive(observations: Observations, values: Floats) -> Floats:
    """Return precursors (channel 0) and phase (channel 1)."""
    both = curves.consecutive(observations.time, float(values[0]), float(values[1]))
    return np.where(observations.channel == 0, *both)


def _delogu_cocco(loadings: int) -> Model:
    """Return the model at one number of critical loadings."""
    return Model(
        name="delogu_cocco",
        parameters=(_rate("rate"),),
        curve=lambda data, v: curves.delogu_cocco(data.time, float(v[0]), loadings),
        unit_half_life=lambda _: float(gammainccinv(loadings, 0.5)),
        whole=(LOADINGS.name, loadings),
    )


MODELS: dict[str, tuple[Model, ...]] = {
    "first_order": (
        Model(
            name="first_order",
            parameters=(_rate("rate"),),
            curve=lambda data, v: curves.first_order(data.time, float(v[0])),
            unit_half_life=lambda _: math.log(2.0),
        ),
    ),
    "first_order_plateau": (
        Model(
            name="first_order_plateau",
            parameters=(_rate("rate"), _RESIDUAL),
            curve=lambda data, v: curves.first_order(
                data.time, float(v[0]), residual=float(v[1])
            ),
            unit_half_life=_half_of_plateau,
        ),
    ),
    "jmak": (
        Model(
            name="jmak",
            parameters=(_rate("rate"), _EXPONENT),
            curve=lambda data, v: curves.jmak(data.time, float(v[0]), float(v[1])),
            unit_half_life=lambda v: math.log(2.0) ** (1.0 / float(v[0])),
        ),
    ),
    "delogu_cocco": tuple(map(_delogu_cocco, range(1, MOST_LOADINGS + 1))),
    "consecutive": (
        Model(
            name="consecutive",
            parameters=(_rate("formation_rate"), _rate("loss_rate")),
            curve=_consecutive,
            n_channels=2,
        ),
    ),
}
"""Every model; of one with a whole-number parameter, a member for each number."""


def by_half_life(model: Model) -> Model:
    """Return a model with its half-life in place of its rate.

    Raises
    ------
    ValueError
        The model has no half-life.
    """
    unit = model.unit_half_life
    if unit is None:
        raise ValueError(f"{model.name} has no half-life")

    def curve(observations: Observations, values: Floats) -> Floats:
        rate = unit(values[1:]) / values[0]
        return model.curve(observations, np.append(rate, values[1:]))

    period = replace(model.parameters[0], name=HALF_LIFE, kind="time")
    others = (
        replace(other, bounds=_BELOW_HALF, starts=(0.02, 0.15, 0.4))
        if other is _RESIDUAL
        else other
        for other in model.parameters[1:]
    )
    return replace(
        model, parameters=(period, *others), curve=curve, unit_half_life=None
    )
