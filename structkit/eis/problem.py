"""One circuit and one spectrum as arrays, and the way to their least squares."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import xarray as xr

from structkit.eis.circuits import Circuit
from structkit.eis.elements import Complexes, Floats, Grid, make_grid
from structkit.eis.fit_result import Bools, FitOptions, ImpedanceFit
from structkit.eis.solve import Evaluate, Minimum, minimise
from structkit.eis.start import find_starts, order_arcs
from structkit.errors import FitError, PlanError
from structkit.schema import FitStatus
from structkit.schema.names import FREQUENCY, IMPEDANCE, IMPEDANCE_STD, MASKED

_NO_EFFECT = 0.1
"""Square of a parameter's effect over the noise below which it is not determined:
its logarithm would be known to no better than 3, a factor of 20."""
_LOOSE = 1.0
"""Standard uncertainty of a logarithm that makes a fit doubtful."""
_POOR = 0.05
"""Residuals, relative to |Z|, above which a circuit is not that of the sample."""
_FIRST_STEPS = 12
"""Steps of each start before the best go on."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Problem:
    """Arrays of one fit."""

    circuit: Circuit
    options: FitOptions
    weighting: Literal["modulus", "std"]
    frequency: Floats
    impedance: Complexes
    used: Bools
    sigma: Floats
    grid: Grid
    """Of the points used."""
    limits: tuple[Floats, Floats]

    @classmethod
    def of(cls, spectrum: xr.Dataset, circuit: Circuit, options: FitOptions) -> Problem:
        """Return the problem of one spectrum."""
        frequency = np.asarray(spectrum[FREQUENCY].to_numpy(), dtype=float)
        impedance = np.asarray(spectrum[IMPEDANCE].to_numpy(), dtype=complex)
        low, high = options.frequency_range
        used = (frequency >= low) & (frequency <= high)
        if MASKED in spectrum:
            used &= spectrum[MASKED].to_numpy() == 0
        if 2 * int(used.sum()) <= len(circuit.names):
            raise FitError(
                f"{int(used.sum())} points with weight for {len(circuit.names)} "
                f"parameters of {circuit}; widen the range or use a simpler circuit"
            )
        weighting = _choose_weighting(spectrum, options)
        sigma = np.abs(impedance)
        if weighting == "std":
            sigma = np.asarray(spectrum[IMPEDANCE_STD].to_numpy(), dtype=float)
        elif np.any(sigma[used] == 0.0):
            raise FitError("impedance is 0 at a point; mask it for modulus weights")
        limits = circuit.log_low, circuit.log_high
        for name, value in options.held.items():
            place = circuit.place(name)
            limits[0][place] = limits[1][place] = np.log(value)
        return cls(
            circuit=circuit,
            options=options,
            weighting=weighting,
            frequency=frequency,
            impedance=impedance,
            used=used,
            sigma=sigma,
            grid=make_grid(frequency[used]),
            limits=limits,
        )

    def evaluator(self) -> Evaluate:
        """Return the function of logarithms that gives residuals and slopes."""
        weight = 1.0 / self.sigma[self.used]
        measured = self.impedance[self.used]
        circuit, grid = self.circuit, self.grid

        def evaluate(log_values: Floats) -> tuple[Floats, Floats]:
            with np.errstate(all="ignore"):  # such a step is not taken
                impedance, slopes = circuit.differentiate(grid, np.exp(log_values))
            residual: Complexes = (impedance - measured) * weight
            slopes *= weight
            return residual.view(float), slopes.view(float)

        return evaluate

    def improve(self, start: Floats, *, max_steps: int | None = None) -> Minimum:
        """Return the minimum from one start."""
        steps = self.options.max_steps if max_steps is None else max_steps
        return minimise(self.evaluator(), start, self.limits, max_steps=steps)

    def search(self) -> Minimum:
        """Return the best minimum from starts that the data give."""
        data = self.impedance[self.used], 1.0 / self.sigma[self.used]
        starts = find_starts(self.circuit, self.grid, data, count=self.options.starts)
        begun = [self.improve(one, max_steps=_FIRST_STEPS) for one in starts]
        begun.sort(key=lambda one: one.chi_square)
        ended = [
            one if one.converged else self.improve(one.parameters) for one in begun[:2]
        ]
        return min(ended, key=lambda one: one.chi_square)

    def finish(self, minimum: Minimum) -> ImpedanceFit:
        """Return the fit of a minimum: arcs in order, covariance, verdict."""
        order = np.arange(minimum.parameters.size)
        if not self.options.held:
            order = order_arcs(self.circuit, minimum.parameters)
        log_values = minimum.parameters[order]
        slopes = minimum.slopes[order]
        low, high = self.limits
        room = 1e-9 * (high - low)
        pinned = (log_values <= low + room) | (log_values >= high - room)
        freedom = max(minimum.residual.size - int(np.sum(~pinned)), 1)
        scale = minimum.chi_square / freedom
        if self.weighting == "std":
            scale = max(scale, 1.0)
        scale = max(scale, np.finfo(float).tiny)
        effect = np.einsum("ij,ij->i", slopes, slopes) / scale
        silent = ~pinned & (effect < _NO_EFFECT)
        covariance, condition = _covariance(slopes, scale, ~pinned & ~silent)
        names = np.array(self.circuit.names)
        held = np.isin(names, list(self.options.held))
        fit = ImpedanceFit(
            circuit=self.circuit,
            log_values=log_values,
            log_covariance=covariance,
            status=FitStatus.CONVERGED,
            chi_square=minimum.chi_square,
            weighting=self.weighting,
            condition_number=condition,
            undetermined=tuple(str(one) for one in names[silent]),
            at_limit=tuple(str(one) for one in names[pinned & ~held]),
            frequency=self.frequency,
            impedance=self.impedance,
            used=self.used,
            sigma=self.sigma,
            steps=minimum.steps,
        )
        return _judge(fit, converged=minimum.converged)


