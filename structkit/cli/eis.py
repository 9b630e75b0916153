"""``structkit eis``: circuits, conductivities, activation energies, polarization."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from structkit.cli.options import ListOptionCommand, UsageMistakeError
from structkit.cli.output import check_output_folder
from structkit.errors import FitError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import xarray as xr

    from structkit.eis.pellet import Pellet

_PATH = click.Path(path_type=Path)
_SERIES_SUFFIX = ".toml"

_LEGEND = {
    "*": "*: apex outside the measured band.",
    "R ": "R: ohm; the geometry is not known.",
}
"""What stands in a cell -> what it means, told where it stands in one."""

_diameter = click.option("--diameter-mm", type=float, help="Of the pellet, mm.")
_diameter_std = click.option("--diameter-std-mm", type=float, help="1 sigma of it, mm.")
_thickness = click.option("--thickness-mm", type=float, help="Of the pellet, mm.")
_thickness_std = click.option(
    "--thickness-std-mm", type=float, help="1 sigma of it, mm."
)
_output = click.option(
    "-o", "--output", type=_PATH, help="Folder for table and figures."
)


@click.group("eis", subcommand_metavar="WHAT [ARGS]...")
def command() -> None:
    """Fit impedance spectra and polarization runs."""


@command.command("fit", cls=ListOptionCommand)
@click.argument("inputs", nargs=-1, required=True, type=_PATH, metavar="INPUT...")
@click.option(
    "-o", "--output", type=_PATH, required=True, help="Folder for the results."
)
@click.option("--sample", "samples", multiple=True, metavar="ID", help="Only this one.")
@click.option("--circuit", help="Such as 'p(R1,CPE1)-p(R2,CPE2)-CPE3'; default: find.")
@click.option(
    "--figures/--no-figures", default=True, show_default=True, help="Draw them."
)
@_diameter
@_diameter_std
@_thickness
@_thickness_std
@click.option(
    "--temperature",
    "celsius",
    multiple=True,
    type=float,
    help="Of the files, degree Celsius: one for all, or one each.",
)
def fit(
    inputs: tuple[Path, ...],
    *,
    output: Path,
    samples: tuple[str, ...],
    figures: bool,
    **given: Any,
) -> None:
    """Fit a series file, or files of one pellet; tables and eis.nc go to OUTPUT."""
    series = [path for path in inputs if path.suffix.lower() == _SERIES_SUFFIX]
    if series:
        _refuse(inputs, given)
    check_output_folder(output)
    from structkit.pipeline.eis import RESULT_FILE, fit_eis_files, run_eis

    if series:
        tree = run_eis(series[0], output, samples=samples or None, figures=figures)
    else:
        name = samples[0] if samples else None
        described = _describe_files(given)
        tree = fit_eis_files(inputs, output, name=name, figures=figures, **described)
    click.echo(format_conductivities(tree))
    click.echo(f"\nTables in {output / 'tables'}, all of it in {RESULT_FILE}.")
    if not bool((tree["n_fitted"] + tree["n_runs"] > 0).any()):
        raise FitError("no spectrum could be fitted; the table says why")


@command.command("arrhenius")
@click.argument("source", type=_PATH)
@_output
@click.option(
    "--weights",
    type=click.Choice(["statistical", "none"]),
    default="statistical",
    show_default=True,
    help="Weigh by the fits' errors, or all alike.",
)
@click.option(
    "--temperature-std",
    type=click.FloatRange(min=0.0),
    default=1.0,
    show_default=True,
    help="1 sigma of all temperatures together, K.",
)
def arrhenius(
    source: Path, *, output: Path | None, weights: str, temperature_std: float
) -> None:
    """Fit activation energies again: SOURCE is an output folder or conductivity.csv."""
    if output is not None:
        check_output_folder(output)
    from structkit.eis.arrhenius_line import ArrheniusSettings
    from structkit.pipeline.eis import run_arrhenius

    settings = ArrheniusSettings(
        temperature_offset_std_k=temperature_std,
        weights="none" if weights == "none" else "statistical",
    )
    fits = run_arrhenius(source, output=output, settings=settings)
    click.echo(format_energies(fits))


@command.command("polarization")
@click.argument("file", type=_PATH)
@click.option("--voltage", type=float, help="Applied, V; default: the file's.")
@_diameter
@_diameter_std
@_thickness
@_thickness_std
@click.option("--leakage", type=float, help="Of the instrument, open cell, A.")
@click.option("--leakage-std", type=float, help="1 sigma of it, A.")
@click.option("--block", type=click.IntRange(min=1), help="Which run of the file.")
@_output
def polarization(
    file: Path,
    *,
    voltage: float | None,
    leakage: float | None,
    leakage_std: float | None,
    block: int | None,
    output: Path | None,
    **geometry: float | None,
) -> None:
    """Return the electronic conductivity that a DC run of FILE shows, or its bound."""
    if output is not None:
        check_output_folder(output)
    from structkit.eis.polarization import PolarizationSettings
    from structkit.pipeline.eis import run_polarization

    settings = PolarizationSettings(
        voltage_v=_or_nan(voltage),
        leakage_a=_or_nan(leakage),
        leakage_std_a=_or_nan(leakage_std),
    )
    found = run_polarization(
        file, pellet=_pellet(geometry), settings=settings, block=block, output=output
    )
    click.echo(format_run(found))


def _refuse(inputs: Sequence[Path], given: Mapping[str, Any]) -> None:
    """Refuse what a series file says itself, and more than one input beside it."""
    if len(inputs) > 1:
        raise UsageMistakeError("give one series file alone, or files of impedance")
    named = [
        "--" + ("temperature" if name == "celsius" else name.replace("_", "-"))
        for name, value in given.items()
        if value not in (None, ())
    ]
    if named:
        raise UsageMistakeError(
            f"{', '.join(named)}: the series file says this in [eis]; drop it here"
        )


def _describe_files(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return pellet, temperatures and circuit of files without a series file."""
    from structkit.pipeline.eis_plan import EisOptions, find_circuit

    text = given["circuit"]
    circuit = None if text is None else find_circuit(text)
    return {
        "pellet": _pellet(given),
        "celsius": given["celsius"],
        "options": EisOptions(circuit=circuit),
    }


