"""The samples of a whole synthetic series: what they are made of, and what is measured.

Beside the milled powders of NaCl + TaCl5 + Na2O:

=============  =========================================================================
``NTC``        NaCl + TaCl5 made into NaTaCl6, 2 % of it glass: the crystalline end
``NTC-4``      NaCl + TaCl5 milled 4 h: a tenth of the tantalum in glass, as much NaCl
               left over as after 4 h with Na2O: the blank of NMR
``Na2O-TaCl5`` Na2O + TaCl5 milled 4 h, no crystals: the glassy end. Without NaCl the
               atoms allow no glass below x = 0.5: ``NaTaO0.5Cl5 + 1/2 Na2O``
``annealed``   the 4 h powder at 150 C, 0.7 of its glass crystallised
``aged``       the 4 h powder after ten days, 0.19 of its glass crystallised: that takes
               43 % of its conductivity, as was published
=============  =========================================================================
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from structkit.errors import PlanError
from structkit.synthetic.species import Species, share_out
from structkit.synthetic.study_patterns import contents_of, oxygen_of
from structkit.synthetic.study_samples import StudySample, find_singled, list_samples
from structkit.synthetic.study_truth import (
    ATOMS_TOLERANCE,
    Adversary,
    Contents,
    StudyTruth,
    anneal,
    fill,
    without_oxide,
)

Member = Literal["NTC", "NTC-4", "Na2O-TaCl5", "annealed", "aged"]
Technique = Literal["xrd", "raman", "eis", "nmr"]

TECHNIQUES: tuple[Technique, ...] = ("xrd", "raman", "eis", "nmr")
MEMBERS: tuple[Member, ...] = ("NTC", "NTC-4", "Na2O-TaCl5", "annealed", "aged")
CRYSTAL, CONTROL, GLASS, ANNEALED, AGED = MEMBERS
USUAL: tuple[Member, ...] = ("NTC", "Na2O-TaCl5")
"""Members of a series beside its milled powders, unless others are asked for."""
BLANK_OF_NMR: tuple[Technique, ...] = ("eis", "nmr")
"""What is measured of ``NTC-4`` where it is no member but the blank of NMR."""
REFERENCE_AMORPHOUS = 0.02
"""Share of the tantalum of ``NTC`` in glass."""
CONTROL_GLASS = 0.10
"""Share of the tantalum of ``NTC-4`` in glass."""
AGED_SHARE = 0.19
"""Share of the glass that ten days crystallise: leaves 57 % of the conductivity."""
AGED_H = 240.0
SPIKED_SUFFIX = "_spiked"
_PLAIN_TIME_H = 4.0
_NMR_TIMES_H = (1.0, 4.0)
_OXIDE_OXYGEN = 0.5
_OXIDE_ATOMS: Mapping[str, float] = {"Na": 2.0, "Ta": 1.0, "O": 1.0, "Cl": 5.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesSample:
    """One powder and what is measured of it."""

    sample: StudySample
    """Name, role, time, and what it is made of, spike left out."""
    species: Species
    """The same as compounds."""
    measured: tuple[Technique, ...]
    """Techniques."""

    @property
    def name(self) -> str:
        """Return its id."""
        return self.sample.name

    @property
    def contents(self) -> Contents:
        """Return what it is made of."""
        if self.sample.contents is None:
            raise PlanError(f"sample {self.name!r} has no contents")
        return self.sample.contents

    @property
    def glass_share(self) -> float:
        """Return the share of tantalum outside crystals, crystalline TaCl5 apart.

        What Raman's ``amorphous_share`` is of: amorphous TaCl5 counts as glass.
        """
        free = self.contents.amorphous_atoms["Ta"]
        seen = free + self.contents.crystalline.get("NaTaCl6", 0.0)
        return free / seen if seen > ATOMS_TOLERANCE else float("nan")

    @property
    def product_glass_share(self) -> float:
        """Return the share of glass in glass and crystal of the product: NMR's line."""
        product = self.species.glass + self.species.crystal
        return self.species.glass / product if product > 0.0 else float("nan")