def _choose_weighting(
    spectrum: xr.Dataset, options: FitOptions
) -> Literal["modulus", "std"]:
    given = IMPEDANCE_STD in spectrum
    if options.weighting == "std" and not given:
        raise PlanError(
            "weighting 'std' needs impedance_std in the spectrum; use 'modulus'"
        )
    if options.weighting == "modulus" or not given:
        return "modulus"
    return "std"


def _covariance(slopes: Floats, scale: float, free: Bools) -> tuple[Floats, float]:
    """Return the covariance of the logarithms and the condition of the slopes."""
    covariance = np.full((free.size, free.size), np.nan)
    if not free.any():
        return covariance, np.nan
    part = slopes[free]
    length = np.sqrt(np.einsum("ij,ij->i", part, part))
    _, singular, right = np.linalg.svd((part / length[:, None]).T, full_matrices=False)
    singular = np.maximum(singular, np.finfo(float).eps * singular[0])
    root = right / singular[:, None] / length
    covariance[np.ix_(free, free)] = scale * (root.T @ root)
    return covariance, float(singular[0] / singular[-1])


def _judge(fit: ImpedanceFit, *, converged: bool) -> ImpedanceFit:
    """Return the fit with its status and reason."""
    if not np.isfinite(fit.chi_square):
        return replace(fit, status=FitStatus.FAILED, reason="no start can be computed")
    if not converged:
        reason = f"no minimum within {fit.steps} steps"
        return replace(fit, status=FitStatus.NOT_CONVERGED, reason=reason)
    doubts = []
    if fit.relative_residual > _POOR:
        share = 100.0 * fit.relative_residual
        doubts.append(f"residuals are {share:.2g} % of |Z|: not this circuit")
    # An exponent that ends at 1 is a capacitor, which is nothing to doubt.
    limits = [n for n in fit.at_limit if not (n[0] == "n" and fit.value(n) > 0.9)]
    if limits:
        doubts.append(f"{', '.join(limits)} at a limit")
    if fit.undetermined:
        doubts.append(f"{', '.join(fit.undetermined)} without effect above the noise")
    spread = np.sqrt(fit.log_covariance.diagonal())
    loose = [n for n, one in zip(fit.names, spread, strict=True) if one > _LOOSE]
    if loose:
        doubts.append(f"{', '.join(loose)} known to no better than a factor of 3")
    if doubts:
        return replace(fit, status=FitStatus.DOUBTFUL, reason="; ".join(doubts))
    return fit
