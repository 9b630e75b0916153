"""Tables and values of a series file: times, temperatures, ranges, files found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    ValidationInfo,
)

from structkit.io.mistakes import nearest

_HOURS = {"min": 1 / 60, "h": 1.0, "d": 24.0, "s": 1 / 3600}
_KELVIN_AT_ZERO_CELSIUS = 273.15


class Table(BaseModel):
    """A table of the series file: frozen, no keys beside its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def parse_hours(value: object) -> object:
    """Return hours from ``"15 min"``, ``"1.5 h"``, ``"2 d"``; others are handed on.

    Raises
    ------
    ValueError
        When the text is no number with one of the units s, min, h, d.

    Examples
    --------
    >>> parse_hours("15 min")
    0.25
    """
    if not isinstance(value, str):
        return value
    number, unit = _split_quantity(value)
    if number is None or unit not in _HOURS:
        raise ValueError(
            f'cannot read {value!r}; write "15 min", "1.5 h" or a number in hours'
        )
    return number * _HOURS[unit]


def parse_celsius(value: object) -> object:
    """Return degree Celsius from ``"150 C"`` or ``"423.15 K"``; others are handed on.

    Raises
    ------
    ValueError
        When the text is no number with one of the units C, degC, K.

    Examples
    --------
    >>> parse_celsius("273.15 K")
    0.0
    """
    if not isinstance(value, str):
        return value
    number, unit = _split_quantity(value)
    if number is None or unit not in {"C", "degC", "°C", "K"}:
        raise ValueError(
            f'cannot read {value!r}; write "150 C", "423 K" or a number in Celsius'
        )
    return number - _KELVIN_AT_ZERO_CELSIUS if unit == "K" else number


def _split_quantity(text: str) -> tuple[float | None, str]:
    """Return the number and the unit of ``"15 min"``; no number where there is none."""
    digits = text.strip().rstrip(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ°"
    )
    unit = text.strip().removeprefix(digits)
    try:
        return float(digits), unit
    except ValueError:
        return None, unit


def _find(kind: str, is_there: Callable[[Path], bool]) -> BeforeValidator:
    """Return a check that makes a path absolute and asks that it is there."""

    def resolve(value: object, info: ValidationInfo) -> Path:
        if not isinstance(value, str) or not value.strip():
            raise ValueError(f"must be the path of a {kind}, got {value!r}")
        folder = Path((info.context or {}).get("folder", "."))
        try:
            path = folder / Path(value).expanduser()
            if is_there(path):
                return path
            siblings = list(path.parent.iterdir()) if path.parent.is_dir() else []
        except (OSError, RuntimeError) as error:
            raise ValueError(f"no {kind} {value!r}; {error}") from None
        guess = nearest(path.name, (sibling.name for sibling in siblings))
        hint = f"did you mean {guess!r}?" if guess else f"looked for it at {path}"
        raise ValueError(f"no {kind} {value!r}; {hint}")

    return BeforeValidator(resolve)


def as_list(value: object) -> object:
    """Return a lone entry as a list of one."""
    return value if isinstance(value, list) else [value]


def _ascending(value: tuple[float, float]) -> tuple[float, float]:
    """Refuse a range that does not ascend."""
    if not value[0] < value[1]:
        raise ValueError(f"a range must ascend, got {list(value)}")
    return value


def _direction(value: tuple[int, int, int]) -> tuple[int, int, int]:
    """Refuse an axis without direction."""
    if not any(value):
        raise ValueError("[0, 0, 0] is no direction; give hkl such as [0, 0, 1]")
    return value


def refuse_odd_names(value: str) -> str:
    """Refuse an id that cannot name a file."""
    if (
        value.strip() != value
        or value.startswith(".")
        or set(value) & set('/\\:*?"<>|')
    ):
        raise ValueError(f"{value!r} cannot name a file; use letters, digits, - and _")
    return value


Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]
Positive = Annotated[Number, Field(gt=0.0)]
NotNegative = Annotated[Number, Field(ge=0.0)]
Text = Annotated[str, Field(min_length=1)]
Hours = Annotated[Number, Field(ge=0.0), BeforeValidator(parse_hours)]
Celsius = Annotated[
    Number, Field(ge=-_KELVIN_AT_ZERO_CELSIUS), BeforeValidator(parse_celsius)
]
Range = Annotated[tuple[Number, Number], AfterValidator(_ascending)]
DataFile = Annotated[Path, _find("file", Path.is_file)]
DataFolder = Annotated[Path, _find("file or folder", Path.exists)]
MillerIndices = Annotated[tuple[int, int, int], AfterValidator(_direction)]
Moles = Annotated[dict[str, Positive], Field(min_length=1)]
