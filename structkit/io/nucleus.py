"""Is a spectrum of the nucleus that its header declares? The frequency tells.

Headers are copied from experiment to experiment; the frequency that the spectrometer
was set to is not. With the frequency ratios of IUPAC a nucleus and a frequency make a
field, and magnets come in few fields.
"""

from __future__ import annotations

from dataclasses import dataclass

from structkit.errors import SchemaError
from structkit.structures.nuclei import NUCLEI, Nucleus, find_nucleus

MAGNETS = (
    *(42.58, 43.0, 60.0, 80.0, 90.0, 100.0, 200.0, 250.0, 270.0, 300.0, 360.0, 400.0),
    *(500.0, 600.0, 700.0, 750.0, 800.0, 850.0, 900.0, 950.0, 1000.0, 1100.0, 1200.0),
)
"""1H frequencies, MHz, of the magnets that are sold."""
X_BAND = (14.0, 15.1)
"""1H frequencies, MHz, in the magnets of X-band EPR, 9.2 to 9.9 GHz, g = 2."""
MAGNET_TOLERANCE = 0.0025
"""Magnets keep to their name: 499.8, 500.13 and 500.16, 400.42 MHz are met."""
SHIFT_RANGE = 0.01
"""Offset of a carrier from its nucleus, relative: shifts of heavy nuclei reach it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NucleusVerdict:
    """What a header declares against what its frequency says."""

    declared: str
    """Nucleus as declared; empty where it is not."""
    judged: str
    """Nucleus that the frequency speaks for: the declared one where it agrees, else
    the only candidate; empty where there are none or several."""
    agrees: bool
    """Whether frequency and declaration go together."""
    candidates: tuple[str, ...]
    """Nuclei that fit the frequency, most often measured first."""
    proton_frequency: float
    """1H frequency, MHz, of the field under ``judged``; NaN where that is empty."""
    reason: str
    """One sentence."""


def judge_nucleus(
    declared: str,
    frequency: float,
    *,
    base_frequency: float | None = None,
    proton_frequency: float | None = None,
) -> NucleusVerdict:
    """Compare a declared nucleus with the frequency of the measurement.

    Parameters
    ----------
    declared : str
        Nucleus in the header, such as ``23Na``; empty where it names none.
    frequency : float
        Frequency that the spectrometer was set to, **MHz**.
    base_frequency : float, optional
        The spectrometer's own frequency of the declared nucleus (Bruker's BF1),
        **MHz**. Near ``frequency`` it stands for it, without the offset of the
        carrier; far from it, it tells the field.
    proton_frequency : float, optional
        1H frequency of the magnet, **MHz**, where it is known.

    Returns
    -------
    NucleusVerdict
        The declaration stands when it makes ``frequency`` the one of the known field,
        or, where no field is known, of a magnet that is sold.

    Raises
    ------
    SchemaError
        ``frequency`` is not positive.

    Examples
    --------
    >>> verdict = judge_nucleus("1H", 470.613, base_frequency=500.16)
    >>> verdict.agrees, verdict.judged
    (False, '19F')
    """
    if not frequency > 0.0:
        raise SchemaError(f"frequency must be positive, got {frequency:g} MHz")
    try:
        nucleus: Nucleus | None = find_nucleus(declared) if declared else None
    except SchemaError:
        nucleus = None
    field = proton_frequency
    measured = frequency
    if base_frequency and abs(frequency / base_frequency - 1.0) <= SHIFT_RANGE:
        measured = base_frequency
    elif base_frequency and nucleus is not None and field is None:
        field = nucleus.proton_frequency(base_frequency)
    candidates = tuple(
        other.symbol for other in NUCLEI.values() if _fits(other, measured, field)
    )
    name = nucleus.symbol if nucleus is not None else declared
    agrees = name in candidates
    judged = name if agrees else (candidates[0] if len(candidates) == 1 else "")
    found = NUCLEI[judged].proton_frequency(frequency) if judged else float("nan")
    return NucleusVerdict(
        declared=name,
        judged=judged,
        agrees=agrees,
        candidates=candidates,
        proton_frequency=found,
        reason=_reason(nucleus, name, agrees, (frequency, field), candidates),
    )


def nearest_magnet(proton_frequency: float) -> float | None:
    """Return the 1H frequency, MHz, of the magnet that this is; None: no such one.

    Examples
    --------
    >>> nearest_magnet(500.13), nearest_magnet(277.4)
    (500.0, None)
    """
    if X_BAND[0] <= proton_frequency <= X_BAND[1]:
        return proton_frequency
    nearest = min(MAGNETS, key=lambda magnet: abs(proton_frequency / magnet - 1.0))
    if abs(proton_frequency / nearest - 1.0) <= MAGNET_TOLERANCE:
        return nearest
    return None


def _fits(nucleus: Nucleus, frequency: float, field: float | None) -> bool:
    """Return whether a nucleus has this frequency in the field, or in any magnet."""
    if field is not None:
        return abs(frequency / nucleus.larmor_frequency(field) - 1.0) <= SHIFT_RANGE
    return nearest_magnet(nucleus.proton_frequency(frequency)) is not None


def _reason(
    nucleus: Nucleus | None,
    name: str,
    agrees: bool,  # noqa: FBT001
    place: tuple[float, float | None],
    candidates: tuple[str, ...],
) -> str:
    """Say the verdict in one sentence."""
    frequency, field = place
    at = f"{frequency:.3f} MHz"
    fitting = " or ".join(
        f"{symbol} ({NUCLEI[symbol].proton_frequency(frequency):.1f} MHz for 1H)"
        for symbol in candidates[:4]
    )
    fit = f"that fits {fitting}" if fitting else "that fits no nucleus known here"
    if agrees:
        return f"{name} at {at} fits its field."
    if not name:
        return f"No nucleus is declared; the frequency is {at}, and {fit}."
    if nucleus is None:
        return f"The nucleus {name!r} is not known; the frequency is {at}, and {fit}."
    if field is not None:
        due = nucleus.larmor_frequency(field)
        why = f"{name} has {due:.2f} MHz in its field of {field:.1f} MHz for 1H"
    else:
        implied = nucleus.proton_frequency(frequency)
        why = f"{name} would need a magnet of {implied:.1f} MHz for 1H, none is sold"
    return f"The header declares {name}, but the frequency is {at}: {why}; {fit}."
