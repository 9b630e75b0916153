"""What a refinement returns, the same from every engine."""

from __future__ import annotations

from dataclasses import dataclass

import xarray as xr

from structkit.schema import FitStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class RefinementResult:
    """One refined pattern.

    ``parameters`` (dims ``phase``; scalars ``r_wp``, ``r_exp``, ``gof``,
    ``durbin_watson``, ``displacement``, ``zero``, ``seconds``, ...): for each phase
    ``weight_fraction_crystalline``, ``scale``, ``size_nm``, ``microstrain``,
    ``cell_a`` ... ``cell_gamma``, ``march_dollase``, ``b_overall``,
    ``detection_limit``, each with its ``_std`` where known; also ``parameter`` x
    ``parameter_`` ``covariance`` of the varied parameters.

    ``curves`` (dims ``two_theta``, ``phase``): ``observed``, ``observed_std``,
    ``calculated``, ``background`` (polynomial, humps, blank), ``halo`` (amorphous
    area), ``component`` (phase, two_theta). Reflections stand in ``reflections``
    (dims ``reflection``): ``two_theta_hkl``, ``h``, ``k``, ``l``, ``phase_index``.
    """

    engine: str
    """Engine that made it, with its version."""
    status: FitStatus
    """How the fit ended."""
    reason: str
    """Why, when it is not simply converged; else empty."""
    parameters: xr.Dataset
    """Refined numbers."""
    curves: xr.Dataset
    """Observed and calculated curves."""
    reflections: xr.Dataset
    """Reflection positions."""
    recipe: dict[str, str]
    """What the engine did: background columns, priors, fallbacks, in words."""

    def to_datatree(self) -> xr.DataTree:
        """Return the result as a tree that ``structkit.store`` writes."""
        root = self.parameters.assign_attrs(
            engine=self.engine,
            status=self.status.value,
            reason=self.reason,
            **{f"recipe_{key}": value for key, value in self.recipe.items()},
        )
        return xr.DataTree.from_dict(
            {"/": root, "/curves": self.curves, "/reflections": self.reflections}
        )

    @classmethod
    def from_datatree(cls, tree: xr.DataTree) -> RefinementResult:
        """Return the result that :meth:`to_datatree` stored."""
        parameters = tree.to_dataset(inherit=False)
        attrs = dict(parameters.attrs)
        recipe = {
            key.removeprefix("recipe_"): str(value)
            for key, value in attrs.items()
            if key.startswith("recipe_")
        }
        kept = {k: v for k, v in attrs.items() if not k.startswith("recipe_")}
        for key in ("engine", "status", "reason"):
            kept.pop(key, None)
        return cls(
            engine=str(attrs["engine"]),
            status=FitStatus(attrs["status"]),
            reason=str(attrs["reason"]),
            parameters=parameters.assign_attrs(kept).drop_attrs(deep=False)
            if not kept
            else parameters.assign_attrs(kept),
            curves=tree["curves"].to_dataset(inherit=False),
            reflections=tree["reflections"].to_dataset(inherit=False),
            recipe=recipe,
        )
