"""``structkit index``: the amorphization index again, from stored results."""

from __future__ import annotations

from pathlib import Path

import click
import xarray as xr

from structkit.cli.output import check_output_folder
from structkit.cli.table import format_table, format_value
from structkit.schema import MILLING_TIME, SAMPLE
from structkit.schema.index_results import INDEX, MODALITY, SCORES_NODE, VARIANT

_PATH = click.Path(path_type=Path)


@click.command("index")
@click.argument("series_file", type=_PATH)
@click.option(
    "-o",
    "--output",
    type=_PATH,
    required=True,
    help="Folder with the results of any technique.",
)
def command(series_file: Path, output: Path) -> None:
    """Join the results in OUTPUT to one amorphization index of SERIES_FILE.

    Nothing is fitted again: roles, mixtures and [index] are read anew.
    """
    check_output_folder(output)
    from structkit.pipeline.index import run_index

    tree = run_index(series_file, output)
    click.echo(format_index(tree))
    click.echo(f"\nTables in {output / 'tables'}, all of it in index.nc.")


def format_index(tree: xr.DataTree) -> str:
    """Return scores and indices of each sample as a table, conflicts below.

    Parameters
    ----------
    tree : xarray.DataTree
        :mod:`structkit.schema.index_results`.
    """
    root = tree.to_dataset(inherit=False)
    scores = tree.children[SCORES_NODE].to_dataset()
    names = [str(one) for one in scores[MODALITY].to_numpy()]
    header = ["sample", "t/h", *names, "AI_X", "AI_struct", "95 %", ""]
    rows = []
    for sample in root[SAMPLE].to_numpy():
        one = root.sel({SAMPLE: sample, VARIANT: "struct"})
        each = scores.sel({SAMPLE: sample})
        joint = one.sel({INDEX: "AI_lat"})
        low, high = (format_value(float(joint[end])) for end in ("low", "high"))
        leads = bool(int(joint["headline"]))
        rows.append(
            [
                str(sample),
                f"{float(root[MILLING_TIME].sel({SAMPLE: sample})):g}",
                *(
                    format_value(
                        float(each["score"].sel({MODALITY: name})),
                        float(each["score_std"].sel({MODALITY: name})),
                    )
                    for name in names
                ),
                format_value(float(one["value"].sel({INDEX: "AI_X"}))),
                format_value(float(joint["value"])),
                f"{low}..{high}" if float(joint["low"]) >= 0.0 else "-",
                "" if leads else str(joint["reason"].item()).split(";")[0],
            ]
        )
    said = [
        f"{sample}: {conflict}"
        for sample, conflict in zip(
            root[SAMPLE].to_numpy(), root["conflict"].to_numpy(), strict=True
        )
        if str(conflict)
    ]
    remarks = [line for line in str(root.attrs["remarks"]).split("\n") if line]
    return "\n".join([format_table(header, rows), *said, *remarks])
