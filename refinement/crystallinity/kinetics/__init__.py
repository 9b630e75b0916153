"""How fast milling destroys the crystals: C(t), its rate and its half-life.

``curves`` holds the closed forms, ``observations`` the data with their non-detects,
``models`` what may be fitted, ``likelihood`` the search and the profiles,
``estimates`` the intervals, ``fit`` one model with its verdict, ``series`` the
labelled layer, ``dose`` the axis of energy per gram. A rate is only as good as the C it
is fitted to: what "crystalline" means there is said in :mod:`refinement.crystallinity`.
"""

from refinement.crystallinity.kinetics.dose import Mill, milling_dose
from refinement.crystallinity.kinetics.fit import ModelFit, fit_model
from refinement.crystallinity.kinetics.observations import Observations
from refinement.crystallinity.kinetics.series import (
    fit_consecutive,
    fit_kinetics,
    kinetics_table,
)

__all__ = [
    "Mill",
    "ModelFit",
    "Observations",
    "fit_consecutive",
    "fit_kinetics",
    "fit_model",
    "kinetics_table",
    "milling_dose",
]
