"""A structure's atoms from one pattern of a series, in a CIF for all of them."""

from __future__ import annotations

import difflib
import logging
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from refinement.engines.gsas2.calibrate import (
    CalibratedStructures,
    calibrate_structures,
)
from refinement.engines.gsas2.engine import Gsas2Engine
from refinement.plan import RefinementPlan
from structkit import __version__
from structkit.errors import (
    EngineUnavailableError,
    FitError,
    OutputError,
    PlanError,
    ReadError,
    StructureError,
)
from structkit.io.manifest import SeriesFile, XrdTable
from structkit.pipeline.diffraction import equip_engine, prepare_series, read_xrd_series
from structkit.store import read_tree, write_tree
from structkit.structures.cif import read_cif
from structkit.structures.cif_write import write_cif
from structkit.structures.crystal import CrystalStructure

_LOG = logging.getLogger(__name__)
RESULT_FILE = "calibration.nc"
"""Results before and after, in the output folder."""
_SAME_CELL = 1e-5
"""Relative change of a cell that writing and reading may make."""
_SAME_POSITION = 1e-4
"""The same of a fractional coordinate: less than its esd in any powder pattern."""
_SAME_U = 1e-6
"""The same of U, angstrom squared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StructureCalibration:
    """What a calibration found, and where it was written."""

    sample: str
    """Sample on whose pattern the atoms were refined."""
    plan: RefinementPlan
    """What was refined, with the structures as they were."""
    calibrated: CalibratedStructures
    """Structures, fits before and after, what was accepted and refused."""
    files: Mapping[str, Path]
    """The CIF of each phase whose coordinates were accepted."""
    remarks: Mapping[str, tuple[str, ...]]
    """What the reader says of each CIF beside its provenance."""
    folder: Path
    """Where GSAS-II's project, listing and log are."""
    series_file: Path
    """The series file."""

    def started_from(self, phase: str) -> CrystalStructure:
        """Return the structure of a phase as it was."""
        return next(p.structure for p in self.plan.phases if p.name == phase)

    def cif_line(self, phase: str) -> str:
        """Return the line by which the series file uses the new structure."""
        file, folder = self.files[phase].resolve(), self.series_file.resolve().parent
        inside = file.is_relative_to(folder)
        path = (file.relative_to(folder) if inside else file).as_posix()
        escaped = path.replace("\\", "\\\\").replace('"', '\\"')
        return f'cif = "{escaped}"'


def run_structure_calibration(
    series_file: Path | str,
    output: Path | str,
    *,
    sample: str,
    phases: Sequence[str],
    engine: Gsas2Engine | None = None,
) -> StructureCalibration:
    """Refine coordinates and U of some phases with GSAS-II on one pattern.

    Parameters
    ----------
    series_file : Path or str
        The TOML file (``docs/series_file.md``); its own ``engine`` is not used.
    output : Path or str
        Folder for ``<phase>.cif``, ``calibration.nc`` (groups ``<sample>/before`` and
        ``<sample>/after``; other samples' groups stay) and ``gsas2/<sample>/``
        (project, listing, log), which is emptied first.
    sample : str
        Sample on whose pattern the phases are strong.
    phases : sequence of str
        Phases of the series file.
    engine : Gsas2Engine, optional
        One with options of its own.

    Returns
    -------
    StructureCalibration
        Phases whose coordinates were refused have their reason and no file.

    Raises
    ------
    PlanError
        A sample or phase is not there, or GSAS-II cannot do what the plan asks.
    EngineUnavailableError
        There is no GSAS-II; with its remedy.
    OutputError
        A CIF would replace one that the series starts from.
    FitError
        The fit failed, a phase is too weak, GSAS-II refused the coordinates of all
        phases, or a refined structure is impossible; no CIF is written then.
    StructkitError
        Series file or pattern cannot be read.
    """
    output = Path(output)
    series, xrd = read_xrd_series(series_file)
    _check_sample(series, sample)
    names = tuple(dict.fromkeys(phases))
    _check_phases(xrd, names)
    files = _choose_files(output, names, xrd)
    folder = output / "gsas2" / sample
    own = Gsas2Engine(workers=1) if engine is None else engine
    about = own.describe()
    if not about.available:
        raise EngineUnavailableError(f"engine {about.name}: {about.remedy}")
    equip_engine(own, xrd.instrument)
    work = prepare_series(series, xrd)
    if sample in work.failures:
        raise work.failures[sample]
    try:
        calibrated = calibrate_structures(
            work.patterns[sample], work.plan, names, engine=own, folder=folder
        )
    finally:
        if engine is None:
            own.close()
    _store(calibrated, series, sample, output / RESULT_FILE)
    remarks = {
        name: _check_written(structure, folder)
        for name, structure in calibrated.structures.items()
    }
    for name, structure in calibrated.structures.items():
        write_cif(structure, files[name])
    return StructureCalibration(
        sample=sample,
        plan=work.plan,
        calibrated=calibrated,
        files={name: files[name] for name in calibrated.structures},
        remarks=remarks,
        folder=folder,
        series_file=series.path,
    )


