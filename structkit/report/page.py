"""What a page is made of, and how it becomes HTML."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import cast
from urllib.parse import quote

from structkit.plot.interactive.figure import Figure, share_abscissae
from structkit.report.words import Details

_FOLDER = "templates"
_PRINTED_ROWS = 40
_UPRIGHT_COLUMNS = 8
_PLAIN = ",:;()/+=@!$*"
"""Letters of a table that an address and an attribute in quotes take as they are."""
_POLICY = (
    "default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """One interactive figure, or several of which the reader chooses one."""

    key: str
    """Of the page's element; letters, digits and ``-``."""
    caption: str
    """What is drawn, and how to read it."""
    figures: tuple[tuple[str, Figure], ...]
    """Label and figure of plotly.js of each; the label is not shown of a single one."""
    choice: str = "sample"
    """What is chosen where there are several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One cell of a table."""

    text: str
    """As it is shown."""
    sort: str = ""
    """Number to sort by; empty: by the text."""
    notes: tuple[str, ...] = ()
    """Lines below, in grey: the truth, a remark."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableView:
    """A table as it is shown."""

    key: str
    """Of the page's element."""
    title: str
    """Above the table."""
    header: tuple[str, ...]
    """Names of the columns with their units."""
    rows: tuple[tuple[Cell, ...], ...]
    """Cells, as many as there are names."""
    csv: str
    """The whole table for the download, its numbers to ten digits."""
    file_name: str
    """Of the download."""
    is_open: bool = False
    """Whether the rows are shown before the reader asks for them."""
    remark: str = ""
    """What is not shown, and why."""

    @property
    def is_long(self) -> bool:
        """Return whether the table has more rows than a print should hold."""
        return len(self.rows) > _PRINTED_ROWS

    @property
    def is_wide(self) -> bool:
        """Return whether the table needs a page on its side."""
        return len(self.header) > _UPRIGHT_COLUMNS


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One section of the page."""

    key: str
    """Of the page's element, and of the link to it."""
    title: str
    """Heading."""
    sentences: tuple[str, ...] = ()
    """Findings in words, one item each."""
    details: Details = ()
    """More of them, folded away: heading and sentences."""
    plots: tuple[Plot, ...] = ()
    """In their order."""
    tables: tuple[TableView, ...] = ()
    """In their order, below the plots."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The whole page."""

    title: str
    """Heading, without what is added for a synthetic series."""
    banner: str
    """That nothing was measured, where it was not; else empty."""
    subtitle: str
    """What it was made from and with."""
    findings: tuple[tuple[str, tuple[str, ...]], ...]
    """Heading and sentences of each part of the verdict."""
    key_table: TableView
    """One column for each sample."""
    sections: tuple[Section, ...]
    """In their order."""
    methods: tuple[str, ...]
    """Paragraphs, ready to paste."""
    citations: tuple[str, ...]
    """Numbered list below them."""


def tie_words(text: str) -> str:
    r"""Return a text whose powers of ten and percentages stay on one line.

    Examples
    --------
    >>> tie_words("2 × 10⁻⁴ (95 %)").split(" ")
    ['2\xa0×\xa010⁻⁴', '(95\xa0%)']
    """
    return text.replace(" × ", "\u00a0×\u00a0").replace(" %", "\u00a0%")


def encode_json(value: object) -> str:
    r"""Return JSON that may stand inside a script element.

    Examples
    --------
    >>> encode_json("</script>")
    '"\\u003c/script\\u003e"'
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text


def encode_figure(figure: Figure) -> str:
    """Return a figure as the page's script reads it."""
    return encode_json({**figure, "data": share_abscissae(figure["data"])})


def encode_csv(text: str) -> str:
    """Return a data address that holds a table."""
    return f"data:text/csv;charset=utf-8,{quote(text, safe=_PLAIN)}"


def hash_script(script: str) -> str:
    """Return the hash by which a content policy knows a script."""
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def content_policy(scripts: Sequence[str]) -> str:
    """Return the policy under which these scripts run and nothing else does."""
    return _POLICY.format(hashes=" ".join(hash_script(one) for one in scripts))


def render_page(page: Page) -> str:
    """Return the page as HTML that needs no other file and no network.

    Every text is escaped by the template engine; scripts run by their hashes alone.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("structkit.report", _FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    scripts = _scripts(page)
    environment.filters["figure_json"] = lambda one: Markup(encode_figure(one))  # noqa: S704 - no letter of HTML is left
    environment.filters["tie"] = tie_words
    environment.filters["csv_address"] = encode_csv
    template = environment.get_template("page.html")
    return template.render(
        page=page,
        policy=content_policy(scripts),
        scripts=[Markup(one) for one in scripts],  # noqa: S704 - our own files
        style=Markup(_read("style.css")),  # noqa: S704 - our own file
    )


def _scripts(page: Page) -> list[str]:
    """Return the scripts of the page: plotly.js only where something is drawn."""
    own = _read("page.js")
    if not any(section.plots for section in page.sections):
        return [own]
    from plotly.offline import get_plotlyjs

    return [cast(str, get_plotlyjs()), own]


def _read(name: str) -> str:
    """Return a file of the templates."""
    folder = files("structkit.report") / _FOLDER
    return (folder / name).read_text(encoding="utf-8")
