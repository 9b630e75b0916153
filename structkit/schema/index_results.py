"""The combined amorphization index, a :class:`xarray.DataTree`: ``index.nc``.

``/``, over ``sample``, ``index`` (``AI_X``, ``AI_pool``, ``AI_lat``) and ``variant``
(``struct``, ``all``, ``without_<technique>``); all shares without unit:

======================  ======================  =====================================
name                    dims                    meaning
======================  ======================  =====================================
``milling_time``        sample                  ``h``, a coordinate; ``role``: text
``value``, ``low``,     sample, index, variant  share without long-range order, 95 %
``high``                                        limits; NaN where there is none
``modalities``          sample, index, variant  techniques in it, text
``headline``            sample, index, variant  1: the number to lead with
``reason``              sample, index, variant  why there is none, or what it rests on
``conflict``            sample                  in words; empty: none
``overlap``             sample                  Jensen-Shannon divergence of the scores
``heterogeneity_p``     sample                  p of their scatter
======================  ======================  =====================================

``/scores``, over ``sample`` and ``modality``: ``score``, ``score_std`` (not held within
0..1), ``score_covariance`` (modality, sample, sample_), ``score_low``, ``score_high``
(bounds where a technique gives no value), ``remark``; ``structural`` (modality).

``/agreement``, over ``modality``: ``difference``, ``difference_std``, ``p_value`` of
each against the others along the series.

``/weighted``, over ``sample``, where the analyst gave weights: ``value``, ``low``,
``high`` (95 %), ``least``, ``most`` (over all weights); and over ``mix`` the table of
the sensitivity plot: ``weight`` (mix, modality), ``share`` (sample, mix).

attrs of ``/``: ``calibration``, ``remarks``, ``spread`` (factor by which disagreement
widened ``struct``), ``name``, ``source_file``, ``source_sha256``, ``software``.
"""

from __future__ import annotations

import xarray as xr

from structkit.errors import SchemaError
from structkit.schema.names import MILLING_TIME, SAMPLE
from structkit.schema.nodes import check_node

INDEX, VARIANT, MODALITY = "index", "variant", "modality"
OTHER_SAMPLE = "sample_"
MIX = "mix"
SCORES_NODE, AGREEMENT_NODE, WEIGHTED_NODE = "scores", "agreement", "weighted"
INDICES = ("AI_X", "AI_pool", "AI_lat")

_CELL = (SAMPLE, INDEX, VARIANT)
_ROOT = {
    "value": _CELL,
    "low": _CELL,
    "high": _CELL,
    "modalities": _CELL,
    "headline": _CELL,
    "reason": _CELL,
    "conflict": (SAMPLE,),
    "overlap": (SAMPLE,),
    "heterogeneity_p": (SAMPLE,),
}
_SCORES = {
    "score": (SAMPLE, MODALITY),
    "score_std": (SAMPLE, MODALITY),
    "score_covariance": (MODALITY, SAMPLE, OTHER_SAMPLE),
    "score_low": (SAMPLE, MODALITY),
    "score_high": (SAMPLE, MODALITY),
    "remark": (SAMPLE, MODALITY),
    "structural": (MODALITY,),
}
_AGREEMENT = {
    "difference": (MODALITY,),
    "difference_std": (MODALITY,),
    "p_value": (MODALITY,),
}


def validate_index(tree: xr.DataTree) -> None:
    """Check that ``tree`` holds an index as the module docstring says.

    Raises
    ------
    SchemaError
        Names node and variable at fault, and what is wrong with it.
    """
    root = tree.to_dataset(inherit=False)
    check_node(root, _ROOT, "/")
    if MILLING_TIME not in root.coords:
        raise SchemaError(f"/: no coordinate {MILLING_TIME!r} over the samples")
    for name, needed in ((SCORES_NODE, _SCORES), (AGREEMENT_NODE, _AGREEMENT)):
        if name not in tree.children:
            raise SchemaError(f"/: no node {name!r}")
        check_node(tree.children[name].to_dataset(inherit=False), needed, f"/{name}")
    for name in ("low", "high", "value"):
        outside = (root[name] < 0.0) | (root[name] > 1.0)
        if bool(outside.any()):
            raise SchemaError(f"/ {name}: a share outside 0..1")
