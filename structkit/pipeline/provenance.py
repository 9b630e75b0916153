"""``provenance.json``: what a folder of results was made of, by what, and when.

It names no person, machine or absolute path. Times are UTC, digests SHA-256, paths of
inputs relative to the series file and those of outputs to the folder of results.
"""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from enum import Enum
from importlib import metadata
from pathlib import Path
from typing import Final

import structkit
from structkit.errors import ReadError
from structkit.io.manifest import SeriesFile, read_series
from structkit.pipeline.dependencies import InputFile, digest_source, list_inputs
from structkit.pipeline.stages import STAGES, Stage, StageTask
from structkit.store import sha256_of, write_text

FILE_NAME: Final = "provenance.json"
_FORMAT: Final = 1
"""Of the file; a reader refuses another."""
_AGAIN: Final = "run again with --fresh"


class StageStatus(Enum):
    """What became of a stage."""

    RUNNING = "running"
    """It has begun."""
    DONE = "done"
    """It ran, and left its results."""
    UNCHANGED = "unchanged"
    """Its results are there, and all they depend on is as it was."""
    ABSENT = "not measured"
    """No sample has data for it, or nothing was asked of it."""
    FAILED = "failed"
    """It ended with an error; the reason says which."""
    INTERRUPTED = "interrupted"
    """The run was ended before it."""

    @property
    def has_results(self) -> bool:
        """Return whether what it left belongs to this series as it is."""
        return self in (StageStatus.DONE, StageStatus.UNCHANGED)


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRecord:
    """A stage of a run."""

    name: str
    """Of the stage."""
    status: StageStatus
    """What became of it."""
    reason: str = ""
    """Why it has no results."""
    seconds: float = 0.0
    """Wall time, s; of the run that left the results."""
    cpu_seconds: float = 0.0
    """Time of the processor in its own process, s."""
    date: str = ""
    """When it ended, UTC."""
    digest: str = ""
    """Of all that its results depend on."""
    source: str = ""
    """Of the source of structkit that it runs."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Of the command, as far as they change its results."""
    jobs: int = 1
    """Processes that it might start."""
    seeds: Mapping[str, int] = field(default_factory=dict)
    """Of what it draws at random."""
    inputs: tuple[str, ...] = ()
    """Paths of the inputs it read."""
    outputs: Mapping[str, str] = field(default_factory=dict)
    """Digest of each file that it left, by path."""
    warnings: tuple[str, ...] = ()
    """What it warned of."""

    @property
    def is_settled(self) -> bool:
        """Return whether it came to its end, well or not."""
        return self.status.has_results or self.status is StageStatus.FAILED


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What is told of a run."""

    series_name: str
    """Title of the series."""
    series_file: str
    """Name of the series file."""
    series_sha256: str
    """Of its bytes."""
    started: str
    """When the run began, UTC."""
    options: Mapping[str, str | int] = field(default_factory=dict)
    """Of the command."""
    data: Mapping[str, str | int] = field(default_factory=dict)
    """What the data are, where they were simulated: seed, adversary."""
    inputs: tuple[InputFile, ...] = ()
    """All files that were read."""
    stages: tuple[StageRecord, ...] = ()
    """The stages, in order."""
    software: str = ""
    """structkit and its version."""
    source_sha256: str = ""
    """Of the source of structkit."""
    python: str = ""
    """Version of Python."""
    platform: str = ""
    """Operating system and kind of processor."""
    packages: Mapping[str, str] = field(default_factory=dict)
    """Version of each package that structkit needs."""

    def find_stage(self, name: str) -> StageRecord | None:
        """Return the record of a stage; None where there is none."""
        return next((one for one in self.stages if one.name == name), None)

    def with_stage(self, record: StageRecord) -> Provenance:
        """Return a copy with the record of one stage, in the order of stages."""
        own = {one.name: one for one in self.stages} | {record.name: record}
        known = [stage.name for stage in STAGES]
        ordered = sorted(own.values(), key=lambda one: known.index(one.name))
        return replace(self, stages=tuple(ordered))


def tell_time() -> str:
    """Return the time, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def begin_provenance(
    series: SeriesFile,
    *,
    options: Mapping[str, str | int],
    data: Mapping[str, str | int],
) -> Provenance:
    """Return what is told of a run that begins: series, software, time; no stages yet.

    Parameters
    ----------
    series : SeriesFile
        What is run.
    options : mapping of str to str or int
        Of the command.
    data : mapping of str to str or int
        What the data are, where they were simulated.
    """
    return Provenance(
        series_name=series.series.name,
        series_file=series.path.name,
        series_sha256=series.sha256,
        started=tell_time(),
        options=options,
        data=data,
        software=f"structkit {structkit.__version__}",
        source_sha256=digest_source(),
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        packages=_packages(),
    )


def _packages() -> dict[str, str]:
    """Return the version of each package that structkit needs, extras apart."""
    try:
        needed = metadata.requires("structkit") or []
    except metadata.PackageNotFoundError:
        return {}
    found = {}
    for line in needed:
        name = re.match(r"[\w.-]+", line)
        if name is None or "extra ==" in line:
            continue
        try:
            found[name[0]] = metadata.version(name[0])
        except metadata.PackageNotFoundError:
            found[name[0]] = "not installed"
    return found


