"""``structkit calibrate-structure``: a structure's atoms from one good pattern."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from structkit.cli.options import gsas2_python_option
from structkit.cli.output import check_output_folder
from structkit.cli.table import format_table, format_with_std
from structkit.schema import PHASE, FitStatus

if TYPE_CHECKING:
    from refinement.engines.gsas2.calibrate import CalibratedStructures
    from structkit.pipeline.structure import StructureCalibration

_PATH = click.Path(path_type=Path)
_EDGES = ("a", "b", "c")
_ANGLES = ("alpha", "beta", "gamma")


@click.command("calibrate-structure")
@click.argument("series_file", type=_PATH)
@click.option(
    "--sample", required=True, metavar="ID", help="Sample whose pattern is used."
)
@click.option(
    "--phase",
    "phases",
    required=True,
    multiple=True,
    metavar="NAME",
    help="Phase whose atoms are refined; may be given several times.",
)
@click.option(
    "-o", "--output", type=_PATH, required=True, help="Folder for the results."
)
@gsas2_python_option
def command(
    series_file: Path, output: Path, *, sample: str, phases: tuple[str, ...]
) -> None:
    """Refine coordinates and U of phases with GSAS-II on one pattern of SERIES_FILE.

    OUTPUT gets a CIF of each phase, calibration.nc with the fits before and after,
    and gsas2/ with GSAS-II's project. Choose a pattern where the phase is strong; name
    the CIF in the series file, and any engine uses it for the whole series.
    """
    check_output_folder(output)
    from structkit.pipeline.structure import run_structure_calibration

    found = run_structure_calibration(series_file, output, sample=sample, phases=phases)
    click.echo(format_calibration(found))
    click.echo(f"GSAS-II's project, listing and log in {found.folder}.")


def format_calibration(found: StructureCalibration) -> str:
    """Return what was gained, what moved, what was refused, and how to use it.

    Parameters
    ----------
    found : StructureCalibration
        From :func:`structkit.pipeline.structure.run_structure_calibration`. Moves are
        the largest of the phase's atoms, in angstrom, and changes of U the largest,
        in angstrom squared.
    """
    fits = found.calibrated
    before, after = (
        100.0 * float(fit.parameters["r_wp"]) for fit in (fits.before, fits.result)
    )
    keys = (*_EDGES, *(key for key in _ANGLES if _is_refined(fits, key)))
    units = [f"{key}/{'Å' if key in _EDGES else '°'}" for key in keys]
    header = ["phase", "refined", "move/Å", "|ΔU|/Å²", *units]
    lines = [
        f"{found.sample}: Rwp {before:.2f} % -> {after:.2f} %",
        format_table(header, [_row(found, name, keys) for name in fits.structures]),
    ]
    for when, fit in (("before", fits.before), ("with free atoms", fits.result)):
        if fit.status is not FitStatus.CONVERGED:
            lines.append(f"The fit {when} is {fit.status.value}: {fit.reason}")
    for name, why in fits.refused.items():
        if why:
            lines.append(f"{name}, refused: {why}")
    for name, remarks in found.remarks.items():
        lines += [f"{name}: {remark}" for remark in remarks]
    lines.append(f"Lines for {found.series_file.name}:")
    lines += [f"  {name}: {found.cif_line(name)}" for name in found.files]
    uncertain = [p.name for p in found.plan.phases if p.cell_uncertain]
    for name in found.files:
        if name in uncertain:
            lines.append(f"  {name}: cell_uncertain can go, its cell was found")
    return "\n".join(lines)


def _is_refined(fits: CalibratedStructures, key: str) -> bool:
    """Return whether an edge or angle was refined for one of the structures."""
    std = fits.result.parameters[f"cell_{key}_std"].sel({PHASE: list(fits.structures)})
    return bool(std.notnull().any())


def _row(found: StructureCalibration, name: str, keys: Sequence[str]) -> list[str]:
    """Return what moved in a phase, and its cell."""
    from refinement.engines.gsas2.calibrate import describe_change

    fits = found.calibrated
    move, change = describe_change(found.started_from(name), fits.structures[name])
    fitted = fits.result.parameters.sel({PHASE: name})
    cell = [format_with_std(fitted, f"cell_{key}") for key in keys]
    return [name, fits.refined[name], f"{move:.3f}", f"{change:.4f}", *cell]
