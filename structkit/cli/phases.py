"""``structkit phases``: the crystal structures at hand, and those to bring."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from structkit.structures.crystal import CrystalStructure

_SOURCE_WIDTH = 72


@click.command("phases")
@click.argument("query", required=False)
@click.option(
    "--cif-folder",
    "folders",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Folder with CIFs of your own, searched first; may be repeated.",
)
def command(query: str | None, folders: tuple[Path, ...]) -> None:
    """List the crystal structures, or describe one (QUERY)."""
    from rich.console import Console
    from rich.table import Table

    from structkit.cli.simulate import load_phase
    from structkit.structures import library

    if query:
        click.echo(describe(load_phase(query, folders)))
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("name", "formula", "space group", "origin"):
        table.add_column(heading, no_wrap=True)
    table.add_column("source", overflow="fold", max_width=_SOURCE_WIDTH)
    for entry in library.phases(folders=folders):
        doi = f" doi:{entry.doi}" if entry.doi else ""
        table.add_row(
            entry.name,
            entry.formula,
            entry.space_group,
            entry.origin,
            entry.source + doi,
        )
    width = 160 if not Console().is_terminal else None
    Console(width=width, highlight=False).print(table)
    click.echo(
        f"\nPut CIFs of your own into a folder named in {library.FOLDERS_VARIABLE}, "
        "or name it with --cif-folder."
    )


def describe(crystal: CrystalStructure) -> str:
    """Return what is known of a structure, in lines."""
    cell = " ".join(f"{value:g}" for value in crystal.cell.parameters)
    lines = [
        f"{crystal.name}: {crystal.formula}, Z = {crystal.formula_units}",
        f"space group  {crystal.space_group} (number {crystal.space_group_number})",
        f"cell         {cell} (angstrom, degree)",
        f"density      {crystal.density:.3f} g/cm3 (X-ray)",
        f"origin       {crystal.origin}",
        f"source       {crystal.source or 'not stated'}",
        f"file         {crystal.path}",
        "site     element  mult  occupancy  x         y         z         B",
    ]
    for site in crystal.sites:
        x, y, z = site.position
        lines.append(
            f"{site.label:8s} {site.element:7s} {site.multiplicity:5d}  "
            f"{site.occupancy:9.4g}  {x:8.5f}  {y:8.5f}  {z:8.5f}  {site.b_iso:.2f}"
        )
    return "\n".join([*lines, *(f"remark       {text}" for text in crystal.remarks)])
