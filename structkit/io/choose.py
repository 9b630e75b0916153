"""Check that a file is there and find the reader of it in a registry."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from structkit.errors import ReadError


class _Format(Protocol):
    """What every reader says of itself."""

    @property
    def name(self) -> str:
        """Return the reader's name."""

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Return its suffixes, lower case, with the dot."""

    def sniff(self, path: Path) -> bool:
        """Return whether the content looks like its format."""


_Reader = TypeVar("_Reader", bound=_Format)


def check_file(path: Path) -> None:
    """Refuse what is not a file with content.

    Raises
    ------
    ReadError
        The path is a folder, absent, not readable, or an empty file.
    """
    if path.is_dir():
        raise ReadError(f"{path}: is a folder; give a file in it")
    if not path.exists():
        raise ReadError(f"{path}: no such file; check the path")
    try:
        size = path.stat().st_size
        with path.open("rb"):
            pass
    except OSError as error:
        raise ReadError(f"{path}: cannot be opened ({error.strerror})") from error
    if size == 0:
        raise ReadError(f"{path}: is empty; export or copy it again")


def choose_reader(path: Path, readers: Sequence[_Reader]) -> _Reader:
    """Return the first reader for suffix and content; any for a suffix unknown.

    Raises
    ------
    ReadError
        No reader takes the content.
    """
    suffix = path.suffix.lower()
    by_suffix = [reader for reader in readers if suffix in reader.suffixes]
    for reader in by_suffix or readers:
        if reader.sniff(path):
            return reader
    if by_suffix:
        names = " or ".join(reader.name for reader in by_suffix)
        raise ReadError(
            f"{path}: has the suffix of {names}, but its content is not that; copy "
            "the file again, or rename it to what it is"
        )
    known = sorted({suffix for reader in readers for suffix in reader.suffixes})
    raise ReadError(f"{path}: unknown format; export it as one of {' '.join(known)}")
