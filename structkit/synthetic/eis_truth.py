"""What is true about the conductivity of the powders of a synthetic study.

Glass, crystalline NaTaCl6 and insulators (NaCl, Na2O, TaCl5) fill the pellet in the
volumes that :mod:`structkit.synthetic.species` gives them; Bruggeman's medium joins
them. At 25 C the defaults give 4.41 mS/cm after 4 h and 0.11 mS/cm for NaCl + TaCl5
milled alone, with 0.32 eV after 4 h; Na2O + TaCl5 milled 4 h without NaCl, glass of
x = 0.5, conducts 1.54 mS/cm. After 1 h the medium is below the threshold of its
glass and conducts 0.10 mS/cm, ten times less than is printed for the study: the medium
knows no glass that coats its crystals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from structkit.errors import PlanError
from structkit.synthetic.species import Species
from structkit.synthetic.study_truth import StudyTruth

Floats = NDArray[np.float64]

EisAdversary = Literal["stray_capacitance", "thickness_doubled", "electronic_leak"]
"""What misleads the reader; :data:`EIS_ADVERSARIES` says how."""

EIS_ADVERSARIES: Mapping[str, str] = MappingProxyType(
    {
        "stray_capacitance": "the cell has 0.3 to 1 nF: a false arc inside the band",
        "thickness_doubled": "the thickness was written down twice as large",
        "electronic_leak": "electrons conduct 3 % of what ions do",
    }
)

DIAMETER_MM = 8.0
"""Of the die."""
ROOM_K = 298.15
_BOLTZMANN_EV = 8.617333262e-5
_OVERMILLED_H = (4.0, 6.0)
_STRAY_F = (3e-10, 1e-9)
_LEAK_SHARE = 0.03
_ENERGY_STD = 0.01
_CONDUCTIVITY_SPREAD = 0.15
_USUAL_OXYGEN = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class EisTruth:
    """The latent numbers of the conductivities of one study."""

    study: StudyTruth = field(default_factory=StudyTruth)
    """Amounts over milling time."""
    glass_conductivity: float = 9.5e-3
    """Of the glass at 25 C, **S cm-1**."""
    crystal_conductivity: float = 8.4e-5
    """Of crystalline NaTaCl6 at 25 C, **S cm-1**."""
    glass_energy: float = 0.318
    """Activation energy of ``sigma T`` of the glass, **eV**."""
    crystal_energy: float = 0.365
    """The same of the crystal, **eV**."""
    oxygen_dex: float = -1.8176
    """Change of lg sigma of the glass for each unit of x beyond 0.1, which no sample
    that NaCl was weighed into reaches."""
    overmilling_dex: float = -0.15
    """Change of lg sigma from 4 to 6 h beside that of the amounts."""
    permittivity: float = 15.0
    """Relative, of a pellet."""
    electronic_conductivity: float = 6.72e-10
    """At 25 C, **S cm-1**."""
    pressure_factor: float = 1.0
    """Thickness as measured over that in the cell, common to a study."""
    diameter_mm: float = DIAMETER_MM
    """True diameter of the die, **mm**."""

    def __post_init__(self) -> None:
        """Refuse what conducts nothing."""
        values = (self.glass_conductivity, self.crystal_conductivity)
        if min(*values, self.electronic_conductivity, self.permittivity) <= 0.0:
            raise PlanError("conductivities and permittivity must be positive")

    @classmethod
    def draw(
        cls, rng: np.random.Generator, *, study: StudyTruth | None = None
    ) -> EisTruth:
        """Draw the truth of one study.

        Conductivities scatter by 15 %, energies by 0.01 eV (1 sigma); the permittivity
        lies in 10 to 20, the electrons' conductivity log-uniform in 1e-10 to 3e-9; the
        thickness as measured is off by 2 %, the die by 0.5 % (1 sigma).
        """
        study = study or StudyTruth.draw(rng)
        plain = cls(study=study)
        spread = np.exp(_CONDUCTIVITY_SPREAD * rng.standard_normal(2))
        energy = _ENERGY_STD * rng.standard_normal(2)
        return cls(
            study=study,
            glass_conductivity=float(plain.glass_conductivity * spread[0]),
            crystal_conductivity=float(plain.crystal_conductivity * spread[1]),
            glass_energy=float(plain.glass_energy + energy[0]),
            crystal_energy=float(plain.crystal_energy + energy[1]),
            permittivity=float(rng.uniform(10.0, 20.0)),
            electronic_conductivity=float(
                np.exp(rng.uniform(np.log(1e-10), np.log(3e-9)))
            ),
            pressure_factor=float(1.0 + 0.02 * rng.standard_normal()),
            diameter_mm=float(DIAMETER_MM * (1.0 + 0.005 * rng.standard_normal())),
        )

    def conductivity(
        self, species: Species, temperature: float = ROOM_K, *, time_h: float = 0.0
    ) -> float:
        """Return the conductivity of a pellet, **S cm-1**.

        Parameters
        ----------
        species : Species
            What it is made of.
        temperature : float
            **K**.
        time_h : float
            Milling time, **h**: over-milling takes its share after 4 h.
        """
        first, last = _OVERMILLED_H
        worn = float(np.clip((time_h - first) / (last - first), 0.0, 1.0))
        rich = max(species.oxygen - _USUAL_OXYGEN, 0.0)
        room = self.glass_conductivity * 10.0 ** (self.oxygen_dex * rich)
        phases = {
            "glass": _activate(room, self.glass_energy, temperature),
            "crystal": _activate(
                self.crystal_conductivity, self.crystal_energy, temperature
            ),
            "insulator": 0.0,
        }
        shares = species.volumes
        names = list(phases)
        whole = solve_medium([shares[n] for n in names], [phases[n] for n in names])
        return float(whole * 10.0 ** (self.overmilling_dex * worn))

    def activation_energy(
        self, species: Species, temperatures: Sequence[float]
    ) -> float:
        """Return the slope of ln(sigma T) over 1/kT of a set of temperatures, **eV**.

        A mixture's plot is a little curved: the set belongs to the number.
        """
        kelvin = np.asarray(temperatures, dtype=float)
        sigma = np.array([self.conductivity(species, one) for one in kelvin])
        beta = 1.0 / (_BOLTZMANN_EV * kelvin)
        return float(-np.polyfit(beta - beta.mean(), np.log(sigma * kelvin), 1)[0])


def _activate(room: float, energy: float, temperature: float) -> float:
    """Return a conductivity at a temperature, sigma T being activated."""
    step = energy / _BOLTZMANN_EV * (1.0 / ROOM_K - 1.0 / temperature)
    return float(room * ROOM_K / temperature * np.exp(step))


def solve_medium(shares: Sequence[float], conductivities: Sequence[float]) -> float:
    """Return the conductivity of Bruggeman's symmetric medium of spheres.

    Parameters
    ----------
    shares : sequence of float
        Volume fractions, sum 1.
    conductivities : sequence of float
        Of each phase, 0 or more, any unit.

    Returns
    -------
    float
        In that unit; the root of ``sum phi (s_i - s)/(s_i + 2 s) = 0``. 0 where what
        conducts fills less than a third.

    References
    ----------
    Bruggeman, 1935, 10.1002/andp.19354160705.

    Examples
    --------
    >>> round(solve_medium([0.5, 0.5], [1.0, 0.0]), 6)
    0.25
    """
    phi = np.asarray(shares, dtype=float)
    sigma = np.asarray(conductivities, dtype=float)
    low, high = 0.0, float(sigma.max())
    if high <= 0.0 or phi[sigma > 0.0].sum() <= 1.0 / 3.0:
        return 0.0
    for _ in range(200):
        middle = 0.5 * (low + high)
        if np.sum(phi * (sigma - middle) / (sigma + 2.0 * middle)) > 0.0:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One pellet in its cell: what its impedance follows from but noise."""

    thickness_mm: float = 0.85
    """In the cell, **mm**."""
    measured_thickness_mm: float = 0.85
    """As written down, **mm**."""
    lead_ohm: float = 1.0
    """Leads and contacts, **ohm**."""
    inductance_h: float = 5e-7
    """Of the leads, **H**."""
    stray_f: float = 4e-11
    """Between the leads, **F**."""
    electrode: tuple[float, float] = (5e-6, 0.85)
    """Blocking electrodes: ``1/[Q (j w)^n]`` with Q, **S s^n**, and n."""
    dispersion: tuple[float, float] = (0.98, 0.95)
    """Exponents alpha and beta of Havriliak and Negami's bulk."""
    spread: float = 0.0
    """In place of them: sigma of ln(relaxation time), 0: Havriliak-Negami."""
    noise: float = 5e-3
    """1 sigma of each part over the modulus."""
    noise_floor: float = 1e-3
    """1 sigma of each part over the resistance of the sample, beside it."""
    electronic: float = 0.0
    """Conductance of electrons beside all that, **S**."""

    @classmethod
    def draw(
        cls,
        rng: np.random.Generator,
        *,
        truth: EisTruth,
        adversary: EisAdversary | None = None,
    ) -> Cell:
        """Draw one pellet.

        Thickness 0.85 +- 0.04 mm, measured to 1 % and off by the study's common
        factor; leads 0.5 to 2 ohm, 0.2 to 1 uH, 10 to 80 pF; electrodes of n 0.8 to
        0.9; noise 0.3 to 1 %; half of the pellets have a log-normal spread.
        """
        check_eis_adversary(adversary)
        thickness = float(np.clip(0.85 + 0.04 * rng.standard_normal(), 0.7, 1.0))
        measured = thickness * truth.pressure_factor
        measured *= float(1.0 + 0.01 * rng.standard_normal())
        if adversary == "thickness_doubled":
            measured *= 2.0
        stray = float(rng.uniform(1e-11, 8e-11))
        draws = rng.uniform(size=2)
        if adversary == "stray_capacitance":
            low, high = np.log(_STRAY_F)
            stray = float(np.exp(low + (high - low) * draws[0]))
        noise = float(rng.uniform(3e-3, 1e-2))
        return cls(
            thickness_mm=thickness,
            measured_thickness_mm=measured,
            lead_ohm=float(rng.uniform(0.5, 2.0)),
            inductance_h=float(rng.uniform(2e-7, 1e-6)),
            stray_f=stray,
            electrode=(
                float(np.exp(rng.uniform(np.log(2e-6), np.log(2e-5)))),
                float(rng.uniform(0.8, 0.9)),
            ),
            dispersion=(float(rng.uniform(0.95, 1.0)), float(rng.uniform(0.9, 1.0))),
            spread=float(rng.uniform(0.2, 0.6)) if draws[1] < 0.5 else 0.0,
            noise=noise,
            noise_floor=float(noise * rng.uniform(0.1, 0.5)),
        )

    def constant(self, diameter_mm: float) -> float:
        """Return thickness over area in the cell, **cm-1**."""
        area = 0.25 * np.pi * (0.1 * diameter_mm) ** 2
        return float(0.1 * self.thickness_mm / area)


def leak_of(sigma: float) -> float:
    """Return the electrons' conductivity of adversary ``electronic_leak``."""
    return _LEAK_SHARE * sigma


def check_eis_adversary(adversary: str | None) -> None:
    """Refuse an adversary that does not exist."""
    known = get_args(EisAdversary)
    if adversary is not None and adversary not in known:
        raise PlanError(
            f"no impedance adversary {adversary!r}; there are {', '.join(known)}"
        )
