"""From the conductivities of the samples to what ageing and annealing left of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import xarray as xr

from structkit.eis.retention import Before, find_retention, first_history
from structkit.pipeline.eis_plan import EisSample
from structkit.pipeline.impedance import Outcome, Workshop
from structkit.schema import HISTORY
from structkit.schema.eis_results import (
    ARRHENIUS_NODE,
    CONDUCTIVITY_NODE,
    RETENTION_NODE,
)

Nodes = Mapping[str, xr.Dataset]


def make_retention_nodes(
    samples: Sequence[EisSample],
    outcomes: Mapping[str, Sequence[Outcome]],
    nodes: Mapping[str, Nodes],
    workshop: Workshop,
) -> dict[str, Nodes]:
    """Return the retention of each sample that has one, by its place below it.

    Parameters
    ----------
    samples : sequence of EisSample
        All.
    outcomes : mapping of str to sequence of Outcome
        Of each, row for row.
    nodes : mapping of str to mapping
        What was made of each (:func:`structkit.pipeline.conductivity`).
    workshop : Workshop
        Keeps the remarks.

    Returns
    -------
    dict of str to mapping
        Samples with one history and nothing before are left out.
    """
    found: dict[str, Nodes] = {}
    for sample in samples:
        own = nodes[sample.name].get(CONDUCTIVITY_NODE)
        if own is None:
            continue
        ages = _ages(outcomes[sample.name])
        before = None
        if sample.pristine:
            earlier = nodes.get(sample.pristine, {})
            if CONDUCTIVITY_NODE not in earlier:
                text = f"no retention: {sample.pristine} has no impedance"
                workshop.note(sample.name, "", [text])
                continue
            before = _first(earlier, _ages(outcomes[sample.pristine]))
            past = "" if before.name == "no history" else f", {before.name}"
            before = Before(
                name=f"{sample.pristine}{past}",
                conductivity=before.conductivity,
                line=before.line,
                age=before.age,
                is_same_sample=False,
            )
        elif len(set(own[HISTORY].to_numpy().tolist())) > 1:
            before = _first(nodes[sample.name], ages)
        if before is not None:
            found[sample.name] = {RETENTION_NODE: find_retention(own, before, age=ages)}
    return found


def _first(nodes: Nodes, ages: Sequence[float]) -> Before:
    """Return the first history of a sample."""
    lines = [one for name, one in nodes.items() if name.startswith(ARRHENIUS_NODE)]
    return first_history(nodes[CONDUCTIVITY_NODE], lines, age=ages)


def _ages(outcomes: Sequence[Outcome]) -> list[float]:
    """Return the age at each measurement, **h**."""
    return [one.measurement.age for one in outcomes]
