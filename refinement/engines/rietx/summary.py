"""Put a fit by rietx into the result type that all engines share."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from refinement.engines.native.options import NativeOptions
from refinement.engines.rietx.amounts import (
    deficits,
    detection_scales,
    inverse_normal,
    solve_amounts,
)
from refinement.engines.rietx.fit import Fit, linear_columns, overall_b_path
from refinement.engines.rietx.prepare import BLANK, CHEBYSHEV, HALO, HUMP, Smooth
from refinement.engines.rietx.translate import (
    displacement_mm,
    size_width,
    strain_width,
)
from refinement.engines.smooth import divide_smooth
from refinement.engines.weights import ONE_SIDED_95, corrected_scales, fractions
from refinement.quality import Quality, assess, explain_rest
from refinement.result import CELL_KEYS, RefinementResult, phase_variable, scalar
from structkit.schema import PHASE, TWO_THETA, FitStatus

Floats = NDArray[np.float64]
_MOST_NOTES = 8
_NOTE_LENGTH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class _Esds:
    """Esds of a fit, on the native engine's footing."""

    by_path: dict[str, float]
    """1 sigma by rietx's name, times GOF where that is above 1."""
    scales: Floats
    """Covariance of the mass-proportional scales."""
    detection: Floats
    """Scale of each phase that would just be detected."""

    def of(self, path: str) -> float:
        """Return an esd; NaN where the parameter was not free."""
        return self.by_path.get(path, math.nan)


def summarize(fit: Fit, *, engine: str, begun: float) -> RefinementResult:
    """Return the result of a fit that started at ``begun`` (by perf_counter)."""
    plan = fit.prepared.plan
    curves = _curves(fit)
    n_parameters = int(fit.outcome.statistics.n_free_parameters)
    quality = assess(
        curves["observed"].to_numpy(),
        curves["calculated"].to_numpy(),
        curves["observed_std"].to_numpy(),
        n_parameters=n_parameters,
    )
    esds = _estimate_esds(fit, quality)
    variables = _weights(fit, esds) | _shapes(fit, esds) | _cells(fit, esds)
    status, reason = _judge(fit, curves, n_parameters, variables)
    parameters = xr.Dataset(
        {name: phase_variable(name, values) for name, values in variables.items()}
        | _scalars(fit, esds, quality)
        | {
            "seconds": scalar("seconds", time.perf_counter() - begun),
            "scale_covariance": xr.Variable(
                (PHASE, "phase_"), esds.scales, {"units": "1"}
            ),
        },
        coords={PHASE: list(plan.phase_names)},
    )
    return RefinementResult(
        engine=engine,
        status=status,
        reason=reason,
        parameters=parameters,
        curves=curves,
        reflections=_reflections(fit),
        recipe=_recipe(fit),
    )


def _curves(fit: Fit) -> xr.Dataset:
    """Return the curves in the pattern's own intensity, film and all."""
    prepared, drawn = fit.prepared, fit.drawn
    seen = prepared.transmission
    component = drawn.scales[:, None] * drawn.units * seen
    smooth = {
        kind: np.array(
            [drawn.values[one.path] * one.values * seen for one in of_kind]
        ).reshape(-1, seen.size)
        for kind in (CHEBYSHEV, HALO, HUMP, BLANK)
        for of_kind in [prepared.of_kind(kind)]
    }
    total = np.asarray(sum(part.sum(axis=0) for part in smooth.values()))
    background, halo = total, np.zeros_like(total)
    if smooth[HALO].size:
        known = np.concatenate([smooth[HUMP], smooth[BLANK]])
        terms = 1 if smooth[BLANK].size else 2
        background, halo = divide_smooth(total, known, prepared.angles, terms=terms)
    units = {"units": prepared.units}
    points = (TWO_THETA,)
    return xr.Dataset(
        {
            "observed": (points, prepared.intensity, units),
            "observed_std": (points, prepared.std, units),
            "calculated": (points, total + component.sum(axis=0), units),
            "background": (points, background, units),
            "halo": (points, halo, units),
            "component": ((PHASE, TWO_THETA), component, units),
        },
        coords={
            TWO_THETA: (
                points,
                prepared.angles,
                {"units": "degree", "long_name": "2θ"},
            ),
            PHASE: list(prepared.plan.phase_names),
        },
    )


