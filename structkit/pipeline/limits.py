"""What a series cannot conclude, and what measurement would change that."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from structkit.errors import ReadError, StructureError
from structkit.io.manifest import SeriesFile
from structkit.pipeline.provenance import StageRecord, StageStatus
from structkit.pipeline.stages import (
    EIS,
    LIMITS_FILE,
    NMR,
    RAMAN,
    REFINE,
    STAGES,
)
from structkit.schema import PHASE, SAMPLE, FitStatus
from structkit.schema.eis_results import ARRHENIUS_NODE, SAMPLES_NODE
from structkit.schema.nmr_results import T1_NODE
from structkit.store import read_table, read_tree, write_text
from structkit.structures.composition import molar_mass

COLUMNS = ("topic", "sentence")
"""Columns of ``limits.csv``."""
_UNMEASURED = {
    REFINE.name: (
        "No powder diffraction: the crystalline phases, their amounts and the "
        "amorphous content are not known."
    ),
    RAMAN.name: (
        "No Raman spectra: the anions of the amorphous part, and whether oxygen "
        "bridges them, are not known."
    ),
    EIS.name: (
        "No impedance or DC runs: conductivity, its activation energy and the "
        "electronic share are not known."
    ),
    NMR.name: (
        "No NMR: crystals too small or too few for diffraction are not counted, and "
        "neither composition nor motion of the ions is known."
    ),
}
_STRUCTURAL = (REFINE, RAMAN, NMR)
"""Techniques whose scores tell of structure."""
_CONSENSUS = 3
"""Fewest techniques for a number of all of them."""
_LEADING = {"index": "AI_lat", "variant": "struct"}
"""The number of all structural techniques, in ``index.nc``."""
_SHOWN = 4
_SURE = 3.0
"""Sigma from which a phase counts as there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One thing that a series cannot conclude."""

    topic: str
    """``xrd``, ``raman``, ``eis``, ``nmr``, ``index`` or the name of a stage."""
    sentence: str
    """What, why, and where it helps what to do."""


def list_limits(
    series: SeriesFile, output: Path | str, records: Sequence[StageRecord] = ()
) -> tuple[Limit, ...]:
    """Return what cannot be concluded from a series and its stored results.

    Parameters
    ----------
    series : SeriesFile
        What was measured.
    output : Path or str
        Folder of results; what is not there yet is left out.
    records : sequence of StageRecord
        What became of the stages.

    Returns
    -------
    tuple of Limit
        Empty where nothing is known to be missing, which is not all that may be.
    """
    output = Path(output)
    found = [
        *_failures(records),
        *_unmeasured(series),
        *_diffraction(series, output),
        *_impedance(output),
        *_nmr(series, output),
        *_left_over(series, output),
        *_index(series, output),
    ]
    return tuple(dict.fromkeys(found))


def write_limits(limits: Iterable[Limit], output: Path) -> Path:
    """Write ``tables/limits.csv`` and return its path."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    table.writerows((one.topic, one.sentence) for one in limits)
    return write_text(text.getvalue(), output / LIMITS_FILE)


def read_limits(output: Path) -> tuple[Limit, ...]:
    """Read what :func:`write_limits` wrote.

    Raises
    ------
    ReadError
        The table is absent or broken.
    """
    rows = read_table(output / LIMITS_FILE)
    return tuple(Limit(topic=row["topic"], sentence=row["sentence"]) for row in rows)


def _failures(records: Sequence[StageRecord]) -> Iterator[Limit]:
    for one in records:
        if one.status is StageStatus.FAILED and one.name != "report":
            sentence = f"The stage {one.name} failed: {_end(one.reason)}"
            yield Limit(topic=one.name, sentence=sentence)


def _end(text: str) -> str:
    """Return text in one line that ends with a full stop."""
    line = " ".join(text.split())
    return line if line.endswith((".", "!", "?")) else f"{line}."


def _unmeasured(series: SeriesFile) -> Iterator[Limit]:
    for stage in STAGES:
        if stage.keys and not stage.is_measured(series):
            topic = stage.keys[0]
            yield Limit(topic=topic, sentence=_UNMEASURED[stage.name])


