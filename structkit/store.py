"""Store results: trees and datasets as netCDF, tables as CSV, each write atomic.

A write goes to a temporary name in the same folder and is renamed when it is
complete, so no reader ever meets half a file, and a failed write leaves what was
there before.
"""

from __future__ import annotations

import csv
import hashlib
import os
import tempfile
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import xarray as xr

from structkit.errors import OutputError, ReadError
from structkit.netcdf import ENGINE, load_tree

_CHUNK = 1 << 20


def sha256_of(path: str | Path) -> str:
    """Return the SHA-256 of a file's content as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Lend a temporary path that replaces ``path`` when the block ends well.

    Parameters
    ----------
    path : str or Path
        Where the file shall be; its folder is made when absent.

    Yields
    ------
    Path
        Temporary path in the same folder, to be written.

    Raises
    ------
    OutputError
        The folder cannot be made or written to, or the disk is full.
    """
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            dir=target.parent, prefix=f".{target.name}.", suffix=".part"
        )
    except OSError as error:
        raise _cannot_write(target, error) from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(target)
    except OSError as error:
        raise _cannot_write(target, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    """Return the process's file mode mask."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _cannot_write(target: Path, error: OSError) -> OutputError:
    """Return the error that names file, cause and remedy."""
    cause = error.strerror or str(error)
    return OutputError(
        f"{target}: cannot be written ({cause}); choose another output folder with -o"
    )


def write_text(text: str, path: str | Path) -> Path:
    """Write text as UTF-8, atomically, and return the path."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return Path(path)


def write_dataset(dataset: xr.Dataset, path: str | Path) -> Path:
    """Write a dataset as netCDF, atomically.

    Parameters
    ----------
    dataset : xarray.Dataset
        attrs may hold str, int and float (numpy scalars are converted).
    path : str or Path
        File, usually ``*.nc``.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    OutputError
        Not writable, or an attr or variable that netCDF cannot hold; names it.
    """
    plain = _plain_dataset(dataset, "/")
    return _write(lambda temporary: _to_netcdf(plain, temporary), path)


def read_dataset(path: str | Path) -> xr.Dataset:
    """Read the dataset that :func:`write_dataset` wrote, into memory.

    Raises
    ------
    ReadError
        The file is absent or no netCDF file.
    """
    with _opening(path):
        return xr.load_dataset(path, engine=ENGINE)


def write_tree(tree: xr.DataTree, path: str | Path) -> Path:
    """Write a tree as netCDF with one group per node, atomically.

    Raises
    ------
    OutputError
        As :func:`write_dataset`.
    """
    nodes = {
        node.path: _plain_dataset(node.to_dataset(inherit=False), node.path)
        for node in tree.subtree
    }
    plain = xr.DataTree.from_dict(nodes, name=tree.name)
    return _write(lambda temporary: _tree_to_netcdf(plain, temporary), path)


def read_tree(path: str | Path) -> xr.DataTree:
    """Read the tree that :func:`write_tree` wrote, into memory.

    Raises
    ------
    ReadError
        The file is absent or no netCDF file.
    """
    with _opening(path):
        return load_tree(path)


class Table(Protocol):
    """A pandas DataFrame, as far as it is used here."""

    def to_csv(self, *, index: bool, lineterminator: str) -> str:
        """Return the table as CSV text."""


def write_table(table: Table | xr.Dataset, path: str | Path) -> Path:
    """Write a table as CSV, atomically; unknown values stay empty.

    Parameters
    ----------
    table : pandas.DataFrame or xarray.Dataset
        A dataset becomes one row per combination of its dims.
    path : str or Path
        File, usually ``*.csv``.

    Raises
    ------
    OutputError
        Not writable.
    """
    frame: Table = table
    if isinstance(table, xr.Dataset):
        frame = table.to_dataframe().reset_index()
    return write_text(frame.to_csv(index=False, lineterminator="\n"), path)


def read_table(path: str | Path) -> list[dict[str, str]]:
    """Read the table that :func:`write_table` wrote: one dict of text for each row.

    Raises
    ------
    ReadError
        The file is absent, no text, or has rows of another length than its header.
    """
    try:
        with Path(path).open(encoding="utf-8", newline="") as stream:
            rows = list(csv.reader(stream))
    except FileNotFoundError:
        raise ReadError(
            f"{path}: no such table; run the stage that writes it"
        ) from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ReadError(f"{path}: cannot be read ({error}); run the stage again") from (
            error
        )
    if not rows:
        raise ReadError(f"{path}: is empty; run the stage again")
    for number, row in enumerate(rows, start=1):
        if len(row) != len(rows[0]):
            raise ReadError(
                f"{path}, row {number}: {len(row)} cells below {len(rows[0])} names; "
                "run the stage again"
            )
    return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]


def _write(write: Callable[[Path], None], path: str | Path) -> Path:
    """Write through a temporary name; say what netCDF does not take."""
    try:
        with atomic_path(path) as temporary:
            write(temporary)
    except (TypeError, ValueError) as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(
            f"{path}: netCDF cannot hold this ({error}); convert it to numbers or text"
        ) from error
    return Path(path)


def _to_netcdf(dataset: xr.Dataset, path: Path) -> None:
    """Write a dataset with the project's engine."""
    dataset.to_netcdf(path, engine=ENGINE, encoding=_compressed(dataset))


def _tree_to_netcdf(tree: xr.DataTree, path: Path) -> None:
    """Write a tree with the project's engine."""
    encoding = {
        node.path: _compressed(node.to_dataset(inherit=False)) for node in tree.subtree
    }
    tree.to_netcdf(path, engine=ENGINE, encoding=encoding)


def _compressed(dataset: xr.Dataset) -> dict[Hashable, dict[str, int | bool]]:
    """Return the encoding that deflates every numeric array."""
    return {
        name: {"zlib": True, "complevel": 4}
        for name, variable in dataset.variables.items()
        if variable.dtype.kind in "fiu" and variable.ndim > 0 and variable.size > 0
    }


@contextmanager
def _opening(path: str | Path) -> Iterator[None]:
    """Turn failures to open a netCDF file into one line."""
    if not Path(path).is_file():
        raise ReadError(f"{path}: no such file; run the stage that writes it")
    try:
        yield
    except (OSError, ValueError, KeyError) as error:
        raise ReadError(
            f"{path}: not a netCDF file of structkit ({error}); run the stage again"
        ) from error


def _plain_dataset(dataset: xr.Dataset, where: str) -> xr.Dataset:
    """Return a copy whose attrs netCDF can hold."""
    plain = dataset.copy()
    plain.attrs = _plain_attrs(dataset.attrs, where)
    for name in dataset.variables:
        plain[name].attrs = _plain_attrs(dataset[name].attrs, f"{where} {name}")
    return plain.drop_encoding()


def _plain_attrs(attrs: Mapping[Any, Any], where: str) -> dict[str, str | int | float]:
    """Return attrs as str, int and float; refuse everything else by its name."""
    plain: dict[str, str | int | float] = {}
    for key, value in attrs.items():
        if isinstance(value, np.generic):
            value = value.item()
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise OutputError(
                f"{where}: attr {key!r} is {type(value).__name__}; attrs hold text and "
                "numbers only: make it a variable, or leave it out"
            )
        plain[str(key)] = value
    return plain
