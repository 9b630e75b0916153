"""Stored results of a series -> one page: ``report.html``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from structkit import __version__
from structkit.report.figures import FigureFormat, write_figures
from structkit.report.findings import (
    describe_flags,
    describe_rest,
    describe_statements,
    find_verdicts,
)
from structkit.report.key_table import make_key_table
from structkit.report.methods import write_methods
from structkit.report.page import Page, Section, render_page
from structkit.report.pdf import check_typst, write_pdf
from structkit.report.sections.diffraction import describe_diffraction
from structkit.report.sections.impedance import describe_impedance
from structkit.report.sections.index import describe_index
from structkit.report.sections.nmr import describe_nmr
from structkit.report.sections.raman import describe_raman
from structkit.report.sections.run import describe_run
from structkit.report.stored import Stored, read_stored
from structkit.store import write_text

REPORT_FILE = "report.html"
_TOLD_ABOVE = frozenset({"flags", "limits", "audit"})


def write_report(output: Path | str, *, title: str | None = None) -> Path:
    """Write one self-contained page on the results of a series.

    Parameters
    ----------
    output : Path or str
        Folder of the results: ``*.nc``, ``tables/*.csv``, ``provenance.json`` as far
        as they are there. Nothing is fitted again.
    title : str, optional
        Heading. Default: the name of the series.

    Returns
    -------
    Path
        ``report.html`` in that folder. It asks for nothing from outside.

    Raises
    ------
    ReadError
        No such folder, or no results in it.
    OutputError
        The folder cannot be written.
    """
    return write_all(output, title=title)[0]


def write_all(
    output: Path | str,
    *,
    title: str | None = None,
    figures: FigureFormat | None = None,
    pdf: bool = False,
) -> list[Path]:
    """Write the page and, where they are asked for, static figures and a PDF.

    Parameters
    ----------
    output, title
        As for :func:`write_report`.
    figures : "svg" or "pdf", optional
        Kind of the static figures. Default: none.
    pdf : bool
        Whether to set the report as PDF too.

    Returns
    -------
    list of Path
        ``report.html`` first, then ``report.pdf``, then the figures.

    Raises
    ------
    MissingExtraError
        A PDF is asked for and typst is not installed; nothing is written then.
    ReadError, OutputError
        As for :func:`write_report`.
    """
    if pdf:
        check_typst()
    stored = read_stored(output)
    page = compose_page(stored, title=title)
    written = [write_text(render_page(page), stored.folder / REPORT_FILE)]
    if pdf:
        written.append(write_pdf(stored, page))
    if figures is not None:
        written.extend(write_figures(stored, form=figures).values())
    return written


def compose_page(stored: Stored, *, title: str | None = None) -> Page:
    """Return the content of the page."""
    methods, citations = write_methods(stored)
    return Page(
        title=title or stored.name,
        banner=_banner(stored),
        subtitle=_subtitle(stored),
        findings=find_verdicts(stored),
        key_table=make_key_table(stored),
        sections=tuple(_sections(stored)),
        methods=methods,
        citations=citations,
    )


def _banner(stored: Stored) -> str:
    """Return what stands above a synthetic series, and where its truth is."""
    if not stored.is_synthetic:
        return ""
    where = (
        "Truth stands beside the results."
        if stored.truths
        else "Its truth was not found, neither here nor in ../measured."
    )
    return f"Synthetic data: simulated, not measured. {where}"


def _sections(stored: Stored) -> Iterator[Section]:
    """Yield the sections for which there is something to tell."""
    shown: set[str] = set(_TOLD_ABOVE)
    for describe in (
        describe_diffraction,
        describe_raman,
        describe_impedance,
        describe_nmr,
        describe_index,
        describe_statements,
        describe_flags,
        describe_run,
    ):
        section = describe(stored)
        if section is not None:
            shown |= {one.file_name.removesuffix(".csv") for one in section.tables}
            yield section
    rest = describe_rest(stored, shown)
    if rest is not None:
        yield rest


def _subtitle(stored: Stored) -> str:
    """Return what made the results and the page."""
    software = dict.fromkeys(
        str(tree.attrs["software"])
        for tree in stored.trees.values()
        if tree.attrs.get("software")
    )
    made = ", ".join(software) or "structkit"
    started = str(stored.provenance.get("started", ""))
    when = f", {started[:10]}" if started else ""
    return f"Results by {made}{when}; page by structkit {__version__}"
