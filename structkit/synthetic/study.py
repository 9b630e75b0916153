"""A synthetic study of milled NaCl + TaCl5 + Na2O: patterns, files, known truth.

The study of SCIENCE G: the powder starts as the 1:1:1 mixture of the precursors, not as
NaTaCl6; NaTaCl6 comes and goes; what is not crystalline is glass whose composition is
what the crystals leave of Na3TaOCl6. :class:`StudyTruth` holds the latent numbers,
:func:`simulate_study` draws patterns in memory, :func:`write_study` leaves them as an
instrument would, beside a series file and the truth. An :data:`Adversary` makes one
assumption of the analyst wrong. All numbers are invented; only their kind follows the
study.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import xarray as xr

from structkit.errors import PlanError
from structkit.schema import MILLING_TIME, SAMPLE, TWO_THETA
from structkit.store import write_dataset, write_table, write_text
from structkit.structures.cif_write import write_cif
from structkit.structures.crystal import CrystalStructure
from structkit.synthetic.mixture import LABEL
from structkit.synthetic.raman_files import raman_key, raman_table
from structkit.synthetic.study_patterns import (
    ELEMENT,
    bright_surroundings,
    brightness_of,
    simulate_monitor,
    simulate_study,
)
from structkit.synthetic.study_raman import write_study_raman
from structkit.synthetic.study_samples import (
    STANDARD,
    Extra,
    StudySample,
    find_singled,
    list_samples,
)
from structkit.synthetic.study_truth import (
    ADVERSARIES,
    PHASES,
    Adversary,
    StudyTruth,
    structure_of,
)
from structkit.synthetic.tacl5 import FILE_NAME, write_tacl5
from structkit.synthetic.xrd import simulate_blank, simulate_standard, write_counts

__all__ = [
    "ADVERSARIES",
    "Adversary",
    "StudyTruth",
    "analyst_structures",
    "simulate_monitor",
    "simulate_study",
    "simulate_study_blank",
    "write_study",
]

Table = Literal["external_standard", "composition", "mill"]
Source = Literal["unmilled", "monitor", "spiked"]

WRONG_CIF = "NaTaCl6_as_given.cif"
ICP_STD = 0.01
"""1 sigma of a measured composition, relative."""
CRYSTAL = StudySample(name="NTC", role="crystalline_reference", time_h=0.0)
"""Sample of crystalline NaTaCl6 whose Raman spectra alone are measured."""
_ICP_ELEMENTS = ("Na", "Ta", "Cl")
_WRONG = {"wrong_cif_a": {"Na": "K"}, "wrong_cif_b": {"Ta": "Nb"}}
_SEED = 20257


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
    if adversary in _WRONG:
        structures["NaTaCl6"] = _exchange(structures["NaTaCl6"], _WRONG[adversary])
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


def write_study(
    folder: str | Path,
    *,
    truth: StudyTruth | None = None,
    seed: int = _SEED,
    adversary: Adversary | None = None,
    times_h: Sequence[float] = (1.0, 2.0, 4.0, 6.0),
    spiked: str | None = None,
    extras: Sequence[Extra] = (),
    source: Source = "unmilled",
    monitor_drift: float = 0.0,
    tables: Sequence[Table] = ("external_standard", "composition", "mill"),
    raman: bool = False,
    raman_reference: bool = False,
) -> Path:
    """Write a study as an instrument would leave it, and its truth.

    Parameters
    ----------
    folder : str or Path
        Where to write; made when absent.
    truth : StudyTruth, optional
        Latent numbers; default: the medians.
    seed : int
        Of everything that is drawn.
    adversary, times_h, spiked, extras
        As for :func:`simulate_study`.
    source : {"unmilled", "monitor", "spiked"}
        What the series file names as external standard. ``"monitor"`` also writes
        ``monitor.xy``, a plate of corundum; ``"spiked"`` needs ``spiked``.
    monitor_drift : float
        1 sigma of the tube's intensity at the monitor, relative.
    tables : sequence of str
        Tables of the series file beyond samples and phases: ``external_standard``,
        ``mill``, and ``composition``, which only adversary ``evaporated`` fills.
    raman : bool
        Also Raman spectra of the same powders
        (:func:`structkit.synthetic.study_raman.write_study_raman`); patterns and their
        counts stay the same.
    raman_reference : bool
        With ``raman``: also a sample ``NTC``, NaCl and TaCl5 milled without Na2O, of
        which Raman spectra alone were measured.

    Returns
    -------
    Path
        ``series.toml``, beside ``<sample>.xy``, ``LaB6.xy``, ``film_blank.xy`` (absent
        with ``blank_missing``), ``TaCl5_idealised.cif``, ``truth.nc``, ``truth.csv``.

    Raises
    ------
    PlanError
        ``source="spiked"`` without a spiked sample; see also :func:`simulate_study`.
    OutputError
        The folder cannot be written.
    """
    if source == "spiked" and spiked is None:
        raise PlanError('source="spiked" needs the name of a sample in spiked')
    folder, truth = Path(folder), truth or StudyTruth()
    rng = np.random.default_rng(seed)
    tree, known = simulate_study(
        truth,
        rng=rng,
        adversary=adversary,
        times_h=times_h,
        spiked=spiked,
        extras=extras,
    )
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
    if adversary in _WRONG:
        write_cif(analyst_structures(adversary)["NaTaCl6"], folder / WRONG_CIF)
    _write_truth(known, folder)
    samples = list_samples(times_h, spiked=spiked, extras=extras)
    spectra = {}
    if raman:
        if raman_reference:
            samples = [*samples, CRYSTAL]
        spectra = write_study_raman(
            folder, truth, samples=samples, seed=seed, adversary=adversary
        )
    layout = _Layout(
        samples=samples,
        adversary=adversary,
        source=source,
        tables=tuple(tables),
        transfer_std=truth.drift,
        film_std_um=truth.film_std_um,
        analysed=find_singled(samples),
        composition=_measure_composition(known, find_singled(samples), rng),
        raman=spectra,
    )
    return write_text(_series_file(layout), folder / "series.toml")


def _write_truth(known: xr.Dataset, folder: Path) -> None:
    """Write the truth whole, and as a table what stands over sample and phase."""
    write_dataset(known, folder / "truth.nc")
    table = known.drop_dims([TWO_THETA, ELEMENT])
    write_table(table.rename({MILLING_TIME: "milling_time_h"}), folder / "truth.csv")


def _measure_composition(
    known: xr.Dataset, sample: str, rng: np.random.Generator
) -> dict[str, float]:
    """Return atoms of a sample with the noise of an ICP analysis."""
    noise = np.exp(ICP_STD * rng.standard_normal(len(_ICP_ELEMENTS)))
    atoms = known["weighed_atoms"].sel({SAMPLE: sample, ELEMENT: [*_ICP_ELEMENTS]})
    values = atoms.to_numpy() * noise
    return {e: float(v) for e, v in zip(_ICP_ELEMENTS, values, strict=True)}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """What the series file says."""

    samples: list[StudySample]
    adversary: Adversary | None
    source: Source
    tables: tuple[Table, ...]
    transfer_std: float
    film_std_um: float
    analysed: str
    composition: dict[str, float]
    raman: dict[str, list[str]]


def _series_file(layout: _Layout) -> str:
    """Return the text of ``series.toml``."""
    blank = 'blank = "film_blank.xy"\n' if layout.adversary != "blank_missing" else ""
    spread = ""
    if layout.film_std_um > 0.0:
        spread = f"\nfilm_thickness_std_um = {layout.film_std_um:g}"
    blocks = [
        f"# {LABEL}\n[series]\n"
        'name = "NaCl + TaCl5 + Na2O, milled (synthetic)"\n'
        'axis = "milling_time"\n'
        "mixture = { NaCl = 1, TaCl5 = 1, Na2O = 1 }",
        f"[xrd]\n{blank}film_thickness_um = 25.0{spread}",
        '[xrd.instrument]\nstandard = "LaB6.xy"\nstandard_phase = "LaB6"\n'
        'tube = "CuKa"',
        *_phase_blocks(layout),
    ]
    if "external_standard" in layout.tables:
        blocks.append(_external_standard(layout))
    if "mill" in layout.tables:
        blocks.append(
            "[mill]\nball_count = 2\nball_mass_g = 3.17\npowder_mass_g = 1.0\n"
            "frequency_hz = 17.7"
        )
    if layout.raman:
        blocks.append(raman_table(model="series"))
    blocks += [_sample_block(sample, layout) for sample in layout.samples]
    return "\n\n".join(blocks) + "\n"


def _phase_blocks(layout: _Layout) -> list[str]:
    """Return the tables of the phases."""
    cifs = {"TaCl5": FILE_NAME}
    if layout.adversary in _WRONG:
        cifs["NaTaCl6"] = WRONG_CIF
    names = list(PHASES)
    if any(sample.spike > 0.0 for sample in layout.samples):
        names.append(STANDARD)
    blocks = []
    for name in names:
        cif = f'\ncif = "{cifs[name]}"' if name in cifs else ""
        uncertain = "\ncell_uncertain = true" if name == "NaTaCl6" else ""
        blocks.append(f'[[xrd.phase]]\nname = "{name}"{cif}{uncertain}')
    return blocks


def _external_standard(layout: _Layout) -> str:
    """Return the table of the external standard."""
    text = (
        f'[xrd.external_standard]\nsource = "{layout.source}"\n'
        f"transfer_std = {layout.transfer_std:g}\nparticle_size_um = [1.0, 5.0]"
    )
    if layout.source == "monitor":
        text += '\npattern = "monitor.xy"\nphase = "corundum"\nfilm = false'
    if layout.source == "spiked":
        twin = next(sample.name for sample in layout.samples if sample.spike > 0.0)
        text += f'\nsample = "{twin}"'
    return text


def _composition(atoms: Mapping[str, float]) -> str:
    """Return the key of a measured composition."""
    values = ", ".join(f"{e} = {n:.4f}" for e, n in atoms.items())
    errors = ", ".join(f"{e} = {ICP_STD * n:.4f}" for e, n in atoms.items())
    return (
        f'composition = {{ method = "ICP", atoms = {{ {values} }}, '
        f"std = {{ {errors} }} }}"
    )


def _sample_block(sample: StudySample, layout: _Layout) -> str:
    """Return the table of a sample."""
    lines = [f'[[sample]]\nid = "{sample.name}"', f'role = "{sample.role}"']
    lines.append(f'milling_time = "{sample.time_h:g} h"')
    if sample.role == "crystalline_reference":
        lines.append("mixture = { NaCl = 1, TaCl5 = 1 }")
    if sample.role == "annealed":
        lines.append('anneal_temperature = "150 C"')
    if sample.spike > 0.0:
        lines.append(
            f'spike = {{ phase = "{STANDARD}", weight_fraction = {sample.spike:g} }}'
        )
    measured = "composition" in layout.tables and layout.adversary == "evaporated"
    if measured and sample.name == layout.analysed:
        lines.append(_composition(layout.composition))
    if sample != CRYSTAL:
        lines.append(f'xrd = "{sample.name}.xy"')
    if sample.name in layout.raman:
        lines.append(raman_key(layout.raman[sample.name]))
    return "\n".join(lines)
