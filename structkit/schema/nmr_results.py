"""Fitted NMR spectra of a series, a :class:`xarray.DataTree`: ``nmr.nc``.

``/``, over ``sample``, ``site`` and ``quantity``; NaN where there is none:

============================  ================== ===================================
name                          dims               meaning
============================  ================== ===================================
``milling_time`` (coord)      sample             ``h``; NaN where it does not apply
``role``, ``status``,         sample             text; ``reason``: why not well, or
``reason``                                       why there is no line fit
``temperature``               sample             ``K``, of the spectrum
``larmor_frequency``          sample             ``MHz``
``recycle_delay``             sample             ``s``
``na_per_ta``                 sample             ``1``, as weighed
``shift``, ``fwhm``,          sample, site       ``ppm``, ``Hz``, ``1``, intensity
``lorentzian_share``,                            times ``ppm``, ``1``; each with
``area``, ``population``                         ``_std``
``lifetime_width``            sample, site       ``Hz``: ``1/(pi T1)``
``lorentzian_rest``,          sample, site       ``Hz``: what of the width that leaves
``gaussian_rest``
``t1``, ``t1_std``            sample, site       ``s``: what was used for it
``trades_with``               sample, site       text: sites known as a sum only
``composition_value``,        sample, quantity   1 sigma, 95 % limits, text
``_std``, ``_low``,
``_high``, ``_remark``
``remark_text``, ``_sample``, remark             what is to be known of the data
``_file``
============================  ================== ===================================

``/<sample>/lines``, over ``chemical_shift`` and ``own_site`` (the sample's):
``intensity``, ``baseline``, ``residual``, ``line`` (own_site, chemical_shift), and the
numbers of the fit (:func:`structkit.nmr.line_results.tabulate_lines`) with their
covariances.

``/<sample>/t1/<n>``, one recovery, over ``delay``, ``curve_delay``, ``own_site`` and
``law``:

============================  ===================== ================================
``area``                      own_site, delay       with ``area_std`` (own_site)
``curve``                     own_site, curve_delay the chosen law
``t1``, ``t1_std``,           own_site, law         ``s``, 95 % limits
``t1_low``, ``t1_high``
``inversion_factor``          own_site, law         with ``_std``
``law_shape``                 own_site, law         beta, or ratio of rates; ``_std``
``delta_aicc``                own_site, law         less that of the best
``chosen``                    own_site, law         1 for the law whose T1 is told
``fit_status``,               own_site, law         text
``fit_reason``
``law_remark``                own_site              text
``temperature``               ()                    ``K``; NaN: unknown
============================  ===================== ================================

``/<sample>/relaxation``, over ``own_site``, ``point``, ``curve_point``:
``temperature``, ``t1``, ``t1_std`` (own_site, point), ``curve_temperature``, ``curve``
(own_site, curve_point) and, over ``own_site``, ``activation_energy`` (``eV``),
``coupling`` (``Hz``), ``log_attempt_time`` with ``_std``, limits ``_low``, ``_high`` of
the first two, ``coupling_bound`` (``Hz``), ``minimum_temperature`` (``K``), ``side``,
``status``, ``reason``.

attrs of ``/``: ``name``, ``axis``, ``nucleus``, ``source_file``, ``source_sha256``,
``software``.
"""

from __future__ import annotations

import xarray as xr

from structkit.errors import SchemaError
from structkit.schema.names import CHEMICAL_SHIFT, DELAY, MILLING_TIME, SAMPLE, SITE
from structkit.schema.nodes import check_node

QUANTITY = "quantity"
LAW = "law"
CURVE_DELAY = "curve_delay"
POINT = "point"
CURVE_POINT = "curve_point"
LINES_NODE = "lines"
T1_NODE = "t1"
RELAXATION_NODE = "relaxation"

OWN_SITE = "own_site"
"""Sites below a sample: a tree holds one set of labels for a name, the root's."""

_ROOT = {
    "status": (SAMPLE,),
    "reason": (SAMPLE,),
    "role": (SAMPLE,),
    "temperature": (SAMPLE,),
    "recycle_delay": (SAMPLE,),
    "na_per_ta": (SAMPLE,),
    "shift": (SAMPLE, SITE),
    "fwhm": (SAMPLE, SITE),
    "lorentzian_share": (SAMPLE, SITE),
    "area": (SAMPLE, SITE),
    "area_std": (SAMPLE, SITE),
    "population": (SAMPLE, SITE),
    "lifetime_width": (SAMPLE, SITE),
    "t1": (SAMPLE, SITE),
    "composition_value": (SAMPLE, QUANTITY),
    "composition_std": (SAMPLE, QUANTITY),
    "composition_low": (SAMPLE, QUANTITY),
    "composition_high": (SAMPLE, QUANTITY),
    "composition_remark": (SAMPLE, QUANTITY),
}
_LINES = {
    "intensity": (CHEMICAL_SHIFT,),
    "baseline": (CHEMICAL_SHIFT,),
    "residual": (CHEMICAL_SHIFT,),
    "line": (OWN_SITE, CHEMICAL_SHIFT),
    "area_covariance": (OWN_SITE, "other_site"),
}
_T1 = {
    "area": (OWN_SITE, DELAY),
    "area_std": (OWN_SITE,),
    "curve": (OWN_SITE, CURVE_DELAY),
    "t1": (OWN_SITE, LAW),
    "t1_std": (OWN_SITE, LAW),
    "delta_aicc": (OWN_SITE, LAW),
    "chosen": (OWN_SITE, LAW),
    "temperature": (),
}
_RELAXATION = {
    "temperature": (OWN_SITE, POINT),
    "t1": (OWN_SITE, POINT),
    "curve_temperature": (OWN_SITE, CURVE_POINT),
    "curve": (OWN_SITE, CURVE_POINT),
    "activation_energy": (OWN_SITE,),
    "coupling": (OWN_SITE,),
    "status": (OWN_SITE,),
}


def validate_nmr_results(tree: xr.DataTree) -> None:
    """Check that ``tree`` holds NMR results as the module docstring says.

    Raises
    ------
    SchemaError
        Names node and variable at fault, and what is wrong with it.
    """
    root = tree.to_dataset(inherit=False)
    check_node(root, _ROOT, "/")
    if MILLING_TIME not in root.coords:
        raise SchemaError(f"/: no coordinate {MILLING_TIME!r} over the samples")
    for name, node in tree.children.items():
        for kind, needed in ((LINES_NODE, _LINES), (RELAXATION_NODE, _RELAXATION)):
            if kind in node.children:
                found = node.children[kind].to_dataset(inherit=False)
                check_node(found, needed, f"/{name}/{kind}")
        if T1_NODE in node.children:
            for number, each in node.children[T1_NODE].children.items():
                where = f"/{name}/{T1_NODE}/{number}"
                check_node(each.to_dataset(inherit=False), _T1, where)
