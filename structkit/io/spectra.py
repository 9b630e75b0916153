"""Read Raman spectra: choose the reader, convert the axis, judge the data, stamp."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import xarray as xr

from structkit import __version__
from structkit.errors import ReadError, SchemaError
from structkit.io.choose import check_file, choose_reader
from structkit.io.raw_spectra import to_spectra
from structkit.io.spectrum_condition import assess_spectra
from structkit.io.spectrum_readers import SPECTRUM_READERS
from structkit.schema import SOURCE, SPOT, label, validate_spectra
from structkit.store import sha256_of

_LOGGER = logging.getLogger(__name__)


def read_spectra(
    path: str | Path, *, laser_nm: float | None = None, block: int | None = None
) -> xr.Dataset:
    """Read Raman spectra from an instrument's or a text file.

    Parameters
    ----------
    path : str or Path
        File; the format is chosen by its suffix and its content.
    laser_nm : float, optional
        Laser wavelength, **nm**, for files that do not name it. An axis in nm needs
        it; the file's own wins.
    block : int, optional
        Which block of a file with several, counted from 1. Default: the first, with
        a ``DataQualityWarning`` when there are more. Maps and series are one block.

    Returns
    -------
    xarray.Dataset
        ``intensity`` over ``spot`` and ``raman_shift`` (cm-1, ascending), the flags
        and coordinates of :mod:`structkit.schema.spectra` as far as file and values
        give them, and the attrs ``source_file``, ``source_sha256``, ``reader``,
        ``software`` and ``remarks``: one sentence a line on the data's condition.

    Raises
    ------
    ReadError
        The file is absent, empty, a folder, of no known format, holds no usable
        spectrum, or its axis is in nm and no laser is known. The message names file,
        line and remedy.
    """
    path = Path(path)
    check_file(path)
    reader = choose_reader(path, SPECTRUM_READERS)
    try:
        raw = reader.read(path, block=block)
        spectra = assess_spectra(to_spectra(raw, laser_nm=laser_nm), raw)
        validate_spectra(spectra)
    except (SchemaError, OSError) as error:
        raise ReadError(f"{path}: {error}") from error
    remarks = str(spectra.attrs["remarks"])
    if remarks:
        _LOGGER.info("%s: %s", path.name, remarks.replace("\n", " "))
    names = xr.DataArray(np.full(spectra.sizes[SPOT], path.name), dims=(SPOT,))
    return spectra.assign_coords({SOURCE: label(names, SOURCE)}).assign_attrs(
        source_file=path.name,
        source_sha256=sha256_of(path),
        reader=reader.name,
        software=f"structkit {__version__}",
    )
