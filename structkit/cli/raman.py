"""``structkit raman``: bands, metrics and readings of Raman spectra."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from structkit.cli.options import UsageMistakeError
from structkit.cli.output import check_output_folder
from structkit.errors import FitError

if TYPE_CHECKING:
    import xarray as xr

    from structkit.pipeline.raman import Readings
    from structkit.raman.assign import Assignment

_PATH = click.Path(path_type=Path)
_SHOWN_METRICS = (
    "r_ax",
    "S_ax",
    "out_of_plane_ratio",
    "in_plane_ratio",
    "r_O",
    "amorphous_share",
)
_SERIES_SUFFIX = ".toml"


@click.group("raman", subcommand_metavar="WHAT [ARGS]...")
def command() -> None:
    """Fit Raman spectra, or say what they can be read as."""


@command.command("fit")
@click.argument("series_file", type=_PATH)
@click.option(
    "-o", "--output", type=_PATH, required=True, help="Folder for the results."
)
@click.option(
    "--sample",
    "samples",
    multiple=True,
    metavar="ID",
    help="Only this sample, and those that teach its bands; may be repeated.",
)
@click.option(
    "--ensemble/--no-ensemble",
    default=True,
    show_default=True,
    help="Fit over other baselines too, for their part in the uncertainty.",
)
def fit(
    series_file: Path, output: Path, *, samples: tuple[str, ...], ensemble: bool
) -> None:
    """Fit the Raman spectra of SERIES_FILE; tables and raman.nc go to OUTPUT."""
    check_output_folder(output)
    from structkit.pipeline.raman import RESULT_FILE, run_raman

    tree = run_raman(series_file, output, samples=samples or None, ensemble=ensemble)
    click.echo(format_metrics(tree))
    click.echo(f"\nTables in {output / 'tables'}, all of it in {RESULT_FILE}.")
    if not bool((tree["n_spots"] > 0).any()):
        raise FitError("no sample could be fitted; the table says why")


@command.command("assign")
@click.argument("inputs", nargs=-1, required=True, type=_PATH, metavar="INPUT...")
@click.option("-o", "--output", type=_PATH, help="Folder for the tables.")
@click.option(
    "--bands", type=_PATH, help="TOML file with species, bands, readings of your own."
)
@click.option(
    "--laser-nm", type=float, help="Laser of files that do not name it, in nm."
)
@click.option(
    "--range",
    "shift_range",
    type=(float, float),
    metavar="LOW HIGH",
    help="Raman shifts used, cm-1; default: all above the filter's edge, 60.",
)
@click.option(
    "--blank", type=_PATH, help="Spectrum of cover or holder alone, for every reading."
)
@click.option(
    "--sample", "samples", multiple=True, metavar="ID", help="Of a series file."
)
def assign(
    inputs: tuple[Path, ...],
    *,
    output: Path | None,
    bands: Path | None,
    laser_nm: float | None,
    shift_range: tuple[float, float] | None,
    blank: Path | None,
    samples: tuple[str, ...],
) -> None:
    """Rank what the spectra can be read as: files, or the samples of a series file."""
    series = [path for path in inputs if path.suffix.lower() == _SERIES_SUFFIX]
    given = {
        "--bands": bands,
        "--laser-nm": laser_nm,
        "--range": shift_range,
        "--blank": blank,
    }
    if series:
        _refuse([name for name, value in given.items() if value is not None], inputs)
    elif samples:
        raise UsageMistakeError("--sample is for a series file; drop it")
    if output is not None:
        check_output_folder(output)
    from structkit.pipeline.raman import assign_files, assign_series, store_readings

    if series:
        readings = assign_series(series[0], samples=samples or None)
    else:
        readings = assign_files(
            inputs,
            bands=bands,
            laser_nm=laser_nm,
            shift_range=shift_range,
            blank=blank,
        )
    click.echo(format_readings(readings))
    if output is not None and readings.assignments:
        store_readings(readings, output)
        click.echo(f"\nTables in {output / 'tables'}.")
    if readings.failures:
        for name, why in readings.failures.items():
            reason = why if why.startswith(name) else f"{name}: {why}"
            click.echo(f"structkit: error: {reason}", err=True)
        if not readings.assignments:
            raise FitError("no spectrum could be assigned")


def _refuse(options: Sequence[str], inputs: Sequence[Path]) -> None:
    """Refuse what a series file says itself, and more than one input beside it."""
    if len(inputs) > 1:
        raise UsageMistakeError("give one series file alone, or files of spectra")
    if options:
        raise UsageMistakeError(
            f"{', '.join(options)}: the series file says this in [raman]; drop it here"
        )


@command.command("bands")
@click.option("--species", multiple=True, metavar="NAME", help="May be repeated.")
@click.option("--bands", type=_PATH, help="TOML file with bands of your own.")
def bands(*, species: tuple[str, ...], bands: Path | None) -> None:
    """List the band library: where each is expected, how far to trust it, and why."""
    from structkit.raman.library import load_bands

    library = load_bands(bands)
    if species:
        library = library.select(species, with_unfitted=True)
    rows = [
        [
            band.species,
            band.name if band.raman_active else f"({band.name})",
            f"{band.wavenumber:g} +- {band.wavenumber_std:g}",
            band.grade if band.in_hypotheses else f"{band.grade} *",
            f"{band.source}; {band.doi}" if band.doi else band.source,
        ]
        for band in library.bands
    ]
    click.echo(format_left(["species", "band", "cm-1", "grade", "source"], rows))
    click.echo(
        "\nGrades: verified - read in its source; study - printed in the study only; "
        "memory -\nremembered or inferred, no number seen; user - yours. "
        "*: known of, not fitted. (In\nbrackets): forbidden while symmetry holds."
    )


def format_left(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Align columns of words, all to the left.

    Examples
    --------
    >>> print(format_left(["band", "cm-1"], [["A1g", "378"]]))
    band  cm-1
    A1g   378
    """
    table = [list(header), *(list(row) for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in table
    )


def format_metrics(tree: xr.DataTree) -> str:
    """Return one line a sample: metrics that are resolved, the best reading, status.

    Parameters
    ----------
    tree : xarray.DataTree
        From :func:`structkit.pipeline.raman.run_raman`.
    """
    from structkit.cli.table import format_table

    root = tree.to_dataset(inherit=False)
    names = [str(name) for name in root["metric"].to_numpy()]
    shown = [name for name in _SHOWN_METRICS if name in names]
    header = ["sample", "t/h", "spots", *shown, "best reading", "status"]
    rows, notes = [], []
    for sample in root["sample"].to_numpy():
        one = root.sel(sample=sample)
        row = [str(sample), f"{float(one['milling_time']):g}", f"{int(one['n_spots'])}"]
        row += [_metric_cell(one, name) for name in shown]
        row += [_best_reading(one), str(one["status"].item())]
        rows.append(row)
        if one["reason"].item():
            notes.append(f"{sample}: {one['reason'].item()}")
    lines = [format_table(header, rows), *notes]
    lines.append(
        "n.r.: not resolved by the data. S_ax is a loss of intensity, consistent with "
        "substitution,\nno proof of it. Intensities: reduction "
        f"{root.attrs['reduction']!r}; never compare different ones."
    )
    return "\n".join(lines)


def _metric_cell(one: xr.Dataset, name: str) -> str:
    """Return a metric with its uncertainty, or that it is not resolved."""
    from structkit.cli.table import format_value

    cell = one.sel(metric=name)
    if not int(cell["metric_resolved"]):
        return "n.r."
    return format_value(float(cell["metric_value"]), float(cell["metric_value_std"]))


def _best_reading(one: xr.Dataset) -> str:
    """Return the reading of the lowest BIC."""
    delta = one["delta_bic"].to_numpy()
    found = [
        str(name)
        for name, value in zip(one["hypothesis"].to_numpy(), delta, strict=True)
        if value == 0.0
    ]
    return found[0] if found else "-"


def format_readings(readings: Readings) -> str:
    """Return the ranking of each sample or file, and what it concerns in the study.

    Parameters
    ----------
    readings : Readings
        From :func:`structkit.pipeline.raman.assign_files`.
    """
    parts = []
    for name, assignment in readings.assignments.items():
        parts.append(f"{name}\n{format_assignment(assignment)}")
        said = [text for who, _, text in readings.remarks if who in (name, "")]
        said += readings.statements.get(name, ())
        parts.append("\n".join(f"- {text}" for text in dict.fromkeys(said)))
    return "\n\n".join(part for part in parts if part)


def format_assignment(assignment: Assignment) -> str:
    """Return the readings of one spectrum as a table, the best first."""
    rows = []
    for one in assignment.ranked:
        fitted = one.fit is not None and math.isfinite(one.delta_bic)
        rows.append(
            [
                one.hypothesis.name,
                f"{one.delta_bic:.1f}" if fitted else "-",
                str(one.n_parameters) if fitted else "-",
                "; ".join(one.discriminating) if fitted else one.reason,
            ]
        )
    header = ["hypothesis", "delta BIC", "parameters", "discriminating bands"]
    return format_left(header, rows)
