"""What a stage depends on: keys of the series file, files, source, earlier results."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path, PurePath
from typing import Any

from pydantic import BaseModel

import structkit
from structkit.errors import ReadError
from structkit.io.manifest import SampleTable, SeriesFile
from structkit.pipeline.stages import (
    COMMON_ROOMS,
    READING_ROOMS,
    STAGES,
    STUDY,
    Stage,
    StageTask,
)
from structkit.store import sha256_of

_SOURCE = Path(structkit.__file__).parent
_NO_SOURCE = ("__pycache__",)
_POSITION = ("id", "role", "milling_time", "anneal_temperature", "age", "temperature")
"""Keys of a sample that every stage reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputFile:
    """A file, or a folder, that a stage reads."""

    path: str
    """Relative to the series file's folder; the name alone of one elsewhere."""
    sha256: str
    """Of its bytes; of a folder, of the names and bytes in it."""
    bytes: int
    """Size."""


def list_inputs(
    series: SeriesFile, stage: Stage, task: StageTask
) -> tuple[InputFile, ...]:
    """Return the files that a stage reads, in the order of the series file.

    Raises
    ------
    ReadError
        One of them is gone, or cannot be read.
    """
    found = dict.fromkeys(_paths(_models(series, stage)))
    if stage.name == "audit" and task.claims is not None and task.claims != STUDY:
        found[Path(task.claims).absolute()] = None
    folder = series.path.parent
    return tuple(_describe(path, folder) for path in found)


def find_digest(
    series: SeriesFile,
    stage: Stage,
    task: StageTask,
    *,
    inputs: Sequence[InputFile],
    reasons: Mapping[str, str],
) -> str:
    """Return a digest of all that the results of a stage depend on.

    Parameters
    ----------
    series, stage, task : SeriesFile, Stage, StageTask
        What is asked for.
    inputs : sequence of InputFile
        From :func:`list_inputs`.
    reasons : mapping of str to str
        Why stages before it have no results, by their name.

    Returns
    -------
    str
        SHA-256 as 64 hexadecimal digits. The same where keys, files, source, options
        and the results of the stages before are the same; where the folder lies does
        not matter.
    """
    folder = series.path.parent
    depends = {
        "stage": stage.name,
        "version": structkit.__version__,
        "source": digest_stage_source(stage),
        "keys": [_plain(model, folder) for model in _models(series, stage)],
        "inputs": [asdict(one) for one in inputs],
        "options": list_options(stage, task),
        "before": {
            name: [reasons.get(name, ""), *_results_of(name, task.output)]
            for name in stage.after
        },
        "reads": [sha256_of(path) for path in _there(stage.reads, task.output)],
    }
    text = json.dumps(depends, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def list_options(stage: Stage, task: StageTask) -> dict[str, str]:
    """Return the options of the command that change what a stage leaves."""
    found = {}
    if stage.name == "refine" and task.engine is not None:
        found["engine"] = task.engine
    if stage.name == "audit" and task.claims is not None:
        found["claims"] = Path(task.claims).name
    if stage.keys and task.figures:
        found["figures"] = "drawn"
    return found


def digest_source(rooms: Iterable[str] | None = None) -> str:
    """Return a digest of structkit's own files: of all of them, or of some rooms.

    Parameters
    ----------
    rooms : iterable of str, optional
        Folders or files, relative to the package. Default: both packages whole.
    """
    return _digest_files(tuple(rooms or (".", "../refinement")))


def digest_stage_source(stage: Stage) -> str:
    """Return a digest of the source that the numbers of a stage depend on."""
    reading = READING_ROOMS if stage.keys else ()
    return digest_source((*COMMON_ROOMS, *reading, *stage.rooms))


@cache
def _digest_files(rooms: tuple[str, ...]) -> str:
    digest = hashlib.sha256()
    for room in rooms:
        for path in _files(_SOURCE / room):
            digest.update(path.name.encode() + b"\0" + sha256_of(path).encode())
    return digest.hexdigest()


def _files(path: Path) -> list[Path]:
    """Return a file, or the files below a folder in a fixed order; none if absent."""
    if path.is_file():
        return [path]
    below = (p for p in path.rglob("*") if not set(p.parts) & set(_NO_SOURCE))
    return sorted(p for p in below if p.is_file())


def _results_of(name: str, output: Path) -> list[str]:
    """Return digests of what a stage before left; of one that is absent, nothing."""
    (stage,) = (one for one in STAGES if one.name == name)
    return [sha256_of(path) for path in _there(stage.results, output)]


def _there(names: Iterable[str], output: Path) -> list[Path]:
    return [output / name for name in names if (output / name).is_file()]


def _models(series: SeriesFile, stage: Stage) -> list[Any]:
    """Return what a stage reads of the series file, as pydantic tables and values."""
    common = series.series.model_copy(update={"claims": None})
    keys = (*stage.facts, *stage.keys)
    return [
        common,
        *(getattr(series, name) for name in stage.tables),
        [_parts(sample, keys) for sample in series.samples],
    ]


def _parts(sample: SampleTable, keys: Sequence[str]) -> dict[str, Any]:
    return {key: getattr(sample, key) for key in (*_POSITION, *keys)}


def _paths(value: Any) -> Iterator[Path]:
    """Yield the paths in tables, lists and values, in their order."""
    if isinstance(value, Path):
        yield value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _paths(getattr(value, name))
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _paths(each)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _paths(each)


def _plain(value: Any, folder: Path) -> Any:
    """Return tables and values as JSON holds them, paths as :func:`tell_path`."""
    if isinstance(value, PurePath):
        return tell_path(Path(value), folder)
    if isinstance(value, BaseModel):
        names = type(value).model_fields
        return {name: _plain(getattr(value, name), folder) for name in names}
    if isinstance(value, Mapping):
        return {str(key): _plain(each, folder) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each, folder) for each in value]
    return value


def tell_path(path: Path, folder: Path) -> str:
    """Return a path relative to a folder, or its name where it was given absolute.

    An absolute path says where a person keeps their files, and is of use to none else.

    Examples
    --------
    >>> tell_path(Path("/data/series/2h.xy"), Path("/data/series"))
    '2h.xy'
    >>> tell_path(Path("/home/me/LaB6.xy"), Path("/data/series"))
    'LaB6.xy'
    """
    if path.is_relative_to(folder):
        return path.relative_to(folder).as_posix()
    return path.name


def _describe(path: Path, folder: Path) -> InputFile:
    name = tell_path(path, folder)
    try:
        if path.is_file():
            return InputFile(
                path=name, sha256=sha256_of(path), bytes=path.stat().st_size
            )
        if not path.is_dir():
            raise ReadError(f"{path}: is gone; put it back, or drop it from the series")
        digest, size = hashlib.sha256(), 0
        for each in _files(path):
            digest.update(each.relative_to(path).as_posix().encode() + b"\0")
            digest.update(sha256_of(each).encode())
            size += each.stat().st_size
    except OSError as error:
        if isinstance(error, ReadError):
            raise
        raise ReadError(f"{path}: cannot be read ({error.strerror})") from error
    return InputFile(path=name, sha256=digest.hexdigest(), bytes=size)
