"""Readers of powder patterns, one file per format.

A new format is one file here, one line in :data:`READERS`, and one reference file
for the contract test. Order matters: the first reader whose suffixes and ``sniff``
both accept a file reads it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import xarray as xr

from structkit.io.readers.gsas import GsasReader
from structkit.io.readers.ras import RasReader
from structkit.io.readers.text import TextReader
from structkit.io.readers.vendor import VendorReader
from structkit.io.readers.xrdml import XrdmlReader

__all__ = ["READERS", "Reader"]


class Reader(Protocol):
    """Reads one format."""

    @property
    def name(self) -> str:
        """Return the name that goes into the attr ``reader``."""

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Return the file suffixes of the format, lower case, with the dot."""

    def sniff(self, path: Path) -> bool:
        """Return whether the content looks like this format."""

    def read(self, path: Path, *, scan: int | None = None) -> xr.Dataset:
        """Return the pattern; ``scan`` counts from 1, None is the first."""


READERS: tuple[Reader, ...] = (
    XrdmlReader(),
    RasReader(),
    GsasReader(),
    TextReader(),
    VendorReader(),
)
