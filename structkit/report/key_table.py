"""The table at the head of the page: one column for each sample, truth below values."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import xarray as xr

from structkit.plot.interactive.milling import MILLED_ROLES
from structkit.plot.style import subscript
from structkit.report.numbers import (
    NONE,
    format_below,
    format_esd,
    format_number,
    format_ranged,
)
from structkit.report.page import Cell, TableView
from structkit.report.sections.impedance import activation_energy, room_conductivity
from structkit.report.sections.index import headline_of, scores_in_words
from structkit.report.sections.nmr import composition_x, product_t1
from structkit.report.stored import Stored, sample_roles, sample_times
from structkit.report.tables import write_csv
from structkit.schema import PHASE, SAMPLE

Row = tuple[str, list[Cell]]
_MILLI = 1e3
_MILLED = "milled"


def make_key_table(stored: Stored) -> TableView:
    """Return the main numbers of every sample; rows that nothing fills are left out."""
    samples = list(sample_times(stored))
    rows = [
        (name, cells)
        for name, cells in _rows(stored, samples)
        if any(cell.text != NONE for cell in cells)
    ]
    shown = tuple((Cell(text=name), *cells) for name, cells in rows)
    flat = [[name, *(_flat(cell) for cell in cells)] for name, cells in rows]
    return TableView(
        key="key-table",
        title="Main numbers",
        header=("quantity", *samples),
        rows=shown,
        csv=write_csv(["quantity", *samples], flat),
        file_name="main_numbers.csv",
        is_open=True,
    )


def _flat(cell: Cell) -> str:
    """Return a cell on one line."""
    return f"{cell.text} [{'; '.join(cell.notes)}]" if cell.notes else cell.text


def _rows(stored: Stored, samples: list[str]) -> Iterator[Row]:
    """Yield name and cells of each quantity."""
    times = sample_times(stored)
    yield "milling time (h)", [Cell(text=format_number(times[one])) for one in samples]
    roles = sample_roles(stored)
    if any(roles.get(one, "") not in MILLED_ROLES for one in samples):
        said = [roles.get(one, "").replace("_", " ") or NONE for one in samples]
        yield "role", [Cell(text=one) for one in said]
    yield from _amorphous_rows(stored, samples)
    yield from _phase_rows(stored, samples)
    raman = stored.root("raman")
    if raman is not None:
        yield (
            "Raman: glass share of the light (95 %)",
            [_metric_cell(stored, raman, one) for one in samples],
        )
    cells: dict[str, Callable[[Stored, str], Cell]] = {
        "NMR: x (95 %)": _x_cell,
        "σ, total (mS cm⁻¹)": _sigma_cell,
        "Eₐ of σT (eV)": _energy_cell,
        "T1 of the product (ms)": _t1_cell,
        "amorphization index (95 %)": _index_cell,
    }
    for name, make in cells.items():
        yield name, [make(stored, one) for one in samples]


def _amorphous_rows(stored: Stored, samples: list[str]) -> Iterator[Row]:
    """Yield the amorphous content and who speaks for it."""
    root = stored.root("crystallinity")
    if root is None or "amorphous_fraction" not in root:
        return
    cells = []
    for sample in samples:
        one = _of(root, sample)
        if one is None:
            cells.append(Cell(text=NONE))
            continue
        value, low, high = (
            float(one[f"amorphous_fraction{end}"]) for end in ("", "_low", "_high")
        )
        note = _truth(stored, "amorphous_fraction", sample)
        cells.append(Cell(text=format_ranged(value, low, high), notes=note))
    yield "α, amorphous weight fraction (95 %)", cells


def _phase_rows(stored: Stored, samples: list[str]) -> Iterator[Row]:
    """Yield weight fraction and crystallite size of each phase."""
    contents, refined = stored.root("crystallinity"), stored.root("refine")
    base = contents if contents is not None else refined
    if base is None or PHASE not in base.coords:
        return
    phases = base[PHASE].to_numpy().astype(str).tolist()
    name = "weight_fraction_sample"
    whole = name in base and bool(np.isfinite(base[name]).any())
    of = "sample" if whole else "crystals"
    for phase in phases:
        yield (
            f"{subscript(phase)}, weight fraction of the {of}",
            [_fraction_cell(stored, sample, phase, whole=whole) for sample in samples],
        )
    if refined is None or "size_nm" not in refined:
        return
    for phase in phases:
        cells = []
        for sample in samples:
            one = _of(refined, sample)
            hidden = _is_hidden(stored, sample, phase)
            if one is None or hidden:
                cells.append(Cell(text=NONE))
                continue
            own = one.sel({PHASE: phase})
            shown = format_esd(float(own["size_nm"]), float(own["size_nm_std"]))
            note = _truth(stored, "size_nm", sample, phase)
            cells.append(Cell(text=shown, notes=note))
        yield f"{subscript(phase)}, crystallite size (nm)", cells


def _is_hidden(stored: Stored, sample: str, phase: str) -> bool:
    """Return whether a phase is not detected."""
    contents, refined = stored.root("crystallinity"), stored.root("refine")
    if contents is not None and "present" in contents:
        one = _of(contents, sample)
        return one is None or float(one["present"].sel({PHASE: phase})) == 0.0
    one = None if refined is None else _of(refined, sample)
    if one is None or "detection_limit" not in one:
        return one is None
    own = one.sel({PHASE: phase})
    return bool(own["weight_fraction_crystalline"] < own["detection_limit"])


def _fraction_cell(stored: Stored, sample: str, phase: str, *, whole: bool) -> Cell:
    """Return a phase's weight fraction, or the limit below which it is."""
    root = stored.root("crystallinity") if whole else stored.root("refine")
    one = None if root is None else _of(root, sample)
    if one is None:
        return Cell(text=NONE)
    own = one.sel({PHASE: phase})
    name = "weight_fraction_sample" if whole else "weight_fraction_crystalline"
    note = _truth(stored, "weight_fraction" if whole else name, sample, phase)
    limit = "upper_limit_sample" if whole else "upper_limit"
    if _is_hidden(stored, sample, phase) and limit in own:
        value = float(own[limit])
        if math.isfinite(value):
            return Cell(text=f"{format_below(value)} (95 %)", notes=note)
    return Cell(
        text=format_esd(float(own[name]), float(own[f"{name}_std"])), notes=note
    )