def _estimate_esds(fit: Fit, quality: Quality) -> _Esds:
    """Return esds as the native engine states them.

    rietx multiplies its esds by a factor for serial correlation (Berar & Lelann, 1991)
    and by the GOF even where that is below 1: the first is taken out, the second
    floored at 1. A scale that rietx held, or that stands at zero, takes its variance
    from the linear part of the fit, where it may be below zero.
    """
    floor = max(1.0, 1.0 / max(float(fit.outcome.statistics.gof), 1e-12))
    by_path: dict[str, float] = {}
    for row in fit.outcome.parameters:
        if row.stderr_uncorrected is not None:
            by_path[row.path] = floor * float(row.stderr_uncorrected)
    columns, free = linear_columns(fit.drawn, fit.prepared)
    observed = fit.prepared.observed / fit.prepared.observed_std
    scales = fit.drawn.scales
    gof = max(quality.gof, 1.0)
    count = scales.size
    linear = gof**2 * np.asarray(inverse_normal(columns)[:count, :count])
    covariance = _scale_covariance(fit, floor)
    below = deficits(columns, observed, free, scales)
    for number in range(count):
        own = covariance[number, number]
        if not np.isfinite(own) or own < linear[number, number]:
            covariance[number, :] = linear[number, :]
            covariance[:, number] = linear[:, number]
    covariance[np.diag_indices(count)] += below**2
    covariance += _held_sizes(fit)
    smooth = [fit.drawn.values[one.path] for one in fit.prepared.smooth]
    amounts = np.concatenate([scales, smooth])
    detection = detection_scales(
        columns, amounts, fit.prepared.observed_std, n_phases=count, gof=gof
    )
    return _Esds(by_path=by_path, scales=covariance, detection=detection + below)


def _held_sizes(fit: Fit) -> Floats:
    """Return the covariance of the scales from sizes that are held as too weak.

    A size that nobody measured is known within the native engine's prior: a factor e.
    """
    drawn, prepared = fit.drawn, fit.prepared
    observed = prepared.observed / prepared.observed_std
    spread = math.exp(NativeOptions().priors["ln_size"].sigma)
    count = drawn.factors.size
    total = np.zeros((count, count))
    for number, phase in enumerate(prepared.plan.phases):
        if "size" in fit.free[number] or not phase.refine_size:
            continue
        width = drawn.values[f"phases.{number}.lor_size"]
        ends = []
        for other in (width / spread, width * spread):
            columns, free = linear_columns(
                drawn.with_size_width(number, other), prepared
            )
            ends.append(solve_amounts(columns, observed, free)[:count])
        half = 0.5 * (ends[1] - ends[0])
        total += np.outer(half, half)
    return total


def _scale_covariance(fit: Fit, floor: float) -> Floats:
    """Return the covariance of the scales from rietx's last normal matrix.

    NaN where it has none.
    """
    count = fit.drawn.factors.size
    paths = [f"phases.{number}.scale" for number in range(count)]
    unknown = np.full((count, count), np.nan)
    kept = getattr(fit.refinement, "_answer_covariance", None)
    if kept is None or kept[0] is not fit.outcome or kept[3] is None:
        return unknown
    _, table, theta, internal, correlation = kept
    found = table.physical_covariance(theta, internal, correlation, paths)
    ratios = [
        row.stderr / row.stderr_uncorrected
        for row in fit.outcome.parameters
        if row.stderr and row.stderr_uncorrected
    ]
    inflation = float(np.median(ratios)) if ratios else 1.0
    factors = fit.drawn.factors
    scaled = found * np.outer(factors, factors) * (floor / inflation) ** 2
    return np.where(np.isfinite(scaled), scaled, np.nan)


def _weights(fit: Fit, esds: _Esds) -> dict[str, Floats]:
    plan = fit.prepared.plan
    scales, tau = corrected_scales(plan, fit.drawn.scales)
    share, covariance = fractions(scales, esds.scales / np.outer(tau, tau))
    esd = np.sqrt(np.maximum(np.diag(esds.scales), 0.0)) / tau
    total = np.maximum(float(scales.sum()), 1e-300)
    limit = esds.detection / tau
    upper = np.maximum(scales, 0.0) + ONE_SIDED_95 * esd
    return {
        "weight_fraction_crystalline": share,
        "weight_fraction_crystalline_std": np.sqrt(
            np.maximum(np.diag(covariance), 0.0)
        ),
        "detection_limit": limit / (total - scales + limit),
        "upper_limit": upper / (total - scales + upper),
        "scale": scales,
        "scale_std": esd,
        "absorption_factor": tau,
    }


