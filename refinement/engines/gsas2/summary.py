"""Put what GSAS-II refined into the result type that all engines share."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from refinement.engines.gsas2.checks import LEAST_SCALE
from refinement.engines.gsas2.conventions import (
    displacement_from_gsas2,
    size_to_nm,
    strain_from_gsas2,
)
from refinement.engines.gsas2.conversation import Outcome
from refinement.engines.gsas2.job import Job
from refinement.engines.gsas2.options import Gsas2Options
from refinement.engines.points import noise_remark
from refinement.engines.smooth import divide_smooth, gaussian_bump
from refinement.engines.weights import (
    ONE_SIDED_95,
    corrected_scales,
    fractions,
    linear_covariance,
)
from refinement.plan import RefinementPlan
from refinement.quality import assess, explain_rest
from refinement.result import CELL_KEYS, RefinementResult, phase_variable, scalar
from structkit.errors import FitError
from structkit.schema import INTENSITY, PHASE, TWO_THETA, FitStatus

Floats = NDArray[np.float64]
CURRIE = 3.29
_GAUSSIAN_VARIANCE = 8.0 * np.log(2.0)
_SAME_ANGLE = 1e-3
_SIGNIFICANT = 3.0
"""Scale over esd from which a phase counts as seen."""
_FALSE_MINIMUM = 1.2
"""Rwp over the native engine's from which a fit is thought to be a false minimum."""


def summarize(
    outcome: Outcome,
    job: Job,
    pattern: xr.Dataset,
    plan: RefinementPlan,
    options: Gsas2Options,
    *,
    engine: str,
    native: RefinementResult,
    seconds: float,
    recipe: dict[str, str],
) -> RefinementResult:
    """Return the result of a conversation with GSAS-II.

    Weight fractions come from the phase fractions times the cells' masses, their esds
    from the covariance matrix (GSAS-II's own helper returns zeros at times).
    """
    report = outcome.report
    curves = _curves(
        outcome, job, plan, str(pattern[INTENSITY].attrs.get("units", "1"))
    )
    values = np.array(report["values"], dtype=float)
    covariance = np.array(report["covariance"], dtype=float)
    alone = _linear_scale_covariance(report, curves, job, plan)
    scale_covariance = _scale_covariance(report, covariance, alone, plan)
    masses = np.array([s["mass"] for s in _states(report, plan)])
    raw = masses * np.array([s["scale"] for s in _states(report, plan)])
    clipped = np.where(raw > LEAST_SCALE * masses, raw, 0.0)
    scales, tau = corrected_scales(plan, clipped)
    to_mass = np.outer(masses / tau, masses / tau)
    scale_covariance = scale_covariance * to_mass
    share, share_covariance = fractions(scales, scale_covariance)
    esd = np.sqrt(np.maximum(np.diag(scale_covariance), 0.0))
    total = max(float(scales.sum()), 1e-300)
    limit = CURRIE * np.sqrt(np.maximum(np.diag(alone * to_mass), 0.0))
    upper = scales + ONE_SIDED_95 * esd
    found = {
        "weight_fraction_crystalline": share,
        "weight_fraction_crystalline_std": np.sqrt(
            np.maximum(np.diag(share_covariance), 0.0)
        ),
        "detection_limit": limit / (total - scales + limit),
        "upper_limit": upper / (total - scales + upper),
        "scale": scales,
        "scale_std": esd,
        "absorption_factor": tau,
        **_shapes(report, plan),
        **_cells(report, plan),
    }
    variables = {name: phase_variable(name, array) for name, array in found.items()}
    variables |= _scalars(outcome, job, curves, plan, options)
    variables |= {
        "seconds": scalar("seconds", seconds),
        "esd_reliable": scalar("esd_reliable", float(not noise_remark(pattern))),
        "values": xr.Variable(("parameter",), values, {"units": "1"}),
        "parameter_name": xr.Variable(("parameter",), list(report["varied"])),
        "covariance": xr.Variable(
            ("parameter", "parameter_"), covariance, {"units": "1"}
        ),
        "scale_covariance": xr.Variable(
            (PHASE, "phase_"), scale_covariance, {"units": "1"}
        ),
    }
    parameters = xr.Dataset(variables, coords={PHASE: list(plan.phase_names)})
    status, reason = _judge(outcome, parameters, curves, native, noise_remark(pattern))
    notes = "; ".join(outcome.notes)
    return RefinementResult(
        engine=engine,
        status=status,
        reason=reason,
        parameters=parameters,
        curves=curves,
        reflections=_reflections(outcome, plan, job),
        recipe={**recipe, "stages": ", ".join(outcome.stages), "notes": notes},
    )


