"""``[eis]`` of the series file, and what a sample says of its impedance and DC runs."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, Strict, model_validator

from structkit.io.fields import (
    Celsius,
    DataFile,
    Hours,
    NotNegative,
    Number,
    Positive,
    Table,
    Text,
)

Weighting = Literal["auto", "modulus", "std"]
Block = Annotated[int, Strict(), Field(ge=1)]


def as_file(value: object) -> object:
    """Return a lone path as a table with its file; others are handed on.

    Examples
    --------
    >>> as_file("a.mpt")
    {'file': 'a.mpt'}
    """
    return {"file": value} if isinstance(value, str) else value


class PelletTable(Table):
    """``pellet`` of a sample: what is different from ``[eis]``."""

    diameter_mm: Positive | None = None
    """Diameter of the electrode's contact, mm."""
    diameter_std_mm: Positive | None = None
    """1 sigma of it, mm."""
    thickness_mm: Positive | None = None
    """Thickness of the pellet, mm."""
    thickness_std_mm: Positive | None = None
    """1 sigma of it, mm."""
    mass_mg: Positive | None = None
    """Mass of the pellet, mg; with the density in place of the thickness."""
    mass_std_mg: Positive | None = None
    """1 sigma of it, mg."""
    density_g_cm3: Positive | None = None
    """Density of the pellet with its pores, g/cm3."""
    density_std_g_cm3: Positive | None = None
    """1 sigma of it, g/cm3."""


class ShortCellTable(Table):
    """``short_cell``: what the cell shows without a sample."""

    file: DataFile | None = None
    """Its spectrum, over at least the band of the samples'."""
    resistance_ohm: NotNegative | None = None
    """Its resistance, ohm."""
    resistance_std_ohm: Positive | None = None
    """1 sigma of it, ohm."""
    inductance_h: NotNegative = 0.0
    """Its inductance, henry."""

    @model_validator(mode="after")
    def _ask_for_one(self) -> Self:
        """Ask for a file or a resistance."""
        if self.file is None and self.resistance_ohm is None:
            raise ValueError("give file, or resistance_ohm with resistance_std_ohm")
        if self.file is not None and self.resistance_ohm is not None:
            raise ValueError("give file or resistance_ohm, not both")
        if self.file is not None and self.inductance_h:
            raise ValueError("the file holds the inductance; drop inductance_h")
        return self


class EisTable(PelletTable):
    """``[eis]``: pellets, cell and circuit of all samples."""

    circuit: Text | None = None
    """Circuit, or one of M0 to M3; absent: the simplest of M0 to M3 that suffices."""
    short_cell: Annotated[ShortCellTable, BeforeValidator(as_file)] | None = None
    """Leads and cell."""
    weighting: Weighting = "auto"
    """What residuals of a spectrum are divided by."""
    temperature_std_k: NotNegative = 1.0
    """1 sigma of all temperatures together (sensor against sample), kelvin."""
    polarization_voltage: Number | None = None
    """Voltage of DC runs that do not say it, volt."""

    @model_validator(mode="after")
    def _refuse_zero(self) -> Self:
        """Refuse a polarization by 0 V."""
        if self.polarization_voltage == 0.0:
            raise ValueError("polarization_voltage is 0; give the applied voltage")
        return self


class EisFileTable(Table):
    """An entry of ``eis`` of a sample: one file of impedance."""

    file: DataFile
    """The spectrum, or several at one temperature."""
    temperature: Celsius | None = None
    """Temperature of the measurement, degree Celsius; absent: the file's."""
    history: Annotated[str, Strict()] = ""
    """What the sample went through before."""
    age: Hours | None = None
    """Time since the sample was made, hours; absent: the sample's."""
    thickness_mm: Positive | None = None
    """Thickness of the pellet in this measurement, mm."""
    block: Block | None = None
    """Which spectrum of the file, from 1; absent: all."""


class DcFileTable(Table):
    """``dc`` of a sample: one polarization run."""

    file: DataFile
    """Current over time."""
    voltage: Number | None = None
    """Applied voltage, volt; absent: the file's."""
    leakage_a: Number | None = None
    """Current of the instrument with an open cell at that voltage, ampere."""
    leakage_std_a: Positive | None = None
    """1 sigma of it, ampere."""
    temperature: Celsius | None = None
    """Temperature of the run, degree Celsius; absent: the file's."""
    block: Block | None = None
    """Which run of the file, from 1; absent: the first."""

    @model_validator(mode="after")
    def _refuse_zero(self) -> Self:
        """Refuse a polarization by 0 V."""
        if self.voltage == 0.0:
            raise ValueError("voltage is 0; give the applied voltage")
        return self