def _shapes(fit: Fit, esds: _Esds) -> dict[str, Floats]:
    """Return sizes, microstrains, texture and overall B with their esds."""
    plan, values = fit.prepared.plan, fit.drawn.values
    names = ("size_nm", "microstrain", "march_dollase", "b_overall")
    found = {
        f"{name}{end}": np.full(len(plan.phases), np.nan)
        for name in names
        for end in ("", "_std")
    }
    one_nm = size_width(1.0, plan.instrument.radiation.wavelength)
    unit = strain_width(1.0)
    for number, phase in enumerate(plan.phases):
        base = f"phases.{number}"
        width = values[f"{base}.lor_size"]
        found["size_nm"][number] = one_nm / width
        found["size_nm_std"][number] = one_nm * esds.of(f"{base}.lor_size") / width**2
        found["microstrain"][number] = values[f"{base}.lor_strain"] / unit
        found["microstrain_std"][number] = esds.of(f"{base}.lor_strain") / unit
        if phase.texture is not None and phase.texture_model == "march-dollase":
            path = f"{base}.preferred_orientation.r"
            found["march_dollase"][number] = values[path]
            found["march_dollase_std"][number] = esds.of(path)
        if phase.refine_b_overall:
            first = values[f"{base}.atoms.0.biso"]
            found["b_overall"][number] = first - phase.structure.sites[0].b_iso
            found["b_overall_std"][number] = esds.of(overall_b_path(number))
    return found


def _cells(fit: Fit, esds: _Esds) -> dict[str, Floats]:
    count = fit.drawn.factors.size
    found = {
        f"cell_{key}{end}": np.empty(count) for key in CELL_KEYS for end in ("", "_std")
    }
    for number in range(count):
        for key in CELL_KEYS:
            path = f"phases.{number}.cell.{key}"
            found[f"cell_{key}"][number] = fit.drawn.values[path]
            esd = esds.of(path)
            found[f"cell_{key}_std"][number] = esd if esd > 0.0 else np.nan
    return found


def _scalars(fit: Fit, esds: _Esds, quality: Quality) -> dict[str, xr.Variable]:
    plan, values = fit.prepared.plan, fit.drawn.values
    if plan.shift == "zero":
        path, kind = "instrument.zero_shift", "zero"
        shift, esd = values[path] - plan.instrument.zero, esds.of(path)
    else:
        path, kind = "instrument.geometry.sample_displacement", "displacement"
        per_degree = displacement_mm(1.0)
        shift, esd = values[path] / per_degree, esds.of(path) / abs(per_degree)
    return {
        "r_wp": scalar("r_wp", quality.r_wp),
        "r_p": scalar("r_p", quality.r_p),
        "r_exp": scalar("r_exp", quality.r_exp),
        "gof": scalar("gof", quality.gof),
        "durbin_watson": scalar("durbin_watson", quality.durbin_watson),
        "esd_reliable": scalar("esd_reliable", float(not fit.prepared.noise_remark)),
        kind: scalar(kind, float(shift)),
        f"{kind}_std": scalar(f"{kind}_std", esd),
    }


def _reflections(fit: Fit) -> xr.Dataset:
    model, values = fit.drawn.model, fit.drawn.values
    angles = fit.prepared.angles
    places, indices, owners = [], [], []
    for number, compiled in enumerate(model.phases):
        drawn = np.asarray(model.reflection_angles(number, values)[0][1])
        kept = (drawn >= angles[0]) & (drawn <= angles[-1])
        places.append(drawn[kept])
        indices.append(np.asarray(compiled.reflections.hklm)[kept, :3])
        owners.append(np.full(int(kept.sum()), number))
    hkl = np.concatenate(indices).astype(np.int64)
    dims = ("reflection",)
    return xr.Dataset(
        {
            "two_theta_hkl": (dims, np.concatenate(places), {"units": "degree"}),
            "phase_index": (dims, np.concatenate(owners)),
            "h": (dims, hkl[:, 0]),
            "k": (dims, hkl[:, 1]),
            "l": (dims, hkl[:, 2]),
        }
    )


