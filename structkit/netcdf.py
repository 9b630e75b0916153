"""Read a tree of many small netCDF groups in one pass over the file.

xarray's own reader looks up every name and dimension again for every question it has
about a variable, which takes seconds for a tree of hundreds of variables. Here each
group is walked once, a dimension is known by the address of its scale, and xarray
decodes the values as it always does, so the tree is the same.

Only what :func:`structkit.store.write_tree` writes is read this way. A file with
anything else in it is left to xarray's reader: fixed strings, enumerations, compound
types other than complex numbers, variables without dimension scales or shorter than
their dimension, links to one object by two names.

References
----------
NetCDF-4 file format specification, Unidata:
https://docs.unidata.ucar.edu/netcdf-c/current/file_format_specifications.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
import xarray as xr
from xarray.conventions import decode_cf_variables

ENGINE: Final = "h5netcdf"
"""xarray's engine for every netCDF file of this project."""

_NOT_A_VARIABLE: Final = b"This is a netCDF dimension but not a netCDF variable."
_Address = tuple[int, int]
"""Number of an open file, and where in it an object lies."""

_OF_ARRAYS: Final = frozenset({"DIMENSION_LIST"})
_OF_SCALES: Final = _OF_ARRAYS | {
    "CLASS",
    "NAME",
    "_Netcdf4Coordinates",
    "_Netcdf4Dimid",
}
"""Attributes by which the format holds together, as far as they are read here."""
_HIDDEN: Final = _OF_SCALES | {"REFERENCE_LIST", "_NCProperties"}
"""Attributes that are no attrs of a variable or group."""


class _UnknownLayoutError(Exception):
    """The file holds something that only xarray's own reader knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Dimension:
    """A dimension, as its scale in the file tells."""

    size: int
    """Number of points."""
    address: _Address
    """Where the scale lies: the same for every reference to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Array:
    """A dataset of the file with its attributes, read once."""

    item: h5py.Dataset
    """The dataset itself."""
    attrs: dict[str, Any]
    """What becomes attrs of the variable, before it is decoded."""
    layout: dict[str, Any]
    """What the format itself wrote: name -> value."""

    @property
    def is_scale(self) -> bool:
        """Whether it is the scale of a dimension."""
        return bool(self.layout.get("CLASS") == b"DIMENSION_SCALE")

    @property
    def is_only_dimension(self) -> bool:
        """Whether it gives a dimension its length and holds no values."""
        name = self.layout.get("NAME", b"")
        if not isinstance(name, bytes):
            raise _UnknownLayoutError
        return _NOT_A_VARIABLE in name


def load_tree(path: str | Path) -> xr.DataTree:
    """Load a netCDF file as a tree with one node for each group.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    xarray.DataTree
        As ``xarray.open_datatree`` decodes it, in memory; the file is closed. Only the
        ``encoding`` differs: it does not tell of chunks and compression. A scalar
        that bears the name of a dimension of a group above is read, too, which
        h5netcdf 1.8 does not manage.

    Raises
    ------
    OSError, ValueError, KeyError
        As xarray and h5py raise them: the file is absent, damaged or no netCDF.
    """
    try:
        return _load_known(path)
    except _UnknownLayoutError:
        with xr.open_datatree(path, engine=ENGINE) as tree:
            return tree.load()


def _load_known(path: str | Path) -> xr.DataTree:
    """Load a tree of the layout that this project writes, or refuse it."""
    with h5py.File(path, "r") as file:
        if "_nc3_strict" in file.attrs:  # the classic model has rules of its own
            raise _UnknownLayoutError
        groups = dict(_load_groups(file, {}, met={}))
    return xr.DataTree.from_dict(groups)


def _load_groups(
    group: h5py.Group, above: Mapping[str, _Dimension], *, met: dict[_Address, str]
) -> Iterator[tuple[str, xr.Dataset]]:
    """Yield path and decoded dataset of a group, then of the groups in it.

    Parameters
    ----------
    group : h5py.Group
        Where to start.
    above : mapping
        Dimensions of the groups that it lies in, by name.
    met : dict
        Address of every object met so far -> its name. Grows.
    """
    groups: list[h5py.Group] = []
    arrays: dict[str, _Array] = {}
    dimensions = dict(above)
    for name, item in group.items():
        address = _meet(item, name, met)
        if isinstance(item, h5py.Group):
            groups.append(item)
        elif isinstance(item, h5py.Dataset):
            array = _read_array(item)
            if array.is_scale:
                dimensions[name] = _Dimension(size=_length_of(array), address=address)
            if not array.is_only_dimension:
                arrays[name] = array
        elif item.dtype.kind != "c":
            raise _UnknownLayoutError
    variables = {
        name: _load_variable(array, _dims_of(array, name, dimensions, met))
        for name, array in arrays.items()
    }
    yield group.name, _decode(variables, _read_attrs(group.attrs, group.attrs))
    for child in groups:
        yield from _load_groups(child, dimensions, met=met)


