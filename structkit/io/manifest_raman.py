"""``[raman]`` of the series file: how Raman spectra are read and fitted."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from structkit.io.fields import DataFile, Positive, Range, Table, Text, as_list

Reduction = Literal["none", "bose", "photon", "power", "photon_bose"]
"""What intensities are divided by: nothing, the Bose factor, or also the frequency
factor of photon counting (3) or of power (4)."""


class TemplateTable(Table):
    """``[[raman.template]]``: a measured spectrum that stands for one species."""

    species: Text
    """Whose spectrum it is."""
    file: DataFile
    """The spectrum."""


class RamanTable(Table):
    """``[raman]``: how the Raman spectra are read and fitted."""

    laser_nm: Positive | None = None
    """Laser wavelength of files that do not name it, nm."""
    shift_range: Range | None = Field(default=None, alias="range")
    """First and last Raman shift used, cm-1."""
    calibration: DataFile | None = None
    """Spectrum of silicon, or of another standard of one line."""
    calibration_wavenumber: Positive = 520.7
    """Where that line lies, cm-1."""
    blank: DataFile | None = None
    """Spectrum of cover glass or holder alone."""
    reduction: Reduction = "none"
    """What intensities are divided by before bands are compared."""
    model: Literal["replicates", "series"] = "replicates"
    """Fit the spots of each sample together, or those of all milled samples."""
    species: (
        Annotated[tuple[Text, ...], Field(min_length=1), BeforeValidator(as_list)]
        | None
    ) = None
    """What a milled sample may be made of; absent: what the study says it is."""
    bands: DataFile | None = None
    """TOML file of further species, bands and readings."""
    templates: tuple[TemplateTable, ...] = Field(default=(), alias="template")
    """Measured spectra of single species."""
    temperature_k: Positive = 298.15
    """Temperature of the sample, for the Bose factor, kelvin."""
