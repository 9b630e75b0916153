"""``structkit engines``: what can refine here, which version, and where it is."""

from __future__ import annotations

import click

from structkit.cli.options import gsas2_python_option
from structkit.cli.table import format_table


@click.command("engines")
@gsas2_python_option
def command() -> None:
    """List the refinement engines: version, place, and what to do where one lacks."""
    from refinement.engines import find_engines

    engines = find_engines()
    rows = [
        [engine.name, engine.version or "-", engine.path or "-"] for engine in engines
    ]
    click.echo(format_table(["engine", "version", "path"], rows))
    for engine in engines:
        if not engine.available:
            click.echo(f"\n{engine.name} cannot run here: {engine.remedy}")
