"""The page on stored files, written from their columns and schemas.

``python -m structkit.pipeline.page > docs/stored_files.md`` writes it anew.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType

from refinement.comparison import ENGINE_COLUMNS
from refinement.crystallinity.kinetics import kinetics_table
from refinement.crystallinity.tables import (
    AMORPHOUS_COLUMNS,
    PHASE_COLUMNS,
    SAMPLE_COLUMNS,
    flags_table,
)
from refinement.result import VARIABLES
from structkit.checks.audit import COLUMNS as AUDIT_COLUMNS
from structkit.eis import result_tables as eis
from structkit.nmr import result_tables as nmr
from structkit.pipeline.checks import COLUMNS as CHECK_COLUMNS
from structkit.pipeline.index_tables import INDEX_COLUMNS, SCORE_COLUMNS
from structkit.pipeline.limits import COLUMNS as LIMIT_COLUMNS
from structkit.raman import result_tables as raman
from structkit.schema import (
    conductivity,
    eis_results,
    index_results,
    nmr_results,
    raman_results,
)

_INTRODUCTION = """\
# Stored files

Written by `python -m structkit.pipeline.page > docs/stored_files.md` from the columns
and schemas themselves; a test holds the page against them. Beside these files a folder
of results has `report.html` ([report.md](report.md)), `provenance.json`, `figures/`
where they were asked for, and `patterns/*.nc`, from which a refinement is resumed.

## Tables

`tables/*.csv`, comma-separated, UTF-8, one header line. An empty cell is unknown, never
0. `std` is one sigma, `low` and `high` are 95 % limits, yes and no are 1 and 0. Times
are in h and fractions run from 0 to 1 unless the column says otherwise.
"""
_TREES = """\
## netCDF files

Each has everything its tables have and more, with units in `attrs["units"]`; read them
with `structkit.store.read_tree`, or `xarray.open_datatree(path, engine="h5netcdf")`.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTable:
    """A table and what its columns mean beyond their names."""

    name: str
    """Of the file below ``tables/``, without suffix."""
    row: str
    """What one row is for."""
    columns: tuple[str, ...]
    """Its header."""
    remark: str
    """What is to be known of the columns."""


