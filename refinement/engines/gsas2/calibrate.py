"""Coordinates and U of a structure from one good pattern, by GSAS-II.

A structure computed or taken from another temperature misfits every pattern of a
series in the same way. GSAS-II refines what the native engine holds fixed, once, on
the pattern where the phase is strongest; the native engine then uses the structure
for the whole series.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gemmi
import numpy as np
import xarray as xr

from refinement.engines.gsas2.engine import Gsas2Engine
from refinement.engines.gsas2.structure import origin_shift
from refinement.plan import RefinementPlan
from refinement.result import CELL_KEYS, RefinementResult
from structkit.errors import FitError, PlanError
from structkit.schema import PHASE, FitStatus
from structkit.structures.crystal import Cell, CrystalStructure, Site

LEAST_FRACTION = 0.10
"""Weight fraction below which a pattern says too little about a phase's atoms."""
_WORDS = {"X": "coordinates (U as they were)", "XU": "coordinates and U"}
"""What was free, by GSAS-II's flags."""
_POLAR = 1e-6
"""Rounding of a mean that is zero."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibratedStructures:
    """What a calibration gives."""

    structures: dict[str, CrystalStructure]
    """By phase, in the setting in which they came in."""
    before: RefinementResult
    """The same pattern with the coordinates as they were."""
    result: RefinementResult
    """The refinement with free coordinates."""
    refined: dict[str, str]
    """What was accepted of each of ``structures``, in words."""
    refused: dict[str, str]
    """What GSAS-II was refused of each phase, and why; empty where nothing was."""


def calibrate_structures(
    pattern: xr.Dataset,
    plan: RefinementPlan,
    phases: Sequence[str],
    *,
    engine: Gsas2Engine,
    folder: Path | None = None,
) -> CalibratedStructures:
    """Refine coordinates and U of some phases of a plan on one pattern.

    Parameters
    ----------
    pattern : xarray.Dataset
        The pattern on which the phases are strong.
    plan : RefinementPlan
        What else is refined: first all of it, then coordinates, then U.
    phases : sequence of str
        Names of the phases whose atoms are refined.
    engine : Gsas2Engine
        The engine.
    folder : Path, optional
        Where GSAS-II's files stay.

    Returns
    -------
    CalibratedStructures
        Cells, positions and ``u_iso`` of the named phases are new; each says in
        ``source`` and ``remarks`` where they come from.

    Raises
    ------
    PlanError
        A name is no phase of the plan, or its space group is polar.
    FitError
        The fit failed, GSAS-II refused the coordinates of every phase, or a phase is
        too weak in this pattern.
    """
    for name in phases:
        if name not in plan.phase_names:
            raise PlanError(
                f"{name!r} is no phase of the plan; it has "
                f"{', '.join(plan.phase_names)}"
            )
    for phase in plan.phases:
        if phase.name in phases:
            _refuse_polar(phase.structure)
    before = engine.refine(pattern, plan)
    for name in phases:
        share = float(before.parameters["weight_fraction_crystalline"].sel(phase=name))
        if not share >= LEAST_FRACTION:
            raise FitError(
                f"{name} is {100 * share:.1f} wt% of this pattern; its atoms need at "
                f"least {100 * LEAST_FRACTION:.0f} wt%: choose a pattern where it is "
                "stronger"
            )
    result, outcome = engine.refine_with_coordinates(
        pattern, plan, tuple(phases), folder=folder
    )
    accepted = {
        name: flags
        for name in phases
        if (flags := _accepted_flags(outcome.stages, name))
    }
    if not accepted:
        raise FitError(
            "GSAS-II could not refine the coordinates: " + "; ".join(outcome.notes)
        )
    structures = {
        name: _calibrated(
            next(p.structure for p in plan.phases if p.name == name),
            outcome.report["state"]["phases"][name]["atoms"],
            result,
            provenance=_provenance(pattern, before, result, flags),
        )
        for name, flags in accepted.items()
    }
    return CalibratedStructures(
        structures=structures,
        before=before,
        result=result,
        refined={name: _WORDS[flags] for name, flags in accepted.items()},
        refused={name: _find_refusals(outcome.notes, name) for name in phases},
    )


def _refuse_polar(structure: CrystalStructure) -> None:
    """Refuse a polar space group: all coordinates together would be singular.

    The mean of a group's rotations projects onto the directions that all of them
    leave as they are, along which nothing fixes the origin.
    """
    turns = [np.asarray(gemmi.Op(text).rot) for text in structure.operations]
    if np.abs(np.mean(turns, axis=0)).max() > _POLAR * gemmi.Op.DEN:
        raise PlanError(
            f"{structure.name}: {structure.space_group} is polar: nothing fixes its "
            "origin, so its coordinates cannot all be refined; refine them in "
            "GSAS-II itself with one of them held"
        )


def _accepted_flags(stages: Sequence[str], name: str) -> str:
    """Return ``X`` or ``XU``: what of a phase's atoms was refined and accepted."""
    found = [stage for stage in stages if stage.startswith(f"atoms of {name}: ")]
    return found[-1].rpartition(" ")[2] if found else ""


