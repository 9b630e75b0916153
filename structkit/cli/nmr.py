"""``structkit nmr``: lines, relaxation and composition of NMR spectra."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from structkit.cli.options import UsageMistakeError, is_number
from structkit.cli.output import check_output_folder
from structkit.errors import FitError

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]
    import xarray as xr

    from structkit.io.manifest_nmr import NmrTable

_PATH = click.Path(path_type=Path)
_SERIES_SUFFIX = ".toml"
_ROLES = {"NTOC": "product", "NaCl": "chloride", "Na2O": "oxide"}
"""Sites by these names make a composition."""
_site_option = click.option(
    "--site",
    "sites",
    multiple=True,
    metavar="NAME:PPM[:FWHM]",
    help="Line to fit, its width in Hz; may be repeated.",
)
_nucleus_option = click.option(
    "--nucleus", metavar="NAME", help="Such as 19F; default: 23Na."
)


@click.group("nmr", subcommand_metavar="WHAT [ARGS]...")
def command() -> None:
    """Fit NMR spectra and recoveries, or say what their areas mean."""


@command.command("fit")
@click.argument("inputs", nargs=-1, required=True, type=_PATH, metavar="INPUT...")
@click.option(
    "-o", "--output", type=_PATH, required=True, help="Folder for the results."
)
@_site_option
@_nucleus_option
@click.option("--range", "shift_range", type=(float, float), metavar="LOW HIGH")
@click.option("--sample", "samples", multiple=True, metavar="ID", help="Of a series.")
def fit(
    inputs: tuple[Path, ...],
    output: Path,
    *,
    sites: tuple[str, ...],
    nucleus: str | None,
    shift_range: tuple[float, float] | None,
    samples: tuple[str, ...],
) -> None:
    """Fit a series file, or folders and files, each a sample; tables go to OUTPUT."""
    given = {"--site": sites, "--nucleus": nucleus, "--range": shift_range}
    series = is_series(inputs, given, samples)
    check_output_folder(output)
    from structkit.pipeline.nmr import RESULT_FILE, fit_files, run_nmr

    if series:
        tree = run_nmr(inputs[0], output, samples=samples or None)
    else:
        table = make_table(sites, nucleus=nucleus, shift_range=shift_range)
        tree = fit_files(inputs, output, table=table)
    click.echo(format_results(tree))
    click.echo(f"\nTables in {output / 'tables'}, all of it in {RESULT_FILE}.")
    if not tree.children:
        raise FitError("nothing could be fitted; the table says why")


@command.command("t1")
@click.argument("folder", type=_PATH)
@click.option(
    "--window",
    type=(float, float),
    metavar="LOW HIGH",
    help="Shifts that are integrated, ppm; default: about the highest line.",
)
@_site_option
@_nucleus_option
@click.option("-o", "--output", type=_PATH, help="Folder for the tables.")
def t1(
    folder: Path,
    *,
    window: tuple[float, float] | None,
    sites: tuple[str, ...],
    nucleus: str | None,
    output: Path | None,
) -> None:
    """Find T1 in the pseudo-2D experiment FOLDER; lines given by --site together."""
    if window is not None and not window[0] < window[1]:
        raise UsageMistakeError(
            f"--window must ascend, got {window[0]:g} {window[1]:g}"
        )
    if output is not None:
        check_output_folder(output)
    from structkit.nmr.result_tables import t1_table
    from structkit.pipeline.nmr import fit_t1, store_results

    table = make_table(sites, nucleus=nucleus) if sites or nucleus else None
    tree = fit_t1(folder, window=window, table=table)
    click.echo(format_t1(t1_table(tree)))
    for text in tree["remark_text"].to_numpy():
        click.echo(f"- {text}")
    if output is not None:
        store_results(tree, output)


@command.command("composition")
@click.argument("results", type=_PATH, metavar="OUT|nmr_sites.csv")
@click.option(
    "--blank",
    type=(float, float),
    metavar="RATIO STD",
    help="NaCl over product of the control without oxide, and its 1 sigma.",
)
@click.option("--blank-sample", metavar="ID", help="The control among the samples.")
@click.option("--product", default="NTOC", show_default=True, metavar="SITE")
@click.option("--chloride", default="NaCl", show_default=True, metavar="SITE")
@click.option("--response", type=float, help="Calibrated factor; default: 0.4 to 1.3.")
@click.option(
    "--recycle-delay", type=float, metavar="S", help="Default: as stored in nmr.nc."
)
@click.option(
    "--na-per-ta",
    type=float,
    default=3.0,
    show_default=True,
    help="As weighed, where the results do not say it.",
)
def composition(
    results: Path,
    *,
    blank: tuple[float, float] | None,
    blank_sample: str | None,
    product: str,
    chloride: str,
    response: float | None,
    recycle_delay: float | None,
    na_per_ta: float,
) -> None:
    """Say what the areas in stored results mean: x, its limits, the sodium census."""
    if blank is not None and blank_sample is not None:
        raise UsageMistakeError("give --blank or --blank-sample, not both")
    from structkit.nmr.response import Blank, CompositionSettings
    from structkit.pipeline.nmr_composition import compose_stored

    settings = CompositionSettings(
        product=product,
        chloride=chloride,
        blank=None if blank is None else Blank(ratio=blank[0], std=blank[1]),
        response=response,
        recycle_delay_s=recycle_delay,
        nominal_na_per_ta=na_per_ta,
    )
    found = compose_stored(results, settings, control=blank_sample)
    click.echo(format_compositions(found))


def is_series(
    inputs: Sequence[Path], given: Mapping[str, object], samples: Sequence[str]
) -> bool:
    """Return whether the input is a series file; refuse options of the other kind.

    Raises
    ------
    UsageMistakeError
        A series file beside other inputs or options, or samples without one.
    """
    if not any(path.suffix.lower() == _SERIES_SUFFIX for path in inputs):
        if samples:
            raise UsageMistakeError("--sample is for a series file; drop it")
        return False
    if len(inputs) > 1:
        raise UsageMistakeError("give one series file alone, or folders and files")
    told = [name for name, value in given.items() if value]
    if told:
        raise UsageMistakeError(
            f"{', '.join(told)}: the series file says this in [nmr]; drop it here"
        )
    return True


def make_table(
    sites: Sequence[str],
    *,
    nucleus: str | None = None,
    shift_range: tuple[float, float] | None = None,
) -> NmrTable:
    """Return ``[nmr]`` as the options say it.

    Raises
    ------
    UsageMistakeError
        A site that cannot be read, or another nucleus without sites.
    """
    from pydantic import ValidationError

    from structkit.io.manifest_nmr import NmrTable, check_nmr
    from structkit.io.mistakes import translate

    written: dict[str, Any] = {}
    if sites:
        written["site"] = [_parse_site(text) for text in sites]
    if nucleus is not None:
        written["nucleus"] = nucleus
    if shift_range is not None:
        written["range"] = list(shift_range)
    told = [f"--{k[-1]}: {text}" for k, text in check_nmr({"nmr": written}, ids=())]
    names = [text.partition(":")[0] for text in sites]
    told += [f"--site {n}: is given twice" for n in {*names} if names.count(n) > 1]
    try:
        table = NmrTable.model_validate(written)
    except ValidationError as error:
        told += [f"{one.key}: {one.message}" for one in translate(error, NmrTable)]
    if told:
        raise UsageMistakeError("; ".join(told))
    return table


def _parse_site(text: str) -> dict[str, object]:
    """Return ``NAME:PPM[:FWHM]`` as a site of the series file."""
    name, *numbers = text.split(":")
    if not name or len(numbers) not in (1, 2) or not all(map(is_number, numbers)):
        raise UsageMistakeError(
            f"cannot read --site {text!r}; write NAME:PPM or NAME:PPM:FWHM, such as "
            "NaCl:7.2:150"
        )
    keys = ("shift_ppm", "fwhm_hz")
    values = dict(zip(keys, map(float, numbers), strict=False))
    role = {"role": _ROLES[name]} if name in _ROLES else {}
    return {"name": name, **values, **role}


def format_results(tree: xr.DataTree) -> str:
    """Return one line for each sample and site, then what was found of T1."""
    from structkit.cli.table import format_table, format_value
    from structkit.nmr.result_tables import sites_table, t1_table

    rows, notes = [], []
    for _, row in sites_table(tree).iterrows():
        status, _, reason = str(row["status"]).partition(": ")
        if status == "failed":
            rows.append([row["sample"], "-", "", "", "", "", status])
            notes.append(f"{row['sample']}: {reason}")
            continue
        cells = [
            format_value(row[name], row[std])
            for name, std in (
                ("shift_ppm", "shift_std_ppm"),
                ("fwhm_Hz", "fwhm_std_Hz"),
                ("lorentzian_share", "lorentzian_share_std"),
                ("population", "population_std"),
            )
        ]
        rows.append([row["sample"], row["site"], *cells, status])
        if reason:
            notes.append(f"{row['sample']}: {reason}")
    header = ["sample", "site", "ppm", "FWHM/Hz", "Lorentz", "share", "status"]
    parts = [format_table(header, rows), *dict.fromkeys(notes)]
    recoveries = t1_table(tree)
    if len(recoveries):
        parts.append("\n" + format_t1(recoveries[recoveries["chosen"] == 1]))
    return "\n".join(parts)


def format_t1(table: pd.DataFrame) -> str:
    """Return one line for each recovery, site and law."""
    from structkit.cli.raman import format_left
    from structkit.cli.table import format_value

    rows = []
    for _, row in table.iterrows():
        kelvin = row["temperature_K"]
        rows.append(
            [
                row["sample"],
                row["site"],
                "-" if kelvin != kelvin else f"{kelvin:.1f}",
                row["model"] + ("*" if row["chosen"] == 1 else ""),
                format_value(row["t1_s"], row["std"]),
                format_value(row["inversion_factor"], row["inversion_factor_std"]),
                f"{row['delta_aicc']:.1f}",
                row["remark"],
            ]
        )
    header = ["sample", "site", "T/K", "law", "T1/s", "factor", "dAICc", "remark"]
    return format_left(header, rows)


def format_compositions(found: Mapping[str, xr.Dataset]) -> str:
    """Return one line for each sample and quantity."""
    from structkit.cli.raman import format_left
    from structkit.cli.table import format_value

    rows = []
    for name, table in found.items():
        for quantity in table["quantity"].to_numpy():
            one = table.sel(quantity=quantity)
            low, high = float(one["low"]), float(one["high"])
            rows.append(
                [
                    name,
                    str(quantity),
                    format_value(float(one["value"]), float(one["std"])),
                    f"{low:.3g} to {high:.3g}" if low == low else "",
                    str(one["remark"].item()),
                ]
            )
    header = ["sample", "quantity", "value", "95 %", "remark"]
    return format_left(header, rows)
