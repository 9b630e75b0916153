"""What a kind of claim needs, how it reads it, and how it is compared with a limit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from structkit.checks.judge import (
    ClaimVerdict,
    Outcome,
    Range,
    join,
    judge_above,
    judge_equal,
    range_of,
)
from structkit.checks.quantity import Quantity
from structkit.errors import SchemaError

Row = Mapping[str, str]
Named = Mapping[str, tuple[Quantity, ...]]
Value = Quantity | str | tuple[Quantity, ...] | Named | tuple[Row, ...]
Shape = Literal["number", "text", "numbers", "named", "sets", "rows"]

MORE_THAN, LESS_THAN, EQUALS, TOLERANCE = (
    "more_than",
    "less_than",
    "equals",
    "tolerance",
)
LIMITS = (MORE_THAN, LESS_THAN, EQUALS)
"""Keys of which a claim about a number has one."""
DEFAULT_TOLERANCE = 0.25
"""Of the claimed value: how far from it a measured one still means the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredColumn:
    """The table of a results folder that holds a number."""

    table: str
    """File in ``OUT/tables``."""
    value: str
    """Column of the value."""
    std: str
    """Column of its 1 sigma."""
    units: str = "1"
    """Of both columns."""
    defaults: tuple[tuple[str, str], ...] = ()
    """Values of columns that a claim need not name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSpec:
    """One input of a kind of claim."""

    name: str
    """Key in a file of claims."""
    meaning: str
    """In a few words."""
    units: str = "1"
    """That the function takes."""
    shape: Shape = "number"
    """A number, a text, a list of numbers, a table of numbers by name, a table of such
    tables, or rows of a stored table."""
    required: bool = True
    """Whether a claim must have it."""
    stored: StoredColumn | None = None
    """Where a results folder has it."""
    choices: tuple[str, ...] = ()
    """Texts that it may be; empty: any."""
    needs: tuple[str, ...] = ()
    """Inputs that it is of no use without."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """The inputs of one claim."""

    values: Mapping[str, Value]
    """By name, checked against the kind."""

    def __contains__(self, name: str) -> bool:
        """Return whether an input was given."""
        return name in self.values

    def number(self, name: str) -> Quantity:
        """Return a number."""
        value = self.values.get(name)
        if not isinstance(value, Quantity):
            raise SchemaError(f"{name}: must be a number")
        return value

    def numbers(self, name: str) -> tuple[Quantity, ...]:
        """Return a list of numbers, empty where it was not given."""
        value = self.values.get(name, ())
        if not isinstance(value, tuple):
            raise SchemaError(f"{name}: must be a list of numbers")
        return tuple(one for one in value if isinstance(one, Quantity))

    def named(self, name: str) -> Named:
        """Return numbers by name, empty where they were not given."""
        value = self.values.get(name, {})
        if isinstance(value, Quantity | str | tuple):
            raise SchemaError(f"{name}: must be a table of numbers")
        return value

    def rows(self, name: str, *, key: str) -> dict[str, Row]:
        """Return rows of a stored table by the text of a column, one for each."""
        value = self.values.get(name)
        if not isinstance(value, tuple):
            raise SchemaError(f"{name}: must name a results folder")
        found: dict[str, Row] = {}
        for row in value:
            if isinstance(row, Quantity) or key not in row:
                raise SchemaError(f"{name}: the table has no column {key!r}")
            if row[key] in found:
                other = found[row[key]]
                differ = ", ".join(one for one in row if row[one] != other.get(one))
                raise SchemaError(
                    f"{name}: two rows of {row[key]}; name one by {differ or 'history'}"
                )
            found[row[key]] = row
        return found

    def text(self, name: str, default: str) -> str:
        """Return a text."""
        return str(self.values.get(name, default))


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimKind:
    """A kind of claim: what it needs, and the function that answers it."""

    name: str
    """As ``kind`` in a file of claims."""
    summary: str
    """What it asks, one line."""
    inputs: tuple[InputSpec, ...]
    """What it needs."""
    check: Callable[[Given], Outcome]
    """The answer."""
    one_of: tuple[str, ...] = ()
    """Inputs of which a claim has just one."""

    def find_input(self, name: str) -> InputSpec | None:
        """Return the input of a name, None where there is none."""
        return next((one for one in self.inputs if one.name == name), None)


def limit_inputs(units: str = "1") -> tuple[InputSpec, ...]:
    """Return the inputs of a comparison with a claimed number."""
    meanings = {
        MORE_THAN: "the claim: above this",
        LESS_THAN: "the claim: below this",
        EQUALS: "the claim: this number",
        TOLERANCE: "how far from `equals` means the same; default 25 % of it",
    }
    return tuple(
        InputSpec(name=name, meaning=meaning, units=units, required=False)
        for name, meaning in meanings.items()
    )


def compare(found: Range, given: Given) -> tuple[ClaimVerdict, str]:
    """Compare a number with what is claimed of it.

    Parameters
    ----------
    found : Range
        As computed.
    given : Given
        With ``more_than``, ``less_than`` or ``equals`` (and ``tolerance``), or more
        than one of them.

    Returns
    -------
    tuple of ClaimVerdict and str
        The verdict, and the claim in short, such as ``(claimed: > 40)``.
    """
    verdicts, told = [], []
    if MORE_THAN in given:
        limit = range_of(given.number(MORE_THAN))
        verdicts.append(judge_above(found, limit))
        told.append(f"> {limit.value:.4g}")
    if LESS_THAN in given:
        limit = range_of(given.number(LESS_THAN))
        verdicts.append(judge_above(_negative(found), _negative(limit)))
        told.append(f"< {limit.value:.4g}")
    if EQUALS in given:
        claimed = given.number(EQUALS)
        tolerance = _tolerance(given, claimed)
        verdicts.append(judge_equal(found, range_of(claimed), tolerance=tolerance))
        told.append(f"= {claimed.value:.4g}")
    unknown = "" if found.is_known else "; no uncertainty, so no verdict"
    return join(verdicts), f"(claimed: {', '.join(told)}{unknown})"


def _tolerance(given: Given, claimed: Quantity) -> float:
    """Return how far from a claimed number means the same."""
    if TOLERANCE in given:
        return given.number(TOLERANCE).value
    if claimed.value == 0.0:
        raise SchemaError(f"{TOLERANCE}: {EQUALS} = 0 needs one; give what is near 0")
    return DEFAULT_TOLERANCE * abs(claimed.value)


def _negative(one: Range) -> Range:
    """Return the range of the negative number."""
    return Range(value=-one.value, low=-one.high, high=-one.low)