def _find_refusals(notes: Sequence[str], name: str) -> str:
    """Return which of a phase's atoms' parameters were refused, and why."""
    start = f"atoms of {name}, "
    found = [note.removeprefix(start) for note in notes if note.startswith(start)]
    texts = []
    for note in found:
        flags, _, why = note.partition(", refused: ")
        texts.append(f"{'U' if flags == 'XU' else 'coordinates'}: {why}")
    return "; ".join(texts)


def _calibrated(
    structure: CrystalStructure,
    atoms: Sequence[Mapping[str, Any]],
    result: RefinementResult,
    *,
    provenance: tuple[str, tuple[str, ...]],
) -> CrystalStructure:
    """Return the structure with GSAS-II's atoms, moved back to its own origin."""
    if len(atoms) != len(structure.sites):
        raise FitError(
            f"{structure.name}: GSAS-II has {len(atoms)} atoms where the structure has "
            f"{len(structure.sites)}"
        )
    shift = origin_shift(structure)
    sites = tuple(
        _moved(site, atom, shift)
        for site, atom in zip(structure.sites, atoms, strict=True)
    )
    row = result.parameters.sel({PHASE: structure.name})
    cell = Cell(**{key: float(row[f"cell_{key}"]) for key in CELL_KEYS})
    source, remarks = provenance
    origin = f"Started from: {structure.source}" if structure.source else ""
    return replace(
        structure,
        sites=sites,
        cell=cell,
        origin="measured",
        source=source,
        doi="",
        remarks=tuple(text for text in (*remarks, origin) if text),
        path="",
    )


def _moved(site: Site, atom: Mapping[str, Any], shift: Sequence[float]) -> Site:
    a, b, c = (
        float(x) - float(s) for x, s in zip(atom["position"], shift, strict=True)
    )
    u_iso = atom["u_iso"]
    return replace(
        site,
        position=(a, b, c),
        u_iso=site.u_iso if u_iso is None else float(u_iso),
    )


def _provenance(
    pattern: xr.Dataset, before: RefinementResult, result: RefinementResult, flags: str
) -> tuple[str, tuple[str, ...]]:
    """Return source and remarks: pattern, programs, what was free, what it gained."""
    from structkit import __version__

    file = Path(str(pattern.attrs.get("source_file", "a pattern"))).name
    digest = str(pattern.attrs.get("source_sha256", ""))[:16]
    what = _WORDS[flags]
    rwp = [100.0 * float(found.parameters["r_wp"]) for found in (before, result)]
    source = (
        f"Cell, {what} refined on {file}"
        + (f" (sha256 {digest}...)" if digest else "")
        + f" with {result.engine} by structkit {__version__}"
    )
    remarks: tuple[str, ...] = (
        f"Rwp of that pattern {rwp[0]:.2f} % before, {rwp[1]:.2f} % with free atoms.",
        "Coordinates from one laboratory powder pattern absorb its texture and "
        "background too: fit for a series on the same instrument, not for publication "
        "as a structure.",
    )
    for when, found in (("before", before), ("with free atoms", result)):
        if found.status is not FitStatus.CONVERGED:
            remarks += (f"The fit {when} is {found.status.value}: {found.reason}.",)
    return source, remarks


def describe_change(
    old: CrystalStructure, new: CrystalStructure
) -> tuple[float, float]:
    """Return the largest move of an atom (angstrom) and change of U (angstrom^2)."""
    metric = old.cell.metric
    moves, changes = [], []
    for before, after in zip(old.sites, new.sites, strict=True):
        step = np.subtract(after.position, before.position)
        step -= np.rint(step)
        moves.append(float(np.sqrt(step @ metric @ step)))
        changes.append(abs(after.u_iso - before.u_iso))
    return max(moves), max(changes)
