"""Raman spectra of the powders of a synthetic study, beside its patterns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from structkit.synthetic.raman import record_series, simulate_references, stream_of
from structkit.synthetic.raman_files import write_raman
from structkit.synthetic.raman_truth import RamanTruth, describe_sample
from structkit.synthetic.study_patterns import contents_of
from structkit.synthetic.study_samples import StudySample
from structkit.synthetic.study_truth import Adversary, StudyTruth


def write_study_raman(
    folder: Path,
    truth: StudyTruth,
    *,
    samples: Sequence[StudySample],
    seed: int,
    adversary: Adversary | None = None,
) -> dict[str, list[str]]:
    """Write Raman spectra of the study's samples below its folder, and their truth.

    The amounts are those of the patterns; all random numbers are the Raman part's own.
    A spiked twin is not measured, and what adversary ``other_phase`` brings is not
    drawn.

    Parameters
    ----------
    folder : Path
        Of the series file.
    truth : StudyTruth
        The study's.
    samples : sequence of StudySample
        From :func:`structkit.synthetic.study_samples.list_samples`.
    seed : int
        The study's; used by names of its own.
    adversary : str, optional
        The study's: it acts on the amounts.

    Returns
    -------
    dict of str to list of str
        Files of each sample, relative to ``folder``.
    """
    known = RamanTruth.draw(stream_of(seed, "truth"), study=truth)
    shown = []
    for sample in samples:
        if sample.spike > 0.0:
            continue
        without = sample.role == "crystalline_reference"
        shown.append(
            describe_sample(
                known,
                contents_of(sample, truth, adversary=adversary),
                name=sample.name,
                role=sample.role,
                time_h=sample.time_h,
                oxygen=0.0 if without else truth.oxygen(sample.time_h),
                rng=stream_of(seed, f"sample {sample.name}"),
            )
        )
    tree, recorded = record_series(shown, truth=known, seed=seed)
    spectra = {one.name: tree[f"/{one.name}/raman"].to_dataset() for one in shown}
    references = simulate_references(known, seed=seed)
    return write_raman(folder, spectra, recorded, references=references)
