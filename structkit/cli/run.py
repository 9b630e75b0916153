"""``structkit run``: a series file to all results, one line a stage on the way."""

from __future__ import annotations

import logging
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from structkit.cli.options import UsageMistakeError, gsas2_python_option
from structkit.cli.output import check_output_folder
from structkit.errors import PlanError

if TYPE_CHECKING:
    from structkit.pipeline.provenance import StageRecord
    from structkit.pipeline.run import RunResult

_PATH = click.Path(path_type=Path)
_QUIET = logging.ERROR
_WIDTH, _WIDEST = 88, 110


def _on_stages(
    _context: click.Context, _option: click.Parameter, value: str | tuple[str, ...]
) -> str | tuple[str, ...]:
    """Refuse a stage that there is not, with the nearest one."""
    from structkit.pipeline.stages import choose_stages

    try:
        choose_stages([value] if isinstance(value, str) else value or ())
    except PlanError as error:
        raise UsageMistakeError(str(error)) from None
    return value


@click.command("run")
@click.argument("series_file", type=_PATH)
@click.option(
    "-o", "--output", type=_PATH, required=True, help="Folder for the results."
)
@click.option(
    "--only",
    metavar="STAGE",
    multiple=True,
    callback=_on_stages,
    help="Run this stage alone, changed or not; may be repeated.",
)
@click.option(
    "--from",
    "first",
    metavar="STAGE",
    callback=_on_stages,
    help="Run this stage and those after it, changed or not.",
)
@click.option("--fresh", is_flag=True, help="Run all anew, whatever is there.")
@click.option(
    "--check",
    is_flag=True,
    help="Run nothing: tell what has changed since the results were made.",
)
@click.option("--engine", help="Refinement engine; default: that of the series file.")
@click.option(
    "--claims",
    metavar="FILE|study",
    help="Statements to audit, in place of the series file's; 'study': the study's.",
)
@click.option(
    "--figures",
    is_flag=True,
    help="Draw patterns and spectra as files too, a second or two each.",
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=2,
    show_default=True,
    help="Processes; techniques run side by side.",
)
@gsas2_python_option
def command(
    series_file: Path,
    output: Path,
    *,
    only: tuple[str, ...],
    first: str | None,
    fresh: bool,
    check: bool,
    engine: str | None,
    claims: str | None,
    figures: bool,
    jobs: int,
) -> int:
    """Run all stages of SERIES_FILE: what is unchanged is kept.

    Stages: refine, raman, eis, nmr, checks, audit, index, report.
    """
    if only and first:
        raise UsageMistakeError("give --only or --from, not both")
    check_output_folder(output)
    if check:
        return _check(series_file, output, claims)
    from structkit.cli.findings import format_findings
    from structkit.pipeline.run import run_series

    with show_stages() as show:
        result = run_series(
            series_file,
            output,
            stages=_names(only, first),
            engine=engine,
            jobs=jobs,
            resume=not fresh,
            claims=claims,
            figures=figures,
            progress=show,
        )
    click.echo(format_findings(output))
    click.echo(format_end(result))
    return 1 if result.failed else 0


def _names(only: tuple[str, ...], first: str | None) -> list[str] | None:
    """Return the stages that were asked for; None for all."""
    from structkit.pipeline.stages import STAGES

    if only:
        return list(only)
    if first is None:
        return None
    names = [stage.name for stage in STAGES]
    return names[names.index(first) :]


def _check(series_file: Path, output: Path, claims: str | None) -> int:
    """Tell what has changed; 1 where anything has."""
    from structkit.pipeline.provenance import check_provenance

    differences = check_provenance(output, series_file, claims=claims)
    for one in differences:
        click.echo(one)
    if not differences:
        click.echo(f"Nothing has changed since {output} was made.")
    return 1 if differences else 0


def format_end(result: RunResult) -> str:
    """Return what cannot be concluded, what failed, and where the results are.

    Parameters
    ----------
    result : RunResult
        From :func:`structkit.pipeline.run.run_series`.
    """
    lines = []
    if result.limits:
        lines.append("What this run cannot conclude:")
        for one in result.limits:
            lines += wrap_item(f"{one.topic}: {one.sentence}")
        lines.append("")
    report = result.output / "report.html"
    made = result.provenance.find_stage("report")
    if made is not None and made.status.has_results:
        lines.append(f"Report: {report}")
    lines.append(f"Tables: {result.output / 'tables'}")
    if result.failed:
        names = ", ".join(one.name for one in result.failed)
        lines.append(f"Failed: {names}; the other stages are finished.")
    return "\n".join(lines)


def wrap_item(text: str) -> list[str]:
    """Return a text as an item of a list, over lines of the terminal."""
    width = min(shutil.get_terminal_size((_WIDTH, 24)).columns, _WIDEST)
    return textwrap.wrap(
        text, width, initial_indent="- ", subsequent_indent="  ", break_long_words=False
    )


def format_stage(record: StageRecord) -> str:
    """Return one line on a stage that ended.

    Parameters
    ----------
    record : StageRecord
        The stage.
    """
    from structkit.pipeline.provenance import StageStatus
    from structkit.pipeline.stages import choose_stages

    (stage,) = choose_stages([record.name])
    said = {
        StageStatus.DONE: f"{record.seconds:.1f} s",
        StageStatus.UNCHANGED: f"unchanged since {record.date}",
        StageStatus.ABSENT: f"skipped: {record.reason}",
        StageStatus.FAILED: f"failed after {record.seconds:.1f} s: {record.reason}",
    }
    what = said.get(record.status, record.status.value)
    return f"{record.name:<7} {stage.title:<36} {what}"


@contextmanager
def show_stages() -> Iterator[Callable[[StageRecord], None]]:
    """Show a line for each stage on stderr, and a clock where that is a terminal."""
    if logging.getLogger().getEffectiveLevel() >= _QUIET:
        yield lambda _record: None
    elif sys.stderr.isatty():
        with _show_clocks() as show:
            yield show
    else:
        yield _show_line


def _show_line(record: StageRecord) -> None:
    """Write one line when a stage has ended."""
    from structkit.pipeline.provenance import StageStatus

    if record.status is not StageStatus.RUNNING:
        click.echo(format_stage(record), err=True)


@contextmanager
def _show_clocks() -> Iterator[Callable[[StageRecord], None]]:
    """Show what is running with its time, and lines above it of what has ended."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from structkit.pipeline.provenance import StageStatus

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    tasks = {}

    def show(record: StageRecord) -> None:
        if record.status is StageStatus.RUNNING:
            tasks[record.name] = bar.add_task(record.name, total=None)
            return
        if record.name in tasks:
            bar.remove_task(tasks.pop(record.name))
        line = format_stage(record)
        bar.console.print(line, markup=False, highlight=False, soft_wrap=True)

    with bar, _log_through_bar():
        yield show


@contextmanager
def _log_through_bar() -> Iterator[None]:
    """Let the log write above the bar, to the stderr that the bar has put in place."""
    streams = {
        handler: handler.setStream(sys.stderr)
        for handler in logging.getLogger().handlers
        if isinstance(handler, logging.StreamHandler)
    }
    try:
        yield
    finally:
        for handler, stream in streams.items():
            if stream is not None:
                handler.setStream(stream)