def _states(report: dict[str, Any], plan: RefinementPlan) -> list[dict[str, Any]]:
    return [report["state"]["phases"][name] for name in plan.phase_names]


def _scale_covariance(
    report: dict[str, Any], covariance: Floats, alone: Floats, plan: RefinementPlan
) -> Floats:
    """Return the covariance of the phase fractions.

    From GSAS-II's matrix; for phases held at zero from the linear problem.
    """
    varied = list(report["varied"])
    names = [f"{state['number']}:0:Scale" for state in _states(report, plan)]
    free = np.array([name in varied for name in names], dtype=bool)
    places = [varied.index(name) for name in names if name in varied]
    found = alone.copy()
    found[np.ix_(free, free)] = covariance[np.ix_(places, places)]
    return found


def _linear_scale_covariance(
    report: dict[str, Any], curves: xr.Dataset, job: Job, plan: RefinementPlan
) -> Floats:
    """Return the covariance of the phase fractions with all shapes held."""
    scales = np.array([state["scale"] for state in _states(report, plan)])
    component = curves["component"].to_numpy() / scales[:, None]
    angles = job.angles
    unit = 2.0 * (angles - angles[0]) / (angles[-1] - angles[0]) - 1.0
    terms = np.polynomial.chebyshev.chebvander(unit, plan.background_terms - 1).T
    peaks = [
        gaussian_bump(angles, center, 0.01 * np.sqrt(_GAUSSIAN_VARIANCE * variance))
        for center, _, variance in report["state"]["peaks"][: job.n_halo]
    ]
    smooth = np.vstack([terms, np.reshape(peaks, (-1, angles.size)), job.known])
    gof = float(report["rvals"]["GOF"])
    columns = np.vstack([component, job.transmission * smooth])
    n = scales.size
    return linear_covariance(columns, job.std, gof=gof)[:n, :n]


def _esds(report: dict[str, Any]) -> dict[str, float]:
    return {
        name: float("nan") if esd is None else float(esd)
        for name, esd in zip(report["varied"], report["esd"], strict=True)
    }


def _shapes(report: dict[str, Any], plan: RefinementPlan) -> dict[str, Floats]:
    esds = _esds(report)
    names = ("size_nm", "microstrain", "march_dollase", "b_overall")
    found = {
        f"{n}{end}": np.full(len(plan.phases), np.nan)
        for n in names
        for end in ("", "_std")
    }
    for p, (phase, state) in enumerate(
        zip(plan.phases, _states(report, plan), strict=True)
    ):
        own = f"{state['number']}:0:"
        found["size_nm"][p] = size_to_nm(state["size"])
        found["size_nm_std"][p] = size_to_nm(esds.get(own + "Size;i", np.nan))
        found["microstrain"][p] = strain_from_gsas2(state["strain"])
        found["microstrain_std"][p] = strain_from_gsas2(
            esds.get(own + "Mustrain;i", np.nan)
        )
        if phase.texture is not None and phase.texture_model == "march-dollase":
            found["march_dollase"][p] = state["march"]
            found["march_dollase_std"][p] = esds.get(own + "MD", np.nan)
    return found


def _cells(report: dict[str, Any], plan: RefinementPlan) -> dict[str, Floats]:
    found = {
        f"cell_{k}{end}": np.full(len(plan.phases), np.nan)
        for k in CELL_KEYS
        for end in ("", "_std")
    }
    for p, state in enumerate(_states(report, plan)):
        esds = state["cell_esd"] or [0.0] * 6
        for i, key in enumerate(CELL_KEYS):
            found[f"cell_{key}"][p] = state["cell"][i]
            if esds[i] is not None and esds[i] > 0.0:
                found[f"cell_{key}_std"][p] = esds[i]
    return found


