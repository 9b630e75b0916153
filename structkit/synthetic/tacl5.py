"""An idealised stand-in for tantalum pentachloride; no measured structure.

TaCl5 is of the NbCl5 type (C 2/m, mS72): hexagonal close-packed chlorine, stacked along
c, with pairs of tantalum in edge-sharing octahedra. Three facts fix the arrangement:

* a layer of 30 atoms fits ``a = 3 sqrt(3) d``, ``b = 5 d`` for a distance d of
  neighbours, two layers fit ``c = sqrt(8/3) d``;
* pairs along b at ``x = m/6`` use every chlorine exactly once when ``y`` is 0 for even
  and 1/2 for odd m, whether a pair lies between one layer and the next (z = 0) or the
  next two (z = 1/2);
* of the ways to share the two heights out, the one with C 2/m and 12 formula units has
  the pairs of m = 0, 3 at z = 0 and the others at z = 1/2.

The axes are scaled to the density; their proportions and beta, which lift the metric's
accidental hexagonal symmetry, are chosen near those of the type. Molecules are then
drawn together, the pair apart and chlorine inwards, to bonds as chlorides of Ta(V)
have them.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import gemmi
import numpy as np
from numpy.typing import NDArray

from structkit.structures.cif_write import write_cif
from structkit.structures.composition import molar_mass
from structkit.structures.crystal import Cell, CrystalStructure, Site
from structkit.structures.plausibility import check_distances, check_occupancies
from structkit.structures.symmetry import parse_operations, snap

Floats = NDArray[np.float64]

FILE_NAME = "TaCl5_idealised.cif"
DENSITY = 3.68
"""g/cm3, of the description."""
FORMULA_UNITS = 12
TERMINAL = 2.28
"""Ta to a chlorine of its own, angstrom."""
BRIDGING = 2.54
"""Ta to a shared chlorine, angstrom."""
PAIR = 3.95
"""Ta to Ta across the shared edge, angstrom."""
_PROPORTIONS = (3.108, 3.050, 1.0)
_BETA = 90.6
_B_ISO = {"Ta": 1.2, "Cl": 1.9}
"""As for NaTaCl6 in the library, angstrom squared."""
_REMARK = (
    "idealised stand-in, not a measured structure: for synthetic patterns only; "
    "never refine measured data with it"
)


@lru_cache(maxsize=1)
def idealised_tacl5() -> CrystalStructure:
    """Build the idealised TaCl5.

    Returns
    -------
    CrystalStructure
        C 2/m, Z = 12, 3.68 g/cm3, Ta-Cl 2.28 (terminal) and 2.54 angstrom (bridging).
        ``origin`` is ``"computed"``; the first remark says that it is idealised.

    Raises
    ------
    StructureError
        Never, unless the constants above are changed to something impossible.
    """
    cell = _cell()
    operations = gemmi.SpaceGroup("C 1 2/m 1").operations()
    triplets = tuple(op.triplet() for op in operations)
    matrices = parse_operations(triplets)
    sites = []
    for label, position in _positions(cell).items():
        place, multiplicity = snap(list(position), matrices)
        element = label[:2]
        u_iso = _B_ISO[element] / (8.0 * np.pi**2)
        sites.append(
            Site(
                label=label,
                element=element,
                position=place,
                occupancy=1.0,
                u_iso=float(u_iso),
                multiplicity=multiplicity,
            )
        )
    check_occupancies(tuple(sites), matrices)
    check_distances(tuple(sites), cell, matrices)
    return CrystalStructure(
        name="TaCl5",
        formula="TaCl5",
        formula_units=FORMULA_UNITS,
        space_group="C 1 2/m 1",
        space_group_number=12,
        operations=triplets,
        cell=cell,
        sites=tuple(sites),
        origin="computed",
        source="Idealised stand-in, not a measured structure: hexagonal close-packed "
        "Cl with Ta pairs in edge-sharing octahedra (NbCl5 type, mS72), "
        "built by structkit.synthetic.tacl5",
        remarks=(_REMARK,),
    )


def write_tacl5(folder: Path | str) -> Path:
    """Write the stand-in as ``TaCl5_idealised.cif`` into ``folder``.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    path = Path(folder) / FILE_NAME
    write_cif(idealised_tacl5(), path)
    return path


