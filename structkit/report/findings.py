"""The verdict first: what the data say, where they conflict, what stays open."""

from __future__ import annotations

import math
import re
from collections import Counter

from structkit.report.key_table import glass_share, is_upper_bound
from structkit.report.numbers import NONE, format_esd, format_ranged
from structkit.report.page import Section
from structkit.report.sections.impedance import activation_energy, room_conductivity
from structkit.report.sections.index import say_conflicts, say_index
from structkit.report.sections.nmr import composition_x, product_t1
from structkit.report.stored import (
    Stored,
    arrange_samples,
    is_milled,
    sample_times,
)
from structkit.report.tables import view_table
from structkit.report.words import list_values
from structkit.schema import SAMPLE

Findings = tuple[tuple[str, tuple[str, ...]], ...]

_ABSENT = {
    "raman": "No Raman results: nothing is said of local structure by vibrations.",
    "eis": "No impedance results: nothing is said of ionic conduction.",
    "nmr": "No NMR results: neither oxygen content nor motion is known.",
    "index": "No amorphization index was formed.",
}
_NO_INDEX = "No joint index for "
"""Beginning of limits that the part on the index tells with the values."""
_AGREES = re.compile(r"(.+?) agrees\b[^;]*$")
_NO_DIFFRACTION = (
    "No diffraction results: neither crystalline phases nor an amorphous content are "
    "known."
)
_NO_CONTENT = "No amorphous content was determined: only the crystals are described."
_FLAG_WORDS = {
    "blank_missing": "Blank missing",
    "film_thickness": "Film thickness",
    "halo_in_reference": "Halo in the reference",
    "unexplained_lines": "Unexplained lines",
    "invisible_phase": "Weighed in, not seen",
    "foreign_element": "Foreign element",
    "composition": "Composition",
    "constant_spread": "Instrument constant scatters",
    "closure": "Atoms do not balance",
    "methods_disagree": "Methods disagree",
    "all_crystalline": "All crystalline",
    "all_amorphous": "All amorphous",
    "precursor_left": "Precursor left",
    "reference_not_whole": "Reference not wholly crystalline",
    "unreliable_noise": "Noise is not counting noise",
}


def find_verdicts(stored: Stored) -> Findings:
    """Return the parts of the verdict, each a heading with its sentences."""
    parts = (
        (
            "What the data say",
            (
                *_say_contents(stored),
                *_say_spectra(stored),
                *_say_transport(stored),
            ),
        ),
        ("Amorphization index", tuple(say_index(stored))),
        ("Where the data conflict", tuple(_say_conflicts(stored))),
        ("What cannot be concluded", tuple(_say_limits(stored))),
    )
    return tuple((title, said) for title, said in parts if said)


def _say_contents(stored: Stored) -> list[str]:
    """Return the amorphous content of each sample, and what agrees with it once."""
    root = stored.root("crystallinity")
    if root is None or "verdict" not in root:
        return []
    found, agreeing = [], []
    verdicts = [str(one) for one in arrange_samples(stored, root)["verdict"].to_numpy()]
    for text in verdicts:
        first, _, rest = text.partition("; ")
        match = _AGREES.match(rest)
        if match:
            agreeing.append(match[1])
            text = f"{first}."
        if text:
            found.append(text)
    whole = len(found)
    for method in dict.fromkeys(agreeing):
        number = agreeing.count(method)
        found.append(
            f"{method[:1].upper()}{method[1:]} agrees in {number} of "
            f"{whole} samples (by how much: under Diffraction)."
        )
    return found


def _say_transport(stored: Stored) -> list[str]:
    """Return conductivities and activation energies of all samples."""
    at: dict[str, dict[str, str]] = {}
    energies = {}
    for sample in sample_times(stored):
        value, std, place = room_conductivity(stored, sample)
        if math.isfinite(value):
            at.setdefault(place, {})[sample] = format_esd(value * 1e3, std * 1e3)
        energy, energy_std = activation_energy(stored, sample)
        if math.isfinite(energy):
            energies[sample] = format_esd(energy, energy_std)
    found = [
        f"Total σ in mS cm⁻¹ ({place}): {_list(stored, values)}."
        for place, values in at.items()
    ]
    if energies:
        found.append(f"Eₐ of σT in eV: {_list(stored, energies)}.")
    return found