def _pellet(given: Mapping[str, Any]) -> Pellet | None:
    """Return the pellet of the options; None without diameter and thickness."""
    from structkit.eis.pellet import Pellet

    diameter, thickness = given["diameter_mm"], given["thickness_mm"]
    if diameter is None and thickness is None:
        return None
    if diameter is None or thickness is None:
        raise UsageMistakeError("give --diameter-mm and --thickness-mm together")
    return Pellet(
        diameter_mm=diameter,
        diameter_std_mm=_or_nan(given["diameter_std_mm"]),
        thickness_mm=thickness,
        thickness_std_mm=_or_nan(given["thickness_std_mm"]),
    )


def _or_nan(value: float | None) -> float:
    """Return a number, NaN where there is none."""
    return math.nan if value is None else value


def format_conductivities(tree: xr.DataTree) -> str:
    """Return one line a spectrum, one a polarization run, energies and retentions.

    Parameters
    ----------
    tree : xarray.DataTree
        From :func:`structkit.pipeline.eis.run_eis`.
    """
    from structkit.cli.table import format_table
    from structkit.eis.result_tables import (
        conductivities_of,
        nodes_of,
        retentions_of,
    )

    header = ["sample", "T/K", "bulk", "grain boundary", "total S/cm", "status"]
    rows, parts, notes = [], [], []
    for name, found in conductivities_of(tree):
        for place in range(found.sizes["measurement"]):
            one = found.isel(measurement=place)
            kelvin = float(one["temperature"])
            row = [name, f"{kelvin:.2f}" if math.isfinite(kelvin) else "-"]
            row += [_cell(one.sel(contribution=c)) for c in one["contribution"].values]
            rows.append([*row, str(one["status"].item())])
            if one["reason"].item():
                notes.append(f"{name}, {one['file'].item()}: {one['reason'].item()}")
    if rows:
        parts.append(format_table(header, rows))
        cells = " ".join(cell for row in rows for cell in row[2:5])
        parts += [text for mark, text in _LEGEND.items() if mark in cells]
    fits: dict[str, list[xr.Dataset]] = {}
    for name, _, one in nodes_of(tree, "arrhenius"):
        fits.setdefault(name, []).append(one)
    if fits:
        parts.append(f"\n{format_energies(fits)}")
    kept = dict(retentions_of(tree))
    if kept:
        parts.append(f"\n{format_retentions(kept)}")
    for name, _, one in nodes_of(tree, "polarization"):
        parts.append(f"\n{name}, {one.attrs['source_file']}\n{format_run(one)}")
    return "\n".join([*parts, *notes])


def _cell(one: xr.Dataset) -> str:
    """Return a conductivity with its uncertainty, or a resistance."""
    mark = "" if int(one["in_band"]) else "*"
    sigma, std = float(one["conductivity"]), float(one["conductivity_std"])
    if math.isfinite(sigma):
        return _scientific(sigma, std) + mark
    ohms, std = float(one["resistance"]), float(one["resistance_std"])
    return f"R {_scientific(ohms, std)}{mark}" if math.isfinite(ohms) else "-"


