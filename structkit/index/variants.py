"""Which techniques an index rests on: structure alone, all, all but one."""

from __future__ import annotations

from collections.abc import Sequence

from structkit.errors import PlanError
from structkit.index.evidence import Evidence

STRUCT, ALL, WITHOUT = "struct", "all", "without_"


def list_variants(evidence: Sequence[Evidence]) -> dict[str, tuple[Evidence, ...]]:
    """Return the evidence of each variant, by its name.

    ``struct`` holds what sees structure; ``all`` adds properties (conductivity,
    relaxation); ``without_<name>`` is ``struct`` less a structural technique, or
    ``all`` less a property.
    """
    structural = tuple(one for one in evidence if one.structural)
    found = {STRUCT: structural, ALL: tuple(evidence)}
    for left_out in evidence:
        whole = structural if left_out.structural else tuple(evidence)
        found[f"{WITHOUT}{left_out.name}"] = tuple(
            one for one in whole if one.name != left_out.name
        )
    return found


def refuse_circle(variant: str, members: Sequence[str], *, against: str) -> None:
    """Refuse to hold an index against a quantity that it was made from.

    Parameters
    ----------
    variant : str
        Name of the index' variant.
    members : sequence of str
        Techniques in it.
    against : str
        Technique of the other quantity, ``eis`` for a conductivity.

    Raises
    ------
    PlanError
        The technique is a member: the correlation would be one with itself.

    Examples
    --------
    >>> refuse_circle("struct", ["xrd", "raman"], against="eis")
    """
    if against in members:
        raise PlanError(
            f"the index {variant!r} was made from {against} among others: held against "
            f"it, it is held against itself; use {STRUCT!r} or {WITHOUT}{against}"
        )
