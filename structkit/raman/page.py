"""The page on the band library, written from the library itself.

``python -m structkit.raman.page > docs/raman_bands.md`` writes it anew.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from structkit.raman.bands import Band
from structkit.raman.hypotheses import load_hypotheses
from structkit.raman.library import BandLibrary, load_bands
from structkit.raman.statements import Statement, load_statements
from structkit.raman.windows import INDEX_WINDOWS, STUDY_WINDOWS

_INTRODUCTION = """\
# Raman bands of milled Na2O-NaTaCl6

Written by `python -m structkit.raman.page > docs/raman_bands.md` from
`structkit/raman/data/bands.toml`; a test holds the page against it. The study is
Ojelade, Truong et al., Chem. Sci. 2025, 16, 19857, 10.1039/d5sc05307b.

How far to trust a wavenumber:

- **verified**: the number was read in the source named.
- **study**: printed in the study, checked nowhere else.
- **memory**: remembered or inferred. A DOI beside it says that the paper exists, not
  that the number was seen there.
- **user**: given by a user's file.

{counts}

A user's file has the same tables, `[[species]]`, `[[band]]`, `[[hypothesis]]` and
`[[statement]]`, and is read after the library's: `load_bands("mine.toml")`. A band of a
known name replaces the fields that it gives:

```toml
[[band]]
name = "TaCl6 A1g"
wavenumber = 381.2                 # measured on our own crystal
wavenumber_std = 1.0
source = "our NaTaCl6, 2026-01-12"
```
"""
_BANDS = """\
## Bands

Wavenumbers in cm-1, with one sigma of the prior and the hard limits of the centre. A
star: known of, but not taken into fits. In brackets: not Raman unless symmetry is lost.
"""
_WINDOWS = """\
## Windows

The study's, and those of the indices, in cm-1.
"""
_HYPOTHESES = """\
## Hypotheses

Readings of a spectrum that are fitted against one another. Where a spectrum does not
reach the bands that tell them apart, it cannot judge between them.
"""
_STATEMENTS = """\
## Statements that do not hold as printed

Raised by the lines found in a fit, with `structkit.raman.statements.review_statements`.
What the study says is in our words.
"""


def compose_page(library: BandLibrary | None = None) -> str:
    """Return the page as Markdown.

    Parameters
    ----------
    library : BandLibrary, optional
        By default the library's own file.

    Returns
    -------
    str
        Ends with a newline.
    """
    chosen = load_bands() if library is None else library
    parts = [
        _INTRODUCTION.format(counts=_count_grades(chosen.bands)),
        _BANDS,
        _table(
            ("band", "cm-1", "limits", "symmetry", "mode", "grade", "source"),
            (_band_row(band) for band in chosen.bands),
        ),
        "## Species\n",
        _table(("species", "remark"), ((s.name, s.remark) for s in chosen.species)),
        _WINDOWS,
        _table(
            ("window", "cm-1", "drawn by", "remark"),
            (
                (w.name, f"{w.low:g}-{w.high:g}", w.source.split(",")[0], w.remark)
                for w in (*STUDY_WINDOWS, *INDEX_WINDOWS)
            ),
        ),
        _HYPOTHESES,
        _table(
            ("hypothesis", "species", "says", "told apart by"),
            (
                (h.name, ", ".join(h.species), h.statement, ", ".join(h.discriminating))
                for h in load_hypotheses()
            ),
        ),
        _STATEMENTS,
        "\n".join(_statement_item(one) for one in load_statements()) + "\n",
    ]
    return "\n".join(parts)


def _count_grades(bands: Sequence[Band]) -> str:
    """Return how many bands there are of each grade, as a sentence."""
    grades = [band.grade for band in bands]
    counts = (f"{grades.count(g)} {g}" for g in dict.fromkeys(sorted(grades)))
    return f"Of {len(grades)} bands: {', '.join(counts)}."


def _band_row(band: Band) -> tuple[str, ...]:
    """Return the cells of one band."""
    name = band.name if band.raman_active else f"({band.name})"
    star = "" if band.in_hypotheses else r" \*"
    source = f"{band.source}; {band.doi}" if band.doi else band.source
    return (
        f"{band.species}: {name}{star}",
        f"{band.wavenumber:g} ± {band.wavenumber_std:g}",
        f"{band.limits[0]:g}-{band.limits[1]:g}",
        band.symmetry,
        band.mode,
        band.grade,
        f"{source}. {band.remark}" if band.remark else source,
    )


def _statement_item(statement: Statement) -> str:
    """Return one statement as an item of a list."""
    low, high = statement.window
    lines = "a line" if statement.at_least == 1 else f"{statement.at_least} lines"
    raised = [f"{lines} in {low:g}-{high:g}"]
    raised += [f"one in {a:g}-{b:g}" for a, b in statement.needs]
    raised += [f"none in {a:g}-{b:g}" for a, b in statement.lacks]
    return (
        f"- **{statement.name}** ({', '.join(raised)}). {statement.said} But "
        f"{statement.objection}"
    )


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of Markdown."""
    lines = [" | ".join(header), " | ".join("---" for _ in header)]
    lines += [" | ".join(cell.replace("|", "/") for cell in row) for row in rows]
    return "".join(f"| {line} |\n" for line in lines)


if __name__ == "__main__":
    sys.stdout.write(compose_page())