def _judge(
    fit: Fit, curves: xr.Dataset, n_parameters: int, variables: dict[str, Floats]
) -> tuple[FitStatus, str]:
    numbers = [curves["calculated"].to_numpy(), variables["scale"]]
    if not all(np.all(np.isfinite(values)) for values in numbers):
        return FitStatus.FAILED, "rietx returned numbers that are not finite"
    if not np.any(variables["scale"] > 0.0):
        return FitStatus.DOUBTFUL, "no phase of the plan is in the pattern"
    state = str(fit.outcome.status)
    if state != "converged":
        steps = int(fit.outcome.stages[-1].n_iterations)
        return (
            FitStatus.NOT_CONVERGED,
            f"rietx stopped after {steps} iterations of its last stage ({state})",
        )
    reasons = [
        f"{_words(fit, row.path)} stands at its bound"
        for row in fit.outcome.parameters
        if row.at_bound and row.vary and not _is_harmless(row.path, row.value, fit)
    ]
    rest = explain_rest(curves, n_parameters=n_parameters)
    reasons += [rest] if rest else []
    status = FitStatus.DOUBTFUL if reasons else FitStatus.CONVERGED
    if fit.prepared.noise_remark:
        reasons.append(
            "esds, chi-square and detection limits are unreliable: "
            + fit.prepared.noise_remark
        )
    return status, "; ".join(reasons)


def _is_harmless(path: str, value: float, fit: Fit) -> bool:
    """Return whether a bound says no more than that a thing is absent."""
    if path.endswith((".scale", ".height", "profile.w")):
        row = fit.prepared.plan.instrument.w
        return not path.endswith("profile.w") or value < row + 1e-6
    if path.endswith((".lor_size", ".lor_strain")):
        base = fit.refinement.structure.phases[int(path.split(".")[1])]
        parameter = getattr(base, path.rsplit(".", 1)[1])
        return bool(value <= parameter.min * 1.001)
    return False


def _words(fit: Fit, path: str) -> str:
    """Return rietx's name of a parameter in our words."""
    parts = path.split(".")
    if parts[0] != "phases":
        return parts[-1]
    names = {"lor_size": "size", "lor_strain": "microstrain", "r": "March-Dollase r"}
    phase = fit.prepared.plan.phases[int(parts[1])].name
    return f"{phase}.{names.get(parts[-1], '.'.join(parts[2:]))}"


def _recipe(fit: Fit) -> dict[str, str]:
    prepared, plan = fit.prepared, fit.prepared.plan
    bank = [one for one in prepared.of_kind(HALO) if one.place is not None]
    used = sum(fit.drawn.values[one.path] > 0.0 for one in bank)
    held = [
        phase.name
        for phase, groups in zip(plan.phases, fit.free, strict=True)
        if "cell" not in groups
    ]
    notes = [prepared.note] if prepared.note else []
    if held:
        notes.append(f"too weak to free more than a scale: {', '.join(held)}")
    notes += [_short(text) for text in fit.caught]
    remarks = [
        f"{one.code}: {one.message}"
        for one in fit.outcome.diagnostics
        if one.level != "info" and not _is_about_smooth(one.where)
    ]
    notes += [_short(text) for text in dict.fromkeys(remarks)][:_MOST_NOTES]
    return {
        "background": f"{_count(prepared.of_kind(CHEBYSHEV))} Chebyshev terms, "
        f"{_count(prepared.of_kind(HUMP))} humps, "
        f"{_count(prepared.of_kind(BLANK))} blank",
        "amorphous_area": (
            f"{len(bank)} Gaussians of the native engine's bank, {used} above zero"
            if bank
            else "none"
        ),
        "notes": "; ".join(notes),
    }


def _is_about_smooth(paths: list[str]) -> bool:
    """Return whether a remark is about polynomial and halo alone.

    They imitate each other by construction; only their sum is used.
    """
    smooth = ("instrument.background.", "instrument.extra_components.")
    return bool(paths) and all(path.startswith(smooth) for path in paths)


def _count(columns: list[Smooth]) -> int:
    return len(columns)


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _NOTE_LENGTH else f"{flat[: _NOTE_LENGTH - 3]}..."