def _meet(item: h5py.HLObject | None, name: str, met: dict[_Address, str]) -> _Address:
    """Note an object and return its address; refuse one that was met before."""
    if item is None:  # a link to nowhere
        raise _UnknownLayoutError
    address = _address_of(item.id)
    if address in met:
        raise _UnknownLayoutError
    met[address] = name
    return address


def _address_of(identifier: h5py.h5g.GroupID | h5py.h5d.DatasetID) -> _Address:
    """Return where an object lies."""
    info = h5py.h5o.get_info(identifier)
    return info.fileno, info.addr


def _read_array(item: h5py.Dataset) -> _Array:
    """Return a dataset with its attributes, told apart from those of the format."""
    stored = item.attrs
    names = list(stored)
    asked = _OF_SCALES if {"CLASS", "NAME"} & set(names) else _OF_ARRAYS
    return _Array(
        item=item,
        attrs=_read_attrs(stored, names),
        layout={name: stored[name] for name in asked if name in names},
    )


def _read_attrs(stored: h5py.AttributeManager, names: Iterable[str]) -> dict[str, Any]:
    """Return the attrs of a group or dataset by name, without those of the format."""
    return {name: _read_attr(stored, name) for name in names if name not in _HIDDEN}


def _read_attr(stored: h5py.AttributeManager, name: str) -> Any:
    """Return one attr; an array of one number or text is that one."""
    value = stored[name]
    if isinstance(value, str):
        return value
    if not isinstance(value, np.ndarray | np.generic) or value.dtype.kind not in "fiuO":
        raise _UnknownLayoutError
    if isinstance(value, np.generic):
        return value
    if value.dtype.kind == "O":
        value = value.tolist()
        if not all(isinstance(text, str) for text in value):
            raise _UnknownLayoutError
    return value[0] if len(value) == 1 else value


def _length_of(array: _Array) -> int:
    """Return the length of a dimension; refuse a scale that is not its own axis."""
    layout = array.layout
    own = layout.get("_Netcdf4Coordinates", layout.get("_Netcdf4Dimid"))
    if (
        array.item.ndim != 1
        or "DIMENSION_LIST" in layout
        or np.any(own != layout.get("_Netcdf4Dimid"))
    ):
        raise _UnknownLayoutError
    return int(array.item.shape[0])


def _dims_of(
    array: _Array,
    name: str,
    dimensions: Mapping[str, _Dimension],
    met: Mapping[_Address, str],
) -> tuple[str, ...]:
    """Return the dimensions of an array by the scales that it refers to."""
    if array.is_scale:
        return (name,)
    if array.item.ndim == 0:
        return ()
    references = array.layout.get("DIMENSION_LIST", ())
    addresses = [_scale_address(each, array.item) for each in references]
    names = tuple(met.get(address, "") for address in addresses)
    scales = [dimensions.get(dim) for dim in names]
    sizes = tuple(scale.size for scale in scales if scale is not None)
    reached = [scale.address for scale in scales if scale is not None]
    if reached != addresses or sizes != array.item.shape:
        raise _UnknownLayoutError
    return names


def _scale_address(references: np.ndarray, item: h5py.Dataset) -> _Address:
    """Return the address of the one scale that an axis refers to."""
    if len(references) != 1:
        raise _UnknownLayoutError
    return _address_of(h5py.h5r.dereference(references[0], item.id))


def _load_variable(array: _Array, dims: tuple[str, ...]) -> xr.Variable:
    """Return an array with its values, not yet decoded."""
    item = array.item
    text = h5py.check_string_dtype(item.dtype)
    if item.shape is None or (text is not None and text.length is not None):
        raise _UnknownLayoutError
    if text is not None:
        return xr.Variable(dims, item.asstr()[()], array.attrs, {"dtype": str})
    if item.dtype.kind not in "fiuc" or h5py.check_enum_dtype(item.dtype):
        raise _UnknownLayoutError
    return xr.Variable(dims, item[()], array.attrs)


def _decode(variables: dict[str, xr.Variable], attrs: dict[str, Any]) -> xr.Dataset:
    """Return a dataset, decoded by the conventions that xarray itself reads by."""
    decoded, left, named = decode_cf_variables(variables, attrs)
    coords = [n for n, v in decoded.items() if n in named or v.dims == (n,)]
    dataset = xr.Dataset(
        {name: v for name, v in decoded.items() if name not in coords},
        coords={name: decoded[name] for name in coords},
        attrs=left,
    )
    return dataset.load()
