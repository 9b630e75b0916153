"""Measured spectra with known answers."""
from __future__ import annotations
from pathlib import Path
from benchmarks.page import Section

def report_measured(folder: Path) -> Section:
    return Section(title="Measured spectra")