def _diffraction(series: SeriesFile, output: Path) -> Iterator[Limit]:
    """Yield what the patterns leave open: amounts, sizes, samples that failed."""
    root = _root(output / "refine.nc")
    if root is None or not REFINE.is_measured(series):
        return
    names = [str(name) for name in root[SAMPLE].to_numpy()]
    failed = [n for n in names if _text(root, n, "status") == FitStatus.FAILED.value]
    if failed:
        yield Limit(
            topic="xrd",
            sentence=f"{_list(failed)} could not be refined: nothing is said of it "
            f"({_end(_text(root, failed[0], 'reason')).rstrip('.')}).",
        )
    fitted = [name for name in names if name not in failed]
    contents = _root(output / "crystallinity.nc")
    yield from _amounts(root if contents is None else contents, fitted)
    if root.attrs.get("instrument_calibrated") == "false":
        yield Limit(
            topic="xrd",
            sentence="The instrument's resolution was not fitted to a standard: "
            "crystallite sizes are lower bounds and microstrains upper bounds; name a "
            "pattern of LaB6 or the like in [xrd.instrument].",
        )
    if fitted and not bool(
        np.asarray(root["esd_reliable"].sel({SAMPLE: fitted})).all()
    ):
        poor = [n for n in fitted if not int(root["esd_reliable"].sel({SAMPLE: n}))]
        yield Limit(
            topic="xrd",
            sentence=f"The intensities of {_list(poor)} do not scatter as counts do "
            "(smoothed, scaled or divided): esds and detection limits, which rest on "
            "that scatter, are not reliable there.",
        )


def _amounts(root: xr.Dataset, fitted: Sequence[str]) -> Iterator[Limit]:
    """Yield whose amorphous content is unknown, or only bounded."""
    value, low, high = (
        {n: float(root[f"amorphous_fraction{end}"].sel({SAMPLE: n})) for n in fitted}
        for end in ("", "_low", "_high")
    )
    unknown = [n for n in fitted if not np.isfinite(value[n])]
    bounded = [n for n in unknown if np.isfinite(low[n]) or np.isfinite(high[n])]
    remedy = (
        "a standard weighed in ([xrd.internal_standard] or spike), or an unmilled "
        "sample of known mixture measured alike ([xrd.external_standard]), would give "
        "it"
    )
    open_ = [n for n in unknown if n not in bounded]
    if open_:
        yield Limit(
            topic="xrd",
            sentence=f"The amorphous content of {_list(open_)} is not known: weight "
            "fractions are those of the crystalline part, and the crystalline area of "
            f"a pattern is no weight; {remedy}.",
        )
    if bounded:
        yield Limit(
            topic="xrd",
            sentence=f"The amorphous content of {_list(bounded)} is known only "
            f"between limits, not as a number; {remedy}.",
        )


def _impedance(output: Path) -> Iterator[Limit]:
    """Yield which samples have no activation energy."""
    tree = _tree(output / "eis.nc")
    if tree is None or SAMPLES_NODE not in tree.children:
        return
    samples = tree.children[SAMPLES_NODE].children
    single = [str(n) for n, node in samples.items() if ARRHENIUS_NODE not in node]
    if single:
        yield Limit(
            topic="eis",
            sentence=f"No activation energy of {_list(single)}: it needs "
            "conductivities at two temperatures or more.",
        )


def _nmr(series: SeriesFile, output: Path) -> Iterator[Limit]:
    """Yield what lines and recoveries leave open."""
    tree = _tree(output / "nmr.nc")
    if tree is None:
        return
    if not any(T1_NODE in node for node in tree.children.values()):
        yield Limit(
            topic="nmr",
            sentence="No recoveries: T1, and with it the motion of the ions, is not "
            "known.",
        )
    if series.nmr is None or series.nmr.blank is None:
        yield Limit(
            topic="nmr",
            sentence="No blank of the NMR: the control without oxide, which shows how "
            "much chloride is left without any reaction, is not named in [nmr]; the "
            "oxygen content x has no such correction.",
        )


