"""The same refinement by rietx: same phases, same free parameters."""

from __future__ import annotations

import math
from importlib.metadata import version
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from benchmarks.cases import Case
from refinement.engines.native.options import NativeOptions
from refinement.plan import RefinementPlan
from structkit.schema import INTENSITY, TWO_THETA
from structkit.uncertainty import intensity_std

Floats = NDArray[np.float64]

_SCALES = ("phases.*.scale", "instrument.background.*")
_POSITIONS = ("instrument.geometry.sample_displacement", "phases.*.cell.*")
_WIDTHS = ("phases.*.lor_size", "phases.*.lor_strain")


class Rietx:
    """rietx set up for a case: scales, cells, size, strain, background, displacement.

    Instrument widths, emission lines and structures are fixed, as in the case's plan;
    sizes and strains start where the native engine starts them.
    """

    def __init__(self, case: Case) -> None:
        import rietx

        self._rietx = rietx
        self._case = case
        self.name = f"rietx {version('rietx')}"

    def refine_cold(self) -> Any:
        """Return the result of three stages and rietx's closing one."""
        return self._refinement().fit(
            _data(self._case.pattern), plan=self._staged(), telemetry=False
        )

    def prepare_warm(self) -> Any:
        """Return a refinement that stands at the neighbour's result."""
        refinement = self._refinement()
        refinement.fit(
            _data(self._case.neighbour()), plan=self._staged(), telemetry=False
        )
        return refinement

    def refine_warm(self, refinement: Any) -> Any:
        """Return the result of one stage with everything free."""
        stages = [self._rietx.Stage("all", [*_SCALES, *_POSITIONS, *_WIDTHS])]
        plan = self._rietx.RefinementPlan(stages=stages, closing_window_tol=None)
        return refinement.fit(_data(self._case.pattern), plan=plan, telemetry=False)

    def _staged(self) -> Any:
        groups = {"scales": _SCALES, "positions": _POSITIONS, "widths": _WIDTHS}
        stages = [self._rietx.Stage(name, list(free)) for name, free in groups.items()]
        return self._rietx.RefinementPlan(stages=stages)

    def _refinement(self) -> Any:
        return self._rietx.Refinement(self._structure(), self._instrument())

    def _structure(self) -> Any:
        """Return the phases of the case, broadened as the native engine starts them."""
        rx, radiation = self._rietx, self._case.plan.instrument.radiation
        priors = NativeOptions().priors
        size, strain = (math.exp(priors[k].start) for k in ("ln_size", "ln_strain"))
        phases = []
        for path in self._case.cifs:
            phase = rx.Structure.from_cif(path).phases[0]
            phase.lor_size.value = math.degrees(0.9 * radiation.wavelength / size)
            phase.lor_strain.value = math.degrees(4.0 * strain)
            phases.append(phase)
        return rx.Structure(phases=phases)

    def _instrument(self) -> Any:
        """Return the plan's instrument in rietx's terms."""
        rx, plan = self._rietx, self._case.plan
        instrument = rx.Instrument.bragg_brentano(radiation="CuKa")
        for name in "uvwxy":
            width = float(getattr(plan.instrument, name))
            getattr(instrument.profile, name).value = width
        for name in ("axial_sl", "axial_hl"):
            divergence = plan.instrument.axial_divergence
            getattr(instrument.geometry, name).value = divergence
        instrument.background = self._background(plan)
        return instrument

    def _background(self, plan: RefinementPlan) -> Any:
        """Return the plan's polynomial, started at a low percentile of the counts."""
        low = float(np.percentile(self._case.pattern[INTENSITY], 5.0))
        values = [low, *[0.0] * (plan.background_terms - 1)]
        coefficients = [self._rietx.Parameter(value=value) for value in values]
        return self._rietx.BackgroundChebyshev(coefficients=coefficients)


def peer_weights(result: Any) -> Floats:
    """Return the weight fractions of a result of rietx."""
    return np.array([phase.weight_fraction for phase in result.qpa.phases])


def _data(pattern: xr.Dataset) -> Any:
    import rietx

    return rietx.PatternData(
        two_theta=pattern[TWO_THETA].to_numpy().tolist(),
        intensity=pattern[INTENSITY].to_numpy().tolist(),
        sigma=intensity_std(pattern).tolist(),
    )