def _say_spectra(stored: Stored) -> list[str]:
    """Return the glass share by Raman, x and T1 by NMR, of all samples."""
    shares, x, t1 = {}, {}, {}
    raman = stored.root("raman")
    for sample in sample_times(stored):
        share = NONE if raman is None else glass_share(raman, sample)
        if share != NONE:
            shares[sample] = share
        content = format_ranged(*composition_x(stored, sample), decimals=3)
        if content != NONE and is_milled(stored, sample):
            bound = ", upper bound" if is_upper_bound(stored, sample) else ""
            x[sample] = f"{content}{bound}"
        value, std = product_t1(stored, sample)
        if math.isfinite(value):
            t1[sample] = format_esd(value * 1e3, std * 1e3)
    told = {
        "Glass share of the Raman light (95 %)": shares,
        "x by NMR (95 %)": x,
        "T1 of the product in ms": t1,
    }
    return [f"{name}: {_list(stored, one)}." for name, one in told.items() if one]


def _list(stored: Stored, values: dict[str, str]) -> str:
    """Return values with their samples, references apart."""
    return list_values(values, milled=[one for one in values if is_milled(stored, one)])


def _say_conflicts(stored: Stored) -> list[str]:
    """Return conflicts between techniques, between methods, and of atoms."""
    found = say_conflicts(stored)
    root = stored.root("crystallinity")
    if root is not None and "contradiction" in root:
        for sample, text in zip(
            root[SAMPLE].to_numpy().astype(str),
            root["contradiction"].to_numpy().astype(str),
            strict=True,
        ):
            if text:
                found.append(f"{sample}: {text}")
    for row in stored.tables.get("flags", []):
        if row.get("code") in {"methods_disagree", "closure"}:
            found.append(_with_sample(row))
    return found


def _say_limits(stored: Stored) -> list[str]:
    """Return the stored limits; what the absent stages leave open without any."""
    rows = stored.tables.get("limits")
    if rows:
        said = [row.get("sentence", "") for row in rows if row.get("sentence")]
        own = [
            one
            for one in dict.fromkeys(said)
            if "index" not in stored.trees or not one.startswith(_NO_INDEX)
        ]
        return own or said[:1]
    found = [text for stage, text in _ABSENT.items() if stage not in stored.trees]
    if "refine" not in stored.trees and "crystallinity" not in stored.trees:
        found.insert(0, _NO_DIFFRACTION)
    elif "crystallinity" not in stored.trees:
        found.insert(0, _NO_CONTENT)
    return found


def _with_sample(row: dict[str, str]) -> str:
    """Return a flag's text with the sample it concerns."""
    sample = row.get("sample", "")
    return f"{sample}: {row.get('text', '')}" if sample else row.get("text", "")


def describe_statements(stored: Stored) -> Section | None:
    """Return the audited statements; None where nothing was audited."""
    rows = stored.tables.get("audit")
    if not rows:
        return None
    counts = Counter(row.get("verdict", "") for row in rows)
    counted = ", ".join(f"{number} {verdict}" for verdict, number in counts.items())
    return Section(
        key="statements",
        title="Statements",
        sentences=(f"{len(rows)} statement{'s' if rows[1:] else ''}: {counted}.",),
        tables=(view_table("audit", rows, is_open=True),),
    )


def describe_flags(stored: Stored) -> Section | None:
    """Return what a careful reader should be told; None where there is nothing."""
    rows = stored.tables.get("flags", [])
    said = [
        f"{_FLAG_WORDS.get(row.get('code', ''), row.get('code', '').replace('_', ' '))}"
        f": {_with_sample(row)}"
        for row in rows
    ]
    said += [f"File not read: {one}" for one in stored.mistakes]
    said += [f"Stage without results: {one}" for one in _failed_stages(stored)]
    if not said:
        return None
    return Section(key="flags", title="Flags", sentences=tuple(said))


def _failed_stages(stored: Stored) -> list[str]:
    """Return stages that provenance calls failed, with their reasons."""
    stages = stored.provenance.get("stages")
    if not isinstance(stages, dict):
        return []
    return [
        f"{name}, {one.get('status')}: {one.get('reason') or 'no reason given'}"
        for name, one in stages.items()
        if isinstance(one, dict)
        and str(one.get("status", "")) in {"failed", "interrupted"}
    ]


def describe_rest(stored: Stored, shown: set[str]) -> Section | None:
    """Return the tables that no section has shown; None where there is none."""
    left = [name for name in stored.tables if name not in shown]
    if not left:
        return None
    return Section(
        key="tables",
        title="More tables",
        tables=tuple(view_table(name, stored.tables[name]) for name in left),
    )
