"""What every node of a stored result must have."""

from __future__ import annotations

from collections.abc import Mapping

import xarray as xr

from structkit.errors import SchemaError


def check_node(
    dataset: xr.Dataset, needed: Mapping[str, tuple[str, ...]], where: str
) -> None:
    """Check variables, dims, units and standard uncertainties of one node.

    Parameters
    ----------
    dataset : xarray.Dataset
        The node.
    needed : mapping of str to tuple of str
        Names of variables that must be there, and their dims.
    where : str
        Path of the node, for the message.

    Raises
    ------
    SchemaError
        Names node and variable at fault, and what is wrong with it.
    """
    for name, dims in needed.items():
        if name not in dataset:
            raise SchemaError(f"{where}: no variable {name!r}")
        if dataset[name].dims != dims:
            raise SchemaError(f"{where} {name}: dims {dataset[name].dims}, not {dims}")
    for key, variable in dataset.data_vars.items():
        name = str(key)
        if "long_name" not in variable.attrs:
            raise SchemaError(f"{where} {name}: no long_name")
        if variable.dtype.kind not in "fiuc":
            continue
        if "units" not in variable.attrs:
            raise SchemaError(f"{where} {name}: no units")
        if name.endswith("_std") and bool((variable < 0.0).any()):
            raise SchemaError(f"{where} {name}: a standard uncertainty below zero")