def _curves(outcome: Outcome, job: Job, plan: RefinementPlan, units: str) -> xr.Dataset:
    found = outcome.curves
    angles = np.array(found["two_theta"])
    if angles.size != job.angles.size or (
        np.abs(angles - job.angles).max() > _SAME_ANGLE
    ):
        raise FitError(
            f"GSAS-II used {angles.size} points where the plan has {job.angles.size}; "
            "its version reads limits or excluded ranges otherwise than expected"
        )
    film = job.transmission
    smooth = film * np.array(found["background"])
    terms = 1 if plan.blank is not None else 2
    background, halo = (
        divide_smooth(smooth, job.known, job.angles, terms=terms)
        if plan.halo
        else (smooth, np.zeros_like(smooth))
    )
    component = film * np.array([found["components"][n] for n in plan.phase_names])
    attrs, points = {"units": units}, (TWO_THETA,)
    return xr.Dataset(
        {
            "observed": (points, job.intensity, attrs),
            "observed_std": (points, job.std, attrs),
            "calculated": (points, background + halo + component.sum(axis=0), attrs),
            "background": (points, background, attrs),
            "halo": (points, halo, attrs),
            "component": ((PHASE, TWO_THETA), component, attrs),
        },
        coords={
            TWO_THETA: (points, job.angles, {"units": "degree", "long_name": "2θ"}),
            PHASE: list(plan.phase_names),
        },
    )


def _scalars(
    outcome: Outcome,
    job: Job,
    curves: xr.Dataset,
    plan: RefinementPlan,
    options: Gsas2Options,
) -> dict[str, xr.Variable]:
    report = outcome.report
    quality = assess(
        job.intensity,
        curves["calculated"].to_numpy(),
        job.std,
        n_parameters=len(report["varied"]),
    )
    esds, state = _esds(report), report["state"]
    found = {
        name: scalar(name, getattr(quality, name))
        for name in ("r_wp", "r_p", "r_exp", "gof", "durbin_watson")
    }
    if plan.shift == "zero":
        found["zero"] = scalar("zero", state["zero"] - plan.instrument.zero)
        found["zero_std"] = scalar("zero_std", esds.get(":0:Zero", np.nan))
    else:
        radius = options.goniometer_radius_mm
        found["displacement"] = scalar(
            "displacement", displacement_from_gsas2(state["shift"], radius)
        )
        esd = abs(displacement_from_gsas2(esds.get(":0:Shift", np.nan), radius))
        found["displacement_std"] = scalar("displacement_std", esd)
    return found


def _reflections(outcome: Outcome, plan: RefinementPlan, job: Job) -> xr.Dataset:
    lists = outcome.curves["reflections"]
    hkl, angles, owner = [], [], []
    for number, name in enumerate(plan.phase_names):
        places = np.array(lists[name]["two_theta"], dtype=float)
        indices = np.array(lists[name]["hkl"], dtype=int).reshape(-1, 3)
        kept = (places >= job.angles[0]) & (places <= job.angles[-1])
        hkl.append(indices[kept])
        angles.append(places[kept])
        owner.append(np.full(int(kept.sum()), number))
    indices = np.concatenate(hkl)
    dims = ("reflection",)
    return xr.Dataset(
        {
            "two_theta_hkl": (dims, np.concatenate(angles), {"units": "degree"}),
            "phase_index": (dims, np.concatenate(owner)),
            "h": (dims, indices[:, 0]),
            "k": (dims, indices[:, 1]),
            "l": (dims, indices[:, 2]),
        }
    )


def _judge(
    outcome: Outcome,
    parameters: xr.Dataset,
    curves: xr.Dataset,
    native: RefinementResult,
    noise: str,
) -> tuple[FitStatus, str]:
    reasons = list(outcome.refused)
    if native.status.has_values:
        own, other = float(parameters["r_wp"]), float(native.parameters["r_wp"])
        if own > _FALSE_MINIMUM * other:
            reasons.append(
                f"Rwp {100 * own:.1f} % where the native engine reaches "
                f"{100 * other:.1f} %: probably a false minimum"
            )
    rest = explain_rest(curves, n_parameters=parameters.sizes["parameter"])
    reasons += [rest] if rest else []
    ratio = parameters["scale"] / parameters["scale_std"]
    if not bool((ratio > _SIGNIFICANT).any()):
        reasons.append(
            "no phase of the plan is significant: are cells and wavelength right?"
        )
    if not outcome.stable and not outcome.refused:
        status = FitStatus.NOT_CONVERGED
        reasons.append("parameters still moved when refined once more")
    else:
        status = FitStatus.DOUBTFUL if reasons else FitStatus.CONVERGED
    if noise:
        reasons.append(f"esds, chi-square and limits are unreliable: {noise}")
    return status, "; ".join(reasons)
