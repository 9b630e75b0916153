"""The patterns of a synthetic study of milled NaCl + TaCl5 + Na2O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from zlib import crc32

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from structkit.errors import PlanError
from structkit.schema import MILLING_TIME, PHASE, SAMPLE, label
from structkit.structures.composition import molar_mass
from structkit.structures.crystal import CrystalStructure
from structkit.synthetic.lines import Optics
from structkit.synthetic.microabsorption import line_factors
from structkit.synthetic.mixture import (
    LABEL,
    Surroundings,
    SyntheticPhase,
    simulate_mixture,
    study_grid,
)
from structkit.synthetic.scattering import Texture
from structkit.synthetic.study_samples import (
    STANDARD,
    Extra,
    StudySample,
    find_other_phase,
    find_singled,
    list_samples,
)
from structkit.synthetic.study_truth import (
    ATOMS_TOLERANCE,
    ELEMENTS,
    OTHER_PHASE,
    PHASES,
    Adversary,
    Contents,
    StudyTruth,
    anneal,
    check_adversary,
    fill,
    formula_atoms,
    formula_mass,
    relax,
    structure_of,
    without_oxide,
)
from structkit.synthetic.xrd import shrink

Floats = NDArray[np.float64]

ELEMENT = "element"
TEXTURE_AXES: Mapping[str, tuple[int, int, int]] = {
    "NaTaCl6": (0, 0, 1),
    "NaCl": (1, 0, 0),
    "Na2O": (1, 1, 1),
    "TaCl5": (0, 0, 1),
}
_STANDARD_SIZE_NM = 150.0
_ANNEALED_SIZE_FACTOR = 3.0
_USUAL_COUNTS = 6000.0
"""Highest point for which :class:`Surroundings` states its counts."""
_NEGLIGIBLE = 1e-14
"""Weight fraction below which a phase is not drawn; its atoms are within rounding."""


def simulate_study(
    truth: StudyTruth,
    *,
    rng: np.random.Generator,
    adversary: Adversary | None = None,
    times_h: Sequence[float] = (1.0, 2.0, 4.0, 6.0),
    spiked: str | None = None,
    spike_fraction: float = 0.15,
    extras: Sequence[Extra] = (),
    samples: Sequence[StudySample] | None = None,
    two_theta: Floats | None = None,
    optics: Optics | None = None,
) -> tuple[xr.DataTree, xr.Dataset]:
    """Simulate the patterns of a study and say what is true.

    Parameters
    ----------
    truth : StudyTruth
        Kinetics, sizes, and how measurements scatter.
    rng : numpy.random.Generator
        One number is drawn from it; each sample has a stream of its own, so that
        neither an adversary nor another choice of samples changes the others.
    adversary : str, optional
        One of :data:`structkit.synthetic.study_truth.ADVERSARIES`.
    times_h, spiked, spike_fraction, extras
        Samples, as for :func:`list_samples`.
    samples : sequence of StudySample, optional
        In place of these four; the first sets the scale of all.
    two_theta : ndarray, optional
        Grid, **degree**; default 10 to 80 by 0.03.
    optics : Optics, optional
        Diffractometer; default Cu K-alpha-1,2.

    Returns
    -------
    patterns : xarray.DataTree
        ``/<sample>/xrd``, each a pattern with ``milling_time``.
    truth : xarray.Dataset
        Over ``sample`` and ``phase``, of the sample without its spike:
        ``weight_fraction``, ``moles`` (per Ta weighed in); as measured, spike
        included: ``weight_fraction_crystalline``, ``size_nm``, ``microstrain``,
        ``march_dollase``, ``b_overall``, ``line_factor``, cell, ``component``
        (count). Over ``sample``: ``amorphous_fraction``, ``crystalline_fraction``,
        ``spike_fraction``, ``drift``, ``film_thickness_um``, ``displacement_mm``,
        ``instrument_scale`` (G, drift included), ``mass_attenuation`` (spike
        included), ``milling_time``, ``halo``, ``film``, ``background``,
        ``expected`` (count). Over ``sample`` and ``element``: ``amorphous_atoms``
        and ``weighed_atoms`` (what is in the sample), per Ta weighed in. Scalar:
        ``session_scale``, G without drift. Attributes: ``adversary``, ``other_phase``.

    Raises
    ------
    PlanError
        An unknown adversary or sample, or atoms that are not conserved to 1e-12.
    """
    check_adversary(adversary)
    if samples is None:
        samples = list_samples(
            times_h, spiked=spiked, spike_fraction=spike_fraction, extras=extras
        )
    has_spike = any(sample.spike > 0.0 for sample in samples)
    bench = _Bench(
        truth=truth,
        seed=int(rng.integers(2**63)),
        adversary=adversary,
        foreign=find_other_phase(adversary, spiked=has_spike),
        singled=find_singled(samples),
        grid=study_grid() if two_theta is None else np.asarray(two_theta, dtype=float),
        optics=optics or Optics(),
    )
    patterns: dict[str, xr.Dataset] = {}
    records: list[xr.Dataset] = []
    scale: float | None = None
    for sample in samples:
        pattern, record = _measure(bench, sample, scale)
        scale = scale or float(record["instrument_scale"])
        time = label(xr.DataArray(sample.time_h), MILLING_TIME)
        patterns[f"/{sample.name}/xrd"] = pattern.assign_coords({MILLING_TIME: time})
        records.append(record)
    known = _join(records, samples)
    known = known.assign(session_scale=((), scale, {"units": "1"}))
    attrs = {"label": LABEL, "adversary": adversary or ""}
    known = known.assign_attrs(other_phase=bench.foreign or "", **attrs)
    return xr.DataTree.from_dict(patterns), known


def simulate_monitor(
    *,
    phase: str = "corundum",
    scale: float,
    rng: np.random.Generator,
    drift: float = 0.0,
    two_theta: Floats | None = None,
    optics: Optics | None = None,
) -> tuple[xr.Dataset, xr.Dataset]:
    """Simulate a plate of one pure phase, without film, at the study's scale.

    Parameters
    ----------
    phase : str
        Phase of the library.
    scale : float
        G of the session: ``session_scale`` of :func:`simulate_study`.
    rng : numpy.random.Generator
        Of drift, displacement and counts.
    drift : float
        1 sigma of the tube's intensity against the session's, relative; 0: none.
    two_theta, optics
        As for :func:`simulate_study`.

    Returns
    -------
    pattern, truth : xarray.Dataset
        As :func:`structkit.synthetic.mixture.simulate_mixture`.
    """
    change = float(np.exp(drift * rng.standard_normal()))
    plate = SyntheticPhase(
        structure=structure_of(phase), weight_fraction=1.0, size_nm=_STANDARD_SIZE_NM
    )
    pattern, record = simulate_mixture(
        [plate],
        two_theta=two_theta,
        optics=optics,
        displacement_mm=float(rng.uniform(-0.05, 0.05)),
        scale=scale * change,
        rng=rng,
    )
    return pattern, record.assign(drift=((), change, {"units": "1"}))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bench:
    """What all patterns of a study share."""

    truth: StudyTruth
    seed: int
    adversary: Adversary | None
    foreign: str | None
    singled: str
    grid: Floats
    optics: Optics

    def stream(self, sample: str, purpose: str) -> np.random.Generator:
        """Return the random numbers of one purpose for one sample."""
        return np.random.default_rng([self.seed, crc32(f"{sample}/{purpose}".encode())])

    def contents(self, sample: StudySample) -> Contents:
        """Return what the sample is made of."""
        return contents_of(sample, self.truth, adversary=self.adversary)


def contents_of(
    sample: StudySample, truth: StudyTruth, *, adversary: Adversary | None = None
) -> Contents:
    """Return what a sample of a study is made of, its spike left out."""
    if sample.contents is not None:
        return sample.contents
    if sample.role == "crystalline_reference":
        return without_oxide()
    contents = fill(truth, sample.time_h, adversary=adversary)
    return anneal(contents) if sample.role == "annealed" else contents


def oxygen_of(
    sample: StudySample, truth: StudyTruth, *, adversary: Adversary | None = None
) -> float:
    """Return x of the glass of a sample; 0 where nothing turns to glass."""
    if sample.oxygen is not None:
        return sample.oxygen
    if sample.role == "crystalline_reference" or adversary == "all_crystalline":
        return 0.0
    return truth.oxygen(sample.time_h)


def _measure(
    bench: _Bench, sample: StudySample, scale: float | None
) -> tuple[xr.Dataset, xr.Dataset]:
    """Return the pattern of one sample and its truth."""
    truth, contents = bench.truth, bench.contents(sample)
    chance = bench.stream(sample.name, "setting")
    film = max(truth.film_um + truth.film_std_um * float(chance.standard_normal()), 1.0)
    displacement = truth.displacement_mm * float(chance.uniform(-1.0, 1.0))
    drift = float(np.exp(truth.drift * chance.standard_normal()))
    if scale is None:
        drift = 1.0
    if bench.adversary == "film_doubled" and sample.name == bench.singled:
        film *= 2.0
    phases = _phases(bench, sample, contents)
    brightness = drift * brightness_of(truth)
    pattern, record = simulate_mixture(
        phases,
        glass=contents.glass,
        two_theta=bench.grid,
        optics=bench.optics,
        surroundings=bright_surroundings(film, brightness),
        displacement_mm=displacement,
        scale=None if scale is None else scale * drift,
        max_counts=truth.max_counts,
        rng=bench.stream(sample.name, "counts"),
    )
    _check_atoms(record, contents, _share_of(bench, sample))
    record = record.assign(
        drift=((), drift, {"units": "1"}),
        film_thickness_um=((), film, {"units": "um"}),
        spike_fraction=((), sample.spike, {"units": "1"}),
    )
    return pattern, _complete(record, contents, bench, sample)


def brightness_of(truth: StudyTruth) -> float:
    """Return the tube's intensity times counting time, against the usual."""
    return truth.max_counts / _USUAL_COUNTS


