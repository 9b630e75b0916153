"""Look up crystal structures: the user's CIFs first, then those that ship.

The environment variable ``STRUCTKIT_CIF_PATH`` names the user's folders, separated
as in ``PATH``. Phases whose CIF may not be redistributed, or is not at hand, are
listed as "bring your own CIF".
"""

from __future__ import annotations

import difflib
import os
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from structkit.errors import DataQualityWarning, StructkitError, StructureError
from structkit.structures.cif import read_cif
from structkit.structures.composition import parse_formula, reduce_formula
from structkit.structures.crystal import CrystalStructure

FOLDERS_VARIABLE = "STRUCTKIT_CIF_PATH"
_HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryEntry:
    """One phase of the library, or one that the user has to bring."""

    name: str
    """Name to load it by."""
    formula: str
    """Formula of one unit."""
    space_group: str
    """Hermann-Mauguin symbol, or what is known of it."""
    space_group_number: int = 0
    """Number in International Tables A; 0 when not known."""
    origin: str
    """``measured``, ``computed``, ``user``, or ``bring your own CIF``."""
    source: str
    """Reference in words, or where to look for it."""
    doi: str = ""
    """DOI of the reference."""
    common_names: tuple[str, ...] = field(default=())
    """Mineral and trade names."""
    path: Path | None = None
    """The CIF; None: bring your own."""

    @property
    def is_available(self) -> bool:
        """Return whether there is a CIF to load."""
        return self.path is not None


_BRING = "bring your own CIF"
BRING_YOUR_OWN = (
    LibraryEntry(
        name="TaCl5",
        formula="TaCl5",
        space_group="C 2/m",
        space_group_number=12,
        origin=_BRING,
        source="Rabe & Mueller, Z. Kristallogr. NCS 215 (2000) 1; Pearson mS72, "
        "NbCl5 type, density 3.68 g/cm3",
        common_names=("tantalum pentachloride",),
    ),
    LibraryEntry(
        name="Ta2O5",
        formula="Ta2O5",
        space_group="orthorhombic, several polymorphs",
        origin=_BRING,
        source="ICDD 25-0922; choose the polymorph by its lines",
        common_names=("tantalum pentoxide",),
    ),
    LibraryEntry(
        name="TaOCl3",
        formula="TaOCl3",
        space_group="tetragonal, NbOCl3 type",
        origin=_BRING,
        source="search COD or ICSD by the elements Ta O Cl",
        common_names=("tantalum oxychloride",),
    ),
    LibraryEntry(
        name="NaTaO3",
        formula="NaTaO3",
        space_group="orthorhombic perovskite",
        space_group_number=62,
        origin=_BRING,
        source="ICDD 25-0863",
        common_names=("sodium tantalate",),
    ),
    LibraryEntry(
        name="NaAlCl4",
        formula="NaAlCl4",
        space_group="P 21 21 21",
        space_group_number=19,
        origin=_BRING,
        source="search COD or ICSD by the elements Na Al Cl",
        common_names=("sodium tetrachloroaluminate",),
    ),
)


def load(
    name: str, *, folders: Iterable[str | Path] = (), rename: str | None = None
) -> CrystalStructure:
    """Load a structure by name, formula, mineral name or space group.

    Parameters
    ----------
    name : str
        ``"NaCl"``, ``"ClNa"``, ``"halite"``, ``"P 63 m c"``, or the path of a
        ``.cif`` file. Upper and lower case are the same for names.
    folders : iterable of path
        Folders with the user's CIFs, searched in this order before those of
        ``STRUCTKIT_CIF_PATH`` and the library's own.
    rename : str, optional
        Name of the phase in plans and tables; by default the file's own.

    Returns
    -------
    CrystalStructure
        Checked as :func:`structkit.structures.cif.read_cif` does.

    Raises
    ------
    StructureError
        When nothing or more than one phase fits (the message suggests names), or
        the phase is one to bring.
    """
    if name.lower().endswith(".cif"):
        return read_cif(name, name=rename)
    entries = find(name, folders=folders)
    if not entries:
        raise StructureError(_unknown(name, folders))
    if len(entries) > 1:
        names = ", ".join(entry.name for entry in entries)
        raise StructureError(f"{name!r} fits several phases: choose one of {names}")
    if entries[0].path is None:
        raise StructureError(_bring(entries[0]))
    return read_cif(entries[0].path, name=rename)


def phases(*, folders: Iterable[str | Path] = ()) -> tuple[LibraryEntry, ...]:
    """List every phase: the user's, the library's, and those to bring.

    A phase hides later ones of the same name.

    Parameters
    ----------
    folders : iterable of path
        As for :func:`load`.

    Returns
    -------
    tuple of LibraryEntry
        In the order of search.
    """
    found: dict[str, LibraryEntry] = {}
    for shelf in _shelves(folders):
        for entry in shelf:
            found.setdefault(entry.name.lower(), entry)
    return tuple(found.values())