def _scientific(value: float, std: float) -> str:
    """Return ``2.86(25)e-06``, or ``2.857e-06`` without an esd.

    Examples
    --------
    >>> _scientific(2.857e-6, 2.46e-7), _scientific(1e-9, math.nan)
    ('2.86(25)e-06', '1.000e-09')
    """
    if not math.isfinite(value):
        return "-"
    if not (math.isfinite(std) and 0.0 < std < value):
        return f"{value:.3e}"
    power = math.floor(math.log10(value))
    digits = max(0, 1 + power - math.floor(math.log10(std)))
    last = round(std / 10.0 ** (power - digits))
    return f"{value / 10.0**power:.{digits}f}({last})e{power:+03d}"


def format_energies(fits: Mapping[str, Sequence[xr.Dataset]]) -> str:
    """Return one line for each activation energy, in both conventions.

    Parameters
    ----------
    fits : mapping of str to sequence of xarray.Dataset
        From :func:`structkit.pipeline.eis.run_arrhenius`.
    """
    from structkit.cli.table import format_table

    header = ["sample", "history", "contribution", "points", "n"]
    header += ["Ea/eV of ln(sigma T)", "of ln(sigma)", "status"]
    rows: list[list[str]] = []
    said: list[str] = []
    for name, lines in fits.items():
        for line in lines:
            start = [name, str(line.attrs["history"]) or "-"]
            for contribution in line["contribution"].values:
                own = line.sel(contribution=contribution)
                rows += [[*start, str(contribution), *row] for row in _energies(own)]
            said += str(line.attrs["convention_remark"]).splitlines()
    return "\n".join([format_table(header, rows), *said])


def _energies(own: xr.Dataset) -> Iterator[list[str]]:
    """Yield points, their number, both energies and the status of a contribution."""
    from structkit.cli.table import format_value

    before = 0
    for points in ("all", "in_band"):
        one = own.sel(points=points)
        number = int(one["n_points"].max())
        if number in (0, before):
            continue
        before = number
        cells = [
            format_value(
                float(cell["activation_energy"]), float(cell["activation_energy_std"])
            )
            for cell in (one.isel(convention=0), one.isel(convention=1))
        ]
        yield [points, str(number), *cells, str(one["status"].values[0])]


def format_retentions(kept: Mapping[str, xr.Dataset]) -> str:
    """Return one line for each measurement that is held against one before.

    Parameters
    ----------
    kept : mapping of str to xarray.Dataset
        For each sample its retention (:mod:`structkit.eis.retention`).
    """
    from structkit.cli.table import format_table, format_value

    header = ["sample", "T/K", "history", "retention", "against", "remark"]
    rows = []
    for name, found in kept.items():
        for place in range(found.sizes["measurement"]):
            one = found.isel(measurement=place)
            if int(one["is_reference"]):
                continue
            value, std = float(one["retention"]), float(one["retention_std"])
            kelvin = float(one["temperature"])
            cells = [
                name,
                f"{kelvin:.2f}" if math.isfinite(kelvin) else "-",
                str(one["history"].item()) or "-",
                format_value(value, std) if math.isfinite(value) else "-",
                str(one["reference"].item()),
                str(one["remark"].item()).split("; ")[0],
            ]
            rows.append(cells)
    return format_table(header, rows)


def format_run(run: xr.Dataset) -> str:
    """Return what a polarization run says, a line each.

    Parameters
    ----------
    run : xarray.Dataset
        From :func:`structkit.pipeline.eis.run_polarization`.
    """
    if not run.sizes["time"]:
        return f"- not read: {run.attrs['reason']}"
    current = _scientific(
        float(run["steady_current"]), float(run["steady_current_std"])
    )
    steady = "steady" if int(run["is_steady"]) else "not steady"
    lines = [f"current     {current} A ({steady})"]
    sigma = float(run["electronic_conductivity"])
    bound = float(run["electronic_conductivity_bound"])
    if math.isfinite(sigma):
        std = float(run["electronic_conductivity_std"])
        lines.append(f"sigma_e     {_scientific(sigma, std)} S/cm")
    if math.isfinite(bound):
        lines.append(f"sigma_e <   {bound:.3e} S/cm (95 %)")
    number = float(run["transference"])
    if math.isfinite(number):
        lines.append(f"t_ion       1 - {1.0 - number:.2e}")
    told = [str(run.attrs["reason"]), *str(run.attrs["remarks"]).splitlines()]
    return "\n".join([*lines, *(f"- {text}" for text in told if text)])