def write_provenance(provenance: Provenance, output: Path) -> Path:
    """Write ``provenance.json``, atomically, and return its path."""
    plain = {"format": _FORMAT, **asdict(provenance)}
    stages = {one.pop("name"): one for one in plain["stages"]}
    for stage in stages.values():
        stage["status"] = stage["status"].value
    plain["stages"] = stages
    text = json.dumps(plain, indent=1, ensure_ascii=False)
    return write_text(text + "\n", output / FILE_NAME)


def read_provenance(output: Path) -> Provenance | None:
    """Read ``provenance.json``; None where there is none.

    Raises
    ------
    ReadError
        It cannot be read, or is not of this version.
    """
    path = output / FILE_NAME
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ReadError(f"{path}: cannot be read ({error}); {_AGAIN}") from error
    try:
        if plain.pop("format") != _FORMAT:
            raise ReadError(f"{path}: of another version of structkit; {_AGAIN}")
        stages = [
            StageRecord(
                **{
                    **one,
                    "name": name,
                    "status": StageStatus(one["status"]),
                    "inputs": tuple(one["inputs"]),
                    "warnings": tuple(one["warnings"]),
                }
            )
            for name, one in plain["stages"].items()
        ]
        inputs = tuple(InputFile(**one) for one in plain["inputs"])
        return Provenance(**{**plain, "inputs": inputs, "stages": tuple(stages)})
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise ReadError(
            f"{path}: not as structkit writes it ({error}); {_AGAIN}"
        ) from error


def check_provenance(
    output: Path | str,
    series_file: Path | str,
    *,
    claims: Path | str | None = None,
) -> list[str]:
    """Return what is not as it was when results were made, one sentence each.

    Parameters
    ----------
    output : Path or str
        Folder of results.
    series_file : Path or str
        The series file they are of.
    claims : Path or str, optional
        The file of claims that the run was given beside it.

    Returns
    -------
    list of str
        Empty where the results can be had again, byte for byte but for times.

    Raises
    ------
    ReadError
        There is no ``provenance.json``, or it or the series file cannot be read.
    SeriesFileError
        The series file has mistakes, such as a file that is gone.
    """
    output = Path(output)
    was = read_provenance(output)
    if was is None:
        raise ReadError(
            f"{output / FILE_NAME}: there is none; "
            f"structkit run {series_file} -o {output} writes it"
        )
    series = read_series(series_file)
    return [
        *_compare_series(was, series),
        *_compare_inputs(was, series, claims),
        *_compare_software(was, begin_provenance(series, options={}, data={})),
        *_compare_outputs(was, output),
    ]


def _compare_series(was: Provenance, series: SeriesFile) -> Iterator[str]:
    if series.series.name != was.series_name:
        yield f"The series is {series.series.name!r}; it was {was.series_name!r}."
    if series.sha256 != was.series_sha256:
        yield f"{series.path.name} has changed."


def _compare_inputs(
    was: Provenance, series: SeriesFile, claims: Path | str | None
) -> Iterator[str]:
    known: dict[str, list[InputFile]] = {}
    for one in was.inputs:
        known.setdefault(one.path, []).append(one)
    now = gather_inputs(series, claims=claims)
    for one in now:
        before = known.get(one.path)
        if before is None:
            yield f"{one.path} is new."
        elif one not in before:
            yield f"{one.path} has changed."
    for path in known.keys() - {one.path for one in now}:
        yield f"{path} is no longer in the series."


def gather_inputs(
    series: SeriesFile, *, claims: Path | str | None = None
) -> tuple[InputFile, ...]:
    """Return the inputs of all stages that something was measured for, each once.

    Parameters
    ----------
    series : SeriesFile
        The series.
    claims : Path or str, optional
        File of claims in place of the series file's.

    Raises
    ------
    ReadError
        One of them is gone.
    """
    chosen = claims or series.series.claims
    task = StageTask(series_file=series.path, output=Path(), claims=chosen)
    found: dict[InputFile, None] = {}
    for stage in STAGES:
        if stage.is_measured(series):
            found |= dict.fromkeys(list_inputs(series, stage, task))
    return tuple(found)


def _compare_software(was: Provenance, now: Provenance) -> Iterator[str]:
    if was.software != now.software:
        yield f"It is {now.software}; it was {was.software}."
    elif was.source_sha256 != now.source_sha256:
        yield "The source of structkit has changed within its version."
    if was.python != now.python:
        yield f"Python is {now.python}; it was {was.python}."
    if was.platform != now.platform:
        yield f"The platform is {now.platform}; it was {was.platform}."
    for name, version in now.packages.items():
        before = was.packages.get(name, "not recorded")
        if before != version:
            yield f"{name} is {version}; it was {before}."


def _compare_outputs(was: Provenance, output: Path) -> Iterator[str]:
    for record in was.stages:
        if not record.status.has_results:
            why = f": {record.reason}" if record.reason else ""
            if record.status is not StageStatus.ABSENT:
                yield f"{record.name} has no results of its own{why}."
            continue
        yield from compare_outputs(record, output)


def compare_outputs(record: StageRecord, output: Path) -> list[str]:
    """Return which files of a stage are gone, or no longer as it left them."""
    told = []
    for name, digest in record.outputs.items():
        path = output / name
        if not path.is_file():
            told.append(f"{name} is gone; {record.name} had left it.")
        elif sha256_of(path) != digest:
            told.append(f"{name} has changed since {record.name} left it.")
    return told


def digest_outputs(stage: Stage, output: Path) -> dict[str, str]:
    """Return the digest of each file that a stage left, by its path."""
    return {
        path.relative_to(output).as_posix(): sha256_of(path)
        for path in stage.find_files(output)
    }