def list_series(
    truth: StudyTruth,
    *,
    times_h: Sequence[float] = (1.0, 2.0, 4.0, 6.0),
    members: Sequence[Member] = USUAL,
    spiked: str | None = None,
    techniques: Sequence[Technique] = TECHNIQUES,
    all_nmr: bool = False,
    reference_amorphous: float = REFERENCE_AMORPHOUS,
    adversary: Adversary | None = None,
) -> list[SeriesSample]:
    """Return the samples of a series, the unmilled one first.

    Parameters
    ----------
    truth : StudyTruth
        Kinetics.
    times_h : sequence of float
        Milling times, **h**.
    members : sequence of str
        Powders beside these, see the top of this module. ``NTC-4`` is there in any case
        where NMR or impedance is: without being named, for these alone.
    spiked : str, optional
        Sample of which a twin with 15 wt% rutile is measured by diffraction.
    techniques : sequence of str
        ``"xrd"``, ``"raman"``, ``"eis"``, ``"nmr"``; those absent measure nothing.
    all_nmr : bool
        NMR of every sample but the unmilled one; else of ``NTC``, ``NTC-4``,
        ``Na2O-TaCl5`` and the powders milled 1 and 4 h, as in the study.
    reference_amorphous : float
        Share of the tantalum of ``NTC`` in glass.
    adversary : str, optional
        The study's; it acts on what was milled with NaCl, TaCl5 and Na2O.

    Raises
    ------
    PlanError
        A member or technique that does not exist, times that are not positive, no such
        sample to spike, or atoms that are not conserved to 1e-12.
    """
    for given, known in ((members, MEMBERS), (techniques, TECHNIQUES)):
        if odd := [one for one in given if one not in known]:
            raise PlanError(f"there is no {odd[0]!r}; choose of {', '.join(known)}")
    plain = list_samples(times_h, spiked=spiked)
    made = {one.name: one for one in _list_members(truth, reference_amorphous)}
    is_control = "nmr" in techniques or "eis" in techniques
    kept = {*members, CONTROL} if is_control else set(members)
    ordered = [
        plain[0],
        *(made[name] for name in (CRYSTAL, CONTROL) if name in kept),
        *plain[1:],
        *(made[name] for name in (GLASS, ANNEALED, AGED) if name in kept),
    ]
    found = []
    for sample in ordered:
        whole = _complete(sample, truth, adversary)
        measured = _techniques_of(sample, all_nmr=all_nmr)
        if sample.name == CONTROL and CONTROL not in members:
            measured = BLANK_OF_NMR
        found.append(
            SeriesSample(
                sample=whole,
                species=_find_species(whole),
                measured=tuple(one for one in measured if one in techniques),
            )
        )
    return [one for one in found if one.measured]


def find_warmed(samples: Sequence[SeriesSample]) -> str:
    """Return the sample of temperature series and polarization: 4 h, or the last."""
    return find_singled([one.sample for one in samples])


def _list_members(truth: StudyTruth, amorphous: float) -> list[StudySample]:
    """Return the powders that are not milled from NaCl, TaCl5 and Na2O, or more."""
    precursors, _ = truth.chain(_PLAIN_TIME_H)
    left = precursors + truth.nacl_blank * (1.0 - precursors)
    crystal = StudySample(
        name=CRYSTAL,
        role="crystalline_reference",
        time_h=0.0,
        contents=without_oxide(amorphous=amorphous, blank=0.0),
    )
    control = StudySample(
        name=CONTROL,
        role="crystalline_reference",
        time_h=_PLAIN_TIME_H,
        contents=without_oxide(amorphous=CONTROL_GLASS + left, blank=left),
    )
    glass = StudySample(
        name=GLASS,
        role="glass_reference",
        time_h=_PLAIN_TIME_H,
        contents=Contents(crystalline={}, weighed=dict(_OXIDE_ATOMS)),
        oxygen=_OXIDE_OXYGEN,
    )
    kept = StudySample(name=ANNEALED, role="annealed", time_h=_PLAIN_TIME_H)
    aged = replace(kept, name=AGED, age_h=AGED_H)
    return [crystal, control, glass, kept, aged]


def _complete(
    sample: StudySample, truth: StudyTruth, adversary: Adversary | None
) -> StudySample:
    """Return a sample with what it is made of."""
    contents = contents_of(sample, truth, adversary=adversary)
    if sample.age_h > 0.0:
        fresh = fill(truth, sample.time_h, adversary=adversary)
        contents = anneal(fresh, share=AGED_SHARE)
    oxygen = oxygen_of(sample, truth, adversary=adversary)
    return replace(sample, contents=contents, oxygen=oxygen)


def _find_species(sample: StudySample) -> Species:
    """Return the compounds of a sample.

    Raises
    ------
    PlanError
        Atoms are not conserved to 1e-12.
    """
    contents, oxygen = sample.contents, sample.oxygen
    if contents is None or oxygen is None:
        raise PlanError(f"sample {sample.name!r} has no contents")
    if sample.role != "glass_reference":
        return share_out(contents, oxygen=oxygen)
    found = Species(
        crystal=0.0,
        glass=1.0,
        oxygen=oxygen,
        nacl=2.0 * oxygen - 1.0,
        na2o=1.0 - oxygen,
        tacl5=0.0,
    )
    for element, count in found.atoms.items():
        if abs(count - contents.weighed[element]) > ATOMS_TOLERANCE:
            raise PlanError(f"{sample.name}: {element} is not conserved: {count:.15g}")
    return found


def _techniques_of(sample: StudySample, *, all_nmr: bool) -> tuple[Technique, ...]:
    """Return what is measured of a sample: the unmilled powder conducts nothing."""
    if sample.spike > 0.0:
        return ("xrd",)
    if sample.role == "unmilled":
        return ("xrd", "raman")
    seldom = sample.role == "milled" and sample.time_h not in _NMR_TIMES_H
    if (seldom or sample.role == "annealed") and not all_nmr:
        return ("xrd", "raman", "eis")
    return TECHNIQUES
