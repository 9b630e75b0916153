"""A synthetic milling series with known truth: NaTaCl6 + Na2O turning to glass.

The powder starts as the 1:1 mixture of crystalline NaTaCl6 and Na2O. Milling takes
both away exponentially, a little NaCl forms, and the rest is glass, whose composition
is what the crystals leave of Na3TaOCl6: atoms are conserved. The numbers are invented
(SCIENCE G); only their kind follows the study.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from structkit.errors import PlanError
from structkit.schema import (
    INTENSITY,
    MILLING_TIME,
    PHASE,
    SAMPLE,
    TWO_THETA,
    label,
    make_pattern,
)
from structkit.store import write_dataset, write_table, write_text
from structkit.structures import library
from structkit.structures.composition import molar_mass
from structkit.structures.crystal import CrystalStructure
from structkit.synthetic.lines import Optics
from structkit.synthetic.mixture import (
    LABEL,
    Surroundings,
    SyntheticPhase,
    simulate_mixture,
    study_grid,
)
from structkit.synthetic.scattering import Glass

__all__ = [
    "MillingTruth",
    "Surroundings",
    "SyntheticPhase",
    "simulate_milling_series",
    "simulate_mixture",
    "simulate_standard",
    "write_series",
]

Floats = NDArray[np.float64]

PHASES = ("NaTaCl6", "NaCl", "Na2O")
WEIGHED_IN = {"Na": 3.0, "Ta": 1.0, "O": 1.0, "Cl": 6.0}
"""Atoms per NaTaCl6 + Na2O."""
_FILM_UM = 25.0
_FILM_SPREAD = 0.04
_DRIFT = 0.03
_DISPLACEMENT_MM = 0.1
_ATOMS_TOLERANCE = 1e-12
_STANDARD_COUNTS = 20000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MillingTruth:
    """What milling does, as functions of its time in hours.

    Each is ``end + (start - end) exp(-t / time)``.
    """

    ntc_left: tuple[float, float, float] = (0.95, 0.0, 1.8)
    """Crystalline NaTaCl6, moles per weighed mole: start, end, time (h)."""
    na2o_left: tuple[float, float, float] = (0.95, 0.0, 2.6)
    """Crystalline Na2O, moles per weighed mole: start, end, time (h)."""
    nacl_formed: tuple[float, float, float] = (0.02, 0.14, 1.5)
    """Crystalline NaCl, moles per mole of Ta: start, end, time (h)."""
    ntc_size_nm: tuple[float, float, float] = (60.0, 8.0, 1.2)
    """Crystallite size of NaTaCl6, nm."""
    na2o_size_nm: tuple[float, float, float] = (30.0, 3.0, 1.5)
    """Crystallite size of Na2O, nm."""
    nacl_size_nm: tuple[float, float, float] = (15.0, 15.0, 1.0)
    """Crystallite size of NaCl, nm."""
    microstrain: tuple[float, float, float] = (5e-4, 3e-3, 2.0)
    """Microstrain of all phases."""
    size_spread: float = 0.25
    """Standard deviation of ln(size)."""
    cell_shrinkage: float = 0.018
    """How much shorter the axes of NaTaCl6 are than in the computed structure."""

    def moles(self, time_h: float) -> dict[str, float]:
        """Return crystalline moles of each phase per mole of Ta."""
        amounts = (self.ntc_left, self.nacl_formed, self.na2o_left)
        return {n: _relax(a, time_h) for n, a in zip(PHASES, amounts, strict=True)}

    def sizes_nm(self, time_h: float) -> dict[str, float]:
        """Return the crystallite size of each phase, nm."""
        sizes = (self.ntc_size_nm, self.nacl_size_nm, self.na2o_size_nm)
        return {n: _relax(s, time_h) for n, s in zip(PHASES, sizes, strict=True)}

    def glass(self, time_h: float) -> Glass:
        """Return the glass: what the crystals leave of the atoms weighed in.

        Raises
        ------
        PlanError
            The crystals hold more of an element than was weighed in.
        """
        left = dict(WEIGHED_IN)
        for name, moles in self.moles(time_h).items():
            structure = library.load(name)
            for element, count in structure.atom_counts.items():
                left[element] -= moles * count / structure.formula_units
        for element, count in left.items():
            if count < -_ATOMS_TOLERANCE:
                excess = f"{-count:.3g} mol more {element}"
                raise PlanError(f"the crystals hold {excess} than was weighed in")
        return Glass(composition={e: n for e, n in left.items() if n > 0.0})


def _relax(course: tuple[float, float, float], time_h: float) -> float:
    """Return ``end + (start - end) exp(-t / time)``."""
    start, end, time = course
    return float(end + (start - end) * np.exp(-time_h / time))


def simulate_milling_series(
    *,
    times_h: Sequence[float] = (0.0, 1.0, 2.0, 4.0, 6.0),
    seed: int = 20250,
    truth: MillingTruth | None = None,
    two_theta: Floats | None = None,
    max_counts: float = 6000.0,
    internal_standard: float = 0.0,
    film: bool = True,
) -> tuple[xr.DataTree, xr.Dataset]:
    """Simulate the patterns of a milling series and say what is true.

    Parameters
    ----------
    times_h : sequence of float
        Milling times, **h**.
    seed : int
        Seed of counting noise, tube drift, displacement and film thickness.
    truth : MillingTruth, optional
        What milling does.
    two_theta : ndarray, optional
        Grid, **degree**; default 10 to 80 by 0.03.
    max_counts : float
        Expected counts of the highest point of the first sample; all samples share
        its scale, but for a drift of 3 %.
    internal_standard : float
        Weight fraction of corundum mixed into each sample; 0: none.
    film : bool
        Measure under 25 micrometre polyimide film.

    Returns
    -------
    patterns : xarray.DataTree
        ``/<sample>/xrd``, each a pattern with ``milling_time``.
    truth : xarray.Dataset
        Over ``sample`` and ``phase`` what :func:`simulate_mixture` says of each
        pattern, with ``milling_time``, ``drift``, ``film_thickness_um``.
        ``amorphous_fraction`` and ``crystalline_fraction`` are of the sample
        without its standard.

    Notes
    -----
    The glass scatters per gram what the crystals do (:mod:`.mixture`), so its halo
    follows from its weight fraction without a scale of its own.
    """
    truth = truth or MillingTruth()
    rng = np.random.default_rng(seed)
    scale: float | None = None
    patterns: dict[str, xr.Dataset] = {}
    records: list[xr.Dataset] = []
    for time_h in times_h:
        drift = float(np.exp(rng.normal(0.0, _DRIFT))) if patterns else 1.0
        thickness = _FILM_UM * float(np.exp(rng.normal(0.0, _FILM_SPREAD))) * film
        pattern, record = simulate_mixture(
            _phases(truth, time_h, internal_standard),
            glass=truth.glass(time_h),
            two_theta=two_theta,
            surroundings=Surroundings(film_thickness_um=thickness),
            displacement_mm=float(rng.uniform(-_DISPLACEMENT_MM, _DISPLACEMENT_MM)),
            scale=None if scale is None else scale * drift,
            max_counts=max_counts,
            rng=rng,
        )
        scale = scale or float(record.instrument_scale)
        name = f"{time_h:g}h"
        time = label(xr.DataArray(float(time_h)), MILLING_TIME)
        patterns[name] = pattern.assign_coords({MILLING_TIME: time})
        records.append(
            _complete(record, internal_standard).assign(
                drift=((), drift, {"units": "1"}),
                film_thickness_um=((), thickness, {"units": "um"}),
            )
        )
    tree = xr.DataTree.from_dict({f"/{n}/xrd": p for n, p in patterns.items()})
    return tree, _join(records, list(patterns), times_h)


def _phases(
    truth: MillingTruth, time_h: float, internal_standard: float
) -> list[SyntheticPhase]:
    """Return the crystalline phases of one sample."""
    total, share = molar_mass(WEIGHED_IN), 1.0 - internal_standard
    sizes, strain = truth.sizes_nm(time_h), _relax(truth.microstrain, time_h)
    phases = []
    for name, moles in truth.moles(time_h).items():
        structure = library.load(name)
        if name == "NaTaCl6":
            structure = shrink(structure, truth.cell_shrinkage)
        mass = moles * structure.cell_mass / structure.formula_units
        phases.append(
            SyntheticPhase(
                structure=structure,
                weight_fraction=share * mass / total,
                size_nm=sizes[name],
                size_spread=truth.size_spread,
                microstrain=strain,
            )
        )
    if internal_standard > 0.0:
        phases.append(
            SyntheticPhase(
                structure=library.load("corundum"),
                weight_fraction=internal_standard,
                size_nm=200.0,
            )
        )
    return phases


def shrink(structure: CrystalStructure, share: float) -> CrystalStructure:
    """Return the structure with all its axes shorter by ``share``."""
    cell = structure.cell
    lengths = {axis: getattr(cell, axis) * (1.0 - share) for axis in "abc"}
    return structure.with_cell(replace(cell, **lengths))


def _complete(record: xr.Dataset, internal_standard: float) -> xr.Dataset:
    """Return the record with fractions of the sample without its standard."""
    amorphous = float(record.amorphous_fraction) / (1.0 - internal_standard)
    return record.assign(
        amorphous_fraction=((), amorphous, {"units": "1"}),
        crystalline_fraction=((), 1.0 - amorphous, {"units": "1"}),
    )


def _join(
    records: list[xr.Dataset], names: list[str], times_h: Sequence[float]
) -> xr.Dataset:
    """Return the records over ``sample``."""
    joined = xr.concat(records, dim=SAMPLE, combine_attrs="override")
    times = label(xr.DataArray(list(times_h), dims=SAMPLE), MILLING_TIME)
    return joined.assign_coords({SAMPLE: names, MILLING_TIME: times})


def simulate_standard(
    *, phase: str = "LaB6", seed: int = 660, max_counts: float = _STANDARD_COUNTS
) -> tuple[xr.Dataset, xr.Dataset]:
    """Simulate the pattern of a line-profile standard, 18 to 120 by 0.02 degree.

    Returns
    -------
    pattern, truth : xarray.Dataset
        As :func:`simulate_mixture`; crystallites of 2 micrometre, no strain, no film.
    """
    return simulate_mixture(
        [
            SyntheticPhase(
                structure=library.load(phase), weight_fraction=1.0, size_nm=2000.0
            )
        ],
        two_theta=np.round(18.0 + 0.02 * np.arange(5101), 6),
        max_counts=max_counts,
        rng=np.random.default_rng(seed),
    )


def write_series(
    folder: str | Path,
    *,
    times_h: Sequence[float] = (0.0, 1.0, 2.0, 4.0, 6.0),
    seed: int = 20250,
    internal_standard: float = 0.0,
    truth: MillingTruth | None = None,
) -> Path:
    """Write a milling series as an instrument would leave it, and its truth.

    Parameters
    ----------
    folder : str or Path
        Where to write; made when absent.
    times_h, seed, internal_standard, truth
        As in :func:`simulate_milling_series`.

    Returns
    -------
    Path
        ``series.toml``, beside ``<time>h.xy``, ``LaB6.xy`` (the instrument's
        standard), ``film_blank.xy`` (film and air without a sample), ``truth.nc``
        and ``truth.csv``.
    """
    folder = Path(folder)
    tree, known = simulate_milling_series(
        times_h=times_h, seed=seed, internal_standard=internal_standard, truth=truth
    )
    for name in known[SAMPLE].to_numpy():
        write_counts(tree[f"/{name}/xrd"].to_dataset(), folder / f"{name}.xy")
    standard, _ = simulate_standard()
    write_counts(standard, folder / "LaB6.xy")
    write_counts(simulate_blank(seed=seed), folder / "film_blank.xy")
    write_dataset(known, folder / "truth.nc")
    table = known.drop_dims(TWO_THETA).rename({MILLING_TIME: "milling_time_h"})
    write_table(table, folder / "truth.csv")
    text = _series_file(known, internal_standard)
    return write_text(text, folder / "series.toml")


def simulate_blank(
    *, seed: int = 1, surroundings: Surroundings | None = None
) -> xr.Dataset:
    """Simulate the film and the air without a sample, ten times as long."""
    grid = study_grid()
    surroundings = surroundings or Surroundings(film_thickness_um=_FILM_UM)
    expected = 10.0 * (surroundings.film(grid) + surroundings.air_scatter(grid))
    return make_pattern(grid, np.random.default_rng(seed).poisson(expected))


def write_counts(pattern: xr.Dataset, path: Path) -> None:
    """Write two columns, angle in degree and counts, as an instrument does."""
    rows = zip(
        pattern[TWO_THETA].to_numpy(), pattern[INTENSITY].to_numpy(), strict=True
    )
    head = f"# {LABEL}\n# wavelength = {Optics().wavelength}\n# two_theta counts\n"
    write_text(head + "".join(f"{x:.3f} {y:.0f}\n" for x, y in rows), path)


def _series_file(known: xr.Dataset, internal_standard: float) -> str:
    """Return the text of ``series.toml``."""
    blocks = [
        f"# {LABEL}\n[series]\n"
        'name = "NaTaCl6 + Na2O, milled (synthetic)"\n'
        'axis = "milling_time"\n'
        "mixture = { NaTaCl6 = 1, Na2O = 1 }",
        '[xrd]\nblank = "film_blank.xy"\nfilm_thickness_um = 25.0',
        '[xrd.instrument]\nstandard = "LaB6.xy"\nstandard_phase = "LaB6"\n'
        'tube = "CuKa"',
    ]
    if internal_standard > 0.0:
        blocks.append(
            '[xrd.internal_standard]\nphase = "corundum"\n'
            f"weight_fraction = {internal_standard:g}\ncrystallinity = 1.0"
        )
    for name in known[PHASE].to_numpy():
        uncertain = "\ncell_uncertain = true" if name == "NaTaCl6" else ""
        blocks.append(f'[[xrd.phase]]\nname = "{name}"{uncertain}')
    for name, time_h in zip(
        known[SAMPLE].to_numpy(), known[MILLING_TIME].to_numpy(), strict=True
    ):
        role = "unmilled" if time_h == 0.0 else "milled"
        blocks.append(
            f'[[sample]]\nid = "{name}"\nmilling_time = "{time_h:g} h"\n'
            f'role = "{role}"\nxrd = "{name}.xy"'
        )
    return "\n\n".join(blocks) + "\n"
