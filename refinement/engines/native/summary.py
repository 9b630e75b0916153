"""Put a native fit into the result type that all engines share."""

from __future__ import annotations

import time

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from refinement.engines.native.background import (
    BLANK,
    CHEBYSHEV,
    HALO,
    HUMP,
    division_terms,
    split_smooth,
)
from refinement.engines.native.covariance import (
    Covariance,
    Others,
    estimate_covariance,
)
from refinement.engines.native.fit import Fit
from refinement.engines.native.options import NativeOptions
from refinement.engines.native.systematics import (
    CAUSES,
    Systematics,
    estimate_systematics,
)
from refinement.engines.weights import ONE_SIDED_95, corrected_scales, fractions
from refinement.quality import assess
from refinement.result import (
    CELL_KEYS,
    MEASURED_CURVE,
    SCALE_VARIANT,
    RefinementResult,
    attributes,
    phase_variable,
    scalar,
)
from structkit.schema import COMPONENT, CONSTITUENT, PHASE, TWO_THETA, FitStatus

Floats = NDArray[np.float64]
_PRESENT = 3.0
"""Scale over esd from which a phase's bounds are worth a warning."""


def summarize(
    fit: Fit,
    options: NativeOptions,
    *,
    engine: str,
    begun: float | None = None,
    others: Others | None = None,
) -> RefinementResult:
    """Return the result of a fit; ``begun`` is when it started, by perf_counter.

    ``others`` is what other patterns know about its parameters (a joint fit).
    """
    covariance = estimate_covariance(fit, others=others)
    plan = fit.prepared.model.plan
    bases = fit.prepared.model.columns[:-1]
    raw = fit.minimum.found.amounts[bases]
    scales, tau = corrected_scales(plan, raw)
    share, share_covariance = fractions(
        scales, covariance.phase_scales / np.outer(tau, tau)
    )
    systematics = estimate_systematics(fit, options) if options.systematics else None
    status, reason = _judge(fit, covariance)
    variables = _phase_variables(
        fit, covariance, scales, tau, share, share_covariance, systematics
    )
    coords: dict[str, object] = {PHASE: np.array(plan.phase_names, dtype=str)}
    if systematics is not None:
        variables["area_fraction_variants"] = xr.Variable(
            ("background_variant",), systematics.area_variants, {"units": "1"}
        )
        coords["background_variant"] = list(systematics.area_labels)
        variables["scale_variants"] = xr.Variable(
            (SCALE_VARIANT, PHASE), systematics.scales, attributes("scale_variants")
        )
        coords[SCALE_VARIANT] = [one.label for one in systematics.variants]
        coords["scale_variant_cause"] = (SCALE_VARIANT, list(systematics.causes))
    if plan.components:
        variables |= _component_variables(fit, covariance)
        coords[COMPONENT] = list(plan.component_names)
        coords[CONSTITUENT] = [*plan.phase_names, *plan.component_names]
    if begun is not None:
        variables["seconds"] = scalar("seconds", time.perf_counter() - begun)
    parameters = xr.Dataset(variables | _scalars(fit, covariance), coords=coords)
    return RefinementResult(
        engine=engine,
        status=status,
        reason=reason,
        parameters=parameters,
        curves=_curves(fit),
        reflections=_reflections(fit),
        recipe=_recipe(fit, options),
    )


def _phase_variables(
    fit: Fit,
    covariance: Covariance,
    scales: Floats,
    tau: Floats,
    share: Floats,
    share_covariance: Floats,
    systematics: Systematics | None,
) -> dict[str, xr.Variable]:
    esd = np.sqrt(np.diag(covariance.phase_scales)) / tau
    total = np.maximum(float(scales.sum()), 1e-300)
    limit = covariance.detection / tau
    upper = np.maximum(scales, 0.0) + ONE_SIDED_95 * esd
    values: dict[str, Floats] = {
        "weight_fraction_crystalline": share,
        "weight_fraction_crystalline_std": np.sqrt(np.diag(share_covariance)),
        "detection_limit": limit / (total - scales + limit),
        "upper_limit": upper / (total - scales + upper),
        "scale": scales,
        "scale_std": esd,
        "absorption_factor": tau,
    }
    if systematics is not None:
        values["weight_fraction_crystalline_systematic"] = systematics.total
        values["scale_systematic"] = systematics.scale_total
        values |= {f"systematic_{one}": systematics.part(one) for one in CAUSES}
    values |= _shapes(fit, covariance)
    values |= _cells(fit, covariance)
    return {name: phase_variable(name, array) for name, array in values.items()}


