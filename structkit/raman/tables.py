"""TOML tables into frozen dataclasses: all mistakes at once, each at its key.

A user writes these tables by hand, so every mistake of a file is found before any is
reported, and each names the file, the key and what to write instead.
"""

from __future__ import annotations

import difflib
import math
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from importlib import resources
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from structkit.errors import ReadError, SchemaError, StructkitError

SHIPPED = "data/bands.toml"
"""The library's own file, inside this package."""

Tables = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class BandFile:
    """One file of bands, parsed but not checked."""

    name: str
    """What a message calls it."""
    tables: Tables
    """Its arrays of tables: ``species``, ``band``, ``hypothesis``, ``statement``."""
    is_shipped: bool = False
    """Whether it came with the library."""


def read_band_files(path: str | Path | None = None) -> tuple[BandFile, ...]:
    """Read the library's file, and a user's after it.

    Parameters
    ----------
    path : path, optional
        The user's TOML file, UTF-8.

    Returns
    -------
    tuple of BandFile
        The library's own first.

    Raises
    ------
    ReadError
        When the user's file is absent, not text or not TOML.
    """
    shipped = resources.files("structkit.raman").joinpath(SHIPPED)
    own = BandFile(
        name="bands.toml of structkit",
        tables=tomllib.loads(shipped.read_text(encoding="utf-8")),
        is_shipped=True,
    )
    if path is None:
        return (own,)
    try:
        text = Path(path).read_text(encoding="utf-8")
        tables = tomllib.loads(text)
    except OSError as error:
        raise ReadError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ReadError(f"{path}: is not UTF-8 text; save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ReadError(f"{path}: is not TOML: {error}") from None
    return (own, BandFile(name=str(path), tables=tables))


def build_rows(
    kind: type[Any],
    file: BandFile,
    key: str,
    *,
    defaults: Mapping[str, Mapping[str, Any]] | None = None,
) -> tuple[list[Any], list[str]]:
    """Build one dataclass from each table of an array of tables.

    Parameters
    ----------
    kind : type
        A dataclass with a field ``name``.
    file : BandFile
        The file.
    key : str
        Name of the array of tables; absent means empty.
    defaults : mapping of str to mapping, optional
        For a name: values of the fields that its table leaves out.

    Returns
    -------
    rows : list
        Instances of ``kind``, those without mistakes.
    mistakes : list of str
        ``key[index].field: what is wrong``, indices from 0.
    """
    tables = file.tables.get(key, [])
    if not isinstance(tables, list) or not all(isinstance(t, dict) for t in tables):
        return [], [f"{key}: must be an array of tables; write [[{key}]]"]
    rows: list[Any] = []
    mistakes: list[str] = []
    seen: dict[str, int] = {}
    for index, table in enumerate(tables):
        place = f"{key}[{index}]"
        name = table.get("name")
        known = (defaults or {}).get(name, {}) if isinstance(name, str) else {}
        found = list(_check_keys(kind, {**known, **table}, place))
        if isinstance(name, str) and seen.setdefault(name, index) != index:
            found.append(f"{place}.name: {name!r} is that of {key}[{seen[name]}] too")
        if not found:
            try:
                rows.append(kind(**_convert_all(kind, {**known, **table})))
            except StructkitError as error:
                found.append(f"{place}: {error}")
        mistakes += found
    return rows, mistakes


def check_names(
    file: BandFile, key: str, *, field: str, known: Iterable[str]
) -> list[str]:
    """Return a mistake for each name in a field that stands for nothing known."""
    choices = list(dict.fromkeys(known))
    mistakes = []
    for index, table in enumerate(tables_of(file, key)):
        value = table.get(field, [])
        for name in value if isinstance(value, list) else [value]:
            if isinstance(name, str) and name not in choices:
                hint = suggest(name, choices)
                mistakes.append(f"{key}[{index}].{field}: unknown {name!r}; {hint}")
    return mistakes


def tables_of(file: BandFile, key: str) -> list[Tables]:
    """Return an array of tables, with an empty one for what is no table."""
    tables = file.tables.get(key, [])
    listed = tables if isinstance(tables, list) else []
    return [table if isinstance(table, dict) else {} for table in listed]


def names_of(file: BandFile, key: str) -> list[str]:
    """Return the names in an array of tables, those of tables with mistakes too."""
    names = (table.get("name") for table in tables_of(file, key))
    return [name for name in names if isinstance(name, str)]


def check_arrays(file: BandFile, known: Iterable[str]) -> list[str]:
    """Return a mistake for each array of tables of a name that means nothing."""
    arrays = list(known)
    odd = (key for key in file.tables if key not in arrays)
    return [f"{key}: unknown table; {suggest(key, arrays)}" for key in odd]


def raise_mistakes(mistakes: Mapping[str, list[str]]) -> None:
    """Raise one error that lists the mistakes of each file, if there are any.

    Raises
    ------
    SchemaError
        With the file, and each mistake at its key on a line of its own.
    """
    lines = []
    for name, found in mistakes.items():
        if found:
            count = "1 mistake" if len(found) == 1 else f"{len(found)} mistakes"
            lines += [f"{name}: {count}", *(f"  {mistake}" for mistake in found)]
    if lines:
        raise SchemaError("\n".join(lines))


def suggest(word: str, candidates: Iterable[str]) -> str:
    """Return a question with the nearest candidate, or the list of all."""
    known = {name.casefold(): name for name in candidates}
    near = difflib.get_close_matches(word.casefold(), known, n=1)
    if near:
        return f"did you mean {known[near[0]]!r}?"
    return f"known: {', '.join(known.values())}"


def _check_keys(kind: type[Any], values: Tables, place: str) -> Iterator[str]:
    """Yield what is wrong with the keys of one table."""
    hints = get_type_hints(kind)
    for key, value in values.items():
        if key not in hints:
            yield f"{place}.{key}: unknown key; {suggest(key, hints)}"
            continue
        try:
            _convert(hints[key], value)
        except ValueError as error:
            yield f"{place}.{key}: {error}"
    for field in fields(kind):
        has_default = field.default is not MISSING
        if not has_default and field.name not in values:
            yield f"{place}.{field.name}: is missing"


def _convert_all(kind: type[Any], values: Tables) -> dict[str, Any]:
    """Return the values of one table as the dataclass wants them."""
    hints = get_type_hints(kind)
    return {key: _convert(hints[key], value) for key, value in values.items()}


def _convert(hint: Any, value: Any) -> Any:
    """Return a value of TOML as a field's type, or say what it must be."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        inner = next(kind for kind in arguments if kind is not type(None))
        return None if value is None else _convert(inner, value)
    if origin is Literal:
        if value not in arguments:
            raise ValueError(f"must be one of {', '.join(arguments)}, got {value!r}")
        return value
    if origin is tuple:
        return _convert_list(arguments, value)
    if hint is float:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not math.isfinite(value):
            raise ValueError(f"must be a number, got {value!r}")
        return float(value)
    words = {str: "a text", bool: "true or false", int: "a whole number"}
    if type(value) is not hint:
        raise ValueError(f"must be {words[hint]}, got {value!r}")
    return value


def _convert_list(arguments: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    """Return a list of TOML as a tuple of the field's kind."""
    if isinstance(value, tuple):
        value = list(value)  # from a band of the library
    if not isinstance(value, list):
        raise ValueError(f"must be a list in square brackets, got {value!r}")
    if arguments[-1] is Ellipsis:
        return tuple(_convert(arguments[0], item) for item in value)
    if len(value) != len(arguments):
        raise ValueError(f"must be a list of {len(arguments)}, got {value!r}")
    return tuple(
        _convert(kind, item) for kind, item in zip(arguments, value, strict=True)
    )
