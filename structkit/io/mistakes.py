"""Mistakes of a series file: all of them, each at its key path, in plain words."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from structkit.errors import StructureError
from structkit.structures.composition import parse_formula

Location = tuple[int | str, ...]

MEASUREMENTS = ("xrd", "raman", "eis", "dc", "nmr", "t1")
ORDERED = ("xrd", "raman")
"""Measurements whose results are followed along the series."""
REFERENCES = ("crystalline_reference", "glass_reference")
_SHOWN_CHARACTERS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """One mistake and where it stands."""

    location: Location
    """Keys and indices from the top of the file."""
    message: str
    """What is wrong and what to write instead."""

    @property
    def key(self) -> str:
        """Return ``sample[2].milling_time``; indices count from 0."""
        path = ""
        for part in self.location:
            dot = "." if path else ""
            path += f"[{part}]" if isinstance(part, int) else f"{dot}{part}"
        return path


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate most like ``word``, or None when none is near."""
    known = list(candidates)
    found = difflib.get_close_matches(word, known, n=1)
    if not found:
        folded = {name.casefold(): name for name in known}
        found = difflib.get_close_matches(word.casefold(), folded, n=1)
        return folded[found[0]] if found else None
    return found[0]


def keys_of(model: type[BaseModel]) -> dict[str, type[BaseModel] | None]:
    """Return each key of a table with the model of the table behind it, if any."""
    keys: dict[str, type[BaseModel] | None] = {}
    for name, field in model.model_fields.items():
        keys[field.alias or name] = _model_in(field.annotation)
    return keys


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """Return the first table model within a type such as ``tuple[Sample, ...]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for arg in get_args(annotation) if (m := _model_in(arg))), None)


def _tables(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, set[str]]]:
    """Yield every table's path with its keys."""
    keys = keys_of(model)
    yield path, set(keys)
    for key, inner in keys.items():
        if inner is not None:
            yield from _tables(inner, f"{path}.{key}" if path else key)


def _unknown_key(location: Location, model: type[BaseModel]) -> str:
    """Say that a key is unknown, and what it is near to."""
    word = str(location[-1])
    table: type[BaseModel] | None = model
    for part in location[:-1]:
        if isinstance(part, str) and table is not None:
            table = keys_of(table).get(part)
    known = keys_of(table) if table is not None else {}
    if guess := nearest(word, known):
        return f"unknown key; did you mean {guess!r}?"
    homes = [path for path, keys in _tables(model) if word in keys and path]
    if homes:
        return f"unknown key here; it belongs in [{homes[0]}], put it above sub-tables"
    return f"unknown key; known here: {', '.join(sorted(known))}"


def translate(error: ValidationError, model: type[BaseModel]) -> Iterator[Mistake]:
    """Yield each error of pydantic as a mistake in plain words."""
    for detail in error.errors(include_url=False):
        if detail["type"] == "too_short" and detail["input"]:
            continue  # its entries have mistakes of their own
        if detail["type"] == "extra_forbidden":
            message = _unknown_key(detail["loc"], model)
        else:
            message = _in_words(detail)
        yield Mistake(location=detail["loc"], message=message)


def _in_words(detail: ErrorDetails) -> str:
    """Return what one error of pydantic says, shortened."""
    if detail["type"] == "missing":
        return "is missing"
    if detail["type"] == "value_error":
        return str(detail["ctx"]["error"])
    if detail["type"] == "model_type":
        return "must be a table of keys and values"
    if detail["type"] == "tuple_type" and isinstance(detail["input"], Mapping):
        path = ".".join(str(part) for part in detail["loc"])
        return f"must be an array of tables; write [[{path}]], not [{path}]"
    if detail["type"] == "tuple_type":
        return f"must be a list in square brackets, got {detail['input']!r}"
    if detail["type"] == "too_short":
        return "needs at least one entry"
    shown = repr(detail["input"])
    if len(shown) > _SHOWN_CHARACTERS:
        shown = shown[: _SHOWN_CHARACTERS - 1] + "…"
    message = detail["msg"].removeprefix("Input ")
    return f"{message[:1].lower()}{message[1:]}, got {shown}"


