"""``structkit report``: one page on stored results."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("report")
@click.argument("output", type=click.Path(path_type=Path), metavar="OUT")
@click.option("--title", help="Heading; default: the name of the series.")
def command(output: Path, *, title: str | None) -> None:
    """Write OUT/report.html on the results in OUT; nothing is fitted again."""
    from structkit.report.write import write_report

    click.echo(write_report(output, title=title))
