"""The true areas follow from amounts and cross-sections, and from nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from structkit.errors import PlanError
from structkit.synthetic.raman import describe_series
from structkit.synthetic.raman_lines import line_density
from structkit.synthetic.raman_species import (
    ANNEALED,
    AXIAL,
    COVER_GLASS,
    GLASS,
    NTC,
    OXIDE_BRIDGE,
    TA2CL10,
    TA2O5,
)
from structkit.synthetic.raman_truth import (
    CRYSTALLISED,
    RAMAN_ADVERSARIES,
    TA2O5_AREA,
    RamanAdversary,
    RamanSample,
    RamanTruth,
    describe_sample,
    highest_point,
)
from structkit.synthetic.study_truth import Contents, StudyTruth, fill, without_oxide

# a few sums and products in double precision
ROUNDING = 1e-12
# Olivero's formula 2e-4, the search for half heights 1e-4
WIDTH_TOLERANCE = 1e-3


def draw(seed: int, *, resolved: bool = True) -> RamanTruth:
    return RamanTruth.draw(np.random.default_rng(seed), resolved=resolved)


def series(
    truth: RamanTruth, adversary: RamanAdversary | None = None
) -> dict[str, RamanSample]:
    samples = describe_series(truth, seed=3, adversary=adversary)
    return {sample.name: sample for sample in samples}


def area_of(sample: RamanSample, *species: str) -> float:
    return sum(band.area for band in sample.bands if band.species in species)


@pytest.mark.parametrize("seed", range(5))
def test_areas_are_amounts_times_cross_sections(seed: int) -> None:
    truth = draw(seed)
    for sample in series(truth).values():
        amounts, x = sample.amounts, sample.oxygen
        assert sum(amounts.values()) == pytest.approx(1.0, abs=0.06)  # NaCl's blank
        scale = area_of(sample, NTC, TA2CL10, GLASS) / (
            amounts[NTC]
            + truth.ta2cl10_ratio * amounts[TA2CL10]
            + truth.kappa * amounts[GLASS]
        )
        found = area_of(sample, NTC)
        assert found == pytest.approx(scale * amounts[NTC], rel=1e-9)
        glass = area_of(sample, GLASS)
        assert glass == pytest.approx(
            scale * truth.kappa * amounts[GLASS], rel=1e-9, abs=ROUNDING
        )
        if x > 0.0:
            ratio = area_of(sample, OXIDE_BRIDGE) / glass
            back = 6.0 * ratio / (truth.bridge_ratio + 2.0 * ratio)
            assert back == pytest.approx(x, rel=1e-9)


def test_amounts_are_those_of_the_pattern() -> None:
    truth = draw(4)
    sample = series(truth)["2h"]
    contents = fill(truth.study, 2.0)
    assert sample.amounts[NTC] == pytest.approx(contents.crystalline["NaTaCl6"])
    assert sample.amounts[TA2CL10] == pytest.approx(contents.crystalline["TaCl5"])
    assert sample.amounts[GLASS] == pytest.approx(contents.amorphous_atoms["Ta"])


@pytest.mark.parametrize("resolved", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_the_two_stretches_can_or_cannot_be_told_apart(
    seed: int, resolved: bool
) -> None:
    truth = draw(seed, resolved=resolved)
    low, high = (8.0, 12.0) if resolved else (30.0, 40.0)
    for sample in series(truth).values():
        widths = [
            b.fwhm
            for b in sample.bands
            if b.species == AXIAL or (b.species == NTC and b.nominal == 378.0)
        ]
        for width in widths:
            assert low * (1.0 - WIDTH_TOLERANCE) < width
            assert width < high * (1.0 + WIDTH_TOLERANCE)
    reference = {band.name: band for band in series(truth)["NTC"].bands}
    widths = [reference[AXIAL].fwhm, reference["NaTaCl6 378"].fwhm]
    np.testing.assert_allclose(widths, truth.stretch_fwhm, rtol=WIDTH_TOLERANCE)


def valley(truth: RamanTruth) -> float:
    """Return the lowest point between 378 and 405 over the lower of the maxima."""
    sample = series(truth)["NTC"]
    pair = [b for b in sample.bands if b.name in (AXIAL, "NaTaCl6 378")]
    grid = np.arange(365.0, 420.0, 0.25)
    total = sum(
        b.area * line_density(grid, b.shape, spectrometer=sample.spectrometer)
        for b in pair
    )
    assert isinstance(total, np.ndarray)
    axial = float(total[np.abs(grid - 405.0) < 5.0].max())
    between = float(total[(grid > 383.0) & (grid < 400.0)].min())
    return between / axial


@pytest.mark.parametrize("seed", range(5))
def test_a_valley_separates_resolved_lines_only(seed: int) -> None:
    assert valley(draw(seed)) < 0.7
    assert valley(draw(seed, resolved=False)) > 0.95


def test_oxygen_takes_the_405_line() -> None:
    truth = RamanTruth(axial_ratio=0.5, axial_loss=0.6)
    assert truth.axial_share(0.0) == pytest.approx(0.5)
    assert truth.axial_share(0.05) == pytest.approx(0.2)
    assert truth.axial_share(0.1) == pytest.approx(0.08)
    absent = replace(truth, axial_ratio=0.0)
    assert area_of(series(absent)["NTC"], AXIAL) == 0.0


def test_highest_point_is_that_of_the_exposure() -> None:
    truth = draw(2)
    sample = describe_sample(
        truth, without_oxide(), name="x", rng=np.random.default_rng(9)
    )
    chance = np.random.default_rng(9).standard_normal()
    expected = truth.peak_counts * np.exp(0.2 * chance)
    assert highest_point(sample.bands, sample.spectrometer) == pytest.approx(expected)


def test_drawn_truths_stay_in_their_ranges() -> None:
    truths = [draw(seed) for seed in range(200)]
    kappa = np.array([truth.kappa for truth in truths])
    assert 0.3 <= kappa.min() < 0.4
    assert 2.5 < kappa.max() <= 3.0
    assert max(abs(truth.axis_error) for truth in truths) <= 1.0
    offsets = np.concatenate(
        [np.concatenate([*truth.centre_offsets.values()]) for truth in truths]
    )
    assert offsets.std() == pytest.approx(1.5, rel=0.05)


@pytest.mark.parametrize("adversary", RAMAN_ADVERSARIES)
def test_adversary_changes_what_it_says(adversary: RamanAdversary) -> None:
    truth = draw(6)
    plain, changed = series(truth), series(truth, adversary)
    milled = [name for name, sample in plain.items() if sample.role == "milled"]
    assert milled == ["1h", "2h", "4h", "6h"]
    for name, sample in changed.items():
        before = plain[name]
        own = area_of(sample, NTC, AXIAL, TA2CL10, GLASS, OXIDE_BRIDGE)
        is_milled = name in milled
        if adversary == "tacl5_residue":
            if is_milled:
                assert sample.amounts[TA2CL10] > 0.1
            continue
        assert sample.amounts == before.amounts
        oxide = TA2O5_AREA if adversary == "ta2o5" and is_milled else 0.0
        assert area_of(sample, TA2O5) / own == pytest.approx(oxide)
        has_cover = area_of(sample, COVER_GLASS) > 0.0
        assert has_cover == (adversary == "cover_glass")
        assert bool(sample.damage) == (adversary == "laser_crystallised" and is_milled)
        assert (sample.bleaching_rate > 0.0) == (adversary == "bleaching")


def test_damage_conserves_tantalum() -> None:
    truth = draw(6)
    sample = series(truth, "laser_crystallised")["4h"]
    grown = sum(b.area for b in sample.damage if b.species == ANNEALED)
    lost = CRYSTALLISED * area_of(sample, GLASS)
    assert grown * truth.kappa == pytest.approx(lost)
    width = next(b.fwhm for b in sample.damage if b.nominal == 378.0)
    assert width < min(truth.stretch_fwhm)


def test_mistakes_are_refused() -> None:
    with pytest.raises(PlanError, match="no Raman adversary 'fog'"):
        describe_series(RamanTruth(), seed=1, adversary="fog")  # type: ignore[arg-type]
    with pytest.raises(PlanError, match="must be positive"):
        RamanTruth(kappa=0.0)
    with pytest.raises(PlanError, match="axial_loss"):
        RamanTruth(axial_loss=1.2)
    with pytest.raises(PlanError, match="fluorescence"):
        RamanTruth(fluorescence=(2.0, 1.0))
    salt = Contents(crystalline={"NaCl": 1.0}, weighed={"Na": 1.0, "Cl": 1.0, "Ta": 0})
    with pytest.raises(PlanError, match="holds nothing"):
        describe_sample(
            RamanTruth(study=StudyTruth()),
            salt,
            name="salt",
            rng=np.random.default_rng(1),
        )
