"""``structkit compare``: one series, several engines, how far they are apart."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from structkit.cli.options import UsageMistakeError, gsas2_python_option
from structkit.cli.output import check_output_folder
from structkit.cli.table import format_number, format_table, format_with_std
from structkit.schema import ENGINE, PHASE, SAMPLE

if TYPE_CHECKING:
    import xarray as xr

_PATH = click.Path(path_type=Path)
_DIFFERENCE = "weight_fraction_difference_in_esd"
_MOST_REASONS = 4
"""Reasons that a remark names before it only counts them."""


def _split(
    _context: click.Context, _option: click.Parameter, value: str
) -> tuple[str, ...]:
    """Return the names of a comma-separated list; two or more, each once."""
    names = tuple(name.strip() for name in value.split(",") if name.strip())
    if len(names) < 2:
        raise UsageMistakeError(
            f"--engines {value}: a comparison needs two or more, as native,rietx"
        )
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise UsageMistakeError(f"--engines: {twice[0]} is named twice")
    return names


@click.command("compare")
@click.argument("series_file", type=_PATH)
@click.option(
    "-o", "--output", type=_PATH, required=True, help="Folder for the results."
)
@click.option(
    "--engines",
    default="native,gsas2,rietx",
    show_default=True,
    callback=_split,
    help="Engines, the reference first; those that cannot run are left out.",
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Patterns refined at the same time.",
)
@click.option(
    "--resume/--no-resume",
    default=True,
    show_default=True,
    help="Keep results whose pattern and plan are unchanged.",
)
@gsas2_python_option
def command(
    series_file: Path,
    output: Path,
    *,
    engines: tuple[str, ...],
    jobs: int,
    resume: bool,
) -> None:
    """Refine the patterns of SERIES_FILE by several engines and compare them.

    OUTPUT gets compare.nc, tables/engines.csv and figures/engines.png. Differences
    are in combined esds; all engines fit the same counts, so these are of modelling.
    """
    check_output_folder(output)
    from structkit.pipeline.comparison import run_comparison

    table = run_comparison(
        series_file, output, engines=engines, resume=resume, jobs=jobs
    )
    click.echo(format_engines(table))
    click.echo(format_remarks(table), nl=False)
    click.echo(f"Figure in {output / 'figures'}, table in {output / 'tables'}.")


def format_engines(table: xr.Dataset) -> str:
    """Return one line a sample and phase: each engine's value, and how they differ.

    Parameters
    ----------
    table : xarray.Dataset
        From :func:`refinement.comparison.compare_engines`. The first engine is the
        reference; differences to it are in combined esds. R-factors, in the engines'
        order, and verdicts are those of the pattern and stand at its first phase.
    """
    engines = [str(name) for name in table[ENGINE].to_numpy()]
    differences = [f"Δ/esd {name}" for name in engines[1:]]
    header = ["sample", "phase", *engines, *differences, "Rwp/%", "verdict"]
    rows = []
    for sample in table[SAMPLE].to_numpy():
        one = table.sel({SAMPLE: sample})
        said = [_r_factors(one, engines), _verdict(one, engines)]
        for phase in table[PHASE].to_numpy():
            each = [one.sel({PHASE: phase, ENGINE: name}) for name in engines]
            row = [str(sample), str(phase)]
            row += [format_with_std(e, "weight_fraction_crystalline") for e in each]
            row += [format_number(e, _DIFFERENCE, digits=1) for e in each[1:]]
            rows.append([*row, *said])
            said = ["", ""]
    return format_table(header, rows)


def _r_factors(one: xr.Dataset, engines: list[str]) -> str:
    """Return the R-factors of one pattern, in the order of the engines."""
    values = [
        format_number(one.sel({ENGINE: name}), "r_wp_percent", digits=1)
        for name in engines
    ]
    return " / ".join(values)


def _verdict(one: xr.Dataset, engines: list[str]) -> str:
    """Return the verdict on one pattern: one word where all engines share it."""
    words = {
        name: str(one["verdict"].sel({ENGINE: name}).item()) for name in engines[1:]
    }
    if len(set(words.values())) == 1:
        return next(iter(words.values()))
    return ", ".join(f"{name} {word}" for name, word in words.items())


def format_remarks(table: xr.Dataset) -> str:
    """Return a line for each pattern on which an engine differs or failed, and why.

    Parameters
    ----------
    table : xarray.Dataset
        From :func:`refinement.comparison.compare_engines`.
    """
    lines = []
    for sample in table[SAMPLE].to_numpy():
        for engine in table[ENGINE].to_numpy():
            at = table.sel({SAMPLE: sample, ENGINE: engine})
            verdict, status = str(at["verdict"].item()), str(at["status"].item())
            if status == "failed":
                lines.append(f"{sample}, {engine}: failed: {at['reason'].item()}")
            elif verdict in ("differ", "incomplete"):
                reasons = str(at["verdict_reason"].item()).split("; ")
                more = len(reasons) - _MOST_REASONS
                shown = "; ".join(reasons[:_MOST_REASONS])
                rest = f"; and {more} more, see compare.nc" if more > 0 else ""
                lines.append(f"{sample}, {engine}: {shown}{rest}")
    return "".join(f"{line}\n" for line in lines)
