"""Files of claims: TOML in, claims with their numbers out, every mistake at its key.

::

    [value.sigma]                       # numbers that several claims use; optional
    value = "4.41(5) mS/cm"
    place = "notebook 7, page 3"

    [[claim]]
    kind = "conductivity_ratio"
    statement = "the oxide raises the conductivity more than tenfold"
    numerator = "sigma"
    denominator = { from = "OUT", sample = "control", temperature_K = 298 }
    more_than = 10

A number is one of TOML (exact), a text
(:func:`structkit.checks.quantity.parse_quantity`), the name of a ``[value]``, a table
``{ value, std, units }`` or ``{ low, high, units }``, or
``{ from = "OUT", column = "value", ... }``, which a results folder holds. Paths are
relative to the file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any

from structkit.checks.claim_kind import ClaimKind, Given, InputSpec, Value
from structkit.checks.claims import KINDS, Claim
from structkit.checks.quantity import (
    Quantity,
    make_quantity,
    make_range,
    parse_quantity,
)
from structkit.checks.stored import find_quantity, find_rows
from structkit.errors import ReadError, SchemaError, StructkitError
from structkit.io.mistakes import nearest

_OWN_KEYS = ("id", "kind", "statement", "source")
_NUMBER_KEYS = ("value", "std", "units", "low", "high")
_VALUE_KEYS = (*_NUMBER_KEYS, "of", "sample", "place")
_TABLES = ("source", "value", "claim")
_FROM = "from"


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """What a file of claims says apart from its claims."""

    folder: Path
    values: Mapping[str, Quantity]
    origin: str
    mistakes: list[str] = field(default_factory=list)


def read_claims(path: str | Path) -> tuple[Claim, ...]:
    """Read and check a file of claims.

    Parameters
    ----------
    path : path
        TOML, UTF-8.

    Returns
    -------
    tuple of Claim
        In the order of the file.

    Raises
    ------
    ReadError
        The file is absent or cannot be read.
    SchemaError
        It is no TOML (with the line), or has mistakes: all of them, each at its key,
        with what to write instead.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ReadError(f"no file of claims {path}; check the path") from None
    except UnicodeDecodeError:
        raise SchemaError(f"{path}: is not UTF-8 text; save it as UTF-8") from None
    except OSError as error:
        raise ReadError(f"{path}: cannot be read ({error.strerror})") from None
    return parse_claims(text, name=str(path), folder=path.absolute().parent)


def read_study() -> tuple[Claim, ...]:
    """Return the claims of the study, which come with structkit."""
    shipped = resources.files("structkit.checks").joinpath("data/study.toml")
    text = shipped.read_text(encoding="utf-8")
    return parse_claims(text, name="study.toml of structkit", folder=Path())