def bright_surroundings(film_um: float, brightness: float) -> Surroundings:
    """Return film and air seen by a tube ``brightness`` times the usual."""
    usual = Surroundings()
    return Surroundings(
        film_thickness_um=film_um,
        film_counts=brightness * usual.film_counts,
        air=brightness * usual.air,
        dark=brightness * usual.dark,
    )


def _share_of(bench: _Bench, sample: StudySample) -> float:
    """Return the weight fraction of the powder that is neither spike nor foreign."""
    return (1.0 - sample.spike) * (1.0 - _foreign_share(bench, sample))


def _foreign_share(bench: _Bench, sample: StudySample) -> float:
    """Return the foreign phase's weight fraction of the sample without its spike."""
    taken = bench.foreign is not None and sample.role == "milled"
    return OTHER_PHASE if taken else 0.0


def _phases(
    bench: _Bench, sample: StudySample, contents: Contents
) -> list[SyntheticPhase]:
    """Return the crystalline phases of a sample."""
    truth, time_h = bench.truth, sample.time_h
    share = _share_of(bench, sample)
    weights = {
        name: share * weight
        for name, weight in contents.weight_fractions.items()
        if weight > _NEGLIGIBLE
    }
    structures = {name: true_structure(name, truth) for name in weights}
    factors = dict.fromkeys(weights, 1.0)
    if sample.role == "unmilled":
        factors = line_factors(
            list(structures.values()),
            list(weights.values()),
            diameter_um=truth.particle_um,
            wavelength=bench.optics.wavelength,
        )
    heated = sample.role == "annealed" and sample.age_h == 0.0
    grown = _ANNEALED_SIZE_FACTOR if heated else 1.0
    phases = [
        SyntheticPhase(
            structure=structures[name],
            weight_fraction=weight,
            size_nm=grown * truth.size_nm(name, time_h),
            size_spread=truth.size_spread,
            microstrain=relax(truth.microstrain, time_h),
            texture=Texture(axis=TEXTURE_AXES[name], r=truth.texture.get(name, 1.0)),
            b_overall=truth.b_overall.get(name, 0.0),
            line_factor=factors[name],
        )
        for name, weight in weights.items()
    ]
    foreign = (1.0 - sample.spike) * _foreign_share(bench, sample)
    for name, weight in ((bench.foreign, foreign), (STANDARD, sample.spike)):
        if name is not None and weight > 0.0:
            phases.append(
                SyntheticPhase(
                    structure=structure_of(name),
                    weight_fraction=weight,
                    size_nm=_STANDARD_SIZE_NM,
                )
            )
    return phases


