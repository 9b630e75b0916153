"""Short tables of results for the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence

import xarray as xr

from structkit.schema import MILLING_TIME, PHASE, SAMPLE

Rows = Sequence[Sequence[str]]


def format_table(header: Sequence[str], rows: Rows) -> str:
    """Align columns: the first to the left, the others to the right.

    Examples
    --------
    >>> print(format_table(["sample", "wt"], [["a", "0.5"], ["long name", "12.25"]]))
    sample        wt
    a            0.5
    long name  12.25
    """
    table = [list(header), *(list(row) for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]
    lines = []
    for row in table:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def format_value(value: float, std: float = math.nan, *, digits: int = 3) -> str:
    """Return ``0.123(4)``, ``0.123`` without an esd, or ``-`` where unknown.

    Examples
    --------
    >>> format_value(0.12345, 0.0042)
    '0.123(4)'
    >>> format_value(12.3, 4.6)
    '12(5)'
    >>> format_value(float("nan"))
    '-'
    """
    if not math.isfinite(value):
        return "-"
    if not math.isfinite(std) or std <= 0.0:
        return f"{value:.{digits}f}"
    decimals = max(0, min(6, -math.floor(math.log10(std))))
    last = round(std * 10.0**decimals)
    if last == 10 and decimals:
        decimals, last = decimals - 1, 1
    return f"{value:.{decimals}f}({last})"


def format_series(results: xr.Dataset) -> str:
    """Return one line a sample: R-factor, crystalline area, fractions of the phases.

    Parameters
    ----------
    results : xarray.Dataset
        Dims ``sample`` and ``phase``; variables named as in ``tables/samples.csv``
        and ``tables/phases.csv``. Absent variables are left out.
    """
    phases = [str(name) for name in results[PHASE].to_numpy()]
    header = ["sample", "t/h", "Rwp/%", "crystalline area", *phases, "status"]
    rows = []
    for name in results[SAMPLE].to_numpy():
        one = results.sel({SAMPLE: name})
        row = [str(name), f"{_number(one, MILLING_TIME):g}"]
        row.append(format_number(one, "r_wp_percent", digits=1))
        row.append(format_with_std(one, "crystalline_area_fraction"))
        row += [
            format_with_std(one.sel({PHASE: phase}), "weight_fraction_crystalline")
            for phase in phases
        ]
        row.append(str(one["status"].item()) if "status" in one else "")
        rows.append(row)
    return format_table(header, rows)


def format_contents(contents: xr.Dataset) -> str:
    """Return what is said of each sample's amorphous content, and of the phases.

    Parameters
    ----------
    contents : xarray.Dataset
        As :func:`structkit.pipeline.run_refinement` returns it.
    """
    phases = [str(name) for name in contents[PHASE].to_numpy()]
    header = ["sample", "t/h", "amorphous", "95 %", "method", *phases, "flags"]
    rows = []
    for name in contents[SAMPLE].to_numpy():
        one = contents.sel({SAMPLE: name})
        low, high = (
            format_number(one, f"amorphous_fraction_{end}") for end in ("low", "high")
        )
        row = [str(name), f"{_number(one, MILLING_TIME):g}"]
        row += [format_with_std(one, "amorphous_fraction"), f"{low}..{high}"]
        row.append(str(one["amorphous_method"].item()) or "-")
        row += [
            format_with_std(one.sel({PHASE: phase}), "weight_fraction_sample")
            for phase in phases
        ]
        row.append(str(one["flags"].item()))
        rows.append(row)
    verdicts = [str(one) for one in contents["verdict"].to_numpy()]
    return "\n".join([format_table(header, rows), "", *verdicts])


def format_number(results: xr.Dataset, name: str, *, digits: int = 3) -> str:
    """Return a scalar variable, ``-`` where it is absent or unknown."""
    return format_value(_number(results, name), digits=digits)


def format_with_std(results: xr.Dataset, name: str) -> str:
    """Return a scalar variable with its esd, ``-`` where it is absent or unknown."""
    return format_value(_number(results, name), _number(results, f"{name}_std"))


def _number(results: xr.Dataset, name: str) -> float:
    """Return a scalar variable, NaN where it is absent."""
    return float(results[name]) if name in results.variables else math.nan
