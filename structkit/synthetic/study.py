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

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from structkit.errors import PlanError
from structkit.schema import MILLING_TIME, SAMPLE, TWO_THETA
from structkit.store import write_dataset, write_table, write_text
from structkit.synthetic.study_file import (
    ICP_STD,
    StudyLayout,
    Table,
    compose_series_file,
)
from structkit.synthetic.study_patterns import (
    ELEMENT,
    simulate_monitor,
    simulate_study,
)
from structkit.synthetic.study_raman import write_study_raman
from structkit.synthetic.study_samples import (
    Extra,
    StudySample,
    find_singled,
    list_samples,
)
from structkit.synthetic.study_truth import ADVERSARIES, Adversary, StudyTruth
from structkit.synthetic.study_xrd import (
    WRONG_CIF,
    Source,
    analyst_structures,
    simulate_study_blank,
    write_study_xrd,
)

__all__ = [
    "ADVERSARIES",
    "WRONG_CIF",
    "Adversary",
    "StudyTruth",
    "analyst_structures",
    "simulate_monitor",
    "simulate_study",
    "simulate_study_blank",
    "write_study",
]

CRYSTAL = StudySample(name="NTC", role="crystalline_reference", time_h=0.0)
"""Sample of crystalline NaTaCl6 whose Raman spectra alone are measured."""
_ICP_ELEMENTS = ("Na", "Ta", "Cl")
_SEED = 20257


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
    samples = list_samples(times_h, spiked=spiked, extras=extras)
    known = write_study_xrd(
        folder,
        truth,
        samples=samples,
        rng=rng,
        adversary=adversary,
        source=source,
        monitor_drift=monitor_drift,
    )
    _write_truth(known, folder)
    patterns = [sample.name for sample in samples]
    analysed = find_singled(samples)
    spectra = {}
    if raman:
        if raman_reference:
            samples = [*samples, CRYSTAL]
        spectra = write_study_raman(
            folder, truth, samples=samples, seed=seed, adversary=adversary
        )
    layout = StudyLayout(
        samples=samples,
        patterns=patterns,
        adversary=adversary,
        source=source,
        tables=tuple(tables),
        transfer_std=truth.drift,
        film_std_um=truth.film_std_um,
        analysed=analysed,
        composition=measure_composition(known, analysed, rng=rng),
        raman=spectra,
    )
    return write_text(compose_series_file(layout), folder / "series.toml")


def _write_truth(known: xr.Dataset, folder: Path) -> None:
    """Write the truth whole, and as a table what stands over sample and phase."""
    write_dataset(known, folder / "truth.nc")
    table = known.drop_dims([TWO_THETA, ELEMENT])
    write_table(table.rename({MILLING_TIME: "milling_time_h"}), folder / "truth.csv")


def measure_composition(
    known: xr.Dataset, sample: str, *, rng: np.random.Generator
) -> dict[str, float]:
    """Return atoms of a sample with the noise of an ICP analysis."""
    noise = np.exp(ICP_STD * rng.standard_normal(len(_ICP_ELEMENTS)))
    atoms = known["weighed_atoms"].sel({SAMPLE: sample, ELEMENT: [*_ICP_ELEMENTS]})
    values = atoms.to_numpy() * noise
    return {e: float(v) for e, v in zip(_ICP_ELEMENTS, values, strict=True)}
