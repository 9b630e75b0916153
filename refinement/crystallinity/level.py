"""First level of crystallinity: what each pattern of a series says by itself."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from refinement.crystallinity import area, relative, standards
from refinement.crystallinity.detection import is_detected
from refinement.plan import InternalStandard
from refinement.result import CELL_KEYS, RefinementResult, attributes
from structkit.errors import SchemaError
from structkit.schema import MILLING_TIME, PHASE, SAMPLE, label

_CELL = tuple(f"cell_{key}" for key in CELL_KEYS)
PHASE_VARIABLES = (
    "weight_fraction_crystalline",
    "weight_fraction_crystalline_std",
    "weight_fraction_crystalline_systematic",
    "detection_limit",
    "upper_limit",
    "scale",
    "scale_std",
    "size_nm",
    "size_nm_std",
    "microstrain",
    "microstrain_std",
    *_CELL,
    *(f"{name}_std" for name in _CELL),
)
"""What is taken over from each result as it stands."""


def first_level(
    results: Mapping[str, RefinementResult],
    *,
    milling_time: Mapping[str, float],
    roles: Mapping[str, str | None],
    internal_standards: Mapping[str, InternalStandard | None],
) -> xr.Dataset:
    """Return fractions, scales, sizes, cells and crystallinity of a series.

    Parameters
    ----------
    results : mapping of str to RefinementResult
        Result of each sample, in the order of the series; failed ones too.
    milling_time : mapping of str to float
        Milling time of each sample, **h**; absent or NaN where unknown.
    roles : mapping of str to str or None
        Role of each sample: it chooses the reference of ``relative_scale``.
    internal_standards : mapping of str to InternalStandard or None
        What was weighed into each sample; absent: nothing.

    Returns
    -------
    xarray.Dataset
        Over ``sample`` (with the coordinate ``milling_time``, h) and ``phase``:
        ``weight_fraction_crystalline`` (of the crystalline part only: not how much of
        the sample the phase is) with ``_std`` and ``_systematic``,
        ``detection_limit``, ``upper_limit``, ``scale``, ``relative_scale``,
        ``size_nm`` (nm), ``microstrain``, ``cell_a`` ... ``cell_gamma`` (angstrom,
        degree), ``weight_fraction_sample`` (of the sample without its standard), each
        with its ``_std``. Over ``sample``: ``r_wp_percent`` (percent), ``gof``,
        ``esd_reliable`` (1 or 0), ``status``, ``reason``, ``seconds`` (s),
        ``crystalline_area_fraction``, ``amorphous_fraction``, both with ``_std`` and
        ``_reason``, which says why one is empty. ``relative_scale_reason`` is over
        ``phase``. NaN where unknown; a failed fit has NaN everywhere, its status and
        its reason.

    Raises
    ------
    SchemaError
        There is no result.
    """
    if not results:
        raise SchemaError("results: a series needs at least one refined pattern")
    phases = _phases_of(results)
    rows = [
        _row(result, phases, internal_standards.get(sample)).expand_dims(
            {SAMPLE: [sample]}
        )
        for sample, result in results.items()
    ]
    joined = xr.concat(rows, dim=SAMPLE, combine_attrs="drop_conflicts")
    times = {sample: float(milling_time.get(sample, np.nan)) for sample in results}
    axis = xr.DataArray(list(times.values()), dims=(SAMPLE,))
    joined = joined.assign_coords({MILLING_TIME: label(axis, MILLING_TIME)})
    reference = relative.choose_reference(
        times,
        roles,
        refined=frozenset(s for s, r in results.items() if r.status.has_values),
    )
    found = joined.merge(relative.relative_scale(joined, reference))
    return _remark_ranges(found.drop_vars("detected"))


def _remark_ranges(found: xr.Dataset) -> xr.Dataset:
    """Say on the area fraction where its samples do not share one range."""
    shares = found[area.NAME]
    limits = {"two_theta_low", "two_theta_high"}
    if limits <= shares.attrs.keys() or not bool(np.isfinite(shares).any()):
        return found
    remark = (
        "the samples were fitted over different ranges and are not comparable: set one "
        "range for the series"
    )
    return found.assign({area.NAME: shares.assign_attrs(remark=remark)})


def _phases_of(results: Mapping[str, RefinementResult]) -> list[str]:
    """Return the phases of all results, in order of first appearance."""
    names = (
        str(name)
        for result in results.values()
        for name in result.parameters[PHASE].to_numpy()
    )
    return list(dict.fromkeys(names))


def _row(
    result: RefinementResult, phases: list[str], standard: InternalStandard | None
) -> xr.Dataset:
    """Return what one pattern says, over the phases of the series."""
    has_values = result.status.has_values and "scale" in result.parameters
    usable = result.parameters if has_values else result.parameters[[PHASE]]
    table = _phase_table(usable)
    table = table.merge(standards.amorphous_fraction(result, standard))
    table = table.reindex({PHASE: phases}, fill_value={"detected": False})
    table = table.merge(area.crystalline_area_fraction(result))
    scalars: dict[str, tuple[float | str, dict[str, str]]] = {
        "r_wp_percent": (
            100.0 * _scalar(usable, "r_wp"),
            {"units": "percent", "long_name": "weighted profile R"},
        ),
        "gof": (_scalar(usable, "gof"), attributes("gof")),
        "esd_reliable": (_scalar(usable, "esd_reliable"), attributes("esd_reliable")),
        "seconds": (
            _scalar(result.parameters, "seconds"),
            {"units": "s", "long_name": "time of the refinement"},
        ),
        "status": (result.status.value, {"long_name": "how the fit ended"}),
        "reason": (result.reason, {"long_name": "why it ended so"}),
    }
    return table.assign({name: ((), *found) for name, found in scalars.items()})


def _phase_table(parameters: xr.Dataset) -> xr.Dataset:
    """Return the variables of the phases, NaN where the engine gives none."""
    phases = parameters[PHASE]
    unknown = np.full(phases.size, np.nan)
    table = xr.Dataset(coords={PHASE: phases.to_numpy()})
    for name in PHASE_VARIABLES:
        known = parameters[name].to_numpy() if name in parameters else unknown
        table[name] = (PHASE, known, attributes(name))
    table["detected"] = is_detected(parameters)
    return table


def _scalar(parameters: xr.Dataset, name: str) -> float:
    """Return a scalar variable, NaN where it is absent."""
    return float(parameters[name]) if name in parameters else float("nan")
