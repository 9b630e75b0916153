"""Live controls for the assignment of Raman bands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import xarray as xr

from structkit.errors import MissingExtraError
from structkit.raman.library import BandLibrary
from structkit.raman.model import BandModel
from structkit.raman.sample import MetricRules
from structkit.raman.series import RIVALS, SAMPLE_SPECIES

if TYPE_CHECKING:
    from structkit.explore.panel import BandPanel


def explore_bands(
    spectra: xr.Dataset,
    *,
    species: Sequence[str] = SAMPLE_SPECIES,
    rivals: Sequence[str] = RIVALS[:3],
    library: BandLibrary | None = None,
    model: BandModel | None = None,
    rules: MetricRules | None = None,
) -> BandPanel:
    """Return live controls over a band fit, for a notebook.

    Parameters
    ----------
    spectra : xarray.Dataset
        Prepared spectra of one sample; its spots are added up.
    species : sequence of str
        Species whose bands are on at the start.
    rivals : sequence of str
        Species whose bands can be switched on.
    library : BandLibrary, optional
        Default: :func:`structkit.raman.library.load_bands`.
    model : BandModel, optional
        Shape, instrument width and baseline; its bands do not matter.
    rules : MetricRules, optional
        Windows of the metrics.

    Returns
    -------
    BandPanel
        Displays itself; ``panel.exploration`` is the present fit, and every control
        can be set from code, as in ``panel.rows["405"].on.value = False``.

    Raises
    ------
    MissingExtraError
        ipywidgets is not installed.
    SchemaError
        A species is unknown, or has no band within the range.
    """
    try:
        from structkit.explore.panel import BandPanel
    except ImportError as error:
        if (error.name or "").partition(".")[0] != "ipywidgets":
            raise
        raise MissingExtraError(
            "live controls need ipywidgets, which is not installed here; run "
            "pip install 'structkit[notebook]' and start the notebook again"
        ) from error
    return BandPanel(
        spectra,
        species=species,
        rivals=rivals,
        library=library,
        model=model,
        rules=rules,
    )