def _esd(covariance: Covariance, parameter: int) -> float:
    place = np.nonzero(covariance.free == parameter)[0]
    if place.size == 0:
        return float("nan")
    return float(np.sqrt(max(covariance.nonlinear[place[0], place[0]], 0.0)))


def _shapes(fit: Fit, covariance: Covariance) -> dict[str, Floats]:
    layout = fit.prepared.model.layout
    values = fit.minimum.found.values
    n = len(layout.strain_slices)
    names = ("size_nm", "microstrain", "march_dollase", "b_overall")
    found = {name: np.full(n, np.nan) for name in names}
    found |= {f"{name}_std": np.full(n, np.nan) for name in names}
    allowed = layout.allowed(fit.prepared.model.plan)
    for p in range(n):
        first = layout.strain_slices[p].stop
        for k, (name, unit) in enumerate(zip(names, (0.1, 1.0, 1.0, 1.0), strict=True)):
            if name in names[2:] and not allowed[first + k]:
                continue
            value, esd = values[first + k], _esd(covariance, first + k)
            if name != "b_overall":
                value = np.exp(value) * unit
                esd = value * esd
            found[name][p], found[f"{name}_std"][p] = value, esd
    return found


def _cells(fit: Fit, covariance: Covariance) -> dict[str, Floats]:
    model = fit.prepared.model
    n = len(model.lines)
    found = {
        f"cell_{key}{end}": np.empty(n) for key in CELL_KEYS for end in ("", "_std")
    }
    for p, (lines, part) in enumerate(
        zip(model.lines, model.layout.strain_slices, strict=True)
    ):
        strains = fit.minimum.found.values[part]
        center = np.array(lines.basis.cell(strains).parameters)
        slopes = np.zeros((6, strains.size))
        for k in range(strains.size):
            moved = strains.copy()
            moved[k] += 0.05
            slopes[:, k] = (
                np.array(lines.basis.cell(moved).parameters) - center
            ) / 0.05
        places = np.searchsorted(covariance.free, np.arange(part.start, part.stop))
        known = part.stop > part.start and bool(
            np.all(np.isin(np.arange(part.start, part.stop), covariance.free))
        )
        variance = np.full(6, np.nan)
        if known:
            inner = covariance.nonlinear[np.ix_(places, places)]
            variance = np.einsum("ik,kl,il->i", slopes, inner, slopes)
        fixed = np.abs(slopes).max(axis=1) < 1e-6
        for i, key in enumerate(CELL_KEYS):
            found[f"cell_{key}"][p] = center[i]
            found[f"cell_{key}_std"][p] = (
                np.nan if fixed[i] else np.sqrt(max(variance[i], 0.0))
            )
    return found


def _component_variables(fit: Fit, covariance: Covariance) -> dict[str, xr.Variable]:
    """Return amounts and shifts of the measured components, over ``COMPONENT``."""
    model, found = fit.prepared.model, fit.minimum.found
    parts, measured = model.plan.components, model.measured
    if measured is None:
        return {}
    spread = np.sqrt(np.maximum(np.diag(covariance.amounts), 0.0))
    values: dict[str, Floats] = {
        "component_amount": found.amounts[model.n_drawn : model.n_columns],
        "component_amount_std": spread[len(model.lines) :],
        "component_shift": measured.shifts(found.values),
        "component_shift_std": np.array(
            [_shift_esd(covariance, own, measured.offset) for own in measured.own]
        ),
        "component_crystalline": np.array([float(part.crystalline) for part in parts]),
        "component_background": np.array([float(part.background) for part in parts]),
    }
    labelled = {
        name: xr.Variable((COMPONENT,), array, attributes(name))
        for name, array in values.items()
    }
    labelled["component_covariance"] = xr.Variable(
        (CONSTITUENT, f"{CONSTITUENT}_"), covariance.amounts, {"units": "1"}
    )
    n = len(model.lines)
    labelled["height_covariance"] = xr.Variable(
        (PHASE, "phase_"), covariance.heights[:, :n], {"units": "1"}
    )
    labelled["height_amount_covariance"] = xr.Variable(
        (PHASE, CONSTITUENT), covariance.heights[:, n:], {"units": "1"}
    )
    return labelled


