"""What was done to spectra, one sentence a line in the attr ``remarks``."""

from __future__ import annotations

import xarray as xr

REMARKS = "remarks"
"""attr: one sentence a line."""


def add_remark(spectra: xr.Dataset, *sentences: str) -> xr.Dataset:
    """Return ``spectra`` with sentences added to its remarks.

    Examples
    --------
    >>> noted = add_remark(xr.Dataset(), "first", "second")
    >>> list_remarks(noted)
    ['first', 'second']
    """
    return spectra.assign_attrs(
        {REMARKS: "\n".join([*list_remarks(spectra), *sentences])}
    )


def list_remarks(spectra: xr.Dataset) -> list[str]:
    """Return the remarks of ``spectra``, oldest first."""
    return [line for line in str(spectra.attrs.get(REMARKS, "")).splitlines() if line]
