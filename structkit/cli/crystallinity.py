"""``structkit crystallinity``: amorphous content again, from stored refinements."""

from __future__ import annotations

from pathlib import Path

import click

from structkit.cli.output import check_output_folder
from structkit.cli.table import format_contents

_PATH = click.Path(path_type=Path)


@click.command("crystallinity")
@click.argument("series_file", type=_PATH)
@click.option(
    "-o",
    "--output",
    type=_PATH,
    required=True,
    help="Folder where structkit refine left refine.nc.",
)
def command(series_file: Path, output: Path) -> None:
    """Find the amorphous content of SERIES_FILE from the refinements in OUTPUT.

    Nothing is refined again: what was weighed in, standards and the mill are read anew
    from the series file.
    """
    check_output_folder(output)
    from structkit.pipeline.diffraction import run_crystallinity

    contents = run_crystallinity(series_file, output)
    click.echo(format_contents(contents))
    click.echo(f"Tables in {output / 'tables'}, all of it in crystallinity.nc.")
