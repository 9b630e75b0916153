"""The samples of a synthetic study: names, roles, times, and which stand out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from structkit.errors import PlanError
from structkit.synthetic.study_truth import Contents

Extra = Literal["NTC-4", "annealed"]

UNMILLED = "unmilled"
STANDARD = "rutile"
"""Phase of the spike."""
_PRECURSOR_TIME_H = 4.0
_ANNEALED_TIME_H = 4.0
_SINGLED = "4h"


@dataclass(frozen=True, slots=True, kw_only=True)
class StudySample:
    """One powder of the study."""

    name: str
    """Id in the series file, ``4h``."""
    role: str
    """As the series file knows it."""
    time_h: float
    """Milling time, h."""
    spike: float = 0.0
    """Weight fraction of rutile mixed in; 0: none."""
    contents: Contents | None = None
    """What it is made of, spike left out; None: as role and time say."""
    oxygen: float | None = None
    """x of its glass; None: as role and time say."""
    age_h: float = 0.0
    """Time since it was made, h."""


def list_samples(
    times_h: Sequence[float] = (1.0, 2.0, 4.0, 6.0),
    *,
    spiked: str | None = None,
    spike_fraction: float = 0.15,
    extras: Sequence[Extra] = (),
) -> list[StudySample]:
    """Return the samples of a study, the unmilled one first.

    Parameters
    ----------
    times_h : sequence of float
        Milling times, **h**, positive; samples are called ``1h``, ``2h``.
    spiked : str, optional
        Name of the sample of which a twin ``<name>_spiked`` holds rutile.
    spike_fraction : float
        Weight fraction of rutile in it.
    extras : sequence of str
        ``"NTC-4"``, NaCl + TaCl5 milled 4 h without Na2O; ``"annealed"``, the 4 h
        powder kept at 150 C.

    Raises
    ------
    PlanError
        A time that is not positive, or no such sample to spike.
    """
    if any(time <= 0.0 for time in times_h):
        raise PlanError(f"times_h {list(times_h)}: give positive hours of milling")
    samples = [StudySample(name=UNMILLED, role="unmilled", time_h=0.0)]
    samples += [
        StudySample(name=f"{time:g}h", role="milled", time_h=float(time))
        for time in times_h
    ]
    if spiked is not None:
        found = [sample for sample in samples if sample.name == spiked]
        if not found or not 0.0 < spike_fraction < 1.0:
            names = ", ".join(sample.name for sample in samples)
            raise PlanError(
                f"cannot spike {spiked!r} with {spike_fraction:g}: choose one of "
                f"{names} and a weight fraction in 0..1"
            )
        samples.append(replace(found[0], name=f"{spiked}_spiked", spike=spike_fraction))
    if "NTC-4" in extras:
        samples.append(
            StudySample(
                name="NTC-4", role="crystalline_reference", time_h=_PRECURSOR_TIME_H
            )
        )
    if "annealed" in extras:
        samples.append(
            StudySample(name="annealed", role="annealed", time_h=_ANNEALED_TIME_H)
        )
    return samples


def find_singled(samples: Sequence[StudySample]) -> str:
    """Return the sample that lies under two films or is analysed: 4 h, or the last."""
    names = [sample.name for sample in samples if sample.role == "milled"]
    return _SINGLED if _SINGLED in names else (names or [UNMILLED])[-1]


def find_other_phase(adversary: str | None, *, spiked: bool) -> str | None:
    """Return the phase that adversary ``other_phase`` brings: not that of the spike."""
    if adversary != "other_phase":
        return None
    return "zincite" if spiked else "rutile"
