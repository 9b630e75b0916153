"""Static figures and the report as PDF."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from structkit.errors import MissingExtraError
from structkit.report import pdf as pdf_module
from structkit.report.figures import write_figures
from structkit.report.stored import read_stored
from structkit.report.write import write_all


@pytest.fixture
def content(results: Path, tmp_path: Path) -> Path:
    shutil.copy(results / "crystallinity.nc", tmp_path)
    return tmp_path


def test_figures_are_written_for_what_there_is(content: Path) -> None:
    written = write_figures(read_stored(content), form="svg")
    path = content / "figures" / "report" / "amorphous.svg"
    assert written == {"Amorphous weight fraction": path}
    assert path.read_text(encoding="utf-8").lstrip().startswith("<?xml")


def test_pdf_without_typst_is_refused_before_anything_is_written(
    content: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pdf_module, "find_spec", lambda _name: None)
    with pytest.raises(MissingExtraError, match=r"structkit\[pdf\]"):
        write_all(content, pdf=True)
    assert not (content / "report.html").exists()


@pytest.mark.skipif(find_spec("typst") is None, reason="no typst here")
def test_pdf_takes_any_name(content: Path) -> None:
    written = write_all(content, title='#panic("run") $x$ *b*', pdf=True)
    assert [path.name for path in written] == ["report.html", "report.pdf"]
    assert written[1].read_bytes().startswith(b"%PDF")
