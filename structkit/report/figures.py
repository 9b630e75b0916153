"""Static figures of stored results, for papers: SVG or PDF beside the page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from structkit.errors import SchemaError
from structkit.plot.interactive.milling import MILLED_ROLES
from structkit.report.stored import Stored, sample_labels, sample_roles, sample_times
from structkit.schema import SAMPLE

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = ("svg", "pdf")
FOLDER = "report"
"""Below ``figures/`` of the results."""

FigureFormat = Literal["svg", "pdf"]
Drawn = tuple[str, str, Callable[[], "Figure | Axes"]]


def write_figures(stored: Stored, *, form: FigureFormat) -> dict[str, Path]:
    """Write the figures of every stage that ran.

    Parameters
    ----------
    stored : Stored
        The results.
    form : "svg" or "pdf"
        Kind of file.

    Returns
    -------
    dict of str to Path
        For each title the file, ``figures/report/<name>.<form>``.

    Raises
    ------
    OutputError
        The folder cannot be written.
    """
    from matplotlib import rc_context
    from matplotlib.axes import Axes

    from structkit.plot.style import write_figure

    folder = stored.folder / "figures" / FOLDER
    written = {}
    with rc_context({"svg.hashsalt": "structkit", "svg.fonttype": "path"}):
        for name, title, draw in _drawings(stored):
            try:
                made = draw()
            except SchemaError:  # nothing of that kind among the results
                continue
            figure = made.get_figure(root=True) if isinstance(made, Axes) else made
            if figure is not None:
                path = folder / f"{_file_name(name)}.{form}"
                written[title] = write_figure(figure, path)
    return written


def _file_name(name: str) -> str:
    """Return a name of letters, digits, ``-``, ``_`` and ``.`` alone."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-")


def _drawings(stored: Stored) -> Iterator[Drawn]:
    """Yield name, title and how to draw, in the order of the page."""
    yield from _diffraction(stored)
    yield from _raman(stored)
    yield from _impedance(stored)
    yield from _nmr(stored)


def _diffraction(stored: Stored) -> Iterator[Drawn]:
    """Yield amorphous contents and refinements."""
    from structkit.plot.amorphous import plot_amorphous
    from structkit.plot.pattern import compose_refinement

    contents = stored.root("crystallinity")
    if contents is not None and "amorphous_fraction" in contents:
        truth = stored.truth("amorphous_fraction")
        contents = _milled(stored, contents)
        truth = None if truth is None else _milled(stored, truth)
        title = "Amorphous weight fraction"
        yield "amorphous", title, partial(plot_amorphous, contents, truth=truth)
    tree = stored.trees.get("refine")
    if tree is None:
        return
    root = tree.to_dataset(inherit=False)
    for sample, label in sample_labels(stored).items():
        node = tree.children.get(sample)
        if node is None or not {"curves", "reflections"} <= set(node.children):
            continue
        own = node.copy()
        curves = own.children["curves"]
        if "phase" not in curves.coords:
            curves.dataset = curves.to_dataset(inherit=False).assign_coords(
                phase=root["phase"]
            )
        yield (
            f"rietveld_{sample}",
            f"Refinement, {label}",
            partial(compose_refinement, own, title=label),
        )


def _milled(stored: Stored, table: xr.Dataset) -> xr.Dataset:
    """Return a table without references: they have no place on a milling-time axis."""
    roles = sample_roles(stored)
    names = table[SAMPLE].to_numpy().astype(str)
    return table.isel({SAMPLE: [roles.get(one, "") in MILLED_ROLES for one in names]})


def _raman(stored: Stored) -> Iterator[Drawn]:
    """Yield the stacked spectra."""
    from structkit.plot.raman_stored import stored_curves
    from structkit.plot.stacked_spectra import plot_stacked_spectra

    tree = stored.trees.get("raman")
    if tree is None:
        return
    curves = {}
    for sample in sample_times(stored):
        if sample in tree.children:
            curves[sample] = stored_curves(tree, sample)
    yield "raman", "Raman spectra", partial(plot_stacked_spectra, curves)


def _impedance(stored: Stored) -> Iterator[Drawn]:
    """Yield spectra and activation energies."""
    from structkit.plot.arrhenius import plot_arrhenius
    from structkit.plot.impedance import plot_nyquist

    tree = stored.trees.get("eis")
    if tree is None or "samples" not in tree.children:
        return
    for sample, node in tree["samples"].children.items():
        spectra = (
            node.children["spectra"].children if "spectra" in node.children else {}
        )
        for number, one in spectra.items():
            spectrum = one.to_dataset(inherit=False)
            yield (
                f"nyquist_{sample}_{number}",
                f"Impedance, {sample}, spectrum {number}",
                partial(plot_nyquist, spectrum),
            )
        if "arrhenius" in node.children and "conductivity" in node.children:
            conductivity = node.children["conductivity"].to_dataset(inherit=False)
            fits = [
                one.to_dataset(inherit=False)
                for one in node.children["arrhenius"].children.values()
            ]
            yield (
                f"arrhenius_{sample}",
                f"Conductivity, {sample}",
                partial(plot_arrhenius, conductivity, fits),
            )


def _nmr(stored: Stored) -> Iterator[Drawn]:
    """Yield spectra and recoveries."""
    from structkit.plot.nmr_spectrum import compose_nmr_spectrum
    from structkit.plot.recovery import compose_recoveries

    tree = stored.trees.get("nmr")
    if tree is None:
        return
    for sample, node in tree.children.items():
        if "lines" in node.children:
            lines = node.children["lines"].to_dataset(inherit=False)
            yield (
                f"nmr_{sample}",
                f"NMR, {sample}",
                partial(compose_nmr_spectrum, lines, title=sample),
            )
        recoveries = node.children["t1"].children if "t1" in node.children else {}
        for number, one in recoveries.items():
            recovery = one.to_dataset(inherit=False)
            yield (
                f"t1_{sample}_{number}",
                f"Recovery {number}, {sample}",
                partial(compose_recoveries, recovery, title=sample),
            )
