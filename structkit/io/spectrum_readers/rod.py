"""Raman Open Database ``.rod`` and other CIF files with a Raman spectrum.

The spectrum is the loop ``_raman_spectrum.raman_shift`` and ``.intensity``; each data
block of the file that has it is a block.

References
----------
El Mendili et al., J. Appl. Cryst. 52 (2019) 618, doi:10.1107/S1600576719004229.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from structkit.errors import ReadError
from structkit.io.blocks import choose_block
from structkit.io.number_text import read_text
from structkit.io.raw_spectra import RawSpectra
from structkit.schema import ACQUISITION_TIME, GRATING

if TYPE_CHECKING:
    from gemmi import cif

_SHIFT, _INTENSITY = "_raman_spectrum.raman_shift", "_raman_spectrum.intensity"
_DEVICE = "_raman_measurement_device."
_LASER = f"{_DEVICE}excitation_laser_wavelength"
_SCALARS = {
    GRATING: f"{_DEVICE}diffraction_grating",
    ACQUISITION_TIME: "_raman_measurement.integration_time",
}
_SUBTRACTIONS = ("background_subtraction", "baseline_correction")
_ATTRS = {
    "rod_code": "_rod_database.code",
    "rod_mineral": "_chemical_name_mineral",
    "rod_doi": "_journal_paper_doi",
}


class RodReader:
    """Raman spectra in CIF syntax."""

    name = "rod-cif"
    suffixes = (".rod", ".cif")

    def sniff(self, path: Path) -> bool:
        """Return whether there is a loop of a Raman spectrum."""
        return b"_raman_spectrum." in path.read_bytes()

    def read(self, path: Path, *, block: int | None = None) -> RawSpectra:
        """Return one spectrum.

        Raises
        ------
        ReadError
            Broken CIF (names the line), no such loop, words in place of numbers.
        """
        from gemmi import cif

        try:
            document = cif.read_string(read_text(path))
        except (ValueError, RuntimeError) as error:
            words = " ".join(str(error).split())
            raise ReadError(
                f"{path}: broken CIF ({words}); download it again"
            ) from None
        found = [part for part in document if part.find_loop(_SHIFT)]
        if not found:
            raise ReadError(f"{path}: no loop {_SHIFT}; the file is cut, copy it again")
        data = choose_block(found, block, path)
        table = data.find([_SHIFT, _INTENSITY])
        if not table:
            raise ReadError(f"{path}: {_SHIFT} without {_INTENSITY}; download it again")
        values = np.array([_row(row[0], row[1], path) for row in table])
        return RawSpectra(
            path=path,
            axis=values[:, 0],
            intensity=values[None, :, 1],
            axis_unit="cm-1",
            laser_nm=_number(data, _LASER),
            scalars={
                name: value
                for name, tag in _SCALARS.items()
                if (value := _number(data, tag)) is not None and value > 0.0
            },
            lines=_lines(path, values.shape[0]),
            baseline_subtracted=any(_is_yes(data, key) for key in _SUBTRACTIONS),
            attrs={
                name: text
                for name, tag in _ATTRS.items()
                if (text := _value(data, tag))
            },
        )


def _row(shift: str, intensity: str, path: Path) -> tuple[float, float]:
    """Return the numbers of one row, an uncertainty in brackets left out."""
    try:
        return float(shift.partition("(")[0]), float(intensity.partition("(")[0])
    except ValueError:
        raise ReadError(
            f"{path}: {shift} {intensity} in the loop of the spectrum are no numbers; "
            "repair or remove that row"
        ) from None


def _value(data: cif.Block, tag: str) -> str:
    """Return the text of a tag without quotes; empty where it is absent or unknown."""
    text = (data.find_value(tag) or "").strip("'\"")
    return "" if text in ("?", ".") else text


def _number(data: cif.Block, tag: str) -> float | None:
    """Return the number of a tag; None where it is absent or none."""
    try:
        return float(_value(data, tag).partition("(")[0])
    except ValueError:
        return None


def _is_yes(data: cif.Block, key: str) -> bool:
    """Return whether a treatment of the spectrum is answered with yes."""
    return _value(data, f"_raman_measurement.{key}").lower() == "yes"


def _lines(path: Path, n_rows: int) -> NDArray[np.int64] | None:
    """Return the line of each row; None where rows are not one to a line."""
    lines = read_text(path).splitlines()
    tags = [i for i, line in enumerate(lines, 1) if line.strip() == _INTENSITY]
    if len(tags) != 1 or len(lines) < tags[0] + n_rows:
        return None
    return np.arange(tags[0] + 1, tags[0] + 1 + n_rows)
