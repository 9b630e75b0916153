"""Columns of numbers in text: header, separator, decimal sign, the lines themselves."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from structkit.errors import ReadError

_COMMENT = ("#", "!", ";", "'", '"', "%", "//", "/*", "*/")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|[-+]?(nan|inf)", re.I)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a line is cut into numbers."""

    separator: str
    decimal_comma: bool

    def split(self, line: str) -> list[str]:
        """Return the fields of a line."""
        fields = [field.strip() for field in re.split(self.separator, line.strip())]
        if fields and not fields[-1]:
            fields.pop()
        if self.decimal_comma:
            fields = [field.replace(",", ".") for field in fields]
        return fields


def read_text(path: Path) -> str:
    """Return the text of a file, UTF-8 or else Latin-1."""
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def split_header(
    path: Path, *, columns: str = "two_theta, intensity"
) -> tuple[list[str], list[tuple[int, str]]]:
    """Return header lines and numbered data lines; ``columns`` are named in errors."""
    header: list[str] = []
    data: list[tuple[int, str]] = []
    in_block = False
    for number, raw in enumerate(read_text(path).splitlines(), start=1):
        line = raw.strip()
        opens, closes = "/*" in line, "*/" in line
        if in_block or line.startswith(_COMMENT):
            header.append(line)
        elif line and not data and not looks_numeric(line):
            header.append(line)
        elif line:
            data.append((number, line))
        in_block = (in_block or opens) and not closes
    if not data:
        raise ReadError(f"{path}: no line holds two numbers; give columns {columns}")
    return header, data


def looks_numeric(line: str) -> bool:
    """Return whether a line is made of numbers only."""
    fields = [field for field in re.split(r"[;,\s]+", line) if field]
    return bool(fields) and all(_NUMBER.fullmatch(field) for field in fields)


def choose_dialect(lines: list[str], path: Path) -> Dialect:
    """Find separator and decimal sign from the first data lines."""
    text = "\n".join(lines)
    if ";" in text:
        return Dialect(r"\s*;\s*", "," in text)
    if re.search(r",[ \t]+\S|[ \t]+,", text) and "." in text:
        return Dialect(r"\s*,\s*", False)
    if all(len(line.split()) > 1 for line in lines):
        return Dialect(r"\s+", "," in text)
    if "," in text:
        if "." not in text and all(line.count(",") > 1 for line in lines):
            raise ReadError(
                f"{path}: commas are both separator and decimal sign; export with "
                "semicolons, or with decimal points"
            )
        return Dialect(r"\s*,\s*", False)
    return Dialect(r"\s+", False)


def read_row(dialect: Dialect, line: str, *, place: str) -> list[float]:
    """Return the numbers of one line."""
    fields = dialect.split(line)
    for field in fields:
        if not _NUMBER.fullmatch(field):
            raise ReadError(
                f"{place}: {field[:20]!r} is no number; remove that "
                "line, or mark it as a comment with #"
            )
    return [float(field) for field in fields]
