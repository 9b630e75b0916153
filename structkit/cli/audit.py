"""``structkit audit``: statements against their numbers, the study's or your own."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from structkit.cli.output import check_output_folder

_PATH = click.Path(path_type=Path)


@click.command("audit")
@click.argument("claims", type=_PATH, required=False, metavar="[CLAIMS.TOML]")
@click.option("-o", "--output", type=_PATH, help="Folder for tables/audit.csv.")
def command(claims: Path | None, output: Path | None) -> None:
    """Tell which statements their numbers support, leave open, or contradict.

    Without a file: those of the study that structkit was made for.
    """
    if output is not None:
        check_output_folder(output)
    from structkit.checks.audit import audit, format_audit, store_audit

    findings = audit(claims)
    click.echo(format_audit(findings, width=shutil.get_terminal_size((88, 24)).columns))
    if output is not None:
        click.echo(f"Table: {store_audit(findings, output)}")