def _shift_esd(covariance: Covariance, own: int | None, offset: int | None) -> float:
    """Return 1 sigma of a component's shift: its own and the shared one together."""
    if own is None or offset is None:
        return float("nan")
    places = np.nonzero(np.isin(covariance.free, (own, offset)))[0]
    inner = covariance.nonlinear[np.ix_(places, places)]
    return float(np.sqrt(max(inner.sum(), 0.0))) if places.size else float("nan")


def _scalars(fit: Fit, covariance: Covariance) -> dict[str, xr.Variable]:
    prepared, minimum = fit.prepared, fit.minimum
    model = prepared.model
    found = minimum.found
    calculated = prepared.intensity - found.residual * prepared.std
    quality = assess(
        prepared.intensity,
        calculated,
        prepared.std,
        n_parameters=int(found.passive.sum()) + int(minimum.free.sum()),
    )
    shift = model.layout.names.index("shift")
    kind = "zero" if model.plan.shift == "zero" else "displacement"
    film = {}
    if "film" in model.layout.kinds:
        place = model.layout.names.index("film")
        film["film_thickness"] = scalar("film_thickness", float(found.values[place]))
        esd = _esd(covariance, place)
        film["film_thickness_std"] = scalar("film_thickness_std", esd)
    return film | {
        "r_wp": scalar("r_wp", quality.r_wp),
        "r_p": scalar("r_p", quality.r_p),
        "r_exp": scalar("r_exp", quality.r_exp),
        "gof": scalar("gof", quality.gof),
        "durbin_watson": scalar("durbin_watson", quality.durbin_watson),
        "esd_reliable": scalar("esd_reliable", float(not prepared.noise_remark)),
        kind: scalar(kind, float(found.values[shift])),
        f"{kind}_std": scalar(f"{kind}_std", _esd(covariance, shift)),
        "values": xr.Variable(("parameter",), found.values, {"units": "1"}),
        "parameter_name": xr.Variable(("parameter",), list(model.layout.names)),
        "varied": xr.Variable(("varied_parameter",), covariance.free),
        "covariance": xr.Variable(
            ("varied_parameter", "varied_parameter_"),
            covariance.nonlinear,
            {"units": "1"},
        ),
        "scale_covariance": xr.Variable(
            (PHASE, "phase_"), covariance.phase_scales, {"units": "1"}
        ),
    }


def _curves(fit: Fit) -> xr.Dataset:
    prepared, found = fit.prepared, fit.minimum.found
    model = prepared.model
    n = model.n_columns
    columns, amounts = prepared.columns, found.amounts[n:]
    background, halo = split_smooth(
        columns, amounts, model.angles, terms=division_terms(columns)
    )
    weighted = found.amounts[:n, None] * found.columns
    drawn, measured = weighted[: model.n_drawn], weighted[model.n_drawn :]
    component = np.empty_like(drawn)
    if len(model.lines):
        component = np.add.reduceat(drawn, model.columns[:-1], axis=0) * prepared.std
    units = {"units": prepared.intensity_units}
    points = (TWO_THETA,)
    curves = xr.Dataset(
        {
            "observed": (points, prepared.intensity, units),
            "observed_std": (points, prepared.std, units),
            "calculated": (
                points,
                prepared.intensity - found.residual * prepared.std,
                units,
            ),
            "background": (points, background, units),
            "halo": (points, halo, units),
            "component": ((PHASE, TWO_THETA), component, units),
        },
        coords={
            TWO_THETA: (points, model.angles, {"units": "degree", "long_name": "2θ"}),
            PHASE: np.array(model.plan.phase_names, dtype=str),
        },
    )
    if not model.plan.components:
        return curves
    return curves.assign(
        {MEASURED_CURVE: ((COMPONENT, TWO_THETA), measured * prepared.std, units)}
    ).assign_coords({COMPONENT: list(model.plan.component_names)})


