"""Fitted impedance spectra of a series, a :class:`xarray.DataTree`: ``eis.nc``.

``/``, over ``sample`` and ``remark``: ``sample_name`` (no coordinate: nodes would
inherit it, and no sample could have the name ``sample``), ``n_spectra``, ``n_fitted``,
``n_runs`` (read); ``remark_text``, ``remark_sample``, ``remark_file``. attrs: ``name``,
``source_file``, ``source_sha256``, ``software``, ``weighting``, ``temperature_std_k``.

Below ``/samples/<sample>``:

``conductivity``: :mod:`structkit.schema.conductivity` over ``measurement``, rows that
failed included (NaN), and over it ``file``, ``number`` (node of its spectrum; 0: none),
``circuit``, ``status``, ``reason``, ``verdict`` (Kramers-Kronig).

``arrhenius/<n>``, one for each history with two temperatures or more:
:func:`structkit.eis.arrhenius.fit_arrhenius`; attrs ``history``, ``convention_remark``.

``spectra/<n>``, one spectrum:

============================  =====================  ===============================
name                          dims                   meaning
============================  =====================  ===============================
``temperature``, ``history``  ()                     coords; ``K``, NaN where unknown
``impedance``                 frequency              measured, less the short cell
``impedance_fit``             frequency              of the circuit; NaN: not fitted
``residual``                  frequency              over the modulus, complex
``kramers_kronig_residual``   frequency              the same of the test
``used``, ``outlier``,        frequency              1 or 0
``inductive_tail``, ``noisy``
``value``, ``value_std``      element                in ``element_units``
``in_band``                   element                0: of an arc outside the band
``log_covariance``            element, element_      of the logarithms of the values
``apex_frequency``, ``_std``  arc                    ``Hz``; the fast first
``capacitance``, ``_std``     arc                    ``F``
``relaxation``, ``_std``      time_constant          ``ohm``; absent: not computed
``relative_residual``         ()                     of each part over the modulus
``noise``                     ()                     the same of the test
============================  =====================  ===============================

attrs: ``circuit``, ``status``, ``reason``, ``verdict``, ``verdict_reason`` and those of
the file.

``retention``, where a sample has two histories or one it was before:
:mod:`structkit.eis.retention`, row for row as ``conductivity``.

``polarization/<n>``, one run: ``current`` over ``time``, ``current_fit``, ``voltage``
where it was measured; and :mod:`structkit.eis.polarization`'s scalars, the steady
current as ``steady_current``, with ``transference``, ``transference_std``,
``total_conductivity``. attrs: ``status``, ``reason``, ``remarks``. A run that could not
be read has no point of time.
"""

from __future__ import annotations

from collections.abc import Mapping

import xarray as xr

from structkit.errors import SchemaError
from structkit.schema.conductivity import (
    CONDUCTIVITY,
    IN_BAND,
    MEASUREMENT,
    REMARK,
    RESISTANCE,
)
from structkit.schema.names import (
    CONTRIBUTION,
    ELEMENT,
    FREQUENCY,
    IMPEDANCE,
    SAMPLE,
    TIME,
)
from structkit.schema.nodes import check_node

SAMPLE_NAME = "sample_name"
SAMPLES_NODE = "samples"
CONDUCTIVITY_NODE = "conductivity"
ARRHENIUS_NODE = "arrhenius"
SPECTRA_NODE = "spectra"
POLARIZATION_NODE = "polarization"
RETENTION_NODE = "retention"

ARC = "arc"
OTHER_ELEMENT = "element_"
ELEMENT_UNITS = "element_units"
FITTED = "impedance_fit"
RESIDUAL = "residual"
KRAMERS_KRONIG = "kramers_kronig_residual"
USED = "used"
VALUE, VALUE_STD = "value", "value_std"
APEX = "apex_frequency"
CAPACITANCE = "capacitance"
NUMBER, FILE, CIRCUIT, VERDICT = "number", "file", "circuit", "verdict"
STEADY_CURRENT = "steady_current"
CURRENT_FIT = "current_fit"
TRANSFERENCE = "transference"
REMARK_ROW = "remark"
AGE = "age"
RETENTION, DECADES_LOST = "retention", "decades_lost"
IS_REFERENCE, REFERENCE = "is_reference", "reference"

_ROOT: Mapping[str, tuple[str, ...]] = {
    SAMPLE_NAME: (SAMPLE,),
    "n_spectra": (SAMPLE,),
    "n_fitted": (SAMPLE,),
    "n_runs": (SAMPLE,),
}
_SPECTRUM: Mapping[str, tuple[str, ...]] = {
    IMPEDANCE: (FREQUENCY,),
    FITTED: (FREQUENCY,),
    RESIDUAL: (FREQUENCY,),
    KRAMERS_KRONIG: (FREQUENCY,),
    USED: (FREQUENCY,),
    VALUE: (ELEMENT,),
    VALUE_STD: (ELEMENT,),
    APEX: (ARC,),
    CAPACITANCE: (ARC,),
}
_CONDUCTIVITY = {
    RESISTANCE: (MEASUREMENT, CONTRIBUTION),
    CONDUCTIVITY: (MEASUREMENT, CONTRIBUTION),
    IN_BAND: (MEASUREMENT, CONTRIBUTION),
    NUMBER: (MEASUREMENT,),
    FILE: (MEASUREMENT,),
    "status": (MEASUREMENT,),
    "reason": (MEASUREMENT,),
}
_RETENTION = {
    RETENTION: (MEASUREMENT,),
    f"{RETENTION}_std": (MEASUREMENT,),
    REFERENCE: (MEASUREMENT,),
    REMARK: (MEASUREMENT,),
}
_RUN: Mapping[str, tuple[str, ...]] = {
    "current": (TIME,),
    CURRENT_FIT: (TIME,),
    STEADY_CURRENT: (),
}


def validate_eis_results(tree: xr.DataTree) -> None:
    """Check that ``tree`` holds impedance results as the module docstring says.

    Raises
    ------
    SchemaError
        Names node and variable at fault, and what is wrong with it.
    """
    root = tree.to_dataset(inherit=False)
    check_node(root, _ROOT, "/")
    below = tree.children.get(SAMPLES_NODE)
    samples = {} if below is None else below.children
    for key, spectra, runs in zip(
        root[SAMPLE_NAME].to_numpy(),
        root["n_spectra"].to_numpy(),
        root["n_runs"].to_numpy(),
        strict=True,
    ):
        name = str(key)
        where = f"/{SAMPLES_NODE}/{name}"
        if name not in samples:
            if spectra or runs:
                raise SchemaError(f"{where}: no node, but the sample has data")
            continue
        node = samples[name]
        for kind, needed in ((SPECTRA_NODE, _SPECTRUM), (POLARIZATION_NODE, _RUN)):
            listed = node.children.get(kind)
            for number, each in {} if listed is None else listed.children.items():
                place = f"{where}/{kind}/{number}"
                check_node(each.to_dataset(inherit=False), needed, place)
        for kind, needed in (
            (CONDUCTIVITY_NODE, _CONDUCTIVITY),
            (RETENTION_NODE, _RETENTION),
        ):
            if kind in node.children:
                found = node.children[kind].to_dataset(inherit=False)
                check_node(found, needed, f"{where}/{kind}")
