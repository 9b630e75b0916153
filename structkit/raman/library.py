"""The band library: what is known of the bands, by whom, and how far to trust it.

The library ships as ``structkit/raman/data/bands.toml``. A user's file has the same
tables and is read after it: a band of a known name replaces the fields it gives.

>>> library = load_bands()
>>> [band.name for band in library.select("TaCl5").bands][:2]
['Ta2Cl10 terminal', 'Ta2Cl10 terminal 2']
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from structkit.errors import SchemaError
from structkit.raman.bands import Band
from structkit.raman.tables import (
    BandFile,
    build_rows,
    check_arrays,
    check_names,
    names_of,
    raise_mistakes,
    read_band_files,
    suggest,
    tables_of,
)
from structkit.schema.names import BAND, SPECIES

ARRAYS = ("species", "band", "hypothesis", "statement")
"""The arrays of tables that a file may hold."""

_LONG_NAMES = {
    "wavenumber": "expected centre",
    "wavenumber_std": "standard uncertainty of the expected centre",
    "window_low": "lower limit of the centre",
    "window_high": "upper limit of the centre",
    "fwhm": "expected full width at half maximum",
    "strength": "share of the strongest band of the species",
    "raman_active": "allowed by symmetry",
    "in_hypotheses": "taken into fits of its species",
    SPECIES: "what the band belongs to",
    "symmetry": "irreducible representation and point group",
    "mode": "what moves",
    "grade": "how far to trust the wavenumber",
    "source": "source of the wavenumber",
    "doi": "DOI of the source",
    "remark": "remark",
}
_WAVENUMBERS = ("wavenumber", "wavenumber_std", "window_low", "window_high", "fwhm")


@dataclass(frozen=True, slots=True, kw_only=True)
class Species:
    """A substance, or a part of one, that has bands of its own, or none."""

    name: str
    """Unique; bands and hypotheses refer to it."""
    remark: str = ""
    """What to keep in mind when it is fitted."""
    raman_silent: bool = False
    """Whether it has no band at all: Raman says nothing about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BandLibrary:
    """Bands and the species they belong to."""

    bands: tuple[Band, ...]
    """In the order of the file."""
    species: tuple[Species, ...]
    """Every species that is known, those without bands too."""

    def get(self, name: str) -> Band:
        """Return the band of a name.

        Raises
        ------
        SchemaError
            When there is none; the message suggests a name.
        """
        for band in self.bands:
            if band.name == name:
                return band
        hint = suggest(name, (band.name for band in self.bands))
        raise SchemaError(f"no band {name!r} in the library; {hint}")

    def select(
        self, species: str | Iterable[str], *, with_unfitted: bool = False
    ) -> BandLibrary:
        """Return the bands that a fit of some species takes.

        Parameters
        ----------
        species : str or iterable of str
            Names of species; a silent one adds no band.
        with_unfitted : bool
            Whether to take bands too that are only listed to be known of
            (``in_hypotheses`` false).

        Returns
        -------
        BandLibrary
            Bands in the order of the library, and these species.

        Raises
        ------
        SchemaError
            When a species is unknown; the message suggests a name.
        """
        wanted = [species] if isinstance(species, str) else list(species)
        known = [one.name for one in self.species]
        for name in wanted:
            if name not in known:
                raise SchemaError(f"unknown species {name!r}; {suggest(name, known)}")
        return BandLibrary(
            bands=tuple(
                band
                for band in self.bands
                if band.species in wanted and (band.in_hypotheses or with_unfitted)
            ),
            species=tuple(one for one in self.species if one.name in wanted),
        )

    def within(self, low: float, high: float) -> BandLibrary:
        """Return the bands whose centre lies in a range, cm-1; see :meth:`outside`."""
        kept = tuple(band for band in self.bands if low <= band.wavenumber <= high)
        return replace(self, bands=kept)

    def outside(self, low: float, high: float) -> tuple[Band, ...]:
        """Return the bands whose centre lies out of a range, cm-1.

        A hypothesis whose telling bands lie there cannot be judged by the spectrum.
        """
        return tuple(b for b in self.bands if not low <= b.wavenumber <= high)

    def table(self) -> xr.Dataset:
        """Return the bands as a Dataset over ``band``, to show how far to trust each.

        Returns
        -------
        xarray.Dataset
            ``wavenumber``, ``wavenumber_std``, ``window_low``, ``window_high`` and
            ``fwhm`` (cm-1); ``strength``, ``raman_active`` and ``in_hypotheses`` (1);
            ``species``, ``symmetry``, ``mode``, ``grade``, ``source``, ``doi`` and
            ``remark``, texts.
        """
        rows = [
            {**asdict(b), "window_low": b.limits[0], "window_high": b.limits[1]}
            for b in self.bands
        ]
        table = xr.Dataset(coords={BAND: (BAND, [band.name for band in self.bands])})
        table[BAND].attrs["long_name"] = "band"
        for name, long_name in _LONG_NAMES.items():
            values = np.array([row[name] for row in rows])
            attrs = {"long_name": long_name}
            if values.dtype.kind in "fb":
                attrs["units"] = "cm-1" if name in _WAVENUMBERS else "1"
            if values.dtype.kind == "b":
                values = values.astype(np.int8)
            table[name] = ((BAND,), values, attrs)
        return table


