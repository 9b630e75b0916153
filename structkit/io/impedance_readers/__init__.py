"""Readers of impedance spectra and direct-current runs, one file per format.

A new format is one file here, one line in :data:`IMPEDANCE_READERS`, and one reference
file for the contract test. Order matters: the first reader whose suffixes and
``sniff`` both accept a file reads it; plain text stands last.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from structkit.io.impedance_readers.autolab import AutolabReader
from structkit.io.impedance_readers.biologic_binary import BiologicBinaryReader
from structkit.io.impedance_readers.biologic_text import BiologicTextReader
from structkit.io.impedance_readers.chi import ChiReader
from structkit.io.impedance_readers.dfr import DfrReader
from structkit.io.impedance_readers.gamry import GamryReader
from structkit.io.impedance_readers.i2b import I2bReader
from structkit.io.impedance_readers.ivium import IviumReader
from structkit.io.impedance_readers.p00 import P00Reader
from structkit.io.impedance_readers.relaxis import RelaxisReader
from structkit.io.impedance_readers.text import ImpedanceTextReader
from structkit.io.impedance_readers.versastudio import VersaStudioReader
from structkit.io.impedance_readers.zview import ZviewReader
from structkit.io.raw_table import RawTable

__all__ = ["IMPEDANCE_READERS", "ImpedanceReader"]


class ImpedanceReader(Protocol):
    """Reads one format."""

    @property
    def name(self) -> str:
        """Return the name that goes into the attr ``reader``."""

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Return the file suffixes of the format, lower case, with the dot."""

    def sniff(self, path: Path) -> bool:
        """Return whether the content looks like this format."""

    def read(self, path: Path) -> tuple[RawTable, ...]:
        """Return all tables of measured values, of spectra and of runs."""


IMPEDANCE_READERS: tuple[ImpedanceReader, ...] = (
    GamryReader(),
    BiologicBinaryReader(),
    BiologicTextReader(),
    ZviewReader(),
    VersaStudioReader(),
    IviumReader(),
    DfrReader(),
    I2bReader(),
    P00Reader(),
    RelaxisReader(),
    AutolabReader(),
    ChiReader(),
    ImpedanceTextReader(),
)