def parse_claims(text: str, *, name: str, folder: Path) -> tuple[Claim, ...]:
    """Return the claims in the text of a file.

    Parameters
    ----------
    text : str
        TOML.
    name : str
        What messages call the file.
    folder : path
        That its paths are relative to.

    Returns
    -------
    tuple of Claim

    Raises
    ------
    SchemaError
        As :func:`read_claims`.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SchemaError(f"{name} is not valid TOML: {error}") from None
    mistakes = [
        f"{key}: unknown table; {_suggest(key, _TABLES)}"
        for key in data
        if key not in _TABLES
    ]
    values = _read_values(data.get("value", {}), mistakes)
    origin = data.get("source", {})
    file = _File(
        folder=folder,
        values=values,
        origin=_origin(origin if isinstance(origin, dict) else {}),
        mistakes=mistakes,
    )
    tables = data.get("claim", [])
    if not isinstance(tables, list) or not all(isinstance(t, dict) for t in tables):
        mistakes.append("claim: must be an array of tables; write [[claim]]")
        tables = []
    elif not tables:
        mistakes.append("claim: there is none; add one as [[claim]]")
    claims = [
        claim
        for index, table in enumerate(tables)
        if (claim := _read_claim(table, file, f"claim[{index}]")) is not None
    ]
    ids = [claim.id for claim in claims]
    twice = sorted({one for one in ids if ids.count(one) > 1})
    mistakes += [f"claim: id {one!r} stands twice; rename one" for one in twice]
    if mistakes:
        raise SchemaError(_list_mistakes(name, mistakes))
    return tuple(claims)


def _list_mistakes(name: str, mistakes: list[str]) -> str:
    """Return one message with every mistake."""
    if len(mistakes) == 1:
        return f"{name}: {mistakes[0]}"
    return "\n  ".join([f"{name} has {len(mistakes)} mistakes:", *mistakes])


def _origin(table: Mapping[str, Any]) -> str:
    """Return what ``[source]`` says of the whole file."""
    return "; ".join(str(table[key]) for key in ("text", "doi") if key in table)


def _read_values(tables: object, mistakes: list[str]) -> dict[str, Quantity]:
    """Return the ``[value]`` tables as quantities."""
    if not isinstance(tables, dict):
        mistakes.append("value: must be tables; write [value.NAME]")
        return {}
    found = {}
    for name, table in tables.items():
        place = f"value.{name}"
        given = table if isinstance(table, dict) else {"value": table}
        odd = [key for key in given if key not in _VALUE_KEYS]
        if odd:
            mistakes.append(
                f"{place}.{odd[0]}: unknown key; {_suggest(odd[0], _VALUE_KEYS)}"
            )
            continue
        try:
            quantity = _read_number(_number_in(given))
        except SchemaError as error:
            mistakes.append(f"{place}: {error}")
            continue
        where = str(given.get("place", ""))
        source = f"{name} ({where})" if where else name
        found[name] = replace(quantity, name=name, source=source)
    return found


def _number_in(table: Mapping[str, Any]) -> object:
    """Return what a ``[value]`` table says apart from its words."""
    left = {key: one for key, one in table.items() if key in _NUMBER_KEYS}
    return left["value"] if set(left) == {"value"} else left


def _read_number(node: object) -> Quantity:
    """Return a number that is written out."""
    if isinstance(node, str):
        return parse_quantity(node)
    if isinstance(node, int | float) and not isinstance(node, bool):
        return make_quantity(float(node))
    if isinstance(node, dict) and node and not set(node) - set(_NUMBER_KEYS):
        return _read_table(node)
    raise SchemaError(
        f'{node!r} is no number; write 0.32, "0.32 eV", "0.32(1) eV" or '
        '{ value = 0.32, std = 0.01, units = "eV" }'
    )


def _read_table(node: Mapping[str, Any]) -> Quantity:
    """Return a number of a table: value and std, or low and high."""
    numbers = {key: one for key, one in node.items() if key != "units"}
    for key, one in numbers.items():
        if isinstance(one, bool) or not isinstance(one, int | float):
            raise SchemaError(f"{key} = {one!r} is no number; write it without quotes")
    units = str(node.get("units", "1"))
    if {"low", "high"} == set(numbers):
        return make_range(numbers["low"], numbers["high"], units=units)
    if "value" not in numbers or {"low", "high"} & set(numbers):
        raise SchemaError("give value (and std), or low and high")
    return make_quantity(
        float(numbers["value"]), std=float(numbers.get("std", 0.0)), units=units
    )


def _read_claim(table: Mapping[str, Any], file: _File, place: str) -> Claim | None:
    """Return one claim, or None with its mistakes in the file."""
    before = len(file.mistakes)
    number = place[place.index("[") + 1 : -1]
    name = table.get("kind")
    kind = next((one for one in KINDS if one.name == name), None)
    for key in ("kind", "statement"):
        if not isinstance(table.get(key), str):
            file.mistakes.append(f"{place}.{key}: is missing; it is a text")
    if kind is None:
        if isinstance(name, str):
            hint = _suggest(name, [one.name for one in KINDS])
            file.mistakes.append(f"{place}.kind: unknown {name!r}; {hint}")
        return None
    file.mistakes.extend(_check_keys(table, kind, place))
    values: dict[str, Value] = {}
    for spec in kind.inputs:
        if spec.name not in table:
            continue
        try:
            values[spec.name] = _read_input(table[spec.name], spec, file)
        except StructkitError as error:
            file.mistakes.append(f"{place}.{spec.name}: {error}")
    if len(file.mistakes) > before:
        return None
    return Claim(
        id=str(table.get("id", int(number) + 1)),
        statement=str(table["statement"]),
        kind=kind.name,
        given=Given(values=values),
        source=str(table.get("source") or _tell_source(values, file)),
    )


def _check_keys(table: Mapping[str, Any], kind: ClaimKind, place: str) -> Iterator[str]:
    """Yield what is wrong with the keys of a claim."""
    known = [*_OWN_KEYS, *(spec.name for spec in kind.inputs)]
    for key in table:
        if key not in known:
            yield f"{place}.{key}: unknown key; {_suggest(key, known)}"
    for spec in kind.inputs:
        if spec.required and spec.name not in table:
            yield f"{place}.{spec.name}: is missing ({spec.meaning})"
        lacks = [one for one in spec.needs if one not in table]
        if spec.name in table and lacks:
            yield f"{place}.{lacks[0]}: is missing; {spec.name} needs it"
    if kind.one_of and not set(kind.one_of) & set(table):
        yield f"{place}: give one of {', '.join(kind.one_of)}"


def _read_input(node: object, spec: InputSpec, file: _File) -> Value:
    """Return an input of a claim in the shape that its kind asks for."""
    if spec.shape == "text":
        if not isinstance(node, str):
            raise SchemaError(f"must be a text, got {node!r}")
        if spec.choices and node not in spec.choices:
            raise SchemaError(f"{node!r} is none of {', '.join(spec.choices)}")
        return node
    if spec.shape == "rows":
        if not isinstance(node, dict) or _FROM not in node or spec.stored is None:
            raise SchemaError('must name results; write { from = "OUT", sample = "a" }')
        return find_rows(
            file.folder / str(node[_FROM]), spec.stored, where=_where(node)
        )
    if spec.shape == "numbers":
        if not isinstance(node, list) or not node:
            raise SchemaError(f"must be a list of numbers, got {node!r}")
        return tuple(_read_quantity(one, spec, file) for one in node)
    if spec.shape in ("named", "sets"):
        return _read_named(node, spec, file)
    return _read_quantity(node, spec, file)


def _read_named(
    node: object, spec: InputSpec, file: _File
) -> dict[str, tuple[Quantity, ...]]:
    """Return numbers by name; those of a table of tables as ``table.name``."""
    if not isinstance(node, dict) or not node:
        raise SchemaError(f"must be a table such as {{ NaCl = 0.24 }}, got {node!r}")
    found: dict[str, tuple[Quantity, ...]] = {}
    for name, one in node.items():
        if spec.shape == "sets":
            if not isinstance(one, dict):
                raise SchemaError(f"{name}: must be a table such as {{ NaCl = 6.49 }}")
            for line, value in one.items():
                found[f"{name}.{line}"] = (_read_quantity(value, spec, file),)
        else:
            listed = one if isinstance(one, list) else [one]
            found[name] = tuple(_read_quantity(value, spec, file) for value in listed)
    return found


def _read_quantity(node: object, spec: InputSpec, file: _File) -> Quantity:
    """Return one number: written out, named, or stored; in the kind's units."""
    if isinstance(node, str) and node in file.values:
        quantity = file.values[node]
    elif isinstance(node, dict) and _FROM in node:
        if spec.stored is None:
            raise SchemaError("is in no table of results; write the number")
        folder = file.folder / str(node[_FROM])
        quantity = find_quantity(folder, spec.stored, where=_where(node))
    elif isinstance(node, str) and not any(sign.isdigit() for sign in node):
        hint = _suggest(node, file.values)
        raise SchemaError(f"no [value.{node}]; {hint}")
    else:
        quantity = _read_number(node)
    if quantity.units == spec.units:
        return quantity
    if quantity.units == "1":
        return replace(quantity, units=spec.units)
    raise SchemaError(f"is in {quantity.units}; give it in {spec.units}")


def _where(node: Mapping[str, Any]) -> dict[str, str]:
    """Return the columns and values that select stored rows."""
    return {key: str(value) for key, value in node.items() if key != _FROM}


def _tell_source(values: Mapping[str, Value], file: _File) -> str:
    """Return where the numbers of a claim stand."""
    sources: dict[str, None] = {}
    for value in values.values():
        for one in _quantities(value):
            if one.source:
                sources[one.source] = None
    return "; ".join([*sources, *([file.origin] if file.origin else [])])


def _quantities(value: Value) -> Iterator[Quantity]:
    """Yield every number of an input."""
    if isinstance(value, Quantity):
        yield value
    elif isinstance(value, tuple):
        yield from (one for one in value if isinstance(one, Quantity))
    elif not isinstance(value, str):
        for named in value.values():
            yield from named


def _suggest(word: str, candidates: object) -> str:
    """Return a question with the nearest candidate, or the list of all."""
    known = list(candidates) if isinstance(candidates, list | tuple | dict) else []
    guess = nearest(word, known)
    return f"did you mean {guess!r}?" if guess else f"known: {', '.join(known)}"
