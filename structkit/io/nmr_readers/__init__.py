"""Readers of NMR data, one file per format.

A new format is one file here and one line in :data:`NMR_READERS`. Order matters: the
first reader whose suffixes and ``sniff`` both accept a path reads it; plain text stands
last. A reader without suffixes takes folders.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from structkit.io.nmr_readers.bruker import BrukerReader, BrukerZipReader
from structkit.io.nmr_readers.jcamp import NmrJcampReader
from structkit.io.nmr_readers.text import NmrTextReader
from structkit.io.raw_nmr import RawDecay, RawNmrSpectrum

__all__ = ["NMR_READERS", "NmrReader"]


class NmrReader(Protocol):
    """Reads one format."""

    @property
    def name(self) -> str:
        """Return the name that goes into the attr ``reader``."""

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Return the suffixes of the format, lower case, with the dot."""

    def sniff(self, path: Path) -> bool:
        """Return whether the content looks like this format."""

    def read_spectrum(self, path: Path, *, procno: int | None = None) -> RawNmrSpectrum:
        """Return a processed spectrum; ``procno`` says which of several."""

    def read_decay(self, path: Path) -> RawDecay:
        """Return the decay, or one per delay."""


NMR_READERS: tuple[NmrReader, ...] = (
    BrukerReader(),
    BrukerZipReader(),
    NmrJcampReader(),
    NmrTextReader(),
)
