"""``structkit demo``: simulate a milling series, analyse it, truth beside result."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import numpy as np
import xarray as xr

from structkit.cli.output import check_output_folder
from structkit.cli.table import format_number, format_table, format_with_std
from structkit.schema import METRIC, MILLING_TIME, PHASE, SAMPLE, TWO_THETA

FIGURE = "milling_series.png"

_SHARE = "weight_fraction_crystalline"
_AREA = "crystalline_area_fraction"
_AMORPHOUS = "amorphous_fraction"
_RAMAN = ("r_ax", "out_of_plane_ratio", "in_plane_ratio", "bend_ratio")


@click.command("demo")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder for patterns, results and the figure.",
)
@click.option("--seed", type=int, default=20250, show_default=True, help="Of noise.")
@click.option(
    "--raman/--no-raman",
    default=True,
    show_default=True,
    help="Simulate and fit Raman spectra of the powders too.",
)
@click.option("--open", "show", is_flag=True, help="Open the figure when it is done.")
def command(output: Path, *, seed: int, raman: bool, show: bool) -> None:
    """Simulate milled NaCl, TaCl5 and Na2O, analyse it, compare with the truth."""
    check_output_folder(output)
    from structkit.pipeline.diffraction import run_refinement
    from structkit.plot.series import compose_series
    from structkit.plot.style import write_figure
    from structkit.store import read_dataset
    from structkit.synthetic.study import write_study

    series_file = write_study(
        output / "measured", seed=seed, raman=raman, raman_reference=raman
    )
    results = run_refinement(series_file, output / "results")
    truth = complete_truth(read_dataset(series_file.with_name("truth.nc")))
    figure = write_figure(compose_series(results, truth=truth), output / FIGURE)
    click.echo(format_comparison(results, truth))
    click.echo("")
    for verdict in results["verdict"].to_numpy():
        click.echo(str(verdict))
    if raman:
        from structkit.pipeline.raman import run_raman

        spectra = run_raman(series_file, output / "results")
        known = read_dataset(series_file.with_name("raman_truth.nc"))
        click.echo(f"\n{format_raman(spectra.to_dataset(inherit=False), known)}")
    click.echo(f"\nFigure: {figure}")
    if show and sys.stdout.isatty():
        click.launch(str(figure))


def complete_truth(truth: xr.Dataset) -> xr.Dataset:
    """Return the truth under the names of the results.

    Parameters
    ----------
    truth : xarray.Dataset
        What ``structkit.synthetic.study.write_study`` left in ``truth.nc``: shares and
        sizes of the phases, and the parts of each pattern over ``two_theta``.

    Returns
    -------
    xarray.Dataset
        Also ``crystalline_area_fraction``, the area of the reflections over that of
        reflections and halo, and ``relative_scale``, the weight fraction over that of
        the shortest milling time, NaN for a phase that comes later; both without unit.
    """
    crystalline = truth["component"].sum([PHASE, TWO_THETA])
    area = crystalline / (crystalline + truth["halo"].sum(TWO_THETA))
    first = truth.isel({SAMPLE: int(np.argmin(truth[MILLING_TIME].to_numpy()))})
    start = first["weight_fraction"].drop_vars([SAMPLE, MILLING_TIME])
    relative = truth["weight_fraction"] / start.where(start > 0.0)
    unitless = {"units": "1"}
    return truth.drop_dims(TWO_THETA).assign(
        {
            _AREA: area.assign_attrs(unitless),
            "relative_scale": relative.assign_attrs(unitless),
        }
    )


def format_comparison(results: xr.Dataset, truth: xr.Dataset) -> str:
    """Return two tables, samples and phases, each with the truth beside the result.

    Parameters
    ----------
    results : xarray.Dataset
        What :func:`structkit.pipeline.run_refinement` returns.
    truth : xarray.Dataset
        From :func:`complete_truth`.
    """
    return "\n\n".join(
        [_compare_samples(results, truth), _compare_phases(results, truth)]
    )


def format_raman(results: xr.Dataset, truth: xr.Dataset) -> str:
    """Return the Raman metrics of the milled samples, the truth beside the result.

    Parameters
    ----------
    results : xarray.Dataset
        Root of what :func:`structkit.pipeline.raman.run_raman` returns.
    truth : xarray.Dataset
        What was left in ``raman_truth.nc``.
    """
    bends = truth["out_of_plane_ratio"] / truth["in_plane_ratio"]
    known = truth.assign(bend_ratio=bends)
    header = ["Raman", "t/h", *(w for m in _RAMAN for w in (f"{m}: truth", "result"))]
    rows = []
    for name in results[SAMPLE].to_numpy():
        one = results.sel({SAMPLE: name})
        if str(one["role"].item()) != "milled":
            continue
        row = [str(name), f"{float(one[MILLING_TIME]):g}"]
        for metric in _RAMAN:
            cell = one.sel({METRIC: metric})
            found = format_with_std(cell, "metric_value")
            row.append(format_number(known.sel({SAMPLE: name}), metric))
            row.append(found if int(cell["metric_resolved"]) else "n.r.")
        rows.append(row)
    return f"{format_table(header, rows)}\nn.r.: not resolved by the data"


def _compare_samples(results: xr.Dataset, truth: xr.Dataset) -> str:
    """Return R-factor, crystalline area and true content of each sample."""
    header = [
        "sample",
        "t/h",
        "Rwp/%",
        "amorphous: truth",
        "result",
        "95 %",
        "crystalline area: truth",
        "result",
    ]
    rows = []
    for name in results[SAMPLE].to_numpy():
        found, known = results.sel({SAMPLE: name}), truth.sel({SAMPLE: name})
        rows.append(
            [
                str(name),
                f"{float(known[MILLING_TIME]):g}",
                format_number(found, "r_wp_percent", digits=1),
                format_number(known, _AMORPHOUS),
                format_with_std(found, _AMORPHOUS),
                f"{format_number(found, f'{_AMORPHOUS}_low')}.."
                f"{format_number(found, f'{_AMORPHOUS}_high')}",
                format_number(known, _AREA),
                format_with_std(found, _AREA),
            ]
        )
    return format_table(header, rows)


def _compare_phases(results: xr.Dataset, truth: xr.Dataset) -> str:
    """Return share of the crystalline part and size of each phase."""
    header = ["sample", "phase", "share: truth", "result", "size/nm: truth", "result"]
    rows = []
    for name in results[SAMPLE].to_numpy():
        for phase in results[PHASE].to_numpy():
            place = {SAMPLE: name, PHASE: phase}
            found, known = results.sel(place), truth.sel(place)
            rows.append(
                [
                    str(name),
                    str(phase),
                    format_number(known, _SHARE),
                    format_with_std(found, _SHARE),
                    format_number(known, "size_nm", digits=1),
                    format_with_std(found, "size_nm"),
                ]
            )
    return format_table(header, rows)