TABLES = (
    StoredTable(
        name="samples",
        row="sample with a pattern",
        columns=SAMPLE_COLUMNS,
        remark="`gof` goodness of fit; `status` of the fit and `reason`; `seconds` it "
        "took; `crystalline_area_fraction` an index, no content; `amorphous_method` "
        "speaks for `amorphous_fraction`",
    ),
    StoredTable(
        name="phases",
        row="sample, phase",
        columns=PHASE_COLUMNS,
        remark="`_systematic` a half-range over admissible choices, to be added in "
        "quadrature; `detection_limit` of the crystalline part; `relative_scale` "
        "against the reference sample; cells in angstrom and degree",
    ),
    StoredTable(
        name="amorphous",
        row="sample, method",
        columns=AMORPHOUS_COLUMNS,
        remark="`applicable` 0: `reason` says why not; `primary` 1: the method that "
        "speaks for the sample",
    ),
    StoredTable(
        name="series",
        row="quantity of the whole series",
        columns=("quantity", "value", "remark"),
        remark="instrument constant, its spread, attenuation and what else all "
        "samples share",
    ),
    StoredTable(
        name="kinetics",
        row="model, parameter",
        columns=tuple(map(str, kinetics_table().columns)),
        remark="rates in 1/h, half-lives in h (per dose: g/kJ and kJ/g); `resolved` 0: "
        "not to be quoted",
    ),
    StoredTable(
        name="flags",
        row="remark of the diffraction",
        columns=tuple(map(str, flags_table(()).columns)),
        remark="`code` of the broken assumption or doubt; `sample` empty: the series",
    ),
    StoredTable(
        name="joint",
        row="sample of a joint refinement",
        columns=(
            *("sample", "delta_chi_square", "p_value", "largest_pull"),
            *("parameters_given_up", "disagrees", "included", "pulls_at", "reason"),
        ),
        remark="only with `[xrd.joint]`: the verdict on each pattern",
    ),
    StoredTable(
        name="engines",
        row="sample, phase, engine",
        columns=ENGINE_COLUMNS,
        remark="of `structkit compare`",
    ),
    StoredTable(
        name="raman_bands",
        row="sample, spot, band",
        columns=raman.BAND_COLUMNS,
        remark="`centre`, `fwhm` in 1/cm, of all spots; `area` intensity times 1/cm; "
        "`status` determined, merged, not detected, doubtful",
    ),
    StoredTable(
        name="raman_metrics",
        row="sample, metric",
        columns=raman.METRIC_COLUMNS,
        remark="`resolved` 0: the data do not determine it, `remark` says why",
    ),
    StoredTable(
        name="raman_hypotheses",
        row="sample, reading",
        columns=raman.HYPOTHESIS_COLUMNS,
        remark="`delta_bic` 0: the best; `discriminating_bands` tell it from its rival",
    ),
    StoredTable(
        name="raman_remarks",
        row="remark",
        columns=raman.REMARK_COLUMNS,
        remark="what reading and preparation noticed",
    ),
    StoredTable(
        name="eis_elements",
        row="spectrum, circuit element",
        columns=eis.ELEMENT_COLUMNS,
        remark="`value`, `std` in `units`; `temperature_K` of the measurement, "
        "`history` of the sample",
    ),
    StoredTable(
        name="conductivity",
        row="spectrum, contribution",
        columns=eis.CONDUCTIVITY_COLUMNS,
        remark="`contribution` bulk, grain_boundary, total; `in_band` 0: the arc's "
        "peak lies outside the measured band",
    ),
    StoredTable(
        name="arrhenius",
        row="line",
        columns=eis.ARRHENIUS_COLUMNS,
        remark="`convention` ln_sigma_T (the one to quote) or ln_sigma; `points` all, "
        "or in_band",
    ),
    StoredTable(
        name="polarization",
        row="run",
        columns=eis.POLARIZATION_COLUMNS,
        remark="`steady` 0: `sigma_e_bound_S_per_cm` is what is known",
    ),
    StoredTable(
        name="retention",
        row="measurement of a later history",
        columns=eis.RETENTION_COLUMNS,
        remark="conductivity over that of `reference`, at one temperature",
    ),
    StoredTable(
        name="eis_remarks",
        row="remark",
        columns=eis.REMARK_COLUMNS,
        remark="what reading, judging and fitting noticed",
    ),
    StoredTable(
        name="nmr_sites",
        row="sample, line",
        columns=nmr.SITE_COLUMNS,
        remark="`population` after saturation and flip angle; `lifetime_width_Hz` "
        "1/(pi T1), `_rest_` what it leaves of the width; `trades_with`: known as "
        "a sum",
    ),
    StoredTable(
        name="nmr_composition",
        row="sample, quantity",
        columns=nmr.COMPOSITION_COLUMNS,
        remark="`x` with its blank; `x_equation_1` as printed, for comparison; limits "
        "may hold 0",
    ),
    StoredTable(
        name="t1",
        row="recovery, line, law",
        columns=nmr.T1_COLUMNS,
        remark="`chosen` 1: the law whose T1 is told; `delta_aicc` 0: the best",
    ),
    StoredTable(
        name="nmr_relaxation",
        row="sample, line with several temperatures",
        columns=nmr.RELAXATION_COLUMNS,
        remark="motion by the quadrupolar BPP expression",
    ),
    StoredTable(
        name="nmr_remarks",
        row="remark",
        columns=nmr.REMARK_COLUMNS,
        remark="what reading, judging and fitting noticed",
    ),
    StoredTable(
        name="checks",
        row="check between techniques, sample",
        columns=CHECK_COLUMNS,
        remark="`sentence` has the arithmetic",
    ),
    StoredTable(
        name="audit",
        row="statement",
        columns=AUDIT_COLUMNS,
        remark="`verdict` supported, not resolved, contradicted ([audit.md](audit.md))",
    ),
    StoredTable(
        name="index",
        row="sample, index, variant",
        columns=INDEX_COLUMNS,
        remark="`headline` 1: the number to lead with; `conflict` in words; "
        "`modalities` in it ([amorphization_index.md](amorphization_index.md))",
    ),
    StoredTable(
        name="scores",
        row="sample, technique",
        columns=SCORE_COLUMNS,
        remark="each technique alone, not held within 0 and 1",
    ),
    StoredTable(
        name="limits",
        row="what cannot be concluded",
        columns=LIMIT_COLUMNS,
        remark="`topic` the technique, or `index`",
    ),
)
"""All tables, in the order of the stages."""

_SCHEMAS: tuple[tuple[str, ModuleType], ...] = (
    ("raman.nc", raman_results),
    ("eis.nc", eis_results),
    ("Conductivities in `eis.nc`", conductivity),
    ("nmr.nc", nmr_results),
    ("index.nc", index_results),
)


def compose_page() -> str:
    """Return the page as Markdown.

    Returns
    -------
    str
        Ends with a newline.
    """
    rows = [
        (
            f"`{one.name}.csv`",
            one.row,
            ", ".join(f"`{column}`" for column in one.columns),
            one.remark,
        )
        for one in TABLES
    ]
    quantities = [(f"`{n}`", u, long) for n, (u, long) in VARIABLES.items()]
    parts = [
        _INTRODUCTION,
        _table(("file", "one row for", "columns", "remark"), rows),
        _TREES,
        "### `refine.nc`, `crystallinity.nc`\n",
        "Over `sample` and `phase`, 1 sigma of a variable as `_std`. `refine.nc` has, "
        "of each pattern:\n",
        _table(("variable", "unit", "meaning"), quantities),
        "`crystallinity.nc` has the contents with their limits, every method "
        "(`method_value`, `method_reason`), verdicts and flags; each variable says in "
        '`attrs["long_name"]` what it is.\n',
    ]
    for title, module in _SCHEMAS:
        name = title if "`" in title else f"`{title}`"
        text = inspect.cleandoc(module.__doc__ or "")
        parts += [f"### {name}\n", f"```text\n{text}\n```\n"]
    return "\n".join(parts)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of Markdown."""
    lines = [" | ".join(header), " | ".join("---" for _ in header)]
    lines += [" | ".join(cell.replace("|", r"\|") for cell in row) for row in rows]
    return "".join(f"| {line} |\n" for line in lines)


if __name__ == "__main__":
    sys.stdout.write(compose_page())
