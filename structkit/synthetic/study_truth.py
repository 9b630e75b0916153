"""What is true about a study of milled NaCl + TaCl5 + Na2O: kinetics, sizes, chances.

Per tantalum weighed in, milling takes the precursors apart at a rate k1, crystalline
NaTaCl6 appears in their place and goes to glass at a rate k2. Of the sodium chloride a
share b never reacts, and glass that took x oxygen per tantalum leaves 2x of it behind.
Na2O loses its crystals, or is too fine to be seen. What the crystals do not hold of the
atoms weighed in is the amorphous part: atoms are conserved by construction, and checked
where the patterns are drawn (:mod:`structkit.synthetic.study_patterns`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from types import MappingProxyType
from typing import Literal, get_args

import numpy as np

from structkit.errors import PlanError
from structkit.structures import library
from structkit.structures.composition import molar_mass
from structkit.structures.crystal import CrystalStructure
from structkit.synthetic.scattering import Glass
from structkit.synthetic.tacl5 import idealised_tacl5

Course = tuple[float, float, float]
"""``end + (start - end) exp(-t / time)``: start, end, time in hours."""

Adversary = Literal[
    "blank_missing",
    "film_doubled",
    "other_phase",
    "tacl5_residue",
    "invisible_na2o",
    "wrong_cif_a",
    "wrong_cif_b",
    "evaporated",
    "all_crystalline",
    "all_amorphous",
]
"""What breaks an assumption of the analyst; :data:`ADVERSARIES` says how."""

ADVERSARIES: Mapping[str, str] = MappingProxyType(
    {
        "blank_missing": "a film over the samples, no pattern of it in the series file",
        "film_doubled": "one sample lies under two films",
        "other_phase": "every milled sample holds 3 wt% of a phase not in the plan",
        "tacl5_residue": "a tenth of TaCl5 (and its NaCl) never reacts",
        "invisible_na2o": "no crystals of Na2O from the first milling time on",
        "wrong_cif_a": "the analyst's CIF of NaTaCl6 has K for Na",
        "wrong_cif_b": "the analyst's CIF of NaTaCl6 has Nb for Ta",
        "evaporated": "5 % of TaCl5 left the jar: the composition is not closed",
        "all_crystalline": "nothing turns to glass",
        "all_amorphous": "milled samples hold no crystals",
    }
)

PHASES = ("NaTaCl6", "NaCl", "Na2O", "TaCl5")
WEIGHED_IN: Mapping[str, float] = MappingProxyType(
    {"Na": 3.0, "Ta": 1.0, "O": 1.0, "Cl": 6.0}
)
"""Atoms of NaCl + TaCl5 + Na2O."""
ELEMENTS = tuple(WEIGHED_IN)
RESIDUE = 0.10
"""Share of the precursors that adversary ``tacl5_residue`` keeps."""
EVAPORATED = 0.05
"""Share of TaCl5 that adversary ``evaporated`` takes."""
OTHER_PHASE = 0.03
"""Weight fraction of what adversary ``other_phase`` brings."""
ATOMS_TOLERANCE = 1e-12
_RATE_SPREAD = 0.30
_SIZE_SPREAD = 0.15
_EQUAL_RATES = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyTruth:
    """The latent numbers of one study, and the spread of its measurements."""

    precursor_rate: float = 2.0
    """k1 of precursors to NaTaCl6, 1/h."""
    glass_rate: float = 0.45
    """k2 of NaTaCl6 to glass, 1/h."""
    na2o_rate: float = 0.9
    """At which Na2O loses its crystals, 1/h."""
    oxygen_end: float = 0.05
    """x of NaTaOxCl(6-2x) after endless milling."""
    oxygen_rate: float = 0.8
    """At which x gets there, 1/h."""
    nacl_blank: float = 0.027
    """Share of NaCl that never reacts; its TaCl5 is amorphous."""
    sizes_nm: Mapping[str, Course] = field(
        default_factory=lambda: {
            "NaTaCl6": (60.0, 8.0, 1.2),
            "NaCl": (15.0, 15.0, 1.0),
            "Na2O": (30.0, 2.0, 1.5),
            "TaCl5": (80.0, 10.0, 1.0),
        }
    )
    """Scherrer size of each phase, nm and h."""
    size_spread: float = 0.25
    """Standard deviation of ln(size) over the volume."""
    microstrain: Course = (5e-4, 3e-3, 2.0)
    """Microstrain of all phases, without unit and h."""
    texture: Mapping[str, float] = field(default_factory=dict)
    """March parameter r of each phase; 1 where absent."""
    b_overall: Mapping[str, float] = field(default_factory=dict)
    """B beyond the CIF's, angstrom squared; 0 where absent."""
    cell_shrinkage: float = 0.018
    """How much shorter the axes of NaTaCl6 are than in the computed structure."""
    particle_um: float = 2.0
    """Diameter of the particles of the hand-ground unmilled powder, micrometre."""
    max_counts: float = 6000.0
    """Expected counts of the highest point of the unmilled powder."""
    film_um: float = 25.0
    """Thickness of the film, micrometre."""
    film_std_um: float = 3.0
    """Its 1 sigma from sample to sample, micrometre."""
    displacement_mm: float = 0.1
    """Largest displacement of a sample either way, mm."""
    drift: float = 0.03
    """1 sigma of the tube's intensity against the unmilled sample's, relative."""

    def __post_init__(self) -> None:
        """Refuse rates and shares that mean nothing."""
        rates = (self.precursor_rate, self.glass_rate, self.na2o_rate, self.oxygen_rate)
        if min(rates) <= 0.0:
            raise PlanError("rates of a study must be positive, in 1/h")
        if not (0.0 <= self.oxygen_end <= 1.0 and 0.0 <= self.nacl_blank < 1.0):
            raise PlanError("oxygen_end must lie in 0..1, nacl_blank in 0..1")

    @classmethod
    def draw(cls, rng: np.random.Generator) -> StudyTruth:
        """Draw the truth of one study.

        Rates scatter log-normally by 30 % about the defaults and sizes by 15 %; March
        parameters lie in 0.9 to 1.1, particles in 1 to 5 micrometre, the highest point
        in 2000 to 8000 counts; B differs from the CIF's by 0.2 angstrom squared (1
        sigma), the axes of NaTaCl6 from the computed ones by 1.6 to 2.0 %.
        """
        plain = cls()

        def scatter(value: float, spread: float) -> float:
            return float(value * np.exp(spread * rng.standard_normal()))

        sizes = {}
        for name, (start, end, time) in plain.sizes_nm.items():
            both = [scatter(size, _SIZE_SPREAD) for size in (start, end)]
            sizes[name] = (max(both), min(both), scatter(time, _SIZE_SPREAD))
        start, end, time = plain.microstrain
        return cls(
            precursor_rate=scatter(plain.precursor_rate, _RATE_SPREAD),
            glass_rate=scatter(plain.glass_rate, _RATE_SPREAD),
            na2o_rate=scatter(plain.na2o_rate, _RATE_SPREAD),
            oxygen_end=float(rng.uniform(0.0, 0.08)),
            oxygen_rate=scatter(plain.oxygen_rate, _RATE_SPREAD),
            nacl_blank=float(rng.uniform(0.0, 0.05)),
            sizes_nm=sizes,
            size_spread=float(rng.uniform(0.15, 0.35)),
            microstrain=(scatter(start, 0.2), scatter(end, 0.2), time),
            texture={name: float(rng.uniform(0.9, 1.1)) for name in PHASES},
            b_overall={name: 0.2 * float(rng.standard_normal()) for name in PHASES},
            cell_shrinkage=float(rng.uniform(0.016, 0.020)),
            particle_um=float(rng.uniform(1.0, 5.0)),
            max_counts=float(rng.uniform(2000.0, 8000.0)),
        )

    def oxygen(self, time_h: float) -> float:
        """Return x of the glass."""
        return float(self.oxygen_end * -np.expm1(-self.oxygen_rate * time_h))

    def size_nm(self, phase: str, time_h: float) -> float:
        """Return the Scherrer size of a phase, nm."""
        return relax(self.sizes_nm[phase], time_h)

    def chain(self, time_h: float) -> tuple[float, float]:
        """Return the shares that are still precursors, and crystalline NaTaCl6."""
        k1, k2 = self.precursor_rate, self.glass_rate
        left = float(np.exp(-k1 * time_h))
        if abs(k1 - k2) < _EQUAL_RATES * k1:
            return left, float(k1 * time_h * left)
        return left, float(k1 / (k1 - k2) * (np.exp(-k2 * time_h) - left))


