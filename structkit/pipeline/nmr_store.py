"""Write NMR results: ``nmr.nc``, the tables and the figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from structkit.nmr.result_tables import (
    composition_table,
    relaxation_table,
    remarks_table,
    sites_table,
    t1_table,
)
from structkit.pipeline.nmr_composition import RESULT_FILE, Remark
from structkit.schema import MILLING_TIME, SITE
from structkit.schema.nmr_results import LINES_NODE, RELAXATION_NODE, T1_NODE
from structkit.store import write_table, write_tree


def store_results(tree: xr.DataTree, output: Path, *, figures: bool = True) -> None:
    """Write ``nmr.nc``, the tables and the figures below a folder.

    Parameters
    ----------
    tree : xarray.DataTree
        From :func:`run_nmr`,.
    output : Path
        The folder.
    figures : bool
        Draw them.
    """
    write_tree(tree, output / RESULT_FILE)
    folder = output / "tables"
    write_table(sites_table(tree), folder / "nmr_sites.csv")
    write_table(composition_table(tree), folder / "nmr_composition.csv")
    write_table(t1_table(tree), folder / "t1.csv")
    write_table(relaxation_table(tree), folder / "nmr_relaxation.csv")
    write_table(remarks_table(list_remarks(tree)), folder / "nmr_remarks.csv")
    if figures:
        _draw(tree, output / "figures")


def _draw(tree: xr.DataTree, folder: Path) -> None:
    """Write figures from the stored results; what was not fitted has none."""
    from structkit.plot.linewidths import plot_linewidths
    from structkit.plot.nmr_spectrum import compose_nmr_spectrum
    from structkit.plot.recovery import compose_recoveries
    from structkit.plot.relaxation import plot_relaxation
    from structkit.plot.style import write_figure

    for name, node in tree.children.items():
        if LINES_NODE in node.children:
            lines = node.children[LINES_NODE].to_dataset(inherit=False)
            figure = compose_nmr_spectrum(lines, title=name)
            write_figure(figure, folder / "nmr" / f"{name}.png")
        for number, each in node.children.get(T1_NODE, xr.DataTree()).children.items():
            data = each.to_dataset(inherit=False)
            figure = compose_recoveries(data, title=name)
            write_figure(figure, folder / "nmr" / f"{name}_t1_{number}.png")
        if RELAXATION_NODE in node.children:
            data = node.children[RELAXATION_NODE].to_dataset(inherit=False)
            if (over := plot_relaxation(data).get_figure(root=True)) is not None:
                write_figure(over, folder / "nmr" / f"{name}_relaxation.png")
    root = tree.to_dataset(inherit=False)
    known = root[MILLING_TIME].where(root["fwhm"].notnull().any(SITE))
    if np.unique(known.to_numpy()[np.isfinite(known)]).size > 1:
        if (widths := plot_linewidths(root).get_figure(root=True)) is not None:
            write_figure(widths, folder / "nmr_widths.png")


def list_remarks(tree: xr.DataTree) -> list[Remark]:
    """Return the remarks of stored results."""
    root = tree.to_dataset(inherit=False)
    columns = [
        root[name].to_numpy()
        for name in ("remark_sample", "remark_file", "remark_text")
    ]
    return [(str(a), str(b), str(c)) for a, b, c in zip(*columns, strict=True)]
