"""The energy that a gram of powder received, where the mill is known (SCIENCE B11)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import xarray as xr

from structkit.errors import SchemaError
from structkit.schema import MILLING_TIME

MILLING_DOSE = "milling_dose"
_SECONDS_PER_HOUR = 3600.0
_JOULES_PER_KILOJOULE = 1000.0
_GRAMS_PER_KILOGRAM = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Mill:
    """What turns milling time into dose; None where it was not noted."""

    ball_count: int | None = None
    """Number of balls."""
    ball_mass: float | None = None
    """Mass of one ball, **g**."""
    powder_mass: float | None = None
    """Mass of the powder, **g**."""
    frequency: float | None = None
    """Impacts per second of each ball, **Hz** (of a shaker two per swing, not one)."""
    impact_energy: float | None = None
    """Energy of one impact, **J**; else from ``ball_mass`` and ``impact_velocity``."""
    impact_velocity: float | None = None
    """Speed of a ball at impact, **m s-1**; only used without ``impact_energy``."""

    def __post_init__(self) -> None:
        """Refuse what no mill can have."""
        for name in self.__dataclass_fields__:
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0.0):
                raise SchemaError(f"mill: {name} is {value:g}; it must be positive")

    @property
    def energy(self) -> float | None:
        """Return the energy of one impact, **J**; None where it is not known."""
        if self.impact_energy is not None:
            return self.impact_energy
        if self.ball_mass is None or self.impact_velocity is None:
            return None
        return 0.5 * self.ball_mass / _GRAMS_PER_KILOGRAM * self.impact_velocity**2

    @property
    def missing(self) -> tuple[str, ...]:
        """Return the names of what a dose still needs."""
        needed = {
            "ball_count": self.ball_count,
            "powder_mass": self.powder_mass,
            "frequency": self.frequency,
            "impact_energy (or ball_mass and impact_velocity)": self.energy,
        }
        return tuple(name for name, value in needed.items() if value is None)


def milling_dose(milling_time: xr.DataArray, mill: Mill) -> xr.DataArray:
    """Return the energy of the impacts per mass of powder.

    Parameters
    ----------
    milling_time : xarray.DataArray
        Milling time, **h**.
    mill : Mill
        Balls, powder, frequency and energy.

    Returns
    -------
    xarray.DataArray
        ``milling_dose``, **kJ g-1**, dims of ``milling_time``; assigned to a series as
        a coordinate it may serve as the axis of
        :func:`refinement.crystallinity.kinetics.fit_kinetics`. attrs
        ``ball_to_powder`` (mass ratio) where the mass of a ball is known.

    Raises
    ------
    SchemaError
        Something is missing (the message names it), or the time is not in h.

    Notes
    -----
    ``D = N f E t / m_powder``: every impact is taken to give its whole energy to the
    powder. The dose is an upper limit of what the powder took up.

    Examples
    --------
    >>> mill = Mill(ball_count=2, powder_mass=1.0, frequency=20.0, impact_energy=0.05)
    >>> hours = xr.DataArray([0.0, 1.0], dims="sample", attrs={"units": "h"})
    >>> print(milling_dose(hours, mill).values)
    [0.  7.2]
    """
    if mill.missing:
        raise SchemaError(
            f"no dose: the mill lacks {', '.join(mill.missing)}; give it, or keep the "
            "axis of time"
        )
    units = milling_time.attrs.get("units", "h")
    if units != "h":
        raise SchemaError(f"{MILLING_TIME} has units {units!r}; it must be in h")
    count, mass, frequency = mill.ball_count, mill.powder_mass, mill.frequency
    power = (count or 0) * (frequency or 0.0) * (mill.energy or 0.0)
    per_hour = power * _SECONDS_PER_HOUR / _JOULES_PER_KILOJOULE / (mass or math.nan)
    attrs: dict[str, str | float] = {
        "units": "kJ g-1",
        "long_name": "impact energy per mass of powder",
    }
    if mill.ball_mass is not None and count is not None and mass is not None:
        attrs["ball_to_powder"] = count * mill.ball_mass / mass
    dose = milling_time * per_hour
    return dose.rename(MILLING_DOSE).drop_attrs().assign_attrs(attrs)
