"""Engines side by side on the same patterns: values, differences, verdicts.

All engines fit the same counts, so their statistical errors are common to a large part
and the combined esd overstates their independence: two engines that model a pattern
alike should agree far within it. A difference of many esds says that the *models*
differ (profile, background, texture, absorption, what is free), not that the counts
did. Read it as systematic of modelling.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from refinement.crystallinity.detection import is_detected
from refinement.result import CELL_KEYS, RefinementResult, attributes
from structkit.errors import SchemaError
from structkit.schema import ENGINE, PHASE, SAMPLE

if TYPE_CHECKING:
    from pandas import DataFrame  # type: ignore[import-untyped]

AGREE_WEIGHT_FRACTION = 0.005
"""Weight fractions that are no further apart agree: half a per cent by weight."""
AGREE_CELL_PPM = 50.0
"""Cells that are no further apart agree: what a displacement leaves undecided."""
AGREE_ESDS = 2.0
"""Values that are no further apart, in combined esds, agree whatever their distance."""

FRACTION = "weight_fraction_crystalline"
CELLS = tuple(f"cell_{key}" for key in CELL_KEYS)
_WITH_STD = (FRACTION, *CELLS, "size_nm")
_PHASE_VARIABLES = (
    *_WITH_STD,
    *(f"{name}_std" for name in _WITH_STD),
    f"{FRACTION}_systematic",
)

ENGINE_COLUMNS = (
    SAMPLE,
    PHASE,
    ENGINE,
    FRACTION,
    f"{FRACTION}_std",
    "cell_a",
    "cell_b",
    "cell_c",
    "size_nm",
    "r_wp_percent",
    "seconds",
    "status",
)
"""Columns of ``engines.csv``."""


class Verdict(Enum):
    """What one engine's result for one pattern is beside that of the reference."""

    REFERENCE = "reference"
    """It is the reference."""
    AGREE = "agree"
    """Every weight fraction agrees, and every cell of a phase that both detect."""
    DIFFER = "differ"
    """At least one of these does not agree."""
    INCOMPLETE = "incomplete"
    """What both have agrees, but one lacks a weight fraction that the other has."""
    UNKNOWN = "unknown"
    """There is nothing to compare: one of them failed."""


def compare_engines(
    results: Mapping[str, Mapping[str, RefinementResult]],
) -> xr.Dataset:
    """Return the results of several engines side by side, and how they differ.

    Parameters
    ----------
    results : mapping of str to mapping of str to RefinementResult
        By engine, then by sample. The first engine is the reference. A sample that an
        engine lacks is a failure of that engine.

    Returns
    -------
    xarray.Dataset
        Over ``engine``, ``sample`` and ``phase``: ``weight_fraction_crystalline`` with
        ``_std`` and ``_systematic``, ``cell_a`` ... ``cell_gamma`` (angstrom, degree)
        and ``size_nm`` (nm) with ``_std``; ``detected`` (1 or 0, as
        :func:`refinement.crystallinity.detection.is_detected`); against the reference
        ``weight_fraction_difference``, ``cell_a_difference_ppm`` ... (parts in a
        million of the reference's value, angles too), and of each the same in combined
        esds, ``weight_fraction_difference_in_esd``, ``cell_a_difference_in_esd`` ...
        Over ``engine`` and ``sample``: ``r_wp_percent`` (percent), ``seconds`` (s),
        ``status``, ``reason``, ``verdict`` (:class:`Verdict`) and ``verdict_reason``.
        Over ``engine``: ``description``, as the engine calls itself. NaN where a value
        is unknown, as a difference where one of the two is, and for the differences
        of the reference to itself.

    Raises
    ------
    SchemaError
        There is no engine, or no sample.

    Notes
    -----
    The combined esd is sqrt(s1^2 + s2^2), as of independent measurements, which these
    are not (see the module): it is a common yardstick, no test of significance.
    Systematic uncertainties are not part of it.
    """
    samples = list(dict.fromkeys(name for found in results.values() for name in found))
    if not samples:
        raise SchemaError("results: a comparison needs at least one refined pattern")
    phases = _phases_of(results)
    by_engine = []
    for engine, found in results.items():
        rows = [_row(found.get(sample), engine, phases) for sample in samples]
        joined = xr.concat(rows, dim=SAMPLE, combine_attrs="override")
        about = next((result.engine for result in found.values()), engine)
        joined["description"] = ((), about, {"long_name": "engine in its own words"})
        by_engine.append(joined)
    table = xr.concat(by_engine, dim=ENGINE, combine_attrs="override")
    table = table.assign_coords({ENGINE: list(results), SAMPLE: samples})
    table = table.merge(_differences(table))
    table = table.merge(_verdicts(table))
    return table.assign_attrs(reference=next(iter(results)))


