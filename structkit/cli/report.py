"""``structkit report``: one page on stored results."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from structkit.report.figures import FigureFormat


@click.command("report")
@click.argument("output", type=click.Path(path_type=Path), metavar="OUT")
@click.option("--title", help="Heading; default: the name of the series.")
@click.option(
    "--figures",
    "form",
    type=click.Choice(["svg", "pdf"]),
    help="Write static figures too, to OUT/figures/report.",
)
@click.option("--pdf", is_flag=True, help="Write OUT/report.pdf too; needs [pdf].")
def command(
    output: Path, *, title: str | None, form: FigureFormat | None, pdf: bool
) -> None:
    """Write OUT/report.html on the results in OUT; nothing is fitted again."""
    from structkit.report.write import write_all

    for path in write_all(output, title=title, figures=form, pdf=pdf):
        click.echo(path)
