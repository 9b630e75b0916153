"""Put a joint fit into results, shared values and verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from refinement.engines.native.arrow import Block, eliminate
from refinement.engines.native.bounds import Walls, bounded_covariance
from refinement.engines.native.covariance import Others
from refinement.engines.native.fit import Fit
from refinement.engines.native.joint_agree import Agreed, Together
from refinement.engines.native.joint_solve import Common, Member
from refinement.engines.native.joint_verdict import Verdict
from refinement.engines.native.layout import Layout
from refinement.engines.native.problem import reduced_normal
from refinement.engines.native.solve import Minimum
from refinement.result import CELL_KEYS, RefinementResult, scalar
from structkit.schema import PHASE, SAMPLE, FitStatus

Floats = NDArray[np.float64]
_UNITS = {
    "cell": "1e-3",
    "cell_uncertain": "1e-3",
    "ln_size": "ln angstrom",
    "ln_strain": "ln 1",
    "shift": "degree",
    "w_extra": "degree2",
    "film": "um",
}
"""Units of the engine's own parameters, by kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """A joint minimum taken apart, with what binds its patterns."""

    fits: list[Fit]
    """Each pattern at the joint minimum."""
    others: list[Others]
    """For each, what the other patterns and the shared priors say."""
    covariance: Floats
    """Of the shared parameters, shape (n_shared, n_shared)."""


def take_apart(agreed: Agreed, together: Together) -> Whole:
    """Return the patterns of a joint minimum with their ties.

    As in a single fit, the linear columns that stand at zero count as parameters here.
    """
    members = [together.members[k] for k in agreed.included]
    fits = [_at_minimum(member, agreed, n) for n, member in enumerate(members)]
    weights = [1.0 / max(fit.gof_square, 1.0) for fit in fits]
    blocks = [
        _full_block(fit, together.common, weight)
        for fit, weight in zip(fits, weights, strict=True)
    ]
    said = [eliminate(block) for block in blocks]
    head = together.common.head(agreed.values)
    normal = head.normal + sum(s[0] for s in said)
    gradient = head.gradient + sum(s[1] for s in said)
    walls = Walls.around(
        agreed.values, together.common.restraints, np.arange(agreed.values.size)
    )
    covariance, _ = bounded_covariance(normal, gradient, walls, inflation=1.0)
    return Whole(
        fits=fits,
        others=[
            _others(block, (normal - own[0]) / weight, (gradient - own[1]) / weight)
            for block, own, weight in zip(blocks, said, weights, strict=True)
        ],
        covariance=covariance,
    )


def _at_minimum(member: Member, agreed: Agreed, number: int) -> Fit:
    """Return a pattern at the joint minimum, as if it had been fitted alone."""
    part, joint = agreed.minimum.parts[number], agreed.minimum
    own = member.fit
    minimum = Minimum(
        found=part,
        total=part.chi_square + member.restraints.penalty(part.values),
        converged=joint.converged,
        steps=joint.steps,
        jacobians=joint.steps + 1,
        free=own.minimum.free,
    )
    return replace(own, minimum=minimum, restraints=member.restraints)


def _full_block(fit: Fit, common: Common, weight: float) -> Block:
    """Return a pattern's normal equations with every linear column free."""
    problem, found, free = fit.prepared.problem, fit.minimum.found, fit.minimum.free
    index = np.nonzero(free)[0]
    jacobian = problem.jacobian(found, free)
    passive = np.ones_like(found.passive)
    normal, _, _ = reduced_normal(problem, found, jacobian, passive=passive)
    own = fit.restraints
    curvature = own.scale / own.sigma[index] ** 2
    pull = curvature * (found.values[index] - own.center[index])
    return Block(
        normal=weight * (normal + np.diag(curvature)),
        gradient=weight * (jacobian @ found.residual - pull),
        shared=np.isin(index, common.places),
        loose=np.ones(index.size, dtype=bool),
    )


def _others(block: Block, normal: Floats, gradient: Floats) -> Others:
    """Return what is said about the shared parameters among a pattern's free ones."""
    size = block.gradient.size
    wide, long = np.zeros((size, size)), np.zeros(size)
    wide[np.ix_(block.shared, block.shared)] = normal
    long[block.shared] = gradient
    return Others(normal=wide, gradient=long)


def describe_sharing(common: Common, layout: Layout, count: int) -> str:
    """Return a note that says what a pattern shares, and with how many."""
    names = ", ".join(layout.names[int(i)] for i in common.places) or "nothing"
    return f"joint refinement of {count} patterns; shared: {names}"


def give_reason(verdict: Verdict, k: int, agreed: Agreed, together: Together) -> str:
    """Return a sentence: what a pattern that disagrees pulls at, and how hard."""
    if verdict.chance >= together.limit:
        return ""
    layout = together.members[k].fit.prepared.model.layout
    n = int(np.argmax(np.abs(verdict.pulls)))
    place = int(together.common.places[n])
    own, units = together.own_values(k)[n], _UNITS[layout.kinds[place]]
    end = (
        "it stays in the joint fit, as more than a third would have to be left out"
        if k in agreed.included
        else "it was left out of what is shared and has its own fit"
    )
    return (
        f"disagrees with the series: pulls at {layout.names[place]} by "
        f"{abs(verdict.pulls[n]):.1f} sigma (own {own:.4g}, shared "
        f"{agreed.values[n]:.4g}, {units}); chi-square falls by {verdict.delta:.1f} "
        f"GOF^2 with its own values; {end}"
    )