def true_structure(name: str, truth: StudyTruth) -> CrystalStructure:
    """Return a phase with its true cell."""
    if name != "NaTaCl6":
        return structure_of(name)
    return _shrunk(name, truth.cell_shrinkage)


@lru_cache(maxsize=64)
def _shrunk(name: str, share: float) -> CrystalStructure:
    """Return a structure with shorter axes; the same object when asked again."""
    return shrink(structure_of(name), share)


def _check_atoms(record: xr.Dataset, contents: Contents, share: float) -> None:
    """Refuse a pattern whose crystals and glass are not the atoms weighed in."""
    total = molar_mass(contents.weighed)
    atoms = dict.fromkeys(contents.weighed, 0.0)
    weights = zip(
        record[PHASE].to_numpy(), record["weight_fraction"].to_numpy(), strict=True
    )
    for name, weight in weights:
        if str(name) in PHASES:
            moles = float(weight) / share * total / formula_mass(str(name))
            for element, count in formula_atoms(str(name)).items():
                atoms[element] += moles * count
    if (glass := contents.glass) is not None:
        moles = float(record["amorphous_fraction"]) / share * total / glass.molar_mass
        for element, count in glass.composition.items():
            atoms[element] += moles * count
    for element, count in contents.weighed.items():
        if abs(atoms[element] - count) > ATOMS_TOLERANCE:
            raise PlanError(
                f"atoms are not conserved: {atoms[element]:.15g} {element} were drawn, "
                f"{count:.15g} weighed in"
            )


