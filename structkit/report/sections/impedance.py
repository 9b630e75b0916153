"""Impedance: spectra with circuits, conductivities, activation energies."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr

from structkit.plot.interactive.impedance import draw_arrhenius, draw_nyquist
from structkit.report.numbers import format_esd
from structkit.report.page import Plot, Section
from structkit.report.stored import Stored, sample_labels
from structkit.report.tables import view_tables
from structkit.report.words import Details, fold_equal, join_names
from structkit.schema import CONTRIBUTION, TEMPERATURE

_TABLES = (
    "conductivity",
    "arrhenius",
    "eis_elements",
    "polarization",
    "eis_remarks",
)
ROOM_KELVIN = 298.15
_NEAR_KELVIN = 6.0
_TOTAL = "total"
_PARTS = ("bulk", "grain_boundary")


def describe_impedance(stored: Stored) -> Section | None:
    """Return the section; None where no spectrum was fitted."""
    tree = stored.trees.get("eis")
    if tree is None or "samples" not in tree.children:
        return None
    nyquist, lines = [], {}
    energies: list[str] = []
    known = {}
    for sample, label in sample_labels(stored).items():
        node = tree["samples"].children.get(sample)
        if node is None:
            continue
        if "spectra" in node.children:
            for one in node.children["spectra"].children.values():
                spectrum = one.to_dataset(inherit=False)
                nyquist.append(
                    (_spectrum_label(label, spectrum), draw_nyquist(spectrum))
                )
        total = _total(node)
        if total is None:
            continue
        known[sample] = node.children["conductivity"].to_dataset(inherit=False)
        energies += _energy(sample, node, total)
        if int(np.isfinite(total[TEMPERATURE]).sum()) > 1:
            lines[label] = total.assign_attrs(_line(node))
    plots = []
    if nyquist:
        plots.append(
            Plot(
                key="nyquist",
                caption="Nyquist plot with the fitted circuit, both axes on one scale, "
                "zoomed to the arc; a double click shows the whole spectrum.",
                figures=tuple(nyquist),
                choice="spectrum",
            )
        )
    if lines:
        plots.append(
            Plot(
                key="arrhenius",
                caption="Total conductivity times temperature against inverse "
                "temperature with the fitted line. Hollow: the apex of the arc lies "
                "outside the measured band.",
                figures=(("arrhenius", draw_arrhenius(lines)),),
            )
        )
    return Section(
        key="impedance",
        title="Impedance",
        sentences=(*energies, *_failures(known), *_arcs(known)),
        details=_arc_details(known),
        plots=tuple(plots),
        tables=view_tables(stored, _TABLES),
    )


def _spectrum_label(label: str, spectrum: xr.Dataset) -> str:
    """Return the sample with the temperature of a spectrum."""
    kelvin = float(spectrum[TEMPERATURE]) if TEMPERATURE in spectrum else math.nan
    history = str(spectrum["history"].item()) if "history" in spectrum else ""
    parts = [label]
    if math.isfinite(kelvin):
        parts.append(f"{kelvin - 273.15:.0f} °C")
    return ", ".join([*parts, *([history] if history else [])])


def _total(node: xr.DataTree) -> xr.Dataset | None:
    """Return the total conductivities of a sample."""
    if "conductivity" not in node.children:
        return None
    found = node.children["conductivity"].to_dataset(inherit=False)
    return found.sel({CONTRIBUTION: _TOTAL}, drop=True)


def room_conductivity(stored: Stored, sample: str) -> tuple[float, float, str]:
    """Return value, 1 sigma (**S cm-1**) and temperature in words of a sample.

    The total's, measured nearest 25 °C and within 6 K of it; of a temperature that
    nobody stated where there is no other. NaN where there is none.
    """
    tree = stored.trees.get("eis")
    nothing = (math.nan, math.nan, "")
    if tree is None or "samples" not in tree.children:
        return nothing
    node = tree["samples"].children.get(sample)
    total = None if node is None else _total(node)
    if total is None:
        return nothing
    kelvin = total[TEMPERATURE].to_numpy().astype(float)
    value, std = (
        total[name].to_numpy() for name in ("conductivity", "conductivity_std")
    )
    away = np.abs(kelvin - ROOM_KELVIN)
    usable = np.isfinite(value)
    near = usable & (away <= _NEAR_KELVIN)
    if near.any():
        place = int(np.argmin(np.where(near, away, np.inf)))
        return (
            float(value[place]),
            float(std[place]),
            f"{kelvin[place] - 273.15:.0f} °C",
        )
    unstated = usable & ~np.isfinite(kelvin)
    if unstated.any():
        place = int(np.argmax(unstated))
        return float(value[place]), float(std[place]), "temperature not stated"
    return nothing


def activation_energy(stored: Stored, sample: str) -> tuple[float, float]:
    """Return activation energy of sigma T and 1 sigma (**eV**); NaN: none."""
    tree = stored.trees.get("eis")
    if tree is None or "samples" not in tree.children:
        return math.nan, math.nan
    node = tree["samples"].children.get(sample)
    found = {} if node is None else _line(node)
    return (
        float(found.get("activation_energy", math.nan)),
        float(found.get("activation_energy_std", math.nan)),
    )


def _line(node: xr.DataTree) -> dict[str, float | str]:
    """Return the line of the total, of all points, for sigma times temperature."""
    if "arrhenius" not in node.children:
        return {}
    for child in node.children["arrhenius"].children.values():
        fit = child.to_dataset(inherit=False).sel(
            contribution=_TOTAL, convention="ln_sigma_T", points="all"
        )
        energy, std = (
            float(fit[name]) for name in ("activation_energy", "activation_energy_std")
        )
        if math.isfinite(energy):
            return {
                "activation_energy": energy,
                "activation_energy_std": std,
                "ln_prefactor": float(fit["ln_prefactor"]),
                "energy_text": f"{format_esd(energy, std)} eV",
            }
    return {}


def _energy(sample: str, node: xr.DataTree, total: xr.Dataset) -> list[str]:
    """Return the activation energy of a sample in words."""
    line = _line(node)
    if not line:
        return []
    return [
        f"{sample}: activation energy of σT {line['energy_text']} over "
        f"{int(np.isfinite(total[TEMPERATURE]).sum())} temperatures."
    ]


def _failures(known: dict[str, xr.Dataset]) -> list[str]:
    """Return the fits that did not end well."""
    found = []
    for sample, whole in known.items():
        for place, status in enumerate(whole["status"].to_numpy().astype(str)):
            if status not in {"converged", ""}:
                file, why = (
                    str(whole[n].to_numpy()[place]) for n in ("file", "reason")
                )
                found.append((f"{sample}, {file}", f"fit {status}: {why}"))
    return fold_equal(found)


def _arcs(known: dict[str, xr.Dataset]) -> list[str]:
    """Return of which samples bulk or grain boundary cannot be told."""
    found = []
    for part in _PARTS:
        hidden, some = [], []
        for sample, whole in known.items():
            told = _remarks(whole, part)
            number = whole.sizes["measurement"]
            if told and len(told) < number:
                some.append(f"{sample} ({len(told)} of {number} spectra)")
            elif told:
                hidden.append(sample)
        names = [*hidden, *some]
        if names:
            every = " (all of them)" if len(hidden) == len(known) > 1 else ""
            title = part.replace("_", " ").capitalize()
            found.append(f"{title} not identifiable in {join_names(names)}{every}.")
    return found


def _arc_details(known: dict[str, xr.Dataset]) -> Details:
    """Return why arcs cannot be told, sample by sample."""
    said = []
    for part in _PARTS:
        for sample, whole in known.items():
            told = list(dict.fromkeys(_remarks(whole, part)))
            more = f" (and {len(told) - 1} more like it)" if told[1:] else ""
            said += [(sample, f"{one}{more}.") for one in told[:1]]
    return (("Why arcs are not identifiable", tuple(fold_equal(said))),) if said else ()


def _remarks(whole: xr.Dataset, part: str) -> list[str]:
    """Return the remarks on one contribution, those that are not empty."""
    if "remark" not in whole or part not in whole[CONTRIBUTION].to_numpy():
        return []
    texts = whole["remark"].sel({CONTRIBUTION: part}).to_numpy().astype(str)
    return [str(text) for text in texts if text]