def cross_check(data: Mapping[str, Any]) -> Iterator[Mistake]:
    """Yield the mistakes that only two keys together show.

    It reads the file as written, so that these are found whatever else is wrong.
    """
    xrd = _table(data, "xrd")
    phases = [name for name in _names(xrd.get("phase"), "name") if name is not None]
    yield from _check_repeats(data.get("sample"), ("sample",), "id")
    yield from _check_repeats(xrd.get("phase"), ("xrd", "phase"), "name")
    raman = _table(data, "raman")
    yield from _check_repeats(raman.get("template"), ("raman", "template"), "species")
    yield from _check_repeats(xrd.get("component"), ("xrd", "component"), "name")
    yield from _check_components(xrd, phases)
    yield from _check_instrument(xrd)
    yield from _check_standards(data, [*phases, *_sample_components(xrd)])
    yield from _check_external(data)
    yield from _check_mixtures(data, phases)
    yield from _check_compositions(data)
    yield from _check_samples(data)
    yield from _check_pristine(data)
    yield from _check_nmr(data)


def _check_nmr(data: Mapping[str, Any]) -> Iterator[Mistake]:
    """Yield the mistakes of ``[nmr]``."""
    from structkit.io.manifest_nmr import check_nmr  # it builds on this module

    table = _table(data, "nmr")
    yield from _check_repeats(table.get("site"), ("nmr", "site"), "name")
    ids = [name for name in _names(data.get("sample"), "id") if name is not None]
    for location, message in check_nmr(data, ids=ids):
        yield Mistake(location=location, message=message)