def _phases_of(results: Mapping[str, Mapping[str, RefinementResult]]) -> list[str]:
    """Return the phases of all results, in order of first appearance."""
    names = (
        str(name)
        for found in results.values()
        for result in found.values()
        for name in result.parameters[PHASE].to_numpy()
    )
    return list(dict.fromkeys(names))


def _row(result: RefinementResult | None, engine: str, phases: list[str]) -> xr.Dataset:
    """Return what one engine says of one pattern, over all phases."""
    if result is None:
        reason = "not refined by this engine"
        result = RefinementResult.failure(engine, reason, tuple(phases))
    parameters = result.parameters
    usable = parameters if result.status.has_values else parameters[[PHASE]]
    unknown = np.full(usable.sizes[PHASE], np.nan)
    row = xr.Dataset(coords={PHASE: usable[PHASE].to_numpy()})
    for name in _PHASE_VARIABLES:
        known = usable[name].to_numpy() if name in usable else unknown
        row[name] = (PHASE, known, attributes(name))
    seen = is_detected(usable)
    row["detected"] = (PHASE, seen.to_numpy().astype(float), seen.attrs)
    row = row.reindex({PHASE: phases})
    return row.assign(
        r_wp_percent=(
            (),
            100.0 * _scalar(usable, "r_wp"),
            {"units": "percent", "long_name": "weighted profile R"},
        ),
        seconds=((), _scalar(parameters, "seconds"), attributes("seconds")),
        status=((), result.status.value, {"long_name": "how the fit ended"}),
        reason=((), result.reason, {"long_name": "why it ended so"}),
    )


def _scalar(parameters: xr.Dataset, name: str) -> float:
    """Return a scalar variable, NaN where it is absent."""
    return float(parameters[name]) if name in parameters else float("nan")


def _differences(table: xr.Dataset) -> xr.Dataset:
    """Return the differences to the first engine, plain and in combined esds."""
    found: dict[str, xr.DataArray] = {}
    share, in_esd = _difference(table, FRACTION)
    found["weight_fraction_difference"] = share.assign_attrs(
        units="1", long_name="difference in weight fraction"
    )
    found["weight_fraction_difference_in_esd"] = in_esd.assign_attrs(
        units="1", long_name="difference in weight fraction (combined esds)"
    )
    for name in CELLS:
        plain, in_esd = _difference(table, name)
        relative = 1e6 * plain / table[name].isel({ENGINE: 0}, drop=True)
        words = attributes(name)["long_name"]
        found[f"{name}_difference_ppm"] = relative.assign_attrs(
            units="1e-6", long_name=f"difference in {words}"
        )
        found[f"{name}_difference_in_esd"] = in_esd.assign_attrs(
            units="1", long_name=f"difference in {words} (combined esds)"
        )
    return xr.Dataset(found)


def _difference(table: xr.Dataset, name: str) -> tuple[xr.DataArray, xr.DataArray]:
    """Return one variable less that of the reference, and that in combined esds."""
    is_other = xr.DataArray(np.arange(table.sizes[ENGINE]) > 0, dims=(ENGINE,))
    first = table[name].isel({ENGINE: 0}, drop=True)
    plain = (table[name] - first).where(is_other).transpose(ENGINE, SAMPLE, PHASE)
    std = table[f"{name}_std"]
    esd = (std**2 + std.isel({ENGINE: 0}, drop=True) ** 2) ** 0.5
    in_esd = plain / esd.where(esd > 0.0)
    return plain.drop_attrs(), in_esd.drop_attrs()