def _check_sample(series: SeriesFile, sample: str) -> None:
    """Refuse a sample that is not there or has no powder pattern."""
    measured = [one.id for one in series.samples if one.xrd is not None]
    if sample in measured:
        return
    if any(one.id == sample for one in series.samples):
        raise PlanError(
            f"sample {sample!r} has no xrd pattern; {_tell(sample, measured)}"
        )
    raise PlanError(
        f"no sample {sample!r} with a pattern in {series.path.name}; "
        f"{_tell(sample, measured)}"
    )


def _check_phases(table: XrdTable, names: Sequence[str]) -> None:
    """Refuse names that are no phases of the series file."""
    known = [row.name for row in table.phases]
    if not names:
        raise PlanError(f"name at least one phase; {_tell('', known)}")
    for name in names:
        if name not in known:
            raise PlanError(
                f"no phase {name!r} in the series file; {_tell(name, known)}"
            )


def _tell(wanted: str, known: Sequence[str]) -> str:
    """Return what there is, and which of it was probably meant."""
    lower = {name.lower(): name for name in known}
    near = difflib.get_close_matches(wanted.lower(), lower, n=1)
    hint = f"; did you mean {lower[near[0]]!r}?" if near else ""
    return f"there is {', '.join(known) or 'none'}{hint}"


def _choose_files(
    output: Path, names: Iterable[str], table: XrdTable
) -> dict[str, Path]:
    """Return the CIF of each phase; refuse to replace what the series starts from."""
    files: dict[str, Path] = {}
    for name in names:
        stem = "".join(c if c.isalnum() or c in "-_.()" else "_" for c in name)
        path = output / f"{stem.lstrip('.') or 'phase'}.cif"
        if path in files.values():
            raise PlanError(
                f"{name}: its CIF would replace that of another phase; "
                "calibrate them one by one into two folders"
            )
        files[name] = path
    for row in table.phases:
        for path in files.values():
            if row.cif is not None and path.exists() and path.samefile(row.cif):
                raise OutputError(
                    f"{path} is the structure from which {row.name} starts; choose "
                    "another folder with -o"
                )
    return files


def _check_written(structure: CrystalStructure, evidence: Path) -> tuple[str, ...]:
    """Return what the reader remarks on a structure's CIF; refuse what it refuses.

    Raises
    ------
    FitError
        The reader refuses the file, or repairs what GSAS-II refined.
    """
    with tempfile.TemporaryDirectory(prefix="structkit-cif-") as folder:
        path = Path(folder) / "structure.cif"
        write_cif(structure, path)
        try:
            found = read_cif(path)
        except (ReadError, StructureError) as error:
            why = str(error).removeprefix(f"{path}: ")
            raise _refuse(structure, why, evidence) from error
    changed = _find_changes(structure, found)
    if changed:
        raise _refuse(structure, f"it reads back with {changed}", evidence)
    return tuple(text for text in found.remarks if text not in structure.remarks)


def _refuse(structure: CrystalStructure, why: str, evidence: Path) -> FitError:
    return FitError(
        f"the refined structure of {structure.name} cannot be used: {why}; no CIF was "
        "written. Choose a pattern where the phase is stronger. GSAS-II's files are "
        f"in {evidence}"
    )


def _find_changes(written: CrystalStructure, found: CrystalStructure) -> str:
    """Return what reading changed, in words; empty where nothing did."""
    if not np.allclose(
        written.cell.parameters, found.cell.parameters, rtol=_SAME_CELL, atol=0.0
    ):
        return "another cell"
    if len(written.sites) != len(found.sites):
        return f"{len(found.sites)} atoms in place of {len(written.sites)}"
    for old, new in zip(written.sites, found.sites, strict=True):
        step = np.subtract(new.position, old.position)
        if np.abs(step - np.rint(step)).max() > _SAME_POSITION:
            return f"{old.label} elsewhere"
        if abs(new.u_iso - old.u_iso) > _SAME_U:
            return f"U of {old.label} {new.u_iso:.4g} in place of {old.u_iso:.4g}"
    return ""


def _store(
    calibrated: CalibratedStructures, series: SeriesFile, sample: str, path: Path
) -> None:
    """Write both fits; what the file holds of other samples stays."""
    nodes: dict[str, xr.Dataset | xr.DataTree] = {
        "/": xr.Dataset(
            attrs={
                "name": series.series.name,
                "software": f"structkit {__version__}",
                "source_file": str(series.path),
                "source_sha256": series.sha256,
            }
        )
    }
    for name, child in _read_others(path, sample).items():
        nodes[f"/{name}"] = child
    for when, result in (("before", calibrated.before), ("after", calibrated.result)):
        tree = result.to_datatree()
        nodes[f"/{sample}/{when}"] = tree.to_dataset(inherit=False)
        for part, node in tree.children.items():
            nodes[f"/{sample}/{when}/{part}"] = node.to_dataset(inherit=False)
    write_tree(xr.DataTree.from_dict(nodes), path)


def _read_others(path: Path, sample: str) -> dict[str, xr.DataTree]:
    """Return the groups of other samples in an older file."""
    if not path.is_file():
        return {}
    try:
        tree = read_tree(path)
    except ReadError as error:
        _LOG.warning("%s is written anew: %s", path, error)
        return {}
    return {name: child for name, child in tree.children.items() if name != sample}
