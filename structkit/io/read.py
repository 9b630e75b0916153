"""Read a powder pattern: choose the reader, validate, judge the noise, stamp."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import xarray as xr

from structkit import __version__
from structkit.errors import ReadError, SchemaError
from structkit.io.choose import check_file, choose_reader
from structkit.io.noise import assess_noise
from structkit.io.readers import READERS
from structkit.schema import (
    COUNTING_TIME,
    COUNTS_PER_SECOND,
    ESD_RELIABLE,
    INTENSITY,
    label,
    validate_pattern,
)
from structkit.store import sha256_of
from structkit.uncertainty import COUNT_STEP

_LOGGER = logging.getLogger(__name__)


def read_pattern(path: str | Path, *, scan: int | None = None) -> xr.Dataset:
    """Read one powder pattern from an instrument's or a text file.

    Parameters
    ----------
    path : str or Path
        File; the format is chosen by its suffix and its content.
    scan : int, optional
        Which scan of a file with several, counted from 1. Default: the first, with
        a ``DataQualityWarning`` when there are more.

    Returns
    -------
    xarray.Dataset
        ``intensity`` (and ``intensity_std``) over ``two_theta`` (degree), with
        ``noise_ratio`` and ``esd_reliable`` from the noise of the data, ``wavelength``
        (angstrom) and ``counting_time`` (s) where the file gives them, and the attrs
        ``source_file``, ``source_sha256``, ``reader`` and ``software``.

    Raises
    ------
    ReadError
        The file is absent, empty, a folder, of no known format, or holds no usable
        pattern. The message names file, line and remedy.
    """
    path = Path(path)
    check_file(path)
    reader = choose_reader(path, READERS)
    try:
        pattern = assess_noise(reader.read(path, scan=scan))
        validate_pattern(pattern)
    except (SchemaError, OSError) as error:
        raise ReadError(f"{path}: {error}") from error
    pattern = _derive_counting_time(pattern)
    reason = str(pattern[ESD_RELIABLE].attrs["reason"])
    if reason:
        _LOGGER.info("%s: esds are not reliable: %s", path.name, reason)
    return pattern.assign_attrs(
        source_file=path.name,
        source_sha256=sha256_of(path),
        reader=reader.name,
        software=f"structkit {__version__}",
    )


def _derive_counting_time(pattern: xr.Dataset) -> xr.Dataset:
    """Add the counting time that the count step of counts per second implies."""
    step = pattern[INTENSITY].attrs.get(COUNT_STEP)
    per_second = pattern[INTENSITY].attrs["units"] == COUNTS_PER_SECOND
    if not per_second or step is None or COUNTING_TIME in pattern.coords:
        return pattern
    time = label(xr.DataArray(np.float64(1.0 / step)), COUNTING_TIME)
    return pattern.assign_coords({COUNTING_TIME: time})
