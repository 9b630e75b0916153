"""Numbers of Bruker's binary files: decays in ``fid`` and ``ser``, spectra in ``1r``.

Words are 32-bit integers or 64-bit floats of either byte order, as ``BYTORDA`` and
``DTYPA`` (``BYTORDP``, ``DTYPP``) say. Real and imaginary words of a decay alternate.
Each row of a ``ser`` fills whole blocks of 1024 bytes, whatever ``TD`` says; new
versions pad a ``fid`` likewise. Spectra of two dimensions stand in tiles of ``XDIM``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from structkit.errors import ReadError
from structkit.io.nmr_readers.bruker_parameters import need_number, number

Floats = NDArray[np.float64]

_BLOCK_BYTES = 1024
_MIN_POINTS = 16


def read_words(path: Path, parameters: Mapping[str, str], suffix: str) -> Floats:
    """Return the words of a binary file.

    Parameters
    ----------
    path : Path
        File.
    parameters : mapping
        Its parameters.
    suffix : {"A", "P"}
        Last letter of the parameters of byte order and type: acquired or processed.

    Raises
    ------
    ReadError
        A type that is not known; a file that cannot be read, or is empty.
    """
    kind = number(parameters, f"DTYP{suffix}") or 0.0
    order = ">" if number(parameters, f"BYTORD{suffix}") == 1.0 else "<"
    if kind not in (0.0, 2.0):
        raise ReadError(f"{path}: DTYP{suffix} {kind:g} is not known; convert the data")
    word = np.dtype(f"{order}{'i4' if kind == 0.0 else 'f8'}")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ReadError(f"{path}: cannot be read ({error.strerror})") from error
    whole = len(content) // word.itemsize * word.itemsize
    if whole == 0:
        raise ReadError(f"{path}: is empty; copy the folder again")
    words: Floats = np.frombuffer(content[:whole], word).astype(np.float64)
    return words


def read_decays(
    path: Path, parameters: Mapping[str, str], *, rows: int | None
) -> tuple[NDArray[np.complex128], list[str]]:
    """Return the decays of a ``fid`` (``rows`` None) or ``ser`` file, with remarks.

    Parameters
    ----------
    path : Path
        File.
    parameters : mapping
        Those of ``acqus``.
    rows : int or None
        Rows that are due; None for one decay.

    Returns
    -------
    signal : ndarray of complex, shape (n_points,) or (n_rows, n_points)
        Rows that were not measured are left out.
    remarks : list of str
        What was left out.

    Raises
    ------
    ReadError
        No complex decay (``AQ_mod`` 0 or 2), or less than 16 points of it.
    """
    if number(parameters, "AQ_mod") in (0.0, 2.0):
        raise ReadError(
            f"{path}: AQ_mod {parameters['AQ_mod']} keeps no complex decay; give the "
            "processed spectrum"
        )
    due = int(need_number(parameters, "TD", path))
    words = read_words(path, parameters, "A")
    size = 8 if number(parameters, "DTYPA") == 2.0 else 4
    block = _BLOCK_BYTES // size
    stride = due if rows is None else -(-due // block) * block
    if due < 2 * _MIN_POINTS:
        raise ReadError(f"{path}: ##$TD {due} makes no decay; copy the folder again")
    if rows is None:
        return _one_decay(path, words, due)
    complete = min(words.size // stride, rows)
    if complete == 0:
        raise ReadError(
            f"{path}: {words.size} words where one row has {stride}; the file is cut, "
            "copy it again"
        )
    table = words[: complete * stride].reshape(complete, stride)[:, : due // 2 * 2]
    measured = np.any(table, axis=1)
    last = int(np.flatnonzero(measured)[-1]) + 1 if np.any(measured) else complete
    remarks = []
    if last < rows:
        remarks.append(
            f"{last} of {rows} rows were measured; the others were left out."
        )
    if stride > due:
        remarks.append(
            f"{due // 2} of {stride // 2} points of a row are measured; padding of "
            "the blocks was left out."
        )
    return table[:last, ::2] + 1j * table[:last, 1::2], remarks


def _one_decay(
    path: Path, words: Floats, due: int
) -> tuple[NDArray[np.complex128], list[str]]:
    """Return a single decay."""
    kept = min(words.size, due) // 2 * 2
    if kept < 2 * _MIN_POINTS:
        raise ReadError(f"{path}: {kept // 2} points make no decay; copy it again")
    remarks = []
    if kept < due // 2 * 2:
        remarks.append(
            f"The file holds {kept // 2} of {due // 2} points: the measurement was "
            "stopped, or the file is cut."
        )
    elif words.size > due:
        remarks.append(
            f"{due // 2} of {words.size // 2} points are measured; padding of the "
            "blocks was left out."
        )
    return words[:kept:2] + 1j * words[1:kept:2], remarks


def read_plane(
    path: Path, direct: Mapping[str, str], indirect: Mapping[str, str] | None
) -> Floats:
    """Return a processed file, shape (n_points,), or (n_rows, n_points) with F1.

    Raises
    ------
    ReadError
        Another number of points than ``SI`` announces.
    """
    scale = 2.0 ** (number(direct, "NC_proc") or 0.0)
    values: Floats = read_words(path, direct, "P") * scale
    points = int(need_number(direct, "SI", path))
    rows = 1 if indirect is None else int(need_number(indirect, "SI", path))
    if values.size != points * rows or values.size == 0:
        raise ReadError(
            f"{path}: {values.size} points where ##$SI announces {points * rows}; the "
            "file is cut or not of these parameters, copy the folder again"
        )
    if indirect is None:
        return values
    wide = int(number(direct, "XDIM") or 0) or points
    high = int(number(indirect, "XDIM") or 0) or rows
    if points % wide or rows % high:
        raise ReadError(f"{path}: ##$XDIM does not divide ##$SI; copy the folder again")
    tiles = values.reshape(rows // high, points // wide, high, wide)
    table: Floats = tiles.transpose(0, 2, 1, 3).reshape(rows, points)
    return table