def _complete(
    record: xr.Dataset, contents: Contents, bench: _Bench, sample: StudySample
) -> xr.Dataset:
    """Return the record over all phases, with shares of the sample without spike."""
    names = list(PHASES)
    names += [name for name in (bench.foreign, STANDARD) if name is not None]
    record = record.reindex({PHASE: list(dict.fromkeys(names))})
    keep = 1.0 - sample.spike
    for name in ("weight_fraction", "weight_fraction_crystalline", "component"):
        record[name] = record[name].fillna(0.0).assign_attrs(record[name].attrs)
    weight = record["weight_fraction"] / keep
    if sample.spike > 0.0:
        weight = weight.where(weight[PHASE] != STANDARD, 0.0)
    amorphous = float(record["amorphous_fraction"]) / keep
    moles = [contents.crystalline.get(str(name), 0.0) for name in weight[PHASE].data]
    return record.assign(
        weight_fraction=weight.assign_attrs({"units": "1"}),
        amorphous_fraction=((), amorphous, {"units": "1"}),
        crystalline_fraction=((), 1.0 - amorphous, {"units": "1"}),
        moles=(PHASE, moles, {"units": "mol mol-1"}),
        amorphous_atoms=_over_elements(contents.amorphous_atoms),
        weighed_atoms=_over_elements(contents.weighed),
    ).assign_coords({ELEMENT: list(ELEMENTS)})


def _over_elements(
    atoms: Mapping[str, float],
) -> tuple[str, list[float], dict[str, str]]:
    """Return atoms per tantalum weighed in as a variable."""
    values = [atoms.get(element, 0.0) for element in ELEMENTS]
    return ELEMENT, values, {"units": "mol mol-1"}


def _join(records: list[xr.Dataset], samples: Sequence[StudySample]) -> xr.Dataset:
    """Return the records over ``sample``, phases that occur nowhere left out."""
    joined = xr.concat(records, dim=SAMPLE, combine_attrs="override")
    seen = (joined["weight_fraction_crystalline"] > 0.0).any(SAMPLE)
    kept = [n for n in joined[PHASE].data if n in PHASES or bool(seen.sel({PHASE: n}))]
    times = [sample.time_h for sample in samples]
    return joined.sel({PHASE: kept}).assign_coords(
        {
            SAMPLE: [sample.name for sample in samples],
            MILLING_TIME: label(xr.DataArray(times, dims=SAMPLE), MILLING_TIME),
        }
    )