def _left_over(series: SeriesFile, output: Path) -> Iterator[Limit]:
    """Yield whose x counts chloride that never reacted as a by-product of exchange."""
    lines, contents = _root(output / "nmr.nc"), _root(output / "crystallinity.nc")
    if lines is None or contents is None or PHASE not in contents.dims:
        return
    if "quantity" not in lines.dims or "x" not in lines["quantity"].to_numpy():
        return
    told = lines["composition_value"].sel({"quantity": "x"})
    phases = [str(one) for one in contents[PHASE].to_numpy()]
    for sample in series.samples:
        mixture = series.mixture_of(sample) or {}
        known = sample.id in lines[SAMPLE] and sample.id in contents[SAMPLE]
        heavy = max(mixture, key=_mass, default="")
        if not known or heavy not in phases or len(mixture) < 2:
            continue
        if not np.isfinite(float(told.sel({SAMPLE: sample.id}))):
            continue
        place = {SAMPLE: sample.id, PHASE: heavy}
        weight = float(contents["weight_fraction_sample"].sel(place))
        std = float(contents["weight_fraction_sample_std"].sel(place))
        if weight > _SURE * std > 0.0:
            yield Limit(
                topic="nmr",
                sentence=f"x of {sample.id} is an upper bound: diffraction finds "
                f"{100.0 * weight:.1f} wt% of {heavy} there, so NaCl of the mixture is "
                "left over too and counts as a by-product of the exchange.",
            )


def _mass(name: str) -> float:
    """Return the molar mass of a component of a mixture, 0 where it is no formula."""
    try:
        return molar_mass(name)
    except StructureError:
        return 0.0


def _index(series: SeriesFile, output: Path) -> Iterator[Limit]:
    """Yield why there is no consensus, and which ends of the scale are missing."""
    there = [stage for stage in _STRUCTURAL if (output / stage.results[0]).is_file()]
    names = " and ".join(stage.title for stage in there)
    joined = _root(output / "index.nc")
    if len(there) == 1:
        yield Limit(
            topic="index",
            sentence=f"One technique tells of structure, {names}: there is no "
            "consensus index, and nothing that could contradict it.",
        )
    elif joined is not None:
        yield from _without_headline(joined)
    elif 1 < len(there) < _CONSENSUS:
        yield Limit(
            topic="index",
            sentence=f"Two techniques tell of structure, {names}: both values stand "
            "side by side, and a consensus number needs a third.",
        )
    others = [stage for stage in there if stage is not REFINE]
    roles = {sample.role for sample in series.samples}
    if others and not roles & {"unmilled", "crystalline_reference"}:
        yield Limit(
            topic="index",
            sentence="No sample has the role unmilled or crystalline_reference: the "
            "crystalline end of the scores is missing.",
        )
    if others and "glass_reference" not in roles:
        yield Limit(
            topic="index",
            sentence="No sample has the role glass_reference: the glassy end of the "
            "scores is that of the series' own samples.",
        )


def _without_headline(joined: xr.Dataset) -> Iterator[Limit]:
    """Yield why samples have no number to lead with, and what the index remarks."""
    samples: dict[str, list[str]] = {}
    for name in joined[SAMPLE].to_numpy():
        own = joined.sel({SAMPLE: name})
        if not int(own["headline"].max()):
            reason = str(own["reason"].sel(_LEADING).item())
            samples.setdefault(reason, []).append(str(name))
    for reason, names in samples.items():
        why = _end(reason) if reason else "."
        yield Limit(topic="index", sentence=f"No joint index for {_list(names)}: {why}")
    for name, text in zip(
        joined[SAMPLE].to_numpy(), joined["conflict"].to_numpy(), strict=True
    ):
        if str(text):
            yield Limit(topic="index", sentence=f"{name}: {_end(str(text))}")
    for line in str(joined.attrs.get("remarks", "")).splitlines():
        if line:
            yield Limit(topic="index", sentence=_end(line))


def _tree(path: Path) -> xr.DataTree | None:
    """Return stored results; None where there are none that can be read."""
    try:
        return read_tree(path)
    except ReadError:
        return None


def _root(path: Path) -> xr.Dataset | None:
    tree = _tree(path)
    return None if tree is None else tree.to_dataset(inherit=False)


def _text(table: xr.Dataset, name: str, variable: str) -> str:
    return str(table[variable].sel({SAMPLE: name}).item())


def _list(names: Sequence[str]) -> str:
    """Return names as they are said, the first few of many.

    Examples
    --------
    >>> _list(["1h", "2h", "4h"])
    '1h, 2h and 4h'
    """
    if len(names) > _SHOWN:
        return f"{', '.join(names[:_SHOWN])} and {len(names) - _SHOWN} more samples"
    return " and ".join([*([", ".join(names[:-1])] if names[1:] else []), *names[-1:]])