def _table(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return a sub-table, empty where it is absent or no table."""
    value = data.get(key)
    return value if isinstance(value, Mapping) else {}


def _samples(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the sample tables, with an empty one for what is no table."""
    samples = data.get("sample")
    if not isinstance(samples, list):
        return []
    return [sample if isinstance(sample, Mapping) else {} for sample in samples]


def _names(tables: Any, key: str) -> list[str | None]:
    """Return one key of each table of an array of tables."""
    if not isinstance(tables, list):
        return []
    values = (
        table.get(key) if isinstance(table, Mapping) else None for table in tables
    )
    return [value if isinstance(value, str) else None for value in values]


def _check_repeats(tables: Any, location: Location, key: str) -> Iterator[Mistake]:
    """Refuse a second table of the same name."""
    names = _names(tables, key)
    for index, name in enumerate(names):
        if name is not None and name in names[:index]:
            first = f"{location[-1]}[{names.index(name)}]"
            yield Mistake(
                location=(*location, index, key),
                message=f"{name!r} is already the {key} of {first}; give another",
            )


def _components(xrd: Mapping[str, Any]) -> list[tuple[int, Mapping[str, Any]]]:
    """Return the tables of measured components with their indices."""
    tables = xrd.get("component")
    listed = tables if isinstance(tables, list) else []
    return [(i, table) for i, table in enumerate(listed) if isinstance(table, Mapping)]


def _sample_components(xrd: Mapping[str, Any]) -> list[str]:
    """Return the names of the components that are part of the sample."""
    return [
        table["name"]
        for _, table in _components(xrd)
        if isinstance(table.get("name"), str) and table.get("background") is not True
    ]


def _check_components(xrd: Mapping[str, Any], phases: list[str]) -> Iterator[Mistake]:
    """Ask each measured component for a name of its own and one way to its weight."""
    for index, table in _components(xrd):
        location: Location = ("xrd", "component", index)
        if table.get("name") in phases:
            message = f"{table['name']!r} is the name of a phase; give another"
            yield Mistake(location=(*location, "name"), message=message)
        given = [key for key in ("rir", "calibration") if key in table]
        if table.get("background") is True:
            for key in given:
                message = "a background is no part of the sample and has none; drop it"
                yield Mistake(location=(*location, key), message=message)
        elif len(given) == 2:
            yield Mistake(
                location=location, message="give rir or calibration, not both"
            )
        elif not given:
            message = (
                "give rir (against corundum) or calibration, or background = true for "
                "an empty holder"
            )
            yield Mistake(location=location, message=message)
        for key in ("rir", "calibration"):
            if f"{key}_std" in table and key not in table:
                message = f"needs {key}, whose uncertainty it is"
                yield Mistake(location=(*location, f"{key}_std"), message=message)
        if "height" in table and "rir" not in table:
            message = "needs rir, which refers to it"
            yield Mistake(location=(*location, "height"), message=message)
    if _components(xrd) and xrd.get("engine", "native") in ("gsas2", "rietx"):
        message = (
            f"the engine {xrd['engine']!r} has no measured components; "
            'set engine = "native"'
        )
        yield Mistake(location=("xrd", "engine"), message=message)


def _check_instrument(xrd: Mapping[str, Any]) -> Iterator[Mistake]:
    """Ask for either a file, or the other keys and a wavelength."""
    instrument = xrd.get("instrument")
    if not isinstance(instrument, Mapping):
        return
    given = set(instrument)
    location = ("xrd", "instrument")
    described = given & {
        "standard",
        "standard_phase",
        "tube",
        "wavelength",
        "monochromator_two_theta",
    }
    if "file" in given:
        if described:
            message = f"give file, or {', '.join(sorted(described))}, not both"
            yield Mistake(location=location, message=message)
        return
    if "tube" in given and "wavelength" in given:
        yield Mistake(location=location, message="give tube or wavelength, not both")
    if not given & {"tube", "wavelength"}:
        message = 'give file, or tube (such as "CuKa"), or wavelength in angstrom'
        yield Mistake(location=location, message=message)
    for key, other in (
        ("standard", "standard_phase"),
        ("standard_phase", "standard"),
    ):
        if key in given and other not in given:
            yield Mistake(location=(*location, other), message=f"{key} needs it")
    counts = [_count(instrument.get(key)) for key in ("standard", "standard_phase")]
    if {"standard", "standard_phase"} <= given and counts[0] != counts[1]:
        message = f"{counts[0]} standard but {counts[1]} standard_phase; name one each"
        yield Mistake(location=(*location, "standard_phase"), message=message)


def _count(value: object) -> int:
    """Return how many entries a lone value or a list holds."""
    return len(value) if isinstance(value, list) else 1


def _check_standards(data: Mapping[str, Any], phases: list[str]) -> Iterator[Mistake]:
    """Ask that a weighed standard is among the phases and components."""
    xrd = _table(data, "xrd")
    weighed: list[tuple[Location, Mapping[str, Any]]] = [
        (("xrd", "internal_standard"), _table(xrd, "internal_standard"))
    ]
    for index, sample in enumerate(_samples(data)):
        weighed.append((("sample", index, "spike"), _table(sample, "spike")))
    for location, table in weighed:
        name = table.get("phase")
        if isinstance(name, str) and name not in phases:
            guess = nearest(name, phases)
            hint = f"did you mean {guess!r}?" if guess else "add it as [[xrd.phase]]"
            message = f"{name!r} is no phase of [xrd]; {hint}"
            yield Mistake(location=(*location, "phase"), message=message)


def _check_external(data: Mapping[str, Any]) -> Iterator[Mistake]:
    """Ask for what the source of the instrument's constant needs."""
    location = ("xrd", "external_standard")
    table = _table(_table(data, "xrd"), "external_standard")
    source = table.get("source")
    for key, other in (("pattern", "phase"), ("phase", "pattern")):
        if key in table and other not in table:
            yield Mistake(location=(*location, other), message=f"{key} needs it")
    if source == "monitor" and not {"pattern", "phase"} & set(table):
        message = "the source monitor needs its pattern and its phase"
        yield Mistake(location=(*location, "pattern"), message=message)
    samples = _samples(data)
    spiked = [s.get("id") for s in samples if isinstance(s.get("spike"), Mapping)]
    if (
        source == "spiked"
        and not spiked
        and "internal_standard" not in _table(data, "xrd")
    ):
        message = "no sample has a spike; give one its [sample] spike"
        yield Mistake(location=(*location, "source"), message=message)
    name = table.get("sample")
    if isinstance(name, str) and spiked and name not in spiked:
        guess = nearest(name, [s for s in spiked if isinstance(s, str)])
        hint = f"did you mean {guess!r}?" if guess else "give that sample its spike"
        message = f"{name!r} is no sample with a spike; {hint}"
        yield Mistake(location=(*location, "sample"), message=message)
    sizes = table.get("particle_size_um")
    if isinstance(sizes, list) and len(sizes) == 2 and not sizes[0] <= sizes[1]:
        message = f"a range must ascend, got {sizes}"
        yield Mistake(location=(*location, "particle_size_um"), message=message)


def _check_compositions(data: Mapping[str, Any]) -> Iterator[Mistake]:
    """Ask that a measured composition has symbols, each with its 1 sigma."""
    tables: list[tuple[Location, Mapping[str, Any]]] = [
        (("series", "composition"), _table(_table(data, "series"), "composition"))
    ]
    for index, sample in enumerate(_samples(data)):
        table = _table(sample, "composition")
        tables.append((("sample", index, "composition"), table))
    for location, table in tables:
        atoms, std = _table(table, "atoms"), _table(table, "std")
        for element in atoms:
            if not _is_element(element):
                message = "is no chemical symbol"
                yield Mistake(location=(*location, "atoms", element), message=message)
            elif element not in std:
                message = "is missing: each ratio needs its 1 sigma"
                yield Mistake(location=(*location, "std", element), message=message)


def _is_element(text: str) -> bool:
    """Return whether a text is the symbol of an element."""
    try:
        return parse_formula(text) == {text: 1.0}
    except StructureError:
        return False


def _check_mixtures(data: Mapping[str, Any], phases: list[str]) -> Iterator[Mistake]:
    """Ask that each substance of a mixture is a formula or a phase."""
    tables: list[tuple[Location, Mapping[str, Any]]] = [
        (("series", "mixture"), _table(_table(data, "series"), "mixture"))
    ]
    for index, sample in enumerate(_samples(data)):
        tables.append((("sample", index, "mixture"), _table(sample, "mixture")))
    for location, mixture in tables:
        for name in mixture:
            if name not in phases and not _is_formula(name):
                message = "is neither a chemical formula nor a phase of [xrd]"
                yield Mistake(location=(*location, name), message=message)


def _is_formula(text: str) -> bool:
    """Return whether a text reads as a chemical formula."""
    try:
        parse_formula(text)
    except StructureError:
        return False
    return True


def _check_samples(data: Mapping[str, Any]) -> Iterator[Mistake]:
    """Ask each sample for a measurement and for its place on the axis."""
    axis = _table(data, "series").get("axis", "milling_time")
    asked = isinstance(axis, str) and _has_axis(data, axis)
    has_xrd = isinstance(data.get("xrd"), Mapping)
    for index, sample in enumerate(_samples(data)):
        if not sample:
            continue
        location: Location = ("sample", index)
        if not set(sample) & set(MEASUREMENTS):
            message = 'has no measurement; add one, such as xrd = "15min.xye"'
            yield Mistake(location=location, message=message)
        if "xrd" in sample and not has_xrd:
            message = "needs a table [xrd] with its phases"
            yield Mistake(location=(*location, "xrd"), message=message)
        if asked and axis not in sample and _needs_axis(sample, axis):
            message = f"is missing; the series' axis is {axis!r}"
            yield Mistake(location=(*location, axis), message=message)


def _has_axis(data: Mapping[str, Any], axis: str) -> bool:
    """Return whether the samples are ordered along the axis.

    Pellets and NMR spectra alone need no order: they have no axis unless it is named or
    one of them states where it stands.
    """
    samples = _samples(data)
    named = "axis" in _table(data, "series")
    stated = any(axis in sample for sample in samples)
    ordered = any(set(ORDERED) & set(one) for one in samples)
    return named or stated or ordered


def _check_pristine(data: Mapping[str, Any]) -> Iterator[Mistake]:
    """Ask that the sample before is another one with impedance."""
    samples = _samples(data)
    known = [s["id"] for s in samples if "eis" in s and isinstance(s.get("id"), str)]
    for index, sample in enumerate(samples):
        name = sample.get("pristine")
        others = [one for one in known if one != sample.get("id")]
        if not isinstance(name, str) or name in others:
            continue
        guess = nearest(name, others)
        hint = f"did you mean {guess!r}?" if guess else "give that sample its eis"
        if name == sample.get("id"):
            hint = "what one sample went through is the history of its eis entries"
        message = f"{name!r} is no other sample with eis; {hint}"
        yield Mistake(location=("sample", index, "pristine"), message=message)


def _needs_axis(sample: Mapping[str, Any], axis: str) -> bool:
    """Return whether a sample must say where it stands on the axis."""
    role = sample.get("role")
    return role not in REFERENCES and not (
        role == "unmilled" and axis == "milling_time"
    )


def gather(
    mistakes: Iterable[Mistake], order: Sequence[str], ids: Sequence[str | None]
) -> list[str]:
    """Return one line for each mistake, in the order of the file's tables.

    Parameters
    ----------
    mistakes : iterable of Mistake
        As found; of several at one key the first is kept.
    order : sequence of str
        Top-level keys in the order of the file.
    ids : sequence of str or None
        Id of each sample, shown beside its index.
    """
    first: dict[Location, Mistake] = {}
    for mistake in mistakes:
        first.setdefault(mistake.location, mistake)

    def place(mistake: Mistake) -> tuple[int, int]:
        top = mistake.location[0] if mistake.location else ""
        index = mistake.location[1] if len(mistake.location) > 1 else -1
        rank = order.index(str(top)) if top in order else len(order)
        return rank, index if isinstance(index, int) else -1

    return [_line(mistake, ids) for mistake in sorted(first.values(), key=place)]


def _line(mistake: Mistake, ids: Sequence[str | None]) -> str:
    """Return ``key (id): message``."""
    name = ""
    if len(mistake.location) > 1 and mistake.location[0] == "sample":
        index = mistake.location[1]
        if isinstance(index, int) and index < len(ids) and ids[index]:
            name = f" ({ids[index]})"
    return f"{mistake.key}{name}: {mistake.message}"