def find(query: str, *, folders: Iterable[str | Path] = ()) -> tuple[LibraryEntry, ...]:
    """Return the phases that fit a name, a formula or a space group.

    Parameters
    ----------
    query : str
        As for :func:`load`; a space group may be a symbol or a number.
    folders : iterable of path
        As for :func:`load`.

    Returns
    -------
    tuple of LibraryEntry
        Of the first folder in which anything fits: exact name first, then mineral
        name, formula, space group. Empty when nothing does.
    """
    wanted = query.strip().lower()
    shelves = list(_shelves(folders))
    for shelf in shelves:
        for match in (_has_name, _has_common_name, _has_formula):
            fitting = tuple(entry for entry in shelf if match(entry, wanted, query))
            if fitting:
                return fitting
    symbol = wanted.replace(" ", "")
    everything = (entry for shelf in shelves for entry in shelf)
    return tuple(entry for entry in everything if _has_group(entry, symbol))


def _has_name(entry: LibraryEntry, wanted: str, query: str) -> bool:
    del query
    return entry.name.lower() == wanted


def _has_common_name(entry: LibraryEntry, wanted: str, query: str) -> bool:
    del query
    return any(name.lower() == wanted for name in entry.common_names)


def _has_formula(entry: LibraryEntry, wanted: str, query: str) -> bool:
    del wanted
    formula = _reduced(query)
    return bool(formula) and formula == _reduced(entry.formula)


def _has_group(entry: LibraryEntry, symbol: str) -> bool:
    """Return whether the space group has this symbol (spaces dropped) or number."""
    if symbol.isdigit():
        return entry.space_group_number == int(symbol)
    own = entry.space_group.lower().replace(" ", "")
    short = own.split(":")[0]
    return symbol in (own, short, _short_symbol(short))


def _short_symbol(symbol: str) -> str:
    """Return ``p21/c`` for ``p121/c1``, anything else as it is."""
    if len(symbol) > 3 and symbol[1] == "1" and symbol.endswith("1"):
        return symbol[0] + symbol[2:-1]
    return symbol


def _reduced(formula: str) -> dict[str, float]:
    """Return the atoms of one formula unit, empty when it is no formula."""
    try:
        return reduce_formula(parse_formula(formula.strip()))[0]
    except StructureError:
        return {}


def _shelves(folders: Iterable[str | Path]) -> Iterator[tuple[LibraryEntry, ...]]:
    """Yield the entries of each folder in order of search, then those to bring."""
    for folder in (*_user_folders(folders), _shipped_folder()):
        yield tuple(_read_shelf(folder))
    yield BRING_YOUR_OWN


def _user_folders(folders: Iterable[str | Path]) -> list[Path]:
    """Return the folders of the argument and of the environment variable."""
    listed = [Path(folder).expanduser() for folder in folders]
    for folder in listed:
        if not folder.is_dir():
            raise StructureError(f"{folder}: no such folder of CIFs; create it")
    for text in os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep):
        folder = Path(text).expanduser()
        if text and folder.is_dir():
            listed.append(folder)
        elif text:
            warnings.warn(
                f"{FOLDERS_VARIABLE}: {folder} is no folder; it was passed over",
                DataQualityWarning,
                stacklevel=2,
            )
    return listed


def _shipped_folder() -> Path:
    """Return the library's own folder: inside a wheel, or beside the packages."""
    installed = _HERE / "cifs"
    folder = installed if installed.is_dir() else _HERE.parents[1] / "cifs"
    if not folder.is_dir():
        raise StructureError(f"{folder}: the library's CIFs are missing; reinstall")
    return folder


def _read_shelf(folder: Path) -> Iterator[LibraryEntry]:
    """Yield the entries of a folder; warn of a CIF that cannot be used."""
    for path in sorted(folder.glob("*.[cC][iI][fF]")):
        try:
            yield _read_entry(path, path.stat().st_mtime_ns)
        except StructkitError as error:
            warnings.warn(
                f"left out of the library: {error}", DataQualityWarning, stacklevel=2
            )


@lru_cache(maxsize=256)
def _read_entry(path: Path, modified: int) -> LibraryEntry:
    """Return the entry of a CIF; ``modified`` makes a changed file a new one."""
    del modified
    crystal = read_cif(path)
    return LibraryEntry(
        name=crystal.name,
        formula=crystal.formula,
        space_group=crystal.space_group,
        space_group_number=crystal.space_group_number,
        origin=crystal.origin,
        source=crystal.source,
        doi=crystal.doi,
        common_names=crystal.common_names,
        path=path,
    )


def _bring(entry: LibraryEntry) -> str:
    """Return what to do about a phase without a CIF."""
    return (
        f"{entry.name} has no CIF in the library: bring your own ({entry.source}), "
        f"give its path, or put it into a folder named in {FOLDERS_VARIABLE}"
    )


def _unknown(name: str, folders: Iterable[str | Path]) -> str:
    """Return what to say about an unknown name."""
    known: dict[str, str] = {}
    for entry in phases(folders=folders):
        for word in (entry.name, entry.formula, *entry.common_names):
            known.setdefault(word.lower(), entry.name)
    close = difflib.get_close_matches(name.lower(), known, n=5, cutoff=0.5)
    nearest = list(dict.fromkeys(known[word] for word in close))
    if nearest:
        return f"unknown phase {name!r}; did you mean {' or '.join(nearest)}?"
    everything = ", ".join(dict.fromkeys(known.values()))
    return f"unknown phase {name!r}; known are {everything}, or give a .cif file"
