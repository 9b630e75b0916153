"""Read impedance spectra and polarization runs of thirteen formats.

The format is found by suffix and content, columns by their titles; what was noticed
about the data stands in the attr ``remarks``, one sentence a line.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import xarray as xr

from structkit import __version__
from structkit.errors import ReadError, SchemaError
from structkit.io.blocks import choose_block
from structkit.io.choose import check_file, choose_reader
from structkit.io.impedance_readers import IMPEDANCE_READERS
from structkit.io.raw_table import Kind, RawTable
from structkit.io.runs import to_runs
from structkit.io.sweeps import to_sweeps
from structkit.store import sha256_of

_LOGGER = logging.getLogger(__name__)
_OTHER_WAY: dict[Kind, str] = {
    "impedance": "an impedance spectrum; read it with read_impedance",
    "polarization": "a direct-current run over time; read it with read_polarization",
}


def read_impedance(path: str | Path, *, block: int | None = None) -> xr.Dataset:
    """Read one impedance spectrum.

    Parameters
    ----------
    path : str or Path
        File; the format is chosen by its suffix and its content.
    block : int, optional
        Which sweep of a file with several, counted from 1. Default: the first, with a
        ``DataQualityWarning`` when there are more.

    Returns
    -------
    xarray.Dataset
        ``impedance`` (ohm) over ``frequency`` (Hz, ascending), where known ``time``
        (s) and ``temperature`` (K), as :mod:`structkit.schema.impedance` says, and
        the attrs ``source_file``, ``source_sha256``, ``reader``, ``software``,
        ``remarks``, ``block``, where known ``technique`` and ``title``.

    Raises
    ------
    ReadError
        The file is absent, empty, a folder, of no known format, cut or damaged, holds
        another measurement, or its impedance is in another unit than ohm. The message
        names file, line and remedy.
    """
    path = Path(path)
    return _choose(read_impedances(path), block, path)


def read_impedances(path: str | Path) -> tuple[xr.Dataset, ...]:
    """Read all impedance spectra of a file, each as :func:`read_impedance` does.

    Returns
    -------
    tuple of xarray.Dataset
        One for each sweep, in the order of the file.

    Raises
    ------
    ReadError
        As :func:`read_impedance`.
    """
    path = Path(path)
    name, tables = _read_tables(path, "impedance")
    try:
        spectra = [spectrum for table in tables for spectrum in to_sweeps(table)]
    except SchemaError as error:
        raise ReadError(f"{path}: {error}") from error
    return _stamp(spectra, path, name)


def read_polarization(path: str | Path, *, block: int | None = None) -> xr.Dataset:
    """Read one direct-current run: current over time at a held voltage, or the reverse.

    Parameters
    ----------
    path : str or Path
        File; the format is chosen by its suffix and its content.
    block : int, optional
        Which run of a file with several, counted from 1. Default: the first, with a
        ``DataQualityWarning`` when there are more.

    Returns
    -------
    xarray.Dataset
        ``current`` (A) and, where known, ``voltage`` (V) over ``time`` (s), with the
        attrs of :func:`read_impedance`.

    Raises
    ------
    ReadError
        As :func:`read_impedance`; an impedance spectrum is refused.
    """
    path = Path(path)
    name, tables = _read_tables(path, "polarization")
    try:
        runs = [run for table in tables for run in to_runs(table)]
    except SchemaError as error:
        raise ReadError(f"{path}: {error}") from error
    return _choose(_stamp(runs, path, name), block, path)


def _read_tables(path: Path, kind: Kind) -> tuple[str, list[RawTable]]:
    """Return the reader's name and the tables of one kind."""
    check_file(path)
    reader = choose_reader(path, IMPEDANCE_READERS)
    try:
        tables = reader.read(path)
    except OSError as error:
        raise ReadError(f"{path}: {error}") from error
    wanted = [table for table in tables if table.kind == kind]
    if wanted:
        return reader.name, wanted
    for table in tables:
        if table.kind != "other":
            called = f" ({table.technique})" if table.technique else ""
            raise ReadError(f"{path}: holds {_OTHER_WAY[table.kind]}{called}")
    what = next((t.technique for t in tables if t.technique), "no spectrum and no run")
    raise ReadError(
        f"{path}: holds {what}; give a file of impedance, or of current over time"
    )


def _stamp(
    data: Sequence[xr.Dataset], path: Path, reader: str
) -> tuple[xr.Dataset, ...]:
    """Return datasets with their provenance."""
    digest = sha256_of(path)
    stamped = []
    for number, dataset in enumerate(data, start=1):
        if remarks := str(dataset.attrs["remarks"]):
            _LOGGER.info("%s: %s", path.name, remarks.replace("\n", " "))
        stamped.append(
            dataset.assign_attrs(
                source_file=path.name,
                source_sha256=digest,
                reader=reader,
                software=f"structkit {__version__}",
                block=number,
            )
        )
    return tuple(stamped)


def _choose(data: Sequence[xr.Dataset], block: int | None, path: Path) -> xr.Dataset:
    """Return one of the datasets of a file."""
    return choose_block(data, block, path)
