"""Fitted Raman spectra of a series, a :class:`xarray.DataTree`: ``raman.nc``.

``/``, over ``sample``, ``metric`` and ``hypothesis``:

============================  ================== ===================================
name                          dims               meaning
============================  ================== ===================================
``milling_time`` (coord)      sample             ``h``; NaN where it does not apply
``role``, ``status``,         sample             text; ``reason``: why not well, or
``reason``, ``rivals``                           why there is no fit
``n_spots``                   sample             spots fitted
``metric_value``, ``_std``,   sample, metric     value, 1 sigma, 95 % limits
``_low``, ``_high``
``metric_resolved``           sample, metric     1 where the data determine it
``metric_remark``             sample, metric     text
``delta_bic``,                sample, hypothesis BIC less that of the best reading
``n_parameters``
``discriminating_bands``      sample, hypothesis text
``remark_text``, ``_sample``, remark             what is to be known of the data
``_file``
============================  ================== ===================================

``/<sample>/bands``, over ``spot``, ``band``, ``column`` and ``column_`` (a column is
what has an area of its own in the fit: a band, a tie of bands, a template):

============================  ================== ===================================
``kind``                      band               ``band``, ``template``, ``sum``
``species``, ``member_of``,   band               text; ``member_of``: its column
``status``, ``status_reason``
``centre``, ``fwhm``          band               ``cm-1``, each with ``_std``
``lorentz``                   band               Lorentzian share, with ``_std``
``skew``                      band               share of the width above the centre
                                                 less that below; ``_std`` 0: held
``delta_bic``                 band               BIC with it less BIC without
``area``                      spot, band         intensity times ``cm-1``; ``_std``
``correlation``               column, column_    of areas summed over the spots
``chi_square``, ``r_factor``  spot               reduced; weighted residual over data
``axis_shift``                spot               ``cm-1``, with ``_std``
``smoothness``, ``condition`` ()                 of the baseline; of the fit
============================  ================== ===================================

``/<sample>/spectra/<n>``, the spots of one axis over ``spot``, ``raman_shift`` and
``column``: ``intensity``, ``intensity_std``, ``baseline``, ``component`` (spot,
column, raman_shift), ``residual`` (over sigma), ``masked``. A plot needs no more.

A ``sum`` is a row for bands whose areas are not known apart: do not add it to theirs.
attrs of ``/``: ``name``, ``axis``, ``reduction`` (results of different ones are never
compared), ``together``, ``source_file``, ``source_sha256``, ``software``.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from structkit.errors import SchemaError
from structkit.schema.names import BAND, METRIC, MILLING_TIME, RAMAN_SHIFT, SAMPLE, SPOT
from structkit.schema.nodes import check_node

HYPOTHESIS = "hypothesis"
COLUMN = "column"
OTHER_COLUMN = "column_"
REMARK = "remark"
BANDS_NODE = "bands"
SPECTRA_NODE = "spectra"

_ROOT = {
    "status": (SAMPLE,),
    "reason": (SAMPLE,),
    "n_spots": (SAMPLE,),
    "metric_value": (SAMPLE, METRIC),
    "metric_value_std": (SAMPLE, METRIC),
    "metric_low": (SAMPLE, METRIC),
    "metric_high": (SAMPLE, METRIC),
    "metric_resolved": (SAMPLE, METRIC),
    "metric_remark": (SAMPLE, METRIC),
    "delta_bic": (SAMPLE, HYPOTHESIS),
    "n_parameters": (SAMPLE, HYPOTHESIS),
    "discriminating_bands": (SAMPLE, HYPOTHESIS),
}
_BANDS = {
    "species": (BAND,),
    "kind": (BAND,),
    "status": (BAND,),
    "status_reason": (BAND,),
    "centre": (BAND,),
    "centre_std": (BAND,),
    "fwhm": (BAND,),
    "fwhm_std": (BAND,),
    "area": (SPOT, BAND),
    "area_std": (SPOT, BAND),
    "correlation": (COLUMN, OTHER_COLUMN),
}
_SPECTRA = {
    "intensity": (SPOT, RAMAN_SHIFT),
    "baseline": (SPOT, RAMAN_SHIFT),
    "component": (SPOT, COLUMN, RAMAN_SHIFT),
    "residual": (SPOT, RAMAN_SHIFT),
}


def validate_raman_results(tree: xr.DataTree) -> None:
    """Check that ``tree`` holds Raman results as the module docstring says.

    Raises
    ------
    SchemaError
        Names node and variable at fault, and what is wrong with it.
    """
    root = tree.to_dataset(inherit=False)
    _check_root(root)
    if MILLING_TIME not in root.coords:
        raise SchemaError(f"/: no coordinate {MILLING_TIME!r} over the samples")
    fitted = {str(name) for name in root[SAMPLE].to_numpy()[root["n_spots"] > 0]}
    for name in sorted(fitted):
        if name not in tree.children:
            raise SchemaError(f"/{name}: no node, but the sample has a fit")
        node = tree.children[name]
        if BANDS_NODE not in node.children or SPECTRA_NODE not in node.children:
            raise SchemaError(f"/{name}: needs {BANDS_NODE!r} and {SPECTRA_NODE!r}")
        bands = node.children[BANDS_NODE].to_dataset(inherit=False)
        check_node(bands, _BANDS, f"/{name}/{BANDS_NODE}")
        for number, each in node.children[SPECTRA_NODE].children.items():
            where = f"/{name}/{SPECTRA_NODE}/{number}"
            check_node(each.to_dataset(inherit=False), _SPECTRA, where)


def _check_root(root: xr.Dataset) -> None:
    """Check what only the root has."""
    check_node(root, _ROOT, "/")
    if "metric_resolved" in root:
        resolved = root["metric_resolved"].to_numpy() == 1
        if not np.all(np.isfinite(root["metric_value"].to_numpy()[resolved])):
            raise SchemaError("/ metric_value: resolved, but not finite")
