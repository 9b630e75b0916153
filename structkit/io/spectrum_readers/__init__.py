"""Readers of Raman spectra, one file per format.

A new format is one file here, one line in :data:`SPECTRUM_READERS`, and one reference
file for the contract test. Order matters: the first reader whose suffixes and
``sniff`` both accept a file reads it; plain text stands last.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from structkit.io.raw_spectra import RawSpectra
from structkit.io.spectrum_readers.jcamp import JcampReader
from structkit.io.spectrum_readers.labspec_text import LabspecTextReader
from structkit.io.spectrum_readers.labspec_xml import LabspecXmlReader
from structkit.io.spectrum_readers.rod import RodReader
from structkit.io.spectrum_readers.text import SpectrumTextReader
from structkit.io.spectrum_readers.wdf import WdfReader
from structkit.io.spectrum_readers.witec import WitecReader

__all__ = ["SPECTRUM_READERS", "SpectrumReader"]


class SpectrumReader(Protocol):
    """Reads one format."""

    @property
    def name(self) -> str:
        """Return the name that goes into the attr ``reader``."""

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Return the file suffixes of the format, lower case, with the dot."""

    def sniff(self, path: Path) -> bool:
        """Return whether the content looks like this format."""

    def read(self, path: Path, *, block: int | None = None) -> RawSpectra:
        """Return the spectra; ``block`` counts from 1, None is the first."""


SPECTRUM_READERS: tuple[SpectrumReader, ...] = (
    LabspecXmlReader(),
    WdfReader(),
    RodReader(),
    JcampReader(),
    WitecReader(),
    LabspecTextReader(),
    SpectrumTextReader(),
)