def load_bands(path: str | Path | None = None) -> BandLibrary:
    """Load the library, and a user's file over it.

    Parameters
    ----------
    path : path, optional
        A TOML file with ``[[species]]`` and ``[[band]]`` tables. A band or species of
        a known name replaces the fields that it gives. Its grade is ``"user"``, and
        its source and DOI are forgotten, unless it says otherwise.

    Returns
    -------
    BandLibrary
        Those of the library in their order, then what the user added.

    Raises
    ------
    ReadError
        When the file is absent or not TOML.
    SchemaError
        When it has mistakes: all of them, with file and key.

    Examples
    --------
    >>> load_bands().get("Ta2Cl10 terminal").limits
    (390.0, 430.0)
    """
    species: dict[str, Species] = {}
    bands: dict[str, Band] = {}
    mistakes: dict[str, list[str]] = {}
    for file in read_band_files(path):
        found = check_arrays(file, ARRAYS)
        kinds = {name: asdict(one) for name, one in species.items()}
        rows, wrong = build_rows(Species, file, "species", defaults=kinds)
        species |= {row.name: row for row in rows}
        found += wrong
        known = _forget_sources(bands) if not file.is_shipped else {}
        grades = _grade_new(file, known)
        rows, wrong = build_rows(Band, file, "band", defaults=known | grades)
        bands |= {row.name: row for row in rows}
        names = [*species, *names_of(file, "species")]
        found += wrong + check_names(file, "band", field=SPECIES, known=names)
        found += _check_silent(file, species)
        mistakes[file.name] = found
    raise_mistakes(mistakes)
    return BandLibrary(bands=tuple(bands.values()), species=tuple(species.values()))


def _forget_sources(bands: Mapping[str, Band]) -> dict[str, dict[str, Any]]:
    """Return what a user's band keeps of the library's."""
    given = {"grade": "user", "source": "", "doi": ""}
    return {name: {**asdict(band), **given} for name, band in bands.items()}


def _grade_new(
    file: BandFile, known: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Return the grade of bands that only a user's file has."""
    names = [] if file.is_shipped else names_of(file, "band")
    return {name: {"grade": "user"} for name in names if name not in known}


def _check_silent(file: BandFile, species: Mapping[str, Species]) -> list[str]:
    """Return a mistake for each band of a species that has none."""
    silent = {one.name for one in species.values() if one.raman_silent}
    return [
        f"band[{i}].species: {table['species']!r} has no band; set raman_silent = false"
        for i, table in enumerate(tables_of(file, "band"))
        if table.get("species") in silent
    ]
