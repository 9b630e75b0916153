"""Rival readings of a spectrum: which species are there, in plain words."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from structkit.errors import SchemaError
from structkit.raman.bands import Band
from structkit.raman.library import BandLibrary, load_bands
from structkit.raman.tables import (
    build_rows,
    check_names,
    raise_mistakes,
    read_band_files,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypothesis:
    """One reading of a spectrum: the species whose bands make it up."""

    name: str
    """Unique, short: the label in tables and figures."""
    species: tuple[str, ...]
    """Names of species of the band library."""
    statement: str
    """What it says of the sample, in plain words."""
    discriminating: tuple[str, ...] = ()
    """Names of the bands by which it differs from its rivals."""

    def __post_init__(self) -> None:
        """Refuse a reading of nothing."""
        if not self.species:
            raise SchemaError(f"hypothesis {self.name!r} needs a species")

    def select_bands(self, library: BandLibrary) -> tuple[Band, ...]:
        """Return the bands that its fit takes."""
        return library.select(self.species).bands

    def find_unseen(
        self, library: BandLibrary, *, low: float, high: float
    ) -> tuple[Band, ...]:
        """Return its discriminating bands that a spectrum from low to high lacks."""
        telling = (library.get(name) for name in self.discriminating)
        return tuple(b for b in telling if not low <= b.wavenumber <= high)


def load_hypotheses(path: str | Path | None = None) -> tuple[Hypothesis, ...]:
    """Load the library's hypotheses, and a user's over them.

    Parameters
    ----------
    path : path, optional
        The user's TOML file, with ``[[hypothesis]]`` tables; it may bring the species
        and bands they refer to. A known name replaces the fields that it gives.

    Returns
    -------
    tuple of Hypothesis
        Those of the library in their order, then what the user added.

    Raises
    ------
    ReadError
        When the file is absent or not TOML.
    SchemaError
        When it has mistakes: all of them, with file and key.

    Examples
    --------
    >>> [one.name for one in load_hypotheses()][:3]
    ['NTC', 'NTC without a 405 line', 'NTC + TaCl5']
    """
    library = load_bands(path)
    species = [one.name for one in library.species]
    bands = [band.name for band in library.bands]
    hypotheses: dict[str, Hypothesis] = {}
    mistakes: dict[str, list[str]] = {}
    for file in read_band_files(path):
        known = {name: asdict(one) for name, one in hypotheses.items()}
        rows, found = build_rows(Hypothesis, file, "hypothesis", defaults=known)
        found += check_names(file, "hypothesis", field="species", known=species)
        found += check_names(file, "hypothesis", field="discriminating", known=bands)
        found += [
            f"hypothesis {one.name!r}: its fit does not take {name!r}; name a band "
            "of its species in discriminating"
            for one in rows
            for name in one.discriminating
            if not found and name not in [b.name for b in one.select_bands(library)]
        ]
        hypotheses |= {row.name: row for row in rows}
        mistakes[file.name] = found
    raise_mistakes(mistakes)
    return tuple(hypotheses.values())