def glass_share(raman: xr.Dataset, sample: str) -> str:
    """Return the glass share of the Raman light in words; a dash: none."""
    one = _of(raman, sample)
    name = "amorphous_share"
    if one is None or "metric" not in raman.coords:
        return NONE
    if name not in raman["metric"].to_numpy():
        return NONE
    own = one.sel(metric=name)
    return format_ranged(
        *(float(own[f"metric_{end}"]) for end in ("value", "low", "high"))
    )


def _metric_cell(stored: Stored, raman: xr.Dataset, sample: str) -> Cell:
    """Return the glass share of the Raman light."""
    shown = glass_share(raman, sample)
    return Cell(
        text=shown, notes=_truth(stored, "glass_share", sample) if shown != NONE else ()
    )


def is_upper_bound(stored: Stored, sample: str) -> bool:
    """Return whether the stored limits call a sample's x an upper bound."""
    told = f"x of {sample} is an upper bound"
    rows = stored.tables.get("limits", [])
    return any(row.get("sentence", "").startswith(told) for row in rows)


def _x_cell(stored: Stored, sample: str) -> Cell:
    """Return the oxygen content by NMR."""
    shown = format_ranged(*composition_x(stored, sample), decimals=3)
    root = stored.root("nmr")
    if shown == NONE or root is None:
        return Cell(text=shown)
    own = _of(root, sample)
    milled = own is None or "role" not in own or str(own["role"].item()) == _MILLED
    bound = ("upper bound",) if is_upper_bound(stored, sample) else ()
    truth = _truth(stored, "product_oxygen", sample) or _truth(
        stored, "x", sample, milled=milled
    )
    return Cell(text=shown, notes=(*bound, *truth))


def _sigma_cell(stored: Stored, sample: str) -> Cell:
    """Return the total conductivity at room temperature."""
    value, std, at = room_conductivity(stored, sample)
    if not math.isfinite(value):
        return Cell(text=NONE)
    truth = _truth(stored, "conductivity", sample, factor=_MILLI)
    return Cell(text=format_esd(value * _MILLI, std * _MILLI), notes=(at, *truth))


def _energy_cell(stored: Stored, sample: str) -> Cell:
    """Return the activation energy."""
    shown = format_esd(*activation_energy(stored, sample))
    note = _truth(stored, "activation_energy", sample)
    return Cell(text=shown, notes=note if shown != NONE else ())


def _t1_cell(stored: Stored, sample: str) -> Cell:
    """Return T1 of the product's line."""
    value, std = product_t1(stored, sample)
    if not math.isfinite(value):
        return Cell(text=NONE)
    truth = _truth(stored, "product_t1", sample, factor=_MILLI)
    return Cell(text=format_esd(value * _MILLI, std * _MILLI), notes=truth)


def _index_cell(stored: Stored, sample: str) -> Cell:
    """Return the index that leads; both scores where there is no consensus."""
    root = stored.root("index")
    if root is None or sample not in root[SAMPLE].to_numpy():
        return Cell(text=NONE)
    name, _, shown = headline_of(root, sample)
    if name:
        truth = _truth(stored, "amorphous_fraction", sample)
        return Cell(text=shown, notes=(name, *truth))
    told = scores_in_words(stored, sample)
    if not told:
        return Cell(text=NONE)
    return Cell(text="no consensus", notes=told)


def _of(root: xr.Dataset, sample: str) -> xr.Dataset | None:
    """Return one sample of a root; None where it is not there."""
    if SAMPLE not in root.coords or sample not in root[SAMPLE].to_numpy():
        return None
    return root.sel({SAMPLE: sample})


def _truth(
    stored: Stored,
    name: str,
    sample: str,
    phase: str = "",
    *,
    factor: float = 1.0,
    digits: int = 3,
    milled: bool = True,
) -> tuple[str, ...]:
    """Return ``truth 0.28`` of a synthetic series; nothing where it is not known.

    A truth without samples is that of what was milled: no control has it.
    """
    for truth in stored.truths:
        if name not in truth:
            continue
        known = truth[name]
        if known.dims == ():
            if not milled:
                continue
            value = float(known)
        elif SAMPLE not in known.dims or sample not in known[SAMPLE].to_numpy():
            continue
        else:
            own = known.sel({SAMPLE: sample})
            if PHASE in own.dims:
                if phase not in own[PHASE].to_numpy():
                    continue
                own = own.sel({PHASE: phase})
            if own.ndim:
                continue
            value = float(own)
        if math.isfinite(value):
            return (f"truth {format_number(value * factor, digits)}",)
    return ()
