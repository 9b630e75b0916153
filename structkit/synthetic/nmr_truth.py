"""What is true about the 23Na spectra of the powders of a synthetic study.

Sodium is in glass and crystal of the product, whose lines cannot be told apart, in NaCl
and in Na2O, in the amounts of :mod:`structkit.synthetic.species`. What a pulse sees of
each is their share times saturation, flip angle and transitions, and what goes into
sidebands. The product relaxes with one T1 (rates of glass and crystal averaged by
amount), by the two rates of quadrupolar spins 3/2; the others by one.

The T1 of NaCl and Na2O are those of the study **exchanged** (2.06 and 0.24 s), which is
the reading that agrees with the same powders milled alone; adversary ``t1_swap`` is the
study as printed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from structkit.errors import PlanError
from structkit.structures.nuclei import find_nucleus
from structkit.synthetic.species import Species
from structkit.synthetic.study_truth import StudyTruth

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]

NmrAdversary = Literal["t1_swap", "wrong_larmor", "saturated_nacl"]
"""What misleads the reader; :data:`NMR_ADVERSARIES` says how."""

NMR_ADVERSARIES: Mapping[str, str] = MappingProxyType(
    {
        "t1_swap": "the T1 of NaCl and Na2O stand at each other's line",
        "wrong_larmor": "measured at 79.39 MHz, the header says 73.39",
        "saturated_nacl": "90 degree pulses every 10 s, T1 of NaCl as in bulk",
    }
)

PRODUCT, CHLORIDE, OXIDE = "NTOC", "NaCl", "Na2O"
SITES = (PRODUCT, CHLORIDE, OXIDE)
PROTON_MHZ = {"high": 500.13, "low": 300.13}
RECYCLE_S = 10.0
WRONG_MHZ = 73.39
T1_MILLED_ALONE_S = {CHLORIDE: 6.49, OXIDE: 0.58}
T1_BULK_S = {CHLORIDE: 11.43, OXIDE: 5.69}
_T1_GLASS_S, _T1_CRYSTAL_S = 1.2e-3, 7.3e-3
_MILLED_FACTOR = 0.36
_CENTRAL_DETECTED = 0.4
_SECOND_ORDER = 3.0 / 40.0 * 3.0 / 9.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NmrTruth:
    """The latent numbers of the 23Na spectra of one study."""

    study: StudyTruth = field(default_factory=StudyTruth)
    """Amounts over milling time."""
    larmor_mhz: float = 132.294
    """Of 0 ppm, **MHz**."""
    mas_hz: float = 25e3
    """Spinning rate, **Hz**."""
    flip_degree: float = 15.0
    """Of the pulse, on NaCl, **degree**."""
    dead_s: float = 7e-6
    """From pulse to first point, **s**."""
    t1_s: Mapping[str, float] = field(
        default_factory=lambda: (
            {"glass": 1.2e-3, "crystal": 7.3e-3, "NaCl": 2.06} | {"Na2O": 0.24}
        )
    )
    """Of glass, crystal, NaCl and Na2O, **s**; of the first two the initial rate's."""
    omega_tau: float = 1.8
    """Larmor frequency times correlation time: sets the ratio of the two rates."""
    shift_ppm: Mapping[str, float] = field(
        default_factory=lambda: (
            {"glass": -11.18, "crystal": -10.6, "NaCl": 7.2} | {"Na2O": 55.0}
        )
    )
    """Chemical shifts, **ppm**."""
    spread_ppm: Mapping[str, float] = field(
        default_factory=lambda: (
            {"glass": 1.54, "crystal": 1.9, "NaCl": 0.8} | {"Na2O": 2.2}
        )
    )
    """Full width at half maximum of the normal distribution of shifts, **ppm**."""
    homogeneous_hz: Mapping[str, float] = field(
        default_factory=lambda: {"NaCl": 120.0, "Na2O": 150.0}
    )
    """Lorentzian width of NaCl and Na2O, **Hz**; the product's is its lifetime's."""
    czjzek_mhz: float = 0.0
    """Sigma of the five independent terms of the glass's quadrupole coupling, **MHz**:
    gives its second-order shifts a tail to low frequency."""
    selective_share: float = 0.0
    """Share of the product of which the central transition alone is seen."""
    sidebands: Mapping[str, float] = field(
        default_factory=lambda: {PRODUCT: 0.08, CHLORIDE: 0.02, OXIDE: 0.05}
    )
    """Share of each site's signal that stands in sidebands."""
    inversion: float = 0.93
    """Share of the magnetisation that the inverting pulse turns."""
    signal_to_noise: Mapping[str, float] = field(
        default_factory=lambda: {"sample": 100.0, "blank": 150.0, "recovery": 100.0}
    )
    """Highest point of the spectrum over its noise."""

    def __post_init__(self) -> None:
        """Refuse what no pulse does."""
        if not 0.0 < self.flip_degree < 180.0 or not 0.0 <= self.selective_share <= 1.0:
            raise PlanError("flip_degree must lie in 0..180, selective_share in 0..1")
        if min(*self.t1_s.values(), self.larmor_mhz, self.mas_hz) <= 0.0:
            raise PlanError("T1, Larmor frequency and spinning rate must be positive")

    @classmethod
    def draw(
        cls,
        rng: np.random.Generator,
        *,
        study: StudyTruth | None = None,
        adversary: NmrAdversary | None = None,
    ) -> NmrTruth:
        """Draw the truth of one study.

        T1 of NaCl and Na2O are 0.36 times those milled alone, by a common factor of
        30 % and one of 15 % each; T1 of the product scatter by 10 %, ``omega tau`` is
        log-uniform in 0.5 to 3; flip angles are 10 to 20 degree, dead times 5 to 10
        us, signal over noise 30 to 300 (log-uniform); the factor of the response lies
        in 0.4 to 1.
        """
        check_nmr_adversary(adversary)
        study = study or StudyTruth.draw(rng)
        plain = cls(study=study)
        common = _MILLED_FACTOR * np.exp(0.3 * rng.standard_normal())
        own = np.exp(0.15 * rng.standard_normal(2))
        salts = [
            common * T1_MILLED_ALONE_S[n] * o
            for n, o in zip(SITES[1:], own, strict=True)
        ]
        ions = np.exp(0.1 * rng.standard_normal(2)) * (_T1_GLASS_S, _T1_CRYSTAL_S)
        flip = float(rng.uniform(10.0, 20.0))
        if adversary == "t1_swap":
            salts = salts[::-1]
        if adversary == "saturated_nacl":
            salts[0], flip = T1_BULK_S[CHLORIDE] * float(own[0]), 90.0
        factor = float(np.exp(rng.uniform(np.log(0.4), 0.0)))
        whole = 1.0 - _CENTRAL_DETECTED * np.cos(np.deg2rad(flip))
        proton = PROTON_MHZ["low" if adversary == "wrong_larmor" else "high"]
        noise = np.exp(rng.uniform(np.log(30.0), np.log(300.0), size=3))
        noise[1] = max(noise[1], 100.0)
        jitter = rng.standard_normal(4)
        return cls(
            study=study,
            larmor_mhz=find_nucleus("23Na").larmor_frequency(proton),
            mas_hz=10e3 if adversary == "wrong_larmor" else 25e3,
            flip_degree=flip,
            dead_s=float(rng.uniform(5e-6, 10e-6)),
            t1_s=dict(
                zip(
                    ("glass", "crystal", CHLORIDE, OXIDE),
                    map(float, (*ions, *salts)),
                    strict=True,
                )
            ),
            omega_tau=float(np.exp(rng.uniform(np.log(0.5), np.log(3.0)))),
            shift_ppm={
                name: value + 0.1 * float(own)
                for (name, value), own in zip(
                    plain.shift_ppm.items(), jitter, strict=True
                )
            },
            spread_ppm={
                name: value * float(rng.uniform(0.8, 1.2))
                for name, value in plain.spread_ppm.items()
            },
            homogeneous_hz={
                CHLORIDE: float(rng.uniform(60.0, 200.0)),
                OXIDE: float(rng.uniform(80.0, 250.0)),
            },
            czjzek_mhz=float(rng.uniform(0.0, 0.25)),
            selective_share=float(np.clip((1.0 - factor) / whole, 0.0, 1.0)),
            sidebands={
                PRODUCT: float(rng.uniform(0.02, 0.10)),
                CHLORIDE: float(rng.uniform(0.0, 0.04)),
                OXIDE: float(rng.uniform(0.02, 0.08)),
            },
            inversion=float(rng.uniform(0.85, 0.98)),
            signal_to_noise=dict(
                zip(("sample", "blank", "recovery"), map(float, noise), strict=True)
            ),
        )

    def product_t1(self, species: Species) -> float:
        """Return T1 of the product by the initial rate, **s**."""
        total = species.glass + species.crystal
        rate = (
            species.glass / self.t1_s["glass"] + species.crystal / self.t1_s["crystal"]
        )
        return float(total / rate)

    def site_t1(self, species: Species) -> dict[str, float]:
        """Return T1 of each site, **s**."""
        salts = {name: self.t1_s[name] for name in SITES[1:]}
        return {PRODUCT: self.product_t1(species), **salts}

    @property
    def rate_ratio(self) -> float:
        """Return the faster over the slower rate of the product, 1 to 4."""
        square = self.omega_tau**2
        return (1.0 + 4.0 * square) / (1.0 + square)

    def response(self, site: str) -> float:
        """Return what the centreband shows of a mole of a site at full recovery."""
        seen = 1.0 - self.sidebands[site]
        if site != PRODUCT:
            return seen
        central = _CENTRAL_DETECTED * float(np.cos(np.deg2rad(self.flip_degree)))
        part = self.selective_share
        return seen * (1.0 - part + part * central)

    @property
    def response_factor(self) -> float:
        """Return by what ``A_NaCl / A_NTOC`` must be multiplied to be of moles."""
        return self.response(PRODUCT) / self.response(CHLORIDE)

    def recovered(self, site: str, species: Species) -> float:
        """Return the share of a site's magnetisation that is there at each pulse."""
        left = float(np.exp(-RECYCLE_S / self.site_t1(species)[site]))
        return (1.0 - left) / (1.0 - left * float(np.cos(np.deg2rad(self.flip_degree))))

    def second_order_hz(self) -> float:
        """Return the scale of the glass's second-order shifts, **Hz**.

        The shift of a central transition of spin 3/2 is ``-(1/40) P^2 / nu``; the five
        terms of P are normal, so that shifts follow chi-square of five degrees.
        """
        return _SECOND_ORDER * (1e6 * self.czjzek_mhz) ** 2 / (1e6 * self.larmor_mhz)


def check_nmr_adversary(adversary: str | None) -> None:
    """Refuse an adversary that does not exist."""
    known = get_args(NmrAdversary)
    if adversary is not None and adversary not in known:
        raise PlanError(f"no NMR adversary {adversary!r}; there are {', '.join(known)}")
