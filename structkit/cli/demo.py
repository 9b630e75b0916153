"""``structkit demo``: a synthetic series through all stages, truth beside result."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
import xarray as xr

from structkit.cli.findings import QUANTITIES, Found, format_found, gather_findings
from structkit.cli.options import UsageMistakeError
from structkit.cli.output import check_output_folder
from structkit.cli.run import format_end, show_stages
from structkit.cli.table import format_number, format_table, format_with_std
from structkit.errors import PlanError, ReadError
from structkit.schema import METRIC, MILLING_TIME, PHASE, SAMPLE, TWO_THETA

if TYPE_CHECKING:
    from structkit.pipeline.run import RunResult

FIGURE = "milling_series.png"
MEASURED, RESULTS = "measured", "results"
"""Folders of the demo."""
SYNTHETIC = "These data are synthetic: simulated with known truth, never measured."

_SHARE = "weight_fraction_crystalline"
_AREA = "crystalline_area_fraction"
_AMORPHOUS = "amorphous_fraction"
_RAMAN = ("r_ax", "out_of_plane_ratio", "in_plane_ratio", "bend_ratio")
_TRUTHS = {
    "amorphous": (_AMORPHOUS, 1.0),
    "sigma": ("conductivity", 1000.0),
    "energy": ("activation_energy", 1.0),
    "x": ("product_oxygen", 1.0),
    "t1": ("product_t1", 1000.0),
    "index": (_AMORPHOUS, 1.0),
}
"""For each quantity its name in the truth, and the factor to the unit shown."""


@click.command("demo")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder for measured/ and results/.",
)
@click.option("--seed", type=int, default=20260, show_default=True, help="Of noise.")
@click.option(
    "--adversary",
    metavar="NAME",
    help="Make one assumption of the analyst wrong; a wrong name lists them.",
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=2,
    show_default=True,
    help="Processes; techniques run side by side.",
)
@click.option("--open", "show", is_flag=True, help="Open the report when it is done.")
def command(
    output: Path, *, seed: int, adversary: str | None, jobs: int, show: bool
) -> int:
    """Simulate a milled series with every technique, run it, show truth and result."""
    check_output_folder(output)
    from structkit.pipeline.run import run_series
    from structkit.synthetic.whole import write_series
    from structkit.synthetic.whole_truth import assign_adversary

    try:
        assign_adversary(adversary)  # type: ignore[arg-type]
    except PlanError as error:
        raise UsageMistakeError(str(error)) from None
    click.echo(SYNTHETIC, err=True)
    series_file = write_series(
        output / MEASURED,
        seed=seed,
        adversary=adversary,  # type: ignore[arg-type]
    )
    with show_stages() as progress:
        result = run_series(
            series_file,
            output / RESULTS,
            jobs=jobs,
            data={"kind": "synthetic", "seed": seed, "adversary": adversary or "none"},
            progress=progress,
        )
    click.echo(format_demo(result, series_file.parent))
    figure = _draw(result.output, series_file.parent, output / FIGURE)
    if figure is not None:
        click.echo(f"Figure: {figure}")
    if show and sys.stdout.isatty():
        click.launch(str(result.output / "report.html"))
    return 1 if result.failed else 0


def format_demo(result: RunResult, measured: Path) -> str:
    """Return all that the demo says: truth beside result, and how the run ended.

    Parameters
    ----------
    result : RunResult
        Of the run.
    measured : Path
        Folder with ``truth.nc`` and ``raman_truth.nc``.
    """
    from structkit.store import read_dataset

    truth = read_dataset(measured / "truth.nc")
    said = [SYNTHETIC, format_truth(gather_findings(result.output), truth)]
    refined = _root(result.output / "refine.nc")
    if refined is not None:
        said.append(format_comparison(refined, complete_truth(truth)))
    raman = _root(result.output / "raman.nc")
    if raman is not None:
        said.append(format_raman(raman, read_dataset(measured / "raman_truth.nc")))
    said.append(format_end(result))
    return "\n\n".join(said)


def _root(path: Path) -> xr.Dataset | None:
    """Return the root of stored results; None where there are none."""
    from structkit.store import read_tree

    try:
        return read_tree(path).to_dataset(inherit=False)
    except ReadError:
        return None


def _draw(results: Path, measured: Path, path: Path) -> Path | None:
    """Draw the refined series with its truth; None where nothing was refined."""
    from structkit.plot.series import compose_series
    from structkit.plot.style import write_figure
    from structkit.store import read_dataset

    refined = _root(results / "refine.nc")
    if refined is None:
        return None
    known = complete_truth(read_dataset(measured / "truth.nc"))
    known = known.sel({SAMPLE: refined[SAMPLE].to_numpy()})
    return write_figure(compose_series(refined, truth=known), path)


def format_truth(findings: tuple[Found, ...], truth: xr.Dataset) -> str:
    """Return one table a quantity: the truth, what was found, whether it holds it.

    Parameters
    ----------
    findings : tuple of Found
        From :func:`structkit.cli.findings.gather_findings`.
    truth : xarray.Dataset
        ``truth.nc``: the quantities over ``sample``.
    """
    tables = []
    for quantity in QUANTITIES:
        name, factor = _TRUTHS[quantity.key]
        own = [one for one in findings if one.quantity == quantity.key]
        if not own or name not in truth:
            continue
        rows, held, judged = [], 0, 0
        for one in own:
            known = _known(truth, name, one.sample) * factor
            low, high = one.limits
            verdict = ""
            if np.isfinite([known, low, high]).all():
                judged += 1
                held += low <= known <= high
                verdict = "" if low <= known <= high else "outside"
            shown = f"{known:.3f}" if np.isfinite(known) else "-"
            rows.append([one.sample, shown, *format_found(one), verdict])
        table = format_table([quantity.head, "truth", "result", "95 %", ""], rows)
        tables.append(f"{table}\ntruth within 95 %: {held} of {judged}")
    return "\n\n".join(tables)


def _known(truth: xr.Dataset, name: str, sample: str) -> float:
    """Return the truth of a sample; NaN where it has none."""
    if sample not in truth[SAMPLE].to_numpy():
        return float("nan")
    return float(truth[name].sel({SAMPLE: sample}))


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