def relax(course: Course, time_h: float) -> float:
    """Return ``end + (start - end) exp(-t / time)``."""
    start, end, time = course
    return float(end + (start - end) * np.exp(-time_h / time))


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a sample is made of, per tantalum weighed in; foreign phases apart."""

    crystalline: Mapping[str, float]
    """Moles of each crystalline phase."""
    weighed: Mapping[str, float] = field(default_factory=lambda: dict(WEIGHED_IN))
    """Atoms in the sample."""

    @property
    def weight_fractions(self) -> dict[str, float]:
        """Return the share of each crystalline phase in the mass of these atoms."""
        total = molar_mass(self.weighed)
        return {
            name: moles * formula_mass(name) / total
            for name, moles in self.crystalline.items()
        }

    @property
    def amorphous_atoms(self) -> dict[str, float]:
        """Return the atoms that no crystal holds.

        Raises
        ------
        PlanError
            The crystals hold more of an element than there is.
        """
        left = dict(self.weighed)
        for name, moles in self.crystalline.items():
            for element, count in formula_atoms(name).items():
                left[element] = left.get(element, 0.0) - moles * count
        for element, count in left.items():
            if count < -ATOMS_TOLERANCE:
                excess = f"{-count:.3g} mol more {element}"
                raise PlanError(f"the crystals hold {excess} than was weighed in")
        return {element: max(count, 0.0) for element, count in left.items()}

    @property
    def glass(self) -> Glass | None:
        """Return the amorphous part; None where there is none."""
        atoms = self.amorphous_atoms
        present = {e: n for e, n in atoms.items() if n > ATOMS_TOLERANCE}
        return Glass(composition=present) if present else None


def fill(
    truth: StudyTruth, time_h: float, *, adversary: Adversary | None = None
) -> Contents:
    """Return what milling for ``time_h`` makes of NaCl + TaCl5 + Na2O.

    Parameters
    ----------
    truth : StudyTruth
        Rates.
    time_h : float
        Milling time, **h**.
    adversary : str, optional
        One of :data:`Adversary`.

    Raises
    ------
    PlanError
        An adversary that does not exist.
    """
    check_adversary(adversary)
    precursors, ntc = truth.chain(time_h)
    blank, oxygen = truth.nacl_blank, truth.oxygen(time_h)
    visible = float(np.exp(-truth.na2o_rate * time_h))
    if adversary == "all_crystalline":
        ntc, blank, oxygen, visible = 1.0 - precursors, 0.0, 0.0, 1.0
    milled = time_h > 0.0
    residue = RESIDUE if adversary == "tacl5_residue" else 0.0
    lost = EVAPORATED if adversary == "evaporated" and milled else 0.0
    there = (1.0 - residue) * (1.0 - lost)
    glass = there * (1.0 - blank) * max(1.0 - precursors - ntc, 0.0)
    left = precursors + blank * (1.0 - precursors)
    if adversary == "invisible_na2o" and milled:
        visible = 0.0
    moles = {
        "NaTaCl6": there * (1.0 - blank) * ntc,
        "NaCl": residue + (1.0 - residue) * left + 2.0 * oxygen * glass,
        "Na2O": (1.0 - oxygen * glass) * visible,
        "TaCl5": (1.0 - lost) * residue + there * precursors,
    }
    if adversary == "all_amorphous" and milled:
        moles = dict.fromkeys(PHASES, 0.0)
    return Contents(crystalline=moles, weighed=_without_vapour(lost))


def _without_vapour(lost: float) -> dict[str, float]:
    """Return the atoms weighed in less those of the evaporated TaCl5."""
    atoms = dict(WEIGHED_IN)
    for element, count in formula_atoms("TaCl5").items():
        atoms[element] -= lost * count
    return atoms


def anneal(contents: Contents, *, share: float = 0.7) -> Contents:
    """Return the contents after ``share`` of the glass and of hidden Na2O crystallised.

    NaTaCl6 takes the amorphous tantalum as far as sodium and chlorine go; Na2O takes
    the amorphous oxygen as far as the sodium goes.
    """
    free = contents.amorphous_atoms
    ntc = share * min(free["Ta"], free["Na"], free["Cl"] / 6.0)
    na2o = share * min(free["O"], 0.5 * (free["Na"] - ntc))
    moles = dict(contents.crystalline)
    moles["NaTaCl6"] += ntc
    moles["Na2O"] += na2o
    return replace(contents, crystalline=moles)


def without_oxide(*, amorphous: float = 0.15, blank: float = 0.05) -> Contents:
    """Return NaCl + TaCl5 milled alone: NaTaCl6, some of it amorphous, some NaCl left.

    Parameters
    ----------
    amorphous : float
        Share of tantalum that is in no crystal.
    blank : float
        Share of NaCl left as crystals; not more than ``amorphous``.
    """
    crystalline = {"NaTaCl6": 1.0 - amorphous, "NaCl": blank}
    weighed = {"Na": 1.0, "Ta": 1.0, "Cl": 6.0}
    return Contents(crystalline=crystalline, weighed=weighed)


def check_adversary(adversary: str | None) -> None:
    """Refuse an adversary that does not exist."""
    known = get_args(Adversary)
    if adversary is not None and adversary not in known:
        raise PlanError(f"no adversary {adversary!r}; there are {', '.join(known)}")


@lru_cache(maxsize=64)
def structure_of(name: str) -> CrystalStructure:
    """Return a phase of the library, or the idealised TaCl5, read once."""
    return idealised_tacl5() if name == "TaCl5" else library.load(name)


def formula_atoms(name: str) -> dict[str, float]:
    """Return the atoms of one formula unit of a phase."""
    structure = structure_of(name)
    units = structure.formula_units
    return {e: count / units for e, count in structure.atom_counts.items()}


def formula_mass(name: str) -> float:
    """Return the mass of one formula unit of a phase, g/mol."""
    structure = structure_of(name)
    return structure.cell_mass / structure.formula_units