def with_reason(result: RefinementResult, reason: str) -> RefinementResult:
    """Return a result that says why its pattern disagrees."""
    if not reason:
        return result
    good = result.status is FitStatus.CONVERGED
    notes = [result.recipe.get("notes", ""), reason]
    return replace(
        result,
        status=FitStatus.DOUBTFUL if good else result.status,
        reason="; ".join(x for x in (result.reason, reason) if x),
        recipe=result.recipe | {"notes": "; ".join(x for x in notes if x)},
    )


def describe_shared(
    agreed: Agreed,
    together: Together,
    covariance: Floats,
    result: RefinementResult,
) -> xr.Dataset:
    """Return the shared values; ``result`` is that of one of their patterns."""
    layout = together.members[0].fit.prepared.model.layout
    places = [int(i) for i in together.common.places]
    dims = ("shared_parameter",)
    shared = xr.Dataset(
        {
            "value": (dims, agreed.values),
            "value_std": (dims, np.sqrt(np.maximum(np.diag(covariance), 0.0))),
            "covariance": ((*dims, "shared_parameter_"), covariance),
            "n_patterns": ((), len(agreed.included), {"units": "1"}),
        },
        coords={
            "shared_parameter": [layout.names[i] for i in places],
            "parameter_units": (dims, [_UNITS[layout.kinds[i]] for i in places]),
        },
    )
    for name in ("value", "value_std", "covariance"):
        shared[name].attrs = {
            "units": "1",
            "long_name": f"{name} in parameter_units",
        }
    return shared.assign(_physical(result, layout, places))


def _physical(
    result: RefinementResult, layout: Layout, places: Sequence[int]
) -> dict[str, xr.DataArray | xr.Variable]:
    """Return shared cells, sizes, strains and scalars in their own units."""
    found = result.parameters
    groups = {
        "cell": [f"cell_{key}" for key in CELL_KEYS],
        "size": ["size_nm"],
        "strain": ["microstrain"],
    }
    made: dict[str, xr.DataArray | xr.Variable] = {}
    for group, names in groups.items():
        owners = {int(layout.phase[i]) for i in places if layout.group(i) == group}
        if not owners:
            continue
        mine = xr.DataArray(
            [p in owners for p in range(found.sizes[PHASE])],
            coords={PHASE: found[PHASE]},
        )
        for name in names:
            for full in (name, f"{name}_std"):
                made[full] = found[full].where(mine)
    kinds = {layout.kinds[i] for i in places}
    for kind, name in (("shift", "zero"), ("film", "film_thickness")):
        if kind in kinds:
            for full in (name, f"{name}_std"):
                made[full] = scalar(full, float(found[full]))
    return made


def describe_agreement(
    samples: Sequence[str],
    position: Mapping[str, int],
    agreed: Agreed | None,
    together: Together | None,
    reasons: Mapping[str, str],
) -> xr.Dataset:
    """Return the verdict on every sample; ``position`` is that among the fitted."""
    rows = {"delta_chi_square": np.nan, "p_value": np.nan, "largest_pull": np.nan}
    columns: dict[str, list[float]] = {name: [] for name in rows}
    flags: dict[str, list[int]] = {
        name: [] for name in ("parameters_given_up", "disagrees", "included")
    }
    pulls_at: list[str] = []
    for sample in samples:
        if agreed is None or together is None or sample not in position:
            for name, value in rows.items():
                columns[name].append(value)
            for name in flags:
                flags[name].append(0)
            pulls_at.append("")
            continue
        k = position[sample]
        verdict = agreed.verdicts[k]
        place, pull = _largest_pull(verdict, together, k)
        columns["delta_chi_square"].append(verdict.delta)
        columns["p_value"].append(verdict.chance)
        columns["largest_pull"].append(pull)
        flags["parameters_given_up"].append(verdict.given_up)
        flags["disagrees"].append(int(verdict.chance < together.limit))
        flags["included"].append(int(k in agreed.included))
        pulls_at.append(place)
    said = [reasons.get(sample, "") for sample in samples]
    return _label_agreement(samples, columns, flags, pulls_at, said)


def _largest_pull(verdict: Verdict, together: Together, k: int) -> tuple[str, float]:
    if verdict.pulls.size == 0:
        return "", float("nan")
    n = int(np.argmax(np.abs(verdict.pulls)))
    layout = together.members[k].fit.prepared.model.layout
    return layout.names[int(together.common.places[n])], float(verdict.pulls[n])


_LONG_NAMES = {
    "delta_chi_square": "chi-square with the shared values minus with its own, over "
    "GOF^2, own priors included",
    "p_value": "chance of a larger one in a pattern that agrees",
    "largest_pull": "own minus shared value over its standard deviation, the largest",
    "parameters_given_up": "directions of the shared parameters it had a say in",
    "disagrees": "1: it does not agree with what the others share",
    "included": "1: it is part of the joint fit",
}


def _label_agreement(
    samples: Sequence[str],
    columns: Mapping[str, list[float]],
    flags: Mapping[str, list[int]],
    pulls_at: list[str],
    reasons: list[str],
) -> xr.Dataset:
    data = xr.Dataset(coords={SAMPLE: list(samples)})
    for name, values in columns.items():
        data[name] = (SAMPLE, np.array(values, dtype=float))
    for name, numbers in flags.items():
        data[name] = (SAMPLE, np.array(numbers, dtype=np.int64))
    for name, long_name in _LONG_NAMES.items():
        data[name].attrs = {"units": "1", "long_name": long_name}
    data["pulls_at"] = (SAMPLE, np.array(pulls_at, dtype=object).astype(str))
    data["reason"] = (SAMPLE, np.array(reasons, dtype=object).astype(str))
    return data
