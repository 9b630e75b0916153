"""``structkit refine``: from a series file to tables, figures and netCDF."""

from __future__ import annotations

from pathlib import Path

import click

from structkit.cli.options import gsas2_python_option
from structkit.cli.output import check_output_folder
from structkit.cli.table import format_contents, format_series
from structkit.errors import FitError
from structkit.schema import FitStatus

_PATH = click.Path(path_type=Path)


@click.command("refine")
@click.argument("series_file", type=_PATH)
@click.option(
    "-o", "--output", type=_PATH, required=True, help="Folder for the results."
)
@click.option("--engine", help="Refinement engine; default: that of the series file.")
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
    series_file: Path, output: Path, *, engine: str | None, jobs: int, resume: bool
) -> None:
    """Refine the patterns of SERIES_FILE and write tables and figures to OUTPUT."""
    check_output_folder(output)
    from structkit.pipeline.diffraction import run_refinement

    results = run_refinement(
        series_file, output, engine=engine, resume=resume, jobs=jobs
    )
    click.echo(format_series(results))
    if "verdict" in results:
        click.echo(f"\n{format_contents(results)}\n")
    for name in ("size_nm", "microstrain"):
        if name in results and "remark" in results[name].attrs:
            click.echo(f"{name}: {results[name].attrs['remark']}.")
    click.echo(f"Figures in {output / 'figures'}, tables in {output / 'tables'}.")
    if bool((results["status"] == FitStatus.FAILED.value).all()):
        raise FitError("no pattern could be refined; the table says why")
