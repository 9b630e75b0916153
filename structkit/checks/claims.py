"""Claims and the kinds of them that can be checked."""

from __future__ import annotations

from dataclasses import dataclass

from structkit.checks.claim_kind import ClaimKind, Given
from structkit.checks.judge import Outcome
from structkit.checks.kinds_arc import ARC_KINDS
from structkit.checks.kinds_eis import EIS_KINDS
from structkit.checks.kinds_motion import MOTION_KINDS
from structkit.checks.kinds_nmr import NMR_KINDS
from structkit.checks.kinds_results import RESULT_KINDS
from structkit.checks.kinds_spins import SPIN_KINDS
from structkit.errors import SchemaError, StructkitError

KINDS: tuple[ClaimKind, ...] = (
    *RESULT_KINDS,
    *EIS_KINDS,
    *ARC_KINDS,
    *NMR_KINDS,
    *SPIN_KINDS,
    *MOTION_KINDS,
)
"""Every kind of claim."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A statement, and the numbers that shall show whether it holds."""

    id: str
    """Short name."""
    statement: str
    """What is claimed, in plain words."""
    kind: str
    """One of :data:`KINDS`, by name."""
    given: Given
    """Its inputs, with their uncertainties, checked against the kind."""
    source: str = ""
    """Where the numbers stand."""


def find_kind(name: str) -> ClaimKind:
    """Return a kind of claims by its name.

    Raises
    ------
    SchemaError
        There is none of that name.

    Examples
    --------
    >>> find_kind("conductivity_ratio").summary
    'one conductivity over another'
    """
    for kind in KINDS:
        if kind.name == name:
            return kind
    raise SchemaError(f"no kind {name!r}; known: {', '.join(k.name for k in KINDS)}")


def check_claim(claim: Claim) -> Outcome:
    """Check one claim by the functions of its kind.

    Parameters
    ----------
    claim : Claim
        From :func:`structkit.checks.claim_file.read_claims`.

    Returns
    -------
    Outcome
        Verdict, arithmetic and numbers.

    Raises
    ------
    SchemaError
        Numbers that cannot be, such as a negative conductivity; names the claim.
    """
    try:
        return find_kind(claim.kind).check(claim.given)
    except StructkitError as error:
        raise SchemaError(f"claim {claim.id}: {error}") from error
    except (ZeroDivisionError, OverflowError, ValueError) as error:
        raise SchemaError(
            f"claim {claim.id}: its numbers cannot be ({error}); check signs and units"
        ) from error
