"""Translate pattern and plan into files and requests for GSAS-II."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from refinement.engines.gsas2.conventions import (
    displacement_to_gsas2,
    size_to_um,
    strain_to_gsas2,
)
from refinement.engines.gsas2.conversation import Script
from refinement.engines.gsas2.options import Gsas2Options
from refinement.engines.gsas2.structure import to_gsas2_setting
from refinement.engines.halo import HaloPeak, place_halo
from refinement.engines.points import select_points
from refinement.engines.smooth import blank_column
from refinement.plan import Phase, RefinementPlan
from refinement.result import CELL_KEYS, RefinementResult
from structkit.errors import PlanError
from structkit.schema import INTENSITY, PHASE, TWO_THETA
from structkit.store import write_text
from structkit.structures.cif_write import write_cif
from structkit.structures.crystal import Cell, CrystalStructure
from structkit.uncertainty import intensity_std
from structkit.xrd.background import Film, film_transmission
from structkit.xrd.instrument_files import format_instprm

Floats = NDArray[np.float64]
START_SIZE_NM = 50.0
"""Crystallite size at which a cold start begins, nm."""
START_STRAIN = 5e-4
"""Microstrain at which a cold start begins."""
CLEAR = 5.0
"""Scale over esd from which a neighbour's cell is trusted."""
HARMONICS_ORDER = 4
"""Order of texture harmonics, as in the native engine."""
_CENTIDEGREE = 100.0
_LIMIT_MARGIN = 1e-4
_LOW_PERCENTILE = 5.0
_GAUSSIAN_VARIANCE = 8.0 * np.log(2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One pattern made ready for GSAS-II."""

    script: Script
    """What to say."""
    angles: Floats
    """Points in use, degree."""
    intensity: Floats
    """Measured intensity there."""
    std: Floats
    """1 sigma of it."""
    transmission: Floats
    """Film transmission by which pattern and esd were divided; 1 without a film."""
    known: Floats
    """Humps and blank at the points, shape (n_known, n_points)."""
    n_halo: int
    """Background peaks that are halo; the humps follow them."""


def check_plan(plan: RefinementPlan, options: Gsas2Options) -> None:
    """Refuse what GSAS-II cannot do.

    Raises
    ------
    PlanError
        Names the plan's field and what to do.
    """
    if plan.components:
        raise PlanError(
            f"components: GSAS-II has no column for a measured pattern such as "
            f"{plan.components[0].name!r}; use the engine native"
        )
    if options.instrument_file is None:
        format_instprm(plan.instrument)
    for number, phase in enumerate(plan.phases):
        if phase.refine_b_overall:
            raise PlanError(
                f"phases[{number}].refine_b_overall ({phase.name}): GSAS-II has no "
                "overall B beside each atom's own; set it to False, or calibrate the "
                "structure's U with structkit calibrate-structure"
            )
        to_gsas2_setting(phase.structure)
    for stage in plan.stages:
        if "instrument" in stage.free:
            raise PlanError(
                f"stages: {stage.name!r} frees the instrument; GSAS-II's is fixed: "
                "calibrate with the native engine first"
            )


def prepare_job(
    pattern: xr.Dataset,
    plan: RefinementPlan,
    options: Gsas2Options,
    *,
    folder: Path,
    native: RefinementResult,
    start: RefinementResult | None = None,
    coordinates_of: tuple[str, ...] = (),
) -> Job:
    """Write the files of a job into ``folder`` and return what to say.

    Parameters
    ----------
    pattern : xarray.Dataset
        Powder pattern.
    plan : RefinementPlan
        What to refine.
    options : Gsas2Options
        The engine's own means.
    folder : Path
        Private folder of the job; its name becomes the project's.
    native : RefinementResult
        The native engine's fit: where the halo lies, and uncertain cells.
    start : RefinementResult, optional
        A neighbour's result: a warm start.
    coordinates_of : tuple of str
        Phases whose coordinates and U are refined at the end.
    """
    points = _take_points(pattern, plan)
    _write_columns(folder / "pattern.xye", points.angles, points.intensity, points.std)
    _write_instrument(plan, options, folder / "instrument.instprm")
    structures = tuple(
        replace(to_gsas2_setting(found), name=phase.name)
        for phase, found in _structures(plan, native, start)
    )
    halo = place_halo(native) if plan.halo and native.status.has_values else ()
    request = {
        **_files(folder, plan, points),
        "phases": _write_phases(plan, structures, folder),
        "geometry": "Bragg-Brentano",
        "radius_mm": options.goniometer_radius_mm,
        "limits": [
            points.angles[0] - _LIMIT_MARGIN,
            points.angles[-1] + _LIMIT_MARGIN,
        ],
        "excluded": _excluded(plan, points.angles),
        "background": _start_background(plan, points),
        "peaks": _start_peaks(plan, halo, options.native.hump_fwhm),
    }
    values = _start(plan, options, structures, native, request)
    script = Script(
        request=request,
        values=values,
        warm=None if start is None else _warm_values(values, plan, options, start),
        reached_r_wp=_number(native.parameters, "r_wp") * 100.0,
        least_w=_to_variance(plan.instrument.w),
        structures=structures,
        coordinates_of=coordinates_of,
    )
    inside = points.inside
    transmission = points.transmission[inside]
    return Job(
        script=script,
        angles=points.angles[inside],
        intensity=points.intensity[inside] * transmission,
        std=points.std[inside] * transmission,
        transmission=transmission,
        known=_known(plan, points.angles[inside], options.native.hump_fwhm),
        n_halo=len(halo),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Points:
    """Points from the first to the last in use, excluded ones between included."""

    angles: Floats
    intensity: Floats
    """Over the film's transmission, as ``std``."""
    std: Floats
    transmission: Floats
    inside: NDArray[np.bool_]
    """Which of them the plan uses."""


def _take_points(pattern: xr.Dataset, plan: RefinementPlan) -> _Points:
    keep = select_points(pattern, plan)
    used = _grid(keep)
    angles = pattern[TWO_THETA].to_numpy()[used]
    transmission = _transmission(plan, angles)
    return _Points(
        angles=angles,
        intensity=pattern[INTENSITY].to_numpy()[used].astype(float) / transmission,
        std=intensity_std(pattern)[used] / transmission,
        transmission=transmission,
        inside=keep[used],
    )


def _files(folder: Path, plan: RefinementPlan, points: _Points) -> dict[str, Any]:
    """Return where the job's files lie, the blank's written."""
    blank = None
    if plan.blank is not None:
        column = blank_column(plan.blank, points.angles) / points.transmission
        column *= float(np.max(points.intensity))
        blank = str(folder / "blank.xye")
        _write_columns(folder / "blank.xye", points.angles, column, points.std)
    return {
        "folder": str(folder),
        "name": folder.name,
        "pattern": str(folder / "pattern.xye"),
        "instrument": str(folder / "instrument.instprm"),
        "blank": blank,
    }


def _write_phases(
    plan: RefinementPlan, structures: Sequence[CrystalStructure], folder: Path
) -> list[dict[str, Any]]:
    rows = []
    pairs = zip(plan.phases, structures, strict=True)
    for number, (phase, structure) in enumerate(pairs):
        path = folder / f"phase{number}.cif"
        write_cif(structure, path)
        rows.append({"name": phase.name, "cif": str(path), "texture": _texture(phase)})
    return rows


def _start_background(plan: RefinementPlan, points: _Points) -> list[float]:
    low = float(np.percentile(points.intensity[points.inside], _LOW_PERCENTILE))
    return [0.5 * low, *[0.0] * (plan.background_terms - 1)]


def _start_peaks(
    plan: RefinementPlan, halo: Sequence[HaloPeak], hump_fwhm: float
) -> list[list[float]]:
    """Return centre, area and variance of the halo's peaks, then of the humps."""
    peaks = [[p.center, _CENTIDEGREE * p.area, 1e4 * p.variance] for p in halo]
    hump = _to_variance(hump_fwhm**2)
    return [*peaks, *([center, 1.0, hump] for center in plan.humps)]


def _start(
    plan: RefinementPlan,
    options: Gsas2Options,
    structures: Sequence[CrystalStructure],
    native: RefinementResult,
    request: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the values at which a cold start begins."""
    values = {
        "phases": {
            phase.name: _start_values(phase, structure, native)
            for phase, structure in zip(plan.phases, structures, strict=True)
        },
        "background": request["background"],
        "peaks": request["peaks"],
        "shift": 0.0,
        "blank": 0.0,
        "zero": plan.instrument.zero,
        "w": _to_variance(plan.instrument.w),
    }
    if options.instrument_file is not None:
        del values["zero"], values["w"]
    return values


def _to_variance(squared_fwhm: float) -> float:
    """Return a variance in centidegree squared of a squared FWHM in degree squared."""
    return float(1e4 * squared_fwhm / _GAUSSIAN_VARIANCE)


def _grid(keep: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the points from first to last in use, excluded ones between included."""
    places = np.nonzero(keep)[0]
    used = np.zeros(keep.size, dtype=bool)
    used[places[0] : places[-1] + 1] = True
    return used


def _excluded(plan: RefinementPlan, angles: Floats) -> list[list[float]]:
    return [
        [low, high]
        for low, high in plan.exclude
        if high >= angles[0] and low <= angles[-1]
    ]


def _transmission(plan: RefinementPlan, angles: Floats) -> Floats:
    if not plan.film_thickness_um:
        return np.ones_like(angles)
    return film_transmission(angles, Film(thickness=plan.film_thickness_um))


def _known(plan: RefinementPlan, angles: Floats, hump_fwhm: float) -> Floats:
    """Return humps and blank at the points, shape (n_known, n_points)."""
    from refinement.engines.smooth import gaussian_bump

    rows = [gaussian_bump(angles, center, hump_fwhm) for center in plan.humps]
    if plan.blank is not None:
        rows.append(blank_column(plan.blank, angles))
    return np.array(rows).reshape(-1, angles.size)


def _write_columns(path: Path, *columns: Floats) -> None:
    lines = (
        " ".join(f"{value:.10g}" for value in row) for row in zip(*columns, strict=True)
    )
    write_text("\n".join(lines) + "\n", path)


def _write_instrument(plan: RefinementPlan, options: Gsas2Options, path: Path) -> None:
    if options.instrument_file is None:
        write_text(format_instprm(plan.instrument), path)
        return
    try:
        shutil.copyfile(options.instrument_file, path)
    except OSError as error:
        raise PlanError(
            f"instrument file {options.instrument_file}: {error.strerror}"
        ) from error


def _structures(
    plan: RefinementPlan, native: RefinementResult, start: RefinementResult | None
) -> list[tuple[Phase, CrystalStructure]]:
    """Return each phase's structure; uncertain cells are a neighbour's, or native."""
    found = []
    for phase in plan.phases:
        structure = phase.structure
        known = start if start is not None and _is_clear(start, phase) else native
        if phase.cell_uncertain and known.status.has_values:
            row = known.parameters.sel({PHASE: phase.name})
            keys = {key: float(row[f"cell_{key}"]) for key in CELL_KEYS}
            structure = structure.with_cell(Cell(**keys))
        found.append((phase, structure))
    return found


def _is_clear(result: RefinementResult, phase: Phase) -> bool:
    """Return whether a phase was clearly seen in a result."""
    row = result.parameters.sel({PHASE: phase.name})
    return _number(row, "scale") > CLEAR * _number(row, "scale_std")


def _texture(phase: Phase) -> dict[str, Any] | None:
    if phase.texture is None:
        return None
    if phase.texture_model == "harmonics":
        return {"model": "harmonics", "order": HARMONICS_ORDER}
    return {"model": "march-dollase", "axis": list(phase.texture)}


def _start_values(
    phase: Phase, structure: CrystalStructure, native: RefinementResult
) -> dict[str, Any]:
    """Return where a cold start begins.

    Widths begin at the plan's, else at the native fit's: a phase too weak for its
    width to be refined keeps them, and a width of 50 nm would take intensity away
    from one of 10 nm.
    """
    row = native.parameters.sel({PHASE: phase.name})
    size_nm, strain = _number(row, "size_nm"), _number(row, "microstrain")
    if phase.size is not None or not np.isfinite(size_nm):
        size_nm = START_SIZE_NM if phase.size is None else 0.1 * phase.size
    if phase.microstrain is not None or not np.isfinite(strain):
        strain = START_STRAIN if phase.microstrain is None else phase.microstrain
    return {
        "scale": 1.0,
        "size": size_to_um(size_nm),
        "strain": strain_to_gsas2(strain),
        "cell": list(structure.cell.parameters),
        "march": 1.0,
    }


def _warm_values(
    cold: Mapping[str, Any],
    plan: RefinementPlan,
    options: Gsas2Options,
    start: RefinementResult,
) -> dict[str, Any]:
    """Return the cold start's values with those of a neighbour's result put in."""
    phases = {name: dict(values) for name, values in cold["phases"].items()}
    for name, values in phases.items():
        row = start.parameters.sel({PHASE: name})
        found = {
            "size": size_to_um(_refined(row, "size_nm")),
            "strain": strain_to_gsas2(_refined(row, "microstrain")),
            "march": _refined(row, "march_dollase"),
        }
        values.update({k: v for k, v in found.items() if np.isfinite(v)})
        if np.isfinite(_refined(row, "cell_a")):
            values["cell"] = [_number(row, f"cell_{key}") for key in CELL_KEYS]
    warm = {**cold, "phases": phases}
    displacement = _number(start.parameters, "displacement")
    if plan.shift == "displacement" and np.isfinite(displacement):
        warm["shift"] = displacement_to_gsas2(
            displacement, options.goniometer_radius_mm
        )
    zero = _number(start.parameters, "zero")
    if plan.shift == "zero" and np.isfinite(zero) and "zero" in cold:
        warm["zero"] = cold["zero"] + zero
    width = _own_value(start.parameters, ":0:W")
    if plan.refines_resolution and np.isfinite(width) and "w" in cold:
        warm["w"] = width
    return warm


def _own_value(parameters: xr.Dataset, name: str) -> float:
    """Return a value of GSAS-II's own vector; NaN where it was not varied."""
    if "parameter_name" not in parameters:
        return float("nan")
    found = parameters["values"].to_numpy()[parameters["parameter_name"] == name]
    return float(found[0]) if found.size else float("nan")


def _refined(parameters: xr.Dataset, name: str) -> float:
    """Return a value that was refined; NaN where it only stayed at its start."""
    known = np.isfinite(_number(parameters, f"{name}_std"))
    return _number(parameters, name) if known else float("nan")


def _number(parameters: xr.Dataset, name: str) -> float:
    return float(parameters[name]) if name in parameters else float("nan")
