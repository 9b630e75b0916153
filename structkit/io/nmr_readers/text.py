"""Columns of text: chemical shift in ppm, then intensity.

Separators, comments and decimal commas as in the powder patterns' text reader. Column
titles are obeyed: the shift is ``ppm``, ``shift`` or ``x...``, the intensity ``real``,
``intensity`` or ``y...``, the imaginary part ``imag...``; other columns, such as those
of a fit, are left out with a remark. Without titles the first two columns are taken,
and the first must be equally spaced.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from structkit.errors import ReadError
from structkit.io.number_text import choose_dialect, read_row, split_header
from structkit.io.raw_nmr import NmrHeader, RawDecay, RawNmrSpectrum

_TITLES = re.compile(r"[\t,;|]+|\s{2,}")
_SHIFT = re.compile(r"ppm|shift|delta|^x([_ ].*)?$|δ", re.I)
_REAL = re.compile(r"^(re|real)\b|intens|^y([_ ]?(data|exp.*))?$|signal|spectrum", re.I)
_IMAGINARY = re.compile(r"^im(ag.*)?\b", re.I)
_OTHER_AXIS = re.compile(r"\bk?hz\b|\bfreq|\bs(ec(onds?)?)?\b\)?$|theta|cm-?1", re.I)
_EQUAL_STEPS = 0.02
"""Steps of a ppm axis agree within the rounding of its decimals."""


class NmrTextReader:
    """Columns of shift and intensity."""

    name = "nmr-text"
    suffixes = (".csv", ".txt", ".dat", ".asc", ".xy", ".tsv")

    def sniff(self, path: Path) -> bool:
        """Return whether the file is text at all."""
        head = path.read_bytes()[:4096]
        return bool(head) and not any(byte < 9 or 13 < byte < 32 for byte in head)

    def read_spectrum(self, path: Path, *, procno: int | None = None) -> RawNmrSpectrum:
        """Return the spectrum of the columns; ``procno`` has no meaning here.

        Raises
        ------
        ReadError
            Names the line: words among numbers, lines of unequal length; or columns
            that are no spectrum over ppm.
        """
        header, data = split_header(path, columns="chemical shift in ppm, intensity")
        dialect = choose_dialect([line for _, line in data[:50]], path)
        rows = [read_row(dialect, s, place=f"{path}: line {n}") for n, s in data]
        width = len(rows[0])
        for (place, _), row in zip(data, rows, strict=True):
            if len(row) != width or width < 2:
                raise ReadError(
                    f"{path}: line {place}: {len(row)} numbers where others have "
                    f"{width} and at least two are due; repair or remove that line"
                )
        table = np.array(rows)
        axis, real, imaginary, remarks = _columns(header, table, path)
        return RawNmrSpectrum(
            path=path,
            data_file=path,
            shift=table[:, axis],
            intensity=table[:, real],
            imaginary=None if imaginary is None else table[:, imaginary],
            header=NmrHeader(remarks=remarks),
        )

    def read_decay(self, path: Path) -> RawDecay:
        """Refuse: columns of text are taken as spectra.

        Raises
        ------
        ReadError
            Always.
        """
        raise ReadError(f"{path}: columns of text hold a spectrum; give the raw decay")


def _columns(
    header: list[str], table: np.ndarray, path: Path
) -> tuple[int, int, int | None, tuple[str, ...]]:
    """Return the columns of shift, real and imaginary part, and remarks."""
    line = header[-1].strip("!;%'\"# \t") if header else ""
    titles = [title.strip("# \"'") for title in _TITLES.split(line)]
    if len(titles) != table.shape[1]:
        _check_steps(table[:, 0], path)
        return 0, 1, None, ("No titles: the first column was taken as ppm.",)
    axis = next((i for i, title in enumerate(titles) if _SHIFT.search(title)), None)
    rest = [i for i in range(len(titles)) if i != axis]
    real = next((i for i in rest if _REAL.search(titles[i])), None)
    if axis is None or real is None or _OTHER_AXIS.search(titles[axis]):
        raise ReadError(
            f"{path}: titles {', '.join(titles)[:60]!r} name no chemical shift in ppm "
            "and intensity; name the columns ppm and intensity"
        )
    imaginary = next((i for i in rest if _IMAGINARY.search(titles[i])), None)
    others = [titles[i] for i in rest if i not in (real, imaginary)]
    said = f"Columns left out: {', '.join(others)}." if others else ""
    return axis, real, imaginary, (said,) if said else ()


def _check_steps(axis: np.ndarray, path: Path) -> None:
    """Refuse a first column that is no axis of a spectrum."""
    steps = np.diff(axis)
    middle = float(np.median(steps)) if steps.size else 0.0
    if not np.all(np.abs(steps - middle) <= _EQUAL_STEPS * abs(middle)):
        raise ReadError(
            f"{path}: no titles, and its first column is not equally spaced, so it is "
            "no ppm axis; name the columns ppm and intensity"
        )
