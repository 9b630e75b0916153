"""The instrument's resolution from the pattern of a standard."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import xarray as xr

from refinement.engines.native.covariance import estimate_covariance
from refinement.engines.native.fit import Fit, make_restraints, prepare, run_stages
from refinement.engines.native.layout import start_values
from refinement.engines.native.options import NativeOptions
from refinement.engines.native.summary import summarize
from refinement.plan import Phase, RefinementPlan, Stage
from refinement.result import RefinementResult
from structkit.errors import FitError
from structkit.schema import FitStatus
from structkit.structures.crystal import CrystalStructure
from structkit.xrd.instrument import Instrument

_FIXED_SIZE = 1e7
"""Crystallite size (angstrom) that adds no width."""
_FIXED_STRAIN = 1e-12
_AXIAL_STARTS = (0.015, 0.03, 0.045)
_STAGES = (
    Stage(name="positions", free=frozenset({"cell", "shift"})),
    Stage(
        name="resolution",
        free=frozenset({"cell", "shift", "instrument", "texture", "b_overall"}),
    ),
)


def calibrate_instrument(
    pattern: xr.Dataset,
    structure: CrystalStructure,
    instrument: Instrument,
    *,
    certified_cell: bool = False,
    texture: tuple[int, int, int] | None = None,
    two_theta_range: tuple[float, float] | None = None,
    exclude: tuple[tuple[float, float], ...] = (),
    background_terms: int = 6,
    options: NativeOptions | None = None,
) -> tuple[Instrument, RefinementResult]:
    """Fit U, V, W, X, Y and axial divergence to a standard's pattern.

    Parameters
    ----------
    pattern : xarray.Dataset
        Powder pattern of the standard (:mod:`structkit.schema`).
    structure : CrystalStructure
        Its structure; line widths are taken to be the instrument's alone.
    instrument : Instrument
        Radiation, monochromator, and a start for the resolution.
    certified_cell : bool
        Keep the cell fixed at the structure's (then the shift is meaningful).
    texture : tuple of int, optional
        March-Dollase axis, for standards pressed into a holder.
    two_theta_range, exclude : optional
        Limits and gaps, **degree**.
    background_terms : int
        Chebyshev terms.
    options : NativeOptions, optional
        Means of the native engine, in which the calibration is made and used.

    Returns
    -------
    Instrument
        With the fitted resolution, ``calibrated=True``.
    RefinementResult
        The fit, for plots and R-factors.

    Raises
    ------
    FitError
        When the fit does not converge.

    Notes
    -----
    A standard that is itself broadened makes all later sizes too large: use one of
    certified, large crystallites (SRM 640, 660, 676).
    """
    means = options or NativeOptions()
    phase = Phase(
        structure=structure,
        refine_cell=not certified_cell,
        refine_size=False,
        refine_strain=False,
        size=_FIXED_SIZE,
        microstrain=_FIXED_STRAIN,
        texture=texture,
    )
    plan = RefinementPlan(
        phases=(phase,),
        instrument=instrument,
        two_theta_range=two_theta_range,
        exclude=exclude,
        background_terms=background_terms,
        halo=True,
        stages=_STAGES,
    )
    fit = fit_resolution(pattern, plan, means)
    result = summarize(fit, replace(means, systematics=False), engine="native")
    if result.status is FitStatus.FAILED:
        raise FitError(f"calibration on {structure.name!r} failed: {result.reason}")
    return _fitted_instrument(fit, structure.name), result


def fit_resolution(
    pattern: xr.Dataset, plan: RefinementPlan, options: NativeOptions
) -> Fit:
    """Fit a plan with the instrument's resolution free too.

    Axial divergence and shift are strongly correlated and have false minima, so the
    fit starts from several divergences, the plan's own among them; the best is kept.
    """
    starts = (plan.instrument.axial_divergence, *_AXIAL_STARTS)
    fits = [_fit_from(pattern, plan, options, axial) for axial in starts]
    return min(fits, key=lambda fit: fit.minimum.total)


def _fit_from(
    pattern: xr.Dataset, plan: RefinementPlan, options: NativeOptions, axial: float
) -> Fit:
    instrument = replace(plan.instrument, axial_divergence=axial)
    plan = replace(plan, instrument=instrument)
    prepared = prepare(pattern, plan, options, calibrate=True)
    layout = prepared.model.layout
    start = start_values(layout, plan, options)
    restraints = make_restraints(layout, plan, options)
    return run_stages(prepared, start, restraints, plan.stages, options)


def _fitted_instrument(fit: Fit, name: str) -> Instrument:
    layout = fit.prepared.model.layout
    values = fit.minimum.found.values
    u, v, w, x, y, axial = (float(value) for value in values[-6:])
    covariance = estimate_covariance(fit)
    esd = np.sqrt(np.diag(covariance.nonlinear))[-6:]
    texts = [
        f"{kind} = {value:.5g} +- {error:.1g}"
        for kind, value, error in zip(layout.kinds[-6:], values[-6:], esd, strict=True)
    ]
    return replace(
        fit.prepared.model.plan.instrument,
        u=u,
        v=v,
        w=w,
        x=x,
        y=y,
        axial_divergence=axial,
        calibrated=True,
        source=f"fitted to {name}: " + ", ".join(texts),
    )
