"""23Na spectra and recoveries of the powders of a whole series, and their truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import xarray as xr

from structkit.schema import SAMPLE
from structkit.store import write_dataset
from structkit.synthetic.mixture import LABEL
from structkit.synthetic.nmr import (
    DELAYS_S,
    describe_nmr,
    list_lines,
    nmr_stream,
    recovery_factors,
    simulate_decay,
)
from structkit.synthetic.nmr_files import FOLDER, TRUTH_FILE, write_bruker
from structkit.synthetic.nmr_truth import RECYCLE_S, WRONG_MHZ, NmrAdversary, NmrTruth
from structkit.synthetic.species import Species
from structkit.synthetic.whole_samples import CONTROL, SeriesSample
from structkit.synthetic.whole_truth import mislead_nmr

SPECTRUM, RECOVERY = 1, 2
"""Experiment numbers of each sample."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NmrPart:
    """What NMR adds to a series file."""

    block: str
    """Table ``[nmr]``."""
    keys: Mapping[str, list[str]]
    """Sample -> lines of its table."""
    known: xr.Dataset
    """What is true over ``sample`` and ``site``."""


def write_study_nmr(
    folder: Path,
    samples: Sequence[SeriesSample],
    *,
    truth: NmrTruth,
    seed: int,
    adversary: NmrAdversary | None = None,
) -> NmrPart:
    """Write a spectrum of each sample, and inversion recoveries of all but the blank.

    Parameters
    ----------
    folder : Path
        Of the series file; experiments are ``nmr/<sample>/1`` and ``2``.
    samples : sequence of SeriesSample
        Those that NMR measures, ``NTC-4`` among them.
    truth : NmrTruth
        Relaxation times, pulses, lines.
    seed : int
        Of phases and noise; each sample has streams of its own.
    adversary : str, optional
        What misleads the reader of NMR alone.

    Returns
    -------
    NmrPart
        Its ``known`` is of what was measured, the adversary included.

    Raises
    ------
    OutputError
        The folder cannot be written.
    """
    truth = mislead_nmr(truth, adversary)
    header = WRONG_MHZ if adversary == "wrong_larmor" else None
    control = next(one.species for one in samples if one.name == CONTROL)
    keys, records = {}, []
    for one in samples:
        place = f"{FOLDER}/{one.name}"
        _write_spectrum(folder / place, one, truth=truth, seed=seed, header_mhz=header)
        lines = [f'nmr = "{place}/{SPECTRUM}"']
        if one.name != CONTROL:
            _write_recovery(
                folder / place, one, truth=truth, seed=seed, header_mhz=header
            )
            lines.append(f't1 = "{place}/{RECOVERY}"')
        keys[one.name] = lines
        records.append(_describe(one, truth, control))
    known = xr.concat(records, dim=SAMPLE)
    known = known.assign_attrs(label=LABEL, adversary=adversary or "")
    write_dataset(known, folder / TRUTH_FILE)
    block = (
        f'[nmr]\nblank = "{CONTROL}"\nrecycle_delay_s = {RECYCLE_S:g}\n'
        f"flip_angle_degree = {truth.flip_degree:.3g}"
    )
    return NmrPart(block=block, keys=keys, known=known)


def _write_spectrum(
    place: Path,
    one: SeriesSample,
    *,
    truth: NmrTruth,
    seed: int,
    header_mhz: float | None,
) -> None:
    """Write the decay of a sample."""
    kind = "blank" if one.name == CONTROL else "sample"
    decay = simulate_decay(
        list_lines(truth, one.species),
        truth,
        rng=nmr_stream(seed, f"sample {one.name}"),
        signal_to_noise=truth.signal_to_noise[kind],
        header_mhz=header_mhz,
    )
    write_bruker(decay, place / str(SPECTRUM), title=one.name)


def _write_recovery(
    place: Path,
    one: SeriesSample,
    *,
    truth: NmrTruth,
    seed: int,
    header_mhz: float | None,
) -> None:
    """Write the inversion recovery of a sample."""
    decays = simulate_decay(
        list_lines(truth, one.species),
        truth,
        rng=nmr_stream(seed, f"recovery {one.name}"),
        signal_to_noise=truth.signal_to_noise["recovery"],
        factors=recovery_factors(truth, one.species, delays=DELAYS_S),
        delays=DELAYS_S,
        header_mhz=header_mhz,
    )
    write_bruker(decays, place / str(RECOVERY), title=f"{one.name}, recovery")


def _describe(one: SeriesSample, truth: NmrTruth, control: Species) -> xr.Dataset:
    """Return what is true of one sample."""
    return describe_nmr(truth, one.species, control).expand_dims({SAMPLE: [one.name]})
