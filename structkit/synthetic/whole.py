"""A whole synthetic series: every technique's files, one series file, one truth.

One latent study (:mod:`structkit.synthetic.study_truth`), atoms conserved, is emitted
as patterns, Raman spectra, impedance, polarization and 23Na NMR. With the defaults it
has, as published for the study that it imitates, 4.41 mS/cm after 4 h of milling, 0.11
for NaCl + TaCl5 milled as long, 1.54 for Na2O + TaCl5, and 0.32 (4 h) to 0.36 eV (1 h).

Not anchored: the conductivity after 1 h, 0.10 mS/cm, where more than 1 was published
(Bruggeman's medium, two phases of spheres, has a threshold that a glass which coats its
crystals has not); x after 1 h, where the precursors left over hide it; every
cross-section of Raman, which nobody published.

Layout of the folder: ``series.toml``; ``<sample>.xy``, ``LaB6.xy``, ``film_blank.xy``,
CIFs; ``raman/``; ``eis/``; ``nmr/<sample>/1`` (spectrum) and ``2`` (recovery);
``truth.nc`` and ``truth.csv`` (all techniques), ``raman_truth.nc``, ``eis_truth.nc``,
``nmr_truth.nc``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from structkit.errors import PlanError
from structkit.store import write_dataset, write_table, write_text
from structkit.synthetic.study import measure_composition
from structkit.synthetic.study_eis import EisPart, write_study_eis
from structkit.synthetic.study_file import StudyLayout, compose_series_file
from structkit.synthetic.study_nmr import NmrPart, write_study_nmr
from structkit.synthetic.study_raman import write_study_raman
from structkit.synthetic.study_samples import find_singled
from structkit.synthetic.study_truth import StudyTruth
from structkit.synthetic.study_xrd import Source, write_study_xrd
from structkit.synthetic.whole_samples import (
    REFERENCE_AMORPHOUS,
    TECHNIQUES,
    USUAL,
    Member,
    SeriesSample,
    Technique,
    list_series,
)
from structkit.synthetic.whole_summary import join_patterns, summarise, tabulate
from structkit.synthetic.whole_truth import (
    SERIES_ADVERSARIES,
    Misled,
    SeriesAdversary,
    SeriesTruth,
    assign_adversary,
    mislead_nmr,
)

__all__ = [
    "SERIES_ADVERSARIES",
    "SeriesAdversary",
    "SeriesTruth",
    "write_series",
]

SERIES_FILE = "series.toml"
TITLE = "NaCl + TaCl5 + Na2O, milled (synthetic)"
_SEED = 20260


def write_series(
    folder: str | Path,
    *,
    seed: int = _SEED,
    truth: SeriesTruth | StudyTruth | None = None,
    adversary: SeriesAdversary | None = None,
    times_h: Sequence[float] = (1.0, 2.0, 4.0, 6.0),
    members: Sequence[Member] = USUAL,
    spiked: str | None = None,
    source: Source = "unmilled",
    techniques: Sequence[Technique] = TECHNIQUES,
    all_nmr: bool = False,
    reference_amorphous: float = REFERENCE_AMORPHOUS,
) -> Path:
    """Write a series of all techniques as instruments would leave it, and its truth.

    Parameters
    ----------
    folder : str or Path
        Where to write; made when absent.
    seed : int
        Of everything that is drawn: the same seed gives the same bytes. Samples and
        techniques have streams of their own; patterns and Raman spectra of milled
        samples are those of :func:`structkit.synthetic.study.write_study`.
    truth : SeriesTruth or StudyTruth, optional
        Latent numbers; of a study alone, and by default of the medians, see
        :meth:`SeriesTruth.around`. :meth:`SeriesTruth.draw` scatters all of them.
    adversary : str, optional
        One of :data:`SERIES_ADVERSARIES`.
    times_h, members, spiked, techniques, all_nmr, reference_amorphous
        As for :func:`structkit.synthetic.whole_samples.list_series`.
    source : {"unmilled", "monitor", "spiked"}
        External standard of the patterns; ``"spiked"`` needs ``spiked``.

    Returns
    -------
    Path
        ``series.toml``. ``truth.nc`` beside it holds over ``sample``:
        ``amorphous_fraction``, ``glass_share``, ``product_glass_share``, ``oxygen``,
        ``product_oxygen``, ``conductivity``, ``electronic_conductivity``,
        ``activation_energy``, ``product_t1``; over ``sample`` and ``phase``:
        ``weight_fraction``; scalar ``kappa``; and, NaN where there is no pattern, what
        :func:`structkit.synthetic.study_patterns.simulate_study` says of it.

    Raises
    ------
    PlanError
        An adversary, member, technique or sample that does not exist; atoms that are
        not conserved.
    OutputError
        The folder cannot be written.
    """
    if source == "spiked" and spiked is None:
        raise PlanError('source="spiked" needs the name of a sample in spiked')
    if spiked is not None and "xrd" not in techniques:
        raise PlanError("a spiked twin needs xrd among the techniques")
    folder, misled = Path(folder), assign_adversary(adversary)
    if not isinstance(truth, SeriesTruth):
        truth = SeriesTruth.around(truth or StudyTruth(), seed=seed)
    samples = list_series(
        truth.study,
        times_h=times_h,
        members=members,
        spiked=spiked,
        techniques=techniques,
        all_nmr=all_nmr,
        reference_amorphous=reference_amorphous,
        adversary=misled.study,
    )
    parts = _Parts(
        folder=folder,
        samples=samples,
        truth=truth,
        seed=seed,
        misled=misled,
    )
    known = summarise(
        samples,
        truth,
        nmr=mislead_nmr(truth.nmr, misled.nmr),
        adversary=misled.eis,
    ).assign_attrs(adversary=adversary or "", seed=seed)
    patterns, composition = parts.write_xrd(source)
    if patterns is not None:
        known = join_patterns(known, patterns)
    write_dataset(known, folder / "truth.nc")
    write_table(tabulate(known), folder / "truth.csv")
    raman = parts.write_raman()
    further: list[EisPart | NmrPart] = [*parts.write_eis(), *parts.write_nmr()]
    layout = StudyLayout(
        samples=[one.sample for one in samples],
        patterns=[one.name for one in parts.of("xrd")],
        adversary=misled.study,
        source=source,
        transfer_std=truth.study.drift,
        film_std_um=truth.study.film_std_um,
        analysed=find_singled([one.sample for one in samples]),
        composition=composition,
        raman=raman,
        through_glass=misled.raman == "cover_glass",
        title=TITLE,
        blocks=tuple(part.block for part in further),
        keys={
            one.name: [line for part in further for line in part.keys.get(one.name, ())]
            for one in samples
        },
    )
    return write_text(compose_series_file(layout), folder / SERIES_FILE)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """What writes the files of each technique."""

    folder: Path
    samples: list[SeriesSample]
    truth: SeriesTruth
    seed: int
    misled: Misled

    def of(self, technique: Technique) -> list[SeriesSample]:
        """Return the samples that a technique measures."""
        return [one for one in self.samples if technique in one.measured]

    def write_xrd(self, source: Source) -> tuple[xr.Dataset | None, dict[str, float]]:
        """Write patterns; return what is true of them, and a measured composition."""
        powders = [one.sample for one in self.of("xrd")]
        if not powders:
            return None, {}
        rng = np.random.default_rng(self.seed)
        known = write_study_xrd(
            self.folder,
            self.truth.study,
            samples=powders,
            rng=rng,
            adversary=self.misled.study,
            source=source,
        )
        return known, measure_composition(known, find_singled(powders), rng=rng)

    def write_raman(self) -> dict[str, list[str]]:
        """Write Raman spectra; return the files of each sample."""
        powders = [one.sample for one in self.of("raman")]
        if not powders:
            return {}
        return write_study_raman(
            self.folder,
            self.truth.study,
            samples=powders,
            seed=self.seed,
            adversary=self.misled.study,
            known=self.truth.raman,
            misled=self.misled.raman,
            bias=self.misled.raman_bias,
        )

    def write_eis(self) -> list[EisPart]:
        """Write impedance and polarization."""
        if not (powders := self.of("eis")):
            return []
        return [
            write_study_eis(
                self.folder,
                powders,
                truth=self.truth.eis,
                seed=self.seed,
                adversary=self.misled.eis,
            )
        ]

    def write_nmr(self) -> list[NmrPart]:
        """Write NMR."""
        if not (powders := self.of("nmr")):
            return []
        return [
            write_study_nmr(
                self.folder,
                powders,
                truth=self.truth.nmr,
                seed=self.seed,
                adversary=self.misled.nmr,
            )
        ]