def _cell() -> Cell:
    """Return the cell of the density, in the proportions of the type."""
    mass = FORMULA_UNITS * molar_mass("TaCl5")
    volume = mass / (0.602214076 * DENSITY)
    a, b, c = _PROPORTIONS
    scale = (volume / (a * b * c * np.sin(np.radians(_BETA)))) ** (1.0 / 3.0)
    lengths = [round(float(scale * axis), 4) for axis in _PROPORTIONS]
    return Cell(a=lengths[0], b=lengths[1], c=lengths[2], beta=_BETA)


def _positions(cell: Cell) -> dict[str, Floats]:
    """Return fractional positions of one atom of each site.

    Pair 1 is centred at (0, 0, 0), pair 2 at (1/3, 0, 1/2). Above the middle of pair 1
    lies the layer whose atoms stand at ``x = -1/18`` (in contact with the middle) and
    ``x = 1/9``; above pair 2, one layer on, their mirror image.
    """
    atoms: dict[str, Floats] = {}
    first = _molecule(cell, np.array([0.0, 0.0, 0.0]), upwards=1.0)
    second = _molecule(cell, np.array([1.0 / 3.0, 0.0, 0.5]), upwards=-1.0)
    # the two-fold axis through pair 1 makes its lower half
    own = [("Ta", 0), ("bridging", 1), ("axial", 1), ("equatorial", 1)]
    all_of = [("Ta", 0)] + [
        (kind, side) for kind in ("bridging", "axial", "equatorial") for side in (1, -1)
    ]
    number = 0
    for ta, (molecule, wanted) in enumerate(((first, own), (second, all_of)), 1):
        for kind, side in wanted:
            if kind == "Ta":
                atoms[f"Ta{ta}"] = molecule[kind, side]
            else:
                number += 1
                atoms[f"Cl{number}"] = molecule[kind, side]
    return atoms


def _molecule(
    cell: Cell, middle: Floats, *, upwards: float
) -> dict[tuple[str, int], Floats]:
    """Return the atoms of a pair's half at positive y, by kind and side of the pair.

    Parameters
    ----------
    cell : Cell
        Its axes.
    middle : ndarray, shape (3,)
        Fractional centre of the pair.
    upwards : float
        1 where the upper layer is in contact at ``x = -1/18``; -1 where it is mirrored.
    """
    to_cartesian = _axes(cell)
    tantalum = np.array([0.0, 0.5 * PAIR / cell.b, 0.0])
    found = {("Ta", 0): middle + tantalum}
    for side in (1, -1):
        x, z = upwards * side, 0.25 * side
        bridge = np.array([-x / 18.0, 0.0, z])
        height = np.sqrt(BRIDGING**2 - (0.5 * PAIR) ** 2)
        found["bridging", side] = middle + _shorten(bridge, height, to_cartesian)
        for kind, ideal in (
            ("axial", np.array([x / 9.0, 0.1, z])),
            ("equatorial", np.array([-x / 18.0, 0.2, z])),
        ):
            bond = _shorten(ideal - [0.0, 0.1, 0.0], TERMINAL, to_cartesian)
            found[kind, side] = middle + tantalum + bond
    return found


def _axes(cell: Cell) -> Floats:
    """Return the axes as columns, in angstrom."""
    beta = np.radians(cell.beta)
    return np.array(
        [
            [cell.a, 0.0, cell.c * np.cos(beta)],
            [0.0, cell.b, 0.0],
            [0.0, 0.0, cell.c * np.sin(beta)],
        ]
    )


def _shorten(step: Floats, length: float, axes: Floats) -> Floats:
    """Return a fractional step scaled to a length in angstrom."""
    return np.asarray(step * length / np.linalg.norm(axes @ step))
