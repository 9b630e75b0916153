"""What is true about one whole series: one study, seen by every technique.

Amounts and oxygen are those of one :class:`StudyTruth`; each technique adds what it
alone depends on. An adversary acts on the amounts (and so on all techniques), or on the
measurements of one technique.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal

from structkit.errors import PlanError
from structkit.structures.nuclei import find_nucleus
from structkit.synthetic.eis import eis_stream
from structkit.synthetic.eis_truth import EIS_ADVERSARIES, EisAdversary, EisTruth
from structkit.synthetic.nmr import nmr_stream
from structkit.synthetic.nmr_truth import (
    CHLORIDE,
    NMR_ADVERSARIES,
    OXIDE,
    PROTON_MHZ,
    T1_BULK_S,
    NmrAdversary,
    NmrTruth,
)
from structkit.synthetic.raman import stream_of
from structkit.synthetic.raman_truth import (
    RAMAN_ADVERSARIES,
    RamanAdversary,
    RamanTruth,
)
from structkit.synthetic.study_truth import ADVERSARIES, Adversary, StudyTruth

SeriesAdversary = (
    Adversary | RamanAdversary | EisAdversary | NmrAdversary | Literal["biased_raman"]
)
"""What breaks an assumption of the analyst; :data:`SERIES_ADVERSARIES` says how."""

RAMAN_BIAS = 0.2
"""Share of tantalum that adversary ``biased_raman`` shows as glass."""
SERIES_ADVERSARIES: Mapping[str, str] = MappingProxyType(
    {
        **NMR_ADVERSARIES,
        **EIS_ADVERSARIES,
        **RAMAN_ADVERSARIES,
        "biased_raman": "Raman shows 0.2 more of the tantalum of milled samples as "
        "glass, or all of it",
        **ADVERSARIES,
    }
)
"""Every adversary of every technique, and what it does."""
_SLOW_MAS_HZ = 10e3
_HARD_PULSE_DEGREE = 90.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesTruth:
    """The latent numbers of one series, one study behind all techniques."""

    study: StudyTruth = field(default_factory=StudyTruth)
    """Amounts, oxygen, and how patterns scatter."""
    raman: RamanTruth
    """Cross-sections, bands, spectrometer."""
    eis: EisTruth
    """Conductivities, die."""
    nmr: NmrTruth
    """Relaxation times, pulses, lines."""

    def __post_init__(self) -> None:
        """Refuse techniques that saw different studies."""
        for name in ("raman", "eis", "nmr"):
            if getattr(self, name).study != self.study:
                raise PlanError(f"{name} has a study of its own; give all the same")

    @classmethod
    def around(cls, study: StudyTruth, *, seed: int) -> SeriesTruth:
        """Return a series of a given study: what is anchored at its medians.

        Conductivities and NMR are the defaults of :class:`EisTruth` and
        :class:`NmrTruth`, close to those that were published; no cross-section was, so
        that Raman is what the seed draws, as in
        :func:`structkit.synthetic.study.write_study`.
        """
        return cls(
            study=study,
            raman=RamanTruth.draw(stream_of(seed, "truth"), study=study),
            eis=EisTruth(study=study),
            nmr=NmrTruth(study=study),
        )

    @classmethod
    def draw(cls, seed: int) -> SeriesTruth:
        """Draw everything; each technique alone draws the same of that seed."""
        raman = RamanTruth.draw(stream_of(seed, "truth"))
        study = raman.study
        return cls(
            study=study,
            raman=raman,
            eis=EisTruth.draw(eis_stream(seed, "truth"), study=study),
            nmr=NmrTruth.draw(nmr_stream(seed, "truth"), study=study),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Misled:
    """An adversary, told to those whom it concerns."""

    study: Adversary | None = None
    """To all who see the amounts."""
    raman: RamanAdversary | None = None
    """To Raman alone."""
    eis: EisAdversary | None = None
    """To impedance alone."""
    nmr: NmrAdversary | None = None
    """To NMR alone."""
    raman_bias: float = 0.0
    """Share of tantalum that Raman shows as glass though it is crystalline."""


def assign_adversary(name: SeriesAdversary | None) -> Misled:
    """Return whom an adversary concerns.

    Parameters
    ----------
    name : str or None
        One of :data:`SERIES_ADVERSARIES`; one of the amounts concerns all techniques.

    Raises
    ------
    PlanError
        An adversary that does not exist.

    Examples
    --------
    >>> assign_adversary("ta2o5").raman
    'ta2o5'
    """
    if name is None:
        return Misled()
    if name == "biased_raman":
        return Misled(raman_bias=RAMAN_BIAS)
    for part, known in (
        ("study", ADVERSARIES),
        ("raman", RAMAN_ADVERSARIES),
        ("eis", EIS_ADVERSARIES),
        ("nmr", NMR_ADVERSARIES),
    ):
        if name in known:
            return Misled(**{part: name})  # type: ignore[arg-type]
    known_names = ", ".join(sorted(SERIES_ADVERSARIES))
    raise PlanError(f"no adversary {name!r}; there are {known_names}")


def mislead_nmr(truth: NmrTruth, adversary: NmrAdversary | None) -> NmrTruth:
    """Return what NMR measures where an adversary changes the sample or the magnet."""
    times = dict(truth.t1_s)
    if adversary == "t1_swap":
        times |= {CHLORIDE: truth.t1_s[OXIDE], OXIDE: truth.t1_s[CHLORIDE]}
        return replace(truth, t1_s=times)
    if adversary == "saturated_nacl":
        times |= {CHLORIDE: T1_BULK_S[CHLORIDE]}
        return replace(truth, t1_s=times, flip_degree=_HARD_PULSE_DEGREE)
    if adversary == "wrong_larmor":
        larmor = find_nucleus("23Na").larmor_frequency(PROTON_MHZ["low"])
        return replace(truth, larmor_mhz=larmor, mas_hz=_SLOW_MAS_HZ)
    return truth
