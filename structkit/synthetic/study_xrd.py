"""Powder patterns of a synthetic study as files, with all that an analyst needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import xarray as xr

from structkit.schema import SAMPLE
from structkit.structures.cif_write import write_cif
from structkit.structures.crystal import CrystalStructure
from structkit.synthetic.study_patterns import (
    bright_surroundings,
    brightness_of,
    simulate_monitor,
    simulate_study,
)
from structkit.synthetic.study_samples import StudySample
from structkit.synthetic.study_truth import (
    PHASES,
    Adversary,
    StudyTruth,
    structure_of,
)
from structkit.synthetic.tacl5 import write_tacl5
from structkit.synthetic.xrd import simulate_blank, simulate_standard, write_counts

Source = Literal["unmilled", "monitor", "spiked"]
"""What the series file names as external standard."""

WRONG_CIF = "NaTaCl6_as_given.cif"
WRONG_CATIONS = {"wrong_cif_a": {"Na": "K"}, "wrong_cif_b": {"Ta": "Nb"}}
"""Adversary -> which cation its CIF takes for which."""


def analyst_structures(
    adversary: Adversary | None = None,
) -> dict[str, CrystalStructure]:
    """Return the structures that the analyst has, by name of the phase.

    Parameters
    ----------
    adversary : str, optional
        With ``wrong_cif_a`` or ``wrong_cif_b``, NaTaCl6 has a foreign cation at its
        own cation's place.

    Returns
    -------
    dict of str to CrystalStructure
        NaTaCl6 with the cell as computed (the true one is smaller), NaCl, Na2O, the
        idealised TaCl5.
    """
    structures = {name: structure_of(name) for name in PHASES}
    if adversary in WRONG_CATIONS:
        structures["NaTaCl6"] = _exchange(
            structures["NaTaCl6"], WRONG_CATIONS[adversary]
        )
    return structures


def _exchange(structure: CrystalStructure, swap: dict[str, str]) -> CrystalStructure:
    """Return the structure with some elements taken for others."""
    sites = tuple(
        replace(
            site,
            element=swap.get(site.element, site.element),
            label=swap.get(site.label, site.label),
        )
        for site in structure.sites
    )
    formula = structure.formula
    for old, new in swap.items():
        formula = formula.replace(old, new)
    return replace(
        structure,
        formula=formula,
        sites=sites,
        origin="user",
        source="Wrong on purpose: written by structkit.synthetic.study",
        common_names=(),
        remarks=(f"wrong on purpose: the sample is NaTaCl6, this is {formula}",),
    )


def simulate_study_blank(truth: StudyTruth, *, rng: np.random.Generator) -> xr.Dataset:
    """Simulate the film and the air of a study without a sample, ten times as long.

    Parameters
    ----------
    truth : StudyTruth
        For the nominal film and the tube's intensity.
    rng : numpy.random.Generator
        One number is drawn from it, the seed of the counts.
    """
    surroundings = bright_surroundings(truth.film_um, brightness_of(truth))
    return simulate_blank(seed=int(rng.integers(2**63)), surroundings=surroundings)


def write_study_xrd(
    folder: Path,
    truth: StudyTruth,
    *,
    samples: Sequence[StudySample],
    rng: np.random.Generator,
    adversary: Adversary | None = None,
    source: Source = "unmilled",
    monitor_drift: float = 0.0,
) -> xr.Dataset:
    """Write patterns of the samples, of the blank and of the standards, and CIFs.

    Parameters
    ----------
    folder : Path
        Of the series file.
    truth : StudyTruth
        Latent numbers.
    samples : sequence of StudySample
        The first sets the scale of all.
    rng : numpy.random.Generator
        Of everything.
    adversary : str, optional
        As for :func:`structkit.synthetic.study_patterns.simulate_study`.
    source : {"unmilled", "monitor", "spiked"}
        ``"monitor"`` also writes ``monitor.xy``.
    monitor_drift : float
        1 sigma of the tube's intensity at the monitor, relative.

    Returns
    -------
    xarray.Dataset
        What is true, from :func:`simulate_study`.
    """
    tree, known = simulate_study(truth, rng=rng, adversary=adversary, samples=samples)
    for name in known[SAMPLE].to_numpy():
        write_counts(tree[f"/{name}/xrd"].to_dataset(), folder / f"{name}.xy")
    blank = simulate_study_blank(truth, rng=rng)
    if adversary != "blank_missing":
        write_counts(blank, folder / "film_blank.xy")
    write_counts(simulate_standard()[0], folder / "LaB6.xy")
    if source == "monitor":
        scale = float(known["session_scale"])
        pattern, _ = simulate_monitor(scale=scale, rng=rng, drift=monitor_drift)
        write_counts(pattern, folder / "monitor.xy")
    write_tacl5(folder)
    if adversary in WRONG_CATIONS:
        write_cif(analyst_structures(adversary)["NaTaCl6"], folder / WRONG_CIF)
    return known