def _reflections(fit: Fit) -> xr.Dataset:
    model = fit.prepared.model
    states = fit.minimum.found.states
    low, high = model.angles[0], model.angles[-1]
    kept = [(s.centers >= low) & (s.centers <= high) for s in states]
    if not states:
        return xr.Dataset()
    hkl = np.concatenate([m.hkl[k] for m, k in zip(model.lines, kept, strict=True)])
    dims = ("reflection",)
    return xr.Dataset(
        {
            "two_theta_hkl": (
                dims,
                np.concatenate(
                    [s.centers[k] for s, k in zip(states, kept, strict=True)]
                ),
                {"units": "degree"},
            ),
            "phase_index": (
                dims,
                np.repeat(np.arange(len(states)), [int(k.sum()) for k in kept]),
            ),
            "h": (dims, hkl[:, 0]),
            "k": (dims, hkl[:, 1]),
            "l": (dims, hkl[:, 2]),
        }
    )


def _judge(fit: Fit, covariance: Covariance) -> tuple[FitStatus, str]:
    minimum, model = fit.minimum, fit.prepared.model
    values = minimum.found.values
    if not np.all(np.isfinite(minimum.found.amounts)):
        return FitStatus.FAILED, "the linear fit has no finite solution"
    if not minimum.converged:
        return (
            FitStatus.NOT_CONVERGED,
            f"stopped after {minimum.steps} steps while chi-square still fell",
        )
    scales = minimum.found.amounts[model.columns[:-1]]
    esd = np.sqrt(np.diag(covariance.phase_scales))
    reasons = []
    for i in np.nonzero(minimum.free)[0]:
        owner = int(model.layout.phase[i])
        strong = owner < 0 or scales[owner] > _PRESENT * max(esd[owner], 1e-300)
        margin = 1e-9 + 1e-9 * abs(values[i])
        low = values[i] <= fit.restraints.low[i] + margin
        high = values[i] >= fit.restraints.high[i] - margin
        kind = model.layout.kinds[i]
        harmless = (kind == "ln_size" and high) or (
            kind in ("ln_strain", "w_extra") and low  # no broadening beyond the rest
        )
        if strong and (low or high) and not harmless:
            reasons.append(f"{model.layout.names[i]} stands at its bound")
    status = FitStatus.DOUBTFUL if reasons else FitStatus.CONVERGED
    if fit.prepared.noise_remark:
        reasons.append(
            "esds, chi-square and detection limits are unreliable: "
            + fit.prepared.noise_remark
        )
    return status, "; ".join(reasons)


def _recipe(fit: Fit, options: NativeOptions) -> dict[str, str]:
    plan = fit.prepared.model.plan
    columns = fit.prepared.columns
    counts = {name: columns.names.count(name) for name in set(columns.names)}
    halo = (
        f"{counts.get(HALO, 0)} Gaussians, FWHM {options.halo_growth:g} of 2theta "
        f"({options.halo_fwhm[0]:g} to {options.halo_fwhm[1]:g} degree), "
        f"{options.halo_spacing:g} FWHM apart, >= 0"
        if plan.halo
        else "none"
    )
    parts = [
        f"{part.name} ({'background' if part.background else 'sample'}, "
        f"baseline taken off: {part.subtract})"
        for part in plan.components
    ]
    measured = {"components": ", ".join(parts)} if parts else {}
    return measured | {
        "background": f"{counts.get(CHEBYSHEV, 0)} Chebyshev terms, "
        f"{counts.get(HUMP, 0)} humps, {counts.get(BLANK, 0)} blank",
        "amorphous_area": halo,
        "prior_scale": f"{fit.restraints.scale:.4g}",
        "notes": "; ".join(fit.notes),
    }
