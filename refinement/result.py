"""What a refinement returns, the same from every engine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from structkit.schema import COMPONENT, PHASE, FitStatus

EXCLUSIVE_CAUSES = ("background", "particle_size")
"""Causes of a systematic uncertainty whose variants exclude each other."""
SCALE_VARIANT = "scale_variant"
"""Dimension of ``scale_variants``: admissible choices, the fit itself first; their
``scale_variant_cause`` is a coordinate along it."""
CELL_KEYS = ("a", "b", "c", "alpha", "beta", "gamma")

MEASURED_CURVE = "measured_curve"
"""Curve of each measured component, over ``measured_component`` and ``two_theta``."""

VARIABLES: dict[str, tuple[str, str]] = {
    "weight_fraction_crystalline": ("1", "weight fraction of the crystalline part"),
    "weight_fraction_crystalline_systematic": ("1", "its systematic uncertainty"),
    "systematic_background": ("1", "systematic from the background"),
    "systematic_b": ("1", "systematic from displacement parameters"),
    "systematic_texture": ("1", "systematic from preferred orientation"),
    "systematic_particle_size": ("1", "systematic from microabsorption"),
    "systematic_film": ("1", "systematic from the film's thickness"),
    "systematic_profile": ("1", "systematic from the line shape"),
    "scale_variants": ("1", "scale under other admissible choices"),
    "scale_systematic": ("1", "systematic uncertainty of the scale"),
    "detection_limit": ("1", "detection limit (weight fraction, 95 %)"),
    "upper_limit": ("1", "upper limit (weight fraction, 95 %)"),
    "scale": ("1", "mass-proportional scale"),
    "absorption_factor": ("1", "Brindley factor"),
    "size_nm": ("nm", "crystallite size"),
    "microstrain": ("1", "microstrain"),
    "march_dollase": ("1", "March-Dollase r"),
    "b_overall": ("angstrom2", "overall B"),
    "component_amount": ("1", "factor on a measured component's pattern"),
    "component_shift": ("degree", "shift of a measured component"),
    "component_crystalline": ("1", "whether a measured component is crystalline"),
    "component_background": ("1", "whether a measured component is background"),
    "r_wp": ("1", "weighted profile R"),
    "r_p": ("1", "profile R"),
    "r_exp": ("1", "expected R"),
    "gof": ("1", "goodness of fit"),
    "durbin_watson": ("1", "Durbin-Watson d"),
    "displacement": ("degree", "sample displacement (times cos theta)"),
    "zero": ("degree", "zero shift"),
    "film_thickness": ("um", "thickness of the film over the sample"),
    "esd_reliable": ("1", "whether esds, GOF and detection limits can be trusted"),
    "seconds": ("s", "wall time of the refinement"),
}
"""Units and long names of a result's variables; ``_std`` follow their parents."""
VARIABLES |= {
    f"cell_{key}": ("angstrom" if key in "abc" else "degree", f"cell {key}")
    for key in CELL_KEYS
}


def attributes(name: str) -> dict[str, str]:
    """Return units and long name of a result's variable."""
    units, long_name = VARIABLES[name.removesuffix("_std")]
    if name.endswith("_std"):
        long_name = f"standard uncertainty of {long_name}"
    return {"units": units, "long_name": long_name}


def phase_variable(name: str, values: NDArray[np.float64]) -> xr.Variable:
    """Return a labelled variable over ``phase``."""
    return xr.Variable((PHASE,), values, attributes(name))


def scalar(name: str, value: float) -> xr.Variable:
    """Return a labelled scalar variable."""
    return xr.Variable((), value, attributes(name))


def _curves(tree: xr.DataTree) -> xr.Dataset:
    """Return the curves with the phases' names, which a tree keeps at its root only."""
    curves = tree.children["curves"].to_dataset(inherit=False)
    for dim in (PHASE, COMPONENT):
        if dim in curves.dims and dim not in curves.coords:
            curves = curves.assign_coords({dim: tree[dim].variable})
    return curves


@dataclass(frozen=True, slots=True, kw_only=True)
class RefinementResult:
    """One refined pattern.

    ``parameters`` holds for each ``phase`` the variables of
    :data:`refinement.result.VARIABLES` with their ``_std`` where known, the scalars
    ``r_wp``, ``r_p``, ``r_exp``, ``gof``, ``durbin_watson``, ``displacement`` or
    ``zero``, and the engine's own vector: ``values`` (with ``parameter_name``),
    ``covariance`` of the ``varied`` ones, ``scale_covariance``. Where the plan has
    measured components, over ``measured_component``: ``component_amount`` (factor on
    the pattern), ``component_shift`` (degree, times cos theta where the sample is
    displaced), both with ``_std``, ``component_crystalline``,
    ``component_background``; ``component_covariance`` of the phases' scales and the
    components' amounts together, over ``constituent``, and ``height_covariance``,
    ``height_amount_covariance`` of the phases' largest heights with themselves and
    with those.

    ``curves`` (dims ``two_theta``, ``phase``): ``observed``, ``observed_std``,
    ``calculated``, ``background`` (polynomial, humps, blank), ``halo`` (amorphous
    area), ``component`` (phase, two_theta), and ``measured_curve``
    (measured_component, two_theta), which is in none of the others but
    ``calculated``. ``reflections`` (dim ``reflection``):
    ``two_theta_hkl``, ``h``, ``k``, ``l``, ``phase_index``.
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
            key.removeprefix("recipe_"): str(attrs.pop(key))
            for key in list(attrs)
            if key.startswith("recipe_")
        }
        engine, status = str(attrs.pop("engine")), FitStatus(attrs.pop("status"))
        reason = str(attrs.pop("reason"))
        bare = parameters.copy()
        bare.attrs = attrs
        return cls(
            engine=engine,
            status=status,
            reason=reason,
            parameters=bare,
            curves=_curves(tree),
            reflections=tree.children["reflections"].to_dataset(inherit=False),
            recipe=recipe,
        )

    @classmethod
    def failure(
        cls, engine: str, reason: str, phases: tuple[str, ...]
    ) -> RefinementResult:
        """Return a result without numbers, for a pattern that could not be fitted."""
        return cls(
            engine=engine,
            status=FitStatus.FAILED,
            reason=reason,
            parameters=xr.Dataset(coords={PHASE: list(phases)}),
            curves=xr.Dataset(),
            reflections=xr.Dataset(),
            recipe={},
        )
