"""Raman spectra of the powders of a synthetic study, beside its patterns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from structkit.synthetic.raman import record_series, simulate_references, stream_of
from structkit.synthetic.raman_files import write_raman
from structkit.synthetic.raman_truth import (
    RamanAdversary,
    RamanTruth,
    describe_sample,
)
from structkit.synthetic.study_patterns import contents_of, oxygen_of
from structkit.synthetic.study_samples import StudySample
from structkit.synthetic.study_truth import Adversary, Contents, StudyTruth


def write_study_raman(
    folder: Path,
    truth: StudyTruth,
    *,
    samples: Sequence[StudySample],
    seed: int,
    adversary: Adversary | None = None,
    known: RamanTruth | None = None,
    misled: RamanAdversary | None = None,
    bias: float = 0.0,
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
    known : RamanTruth, optional
        In place of the one that the seed draws.
    misled : str, optional
        What misleads the reader of the spectra alone.
    bias : float
        Share of the tantalum of milled samples that the spectra show as glass though it
        is in crystals of NaTaCl6, as far as these go.

    Returns
    -------
    dict of str to list of str
        Files of each sample, relative to ``folder``.
    """
    known = known or RamanTruth.draw(stream_of(seed, "truth"), study=truth)
    shown = []
    for sample in samples:
        if sample.spike > 0.0:
            continue
        contents = contents_of(sample, truth, adversary=adversary)
        if sample.role == "milled":
            contents = _show_more_glass(contents, bias)
        shown.append(
            describe_sample(
                known,
                contents,
                name=sample.name,
                role=sample.role,
                time_h=sample.time_h,
                oxygen=oxygen_of(sample, truth, adversary=adversary),
                rng=stream_of(seed, f"sample {sample.name}"),
                adversary=misled,
            )
        )
    tree, recorded = record_series(shown, truth=known, seed=seed)
    recorded = recorded.assign_attrs(adversary=misled or adversary or "", bias=bias)
    spectra = {one.name: tree[f"/{one.name}/raman"].to_dataset() for one in shown}
    references = simulate_references(known, seed=seed)
    return write_raman(folder, spectra, recorded, references=references)


def _show_more_glass(contents: Contents, share: float) -> Contents:
    """Return contents of which ``share`` of all tantalum went from crystal to glass."""
    crystal = contents.crystalline.get("NaTaCl6", 0.0)
    taken = min(share * contents.weighed["Ta"], crystal)
    moles = {**contents.crystalline, "NaTaCl6": crystal - taken}
    return replace(contents, crystalline=moles)
