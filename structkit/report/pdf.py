"""The report as PDF, set by typst: words, main numbers, static figures, methods."""

from __future__ import annotations

import json
import shutil
import tempfile
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from structkit.errors import MissingExtraError, OutputError
from structkit.report.figures import write_figures
from structkit.report.page import Page
from structkit.report.stored import Stored
from structkit.store import atomic_path

PDF_FILE = "report.pdf"


def check_typst() -> None:
    """Check that typst can be imported, before any work is done.

    Raises
    ------
    MissingExtraError
        It is not installed.
    """
    if find_spec("typst") is None:
        raise MissingExtraError(
            "the report as PDF needs typst: pip install 'structkit[pdf]', "
            "or print report.html from a browser"
        )


def write_pdf(stored: Stored, page: Page) -> Path:
    """Write ``report.pdf`` beside the page.

    Texts reach typst as data, never as its markup.

    Raises
    ------
    MissingExtraError
        typst is not installed.
    OutputError
        The folder cannot be written, or typst refuses the document.
    """
    check_typst()
    import typst

    figures = write_figures(stored, form="svg")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shown = []
        for number, (title, path) in enumerate(figures.items()):
            shutil.copy(path, folder / f"{number}.svg")
            shown.append({"title": title, "file": f"{number}.svg"})
        (folder / "page.json").write_text(
            json.dumps(_content(page, shown)), encoding="utf-8"
        )
        template = files("structkit.report") / "templates" / "page.typ"
        (folder / "page.typ").write_text(
            template.read_text(encoding="utf-8"), encoding="utf-8"
        )
        target = stored.folder / PDF_FILE
        try:
            made = typst.compile(str(folder / "page.typ"))
        except RuntimeError as error:
            raise OutputError(f"{target}: typst cannot set it ({error})") from error
        with atomic_path(target) as temporary:
            temporary.write_bytes(made)
    return target


def _content(page: Page, figures: list[dict[str, str]]) -> dict[str, object]:
    """Return what the template sets."""
    return {
        "title": page.title,
        "banner": page.banner,
        "subtitle": page.subtitle,
        "findings": [{"title": a, "sentences": list(b)} for a, b in page.findings],
        "header": list(page.key_table.header),
        "rows": [
            [{"text": cell.text, "notes": list(cell.notes)} for cell in row]
            for row in page.key_table.rows
        ],
        "sections": [
            {"title": one.title, "sentences": list(one.sentences)}
            for one in page.sections
            if one.sentences
        ],
        "figures": figures,
        "methods": list(page.methods),
        "citations": list(page.citations),
    }