def _verdicts(table: xr.Dataset) -> xr.Dataset:
    """Return the verdict and its reason for each engine and sample."""
    shape = (table.sizes[ENGINE], table.sizes[SAMPLE])
    verdicts = np.full(shape, Verdict.REFERENCE.value, dtype=object)
    reasons = np.full(shape, "", dtype=object)
    for engine in range(1, shape[0]):
        for sample in range(shape[1]):
            place = {ENGINE: [0, engine], SAMPLE: sample}
            verdict, reason = _judge(table.isel(place))
            verdicts[engine, sample], reasons[engine, sample] = verdict.value, reason
    dims = (ENGINE, SAMPLE)
    return xr.Dataset(
        {
            "verdict": (
                dims,
                verdicts.astype(str),
                {"long_name": "beside the reference"},
            ),
            "verdict_reason": (
                dims,
                reasons.astype(str),
                {"long_name": "what differs or is lacking"},
            ),
        }
    )


def _judge(pair: xr.Dataset) -> tuple[Verdict, str]:
    """Return the verdict on one pattern of the reference and one other engine."""
    phases = [str(name) for name in pair[PHASE].to_numpy()]
    known = np.isfinite(pair[FRACTION].to_numpy())
    if not known.any(axis=1).all():
        return Verdict.UNKNOWN, "no weight fractions from one of the two"
    differ = []
    far = ~_agrees(pair, FRACTION, AGREE_WEIGHT_FRACTION)
    for index in np.flatnonzero(far):
        percent = 100.0 * float(pair["weight_fraction_difference"][1, index])
        esds = float(pair["weight_fraction_difference_in_esd"][1, index])
        differ.append(f"{phases[index]} by {percent:+.2f} wt%{_in_esds(esds)}")
    # The cell of a phase that is not seen is a start value or a neighbour's.
    seen = (pair["detected"].to_numpy() == 1.0).all(axis=0)
    for name in CELLS:
        tolerance = 1e-6 * AGREE_CELL_PPM * np.abs(pair[name].to_numpy()[0])
        for index in np.flatnonzero(~_agrees(pair, name, tolerance) & seen):
            ppm = float(pair[f"{name}_difference_ppm"][1, index])
            esds = float(pair[f"{name}_difference_in_esd"][1, index])
            differ.append(f"{phases[index]} {name} by {ppm:+.0f} ppm{_in_esds(esds)}")
    if differ:
        return Verdict.DIFFER, "; ".join(differ)
    lacking = [phases[index] for index in np.flatnonzero(known[0] != known[1])]
    if lacking:
        return Verdict.INCOMPLETE, f"one of the two lacks {', '.join(lacking)}"
    return Verdict.AGREE, ""


def _agrees(
    pair: xr.Dataset, name: str, tolerance: float | NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Return for each phase whether two values agree; true where one is unknown.

    Where one of the two has no esd (a value that it held fixed), that of the other is
    a lower bound of the combined one, and used in its place.
    """
    first, second = pair[name].to_numpy()
    esd = np.hypot(*np.nan_to_num(pair[f"{name}_std"].to_numpy()))
    # Numbers computed from decimal ones: a difference of 0.005 is no more than 0.005.
    reach = np.maximum(tolerance, AGREE_ESDS * esd) * (1.0 + 1e-9)
    distance = np.abs(second - first)
    return np.asarray(~(distance > reach))


def _in_esds(esds: float) -> str:
    """Return `` (4.2 esd)``, or nothing where it is unknown."""
    return f" ({abs(esds):.1f} esd)" if np.isfinite(esds) else ""


def engines_table(table: xr.Dataset) -> DataFrame:
    """Return one row for each sample, phase and engine, samples outermost.

    Parameters
    ----------
    table : xarray.Dataset
        From :func:`compare_engines`.

    Returns
    -------
    pandas.DataFrame
        Columns :data:`ENGINE_COLUMNS`. Fractions 0 to 1 (of the crystalline part
        only), lengths in angstrom but where named nm, time of the refinement in s.
    """
    names = [name for name in ENGINE_COLUMNS if name in table.data_vars]
    frame = table[names].to_dataframe(dim_order=[SAMPLE, PHASE, ENGINE])
    return frame.reset_index()[list(ENGINE_COLUMNS)]
