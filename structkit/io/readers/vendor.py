"""Other makers' files through geddes: Bruker, Rigaku and others.

``.raw`` (Bruker/Siemens), ``.rasx``, ``.brml``, ``.uxd`` and the like. Returns
``two_theta`` and ``intensity`` of one scan; geddes hands over nothing else, and a
``DataQualityWarning`` says what is unknown.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import xarray as xr

from structkit.errors import DataQualityWarning, ReadError
from structkit.io.columns import Columns, to_pattern

_ZIPPED = (".rasx", ".brml")


class VendorReader:
    """Binary and packed formats that geddes knows."""

    name = "geddes"
    suffixes = (".raw", ".rasx", ".brml", ".uxd", ".rd", ".sd", ".udf", ".cpi")

    def sniff(self, path: Path) -> bool:
        """Return whether the first bytes can be one of these formats."""
        suffix, head = path.suffix.lower(), path.read_bytes()[:4]
        if suffix in _ZIPPED:
            return head[:2] == b"PK"
        return head[:3] == b"RAW" if suffix == ".raw" else suffix in self.suffixes

    def read(self, path: Path, *, scan: int | None = None) -> xr.Dataset:
        """Return one scan, the first unless ``scan`` says another.

        Raises
        ------
        ReadError
            geddes cannot read it, or ``to_pattern`` refuses it.
        """
        import geddes

        index = 0 if scan is None else scan - 1
        try:
            content = geddes.read(str(path), index=index)
        except (ValueError, OSError, OverflowError) as error:
            raise ReadError(
                f"{path}: {error}; export it as .xy or .xye from the maker's software"
            ) from error
        pattern = to_pattern(
            Columns(
                path=path,
                two_theta=np.asarray(content.x, dtype=float),
                intensity=np.asarray(content.y, dtype=float),
            )
        )
        scans = "scan 1 of an unknown number" if scan is None else f"scan {scan}"
        warnings.warn(
            f"{path.name}: read through geddes ({scans}); its esds, wavelength, "
            "counting time and attenuation are unknown",
            DataQualityWarning,
            stacklevel=3,
        )
        return pattern
