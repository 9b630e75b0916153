"""Rival readings: the right one is ranked first."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from structkit.errors import FitError
from structkit.io.spectra import read_spectra
from structkit.raman.assign import (
    Assignment,
    RankedHypothesis,
    _symmetric,
    add_spots,
    assign,
    build_model,
    compare_fits,
    count_parameters,
)
from structkit.raman.bands import Band
from structkit.raman.blocks import noise_of
from structkit.raman.fit import fit_bands
from structkit.raman.hypotheses import Hypothesis, load_hypotheses
from structkit.raman.library import BandLibrary, load_bands
from structkit.raman.model import BandModel, BaselineOptions, Template, Tie
from structkit.raman.prepare import PreparationOptions, prepare_spectra
from structkit.raman.references import ReferenceBands
from structkit.raman.search import UNASSIGNED
from structkit.schema import (
    INTENSITY,
    INTENSITY_STD,
    MASKED,
    RAMAN_SHIFT,
    SPOT,
    make_spectra,
)

Simulate = Callable[..., xr.Dataset]
Near = Callable[..., tuple[Band, ...]]
MakeLine = Callable[..., Any]

STOP = 2e-3
"""Half of chi-square that least squares leave to a further step."""
READINGS = (
    "NTC",
    "NTC + TaCl5",
    "NTC + Ta2O5",
    "NTC + cover glass",
    "NTC + bent Ta-O-Ta",
)
SALT = {"NaTaCl6": 1.0, "405 line": 0.5}
CONTENTS: Mapping[str, Mapping[str, float]] = {
    "NTC": SALT,
    "NTC + TaCl5": SALT | {"TaCl5": 0.8},
    "NTC + Ta2O5": SALT | {"Ta2O5": 0.5},
    "NTC + cover glass": SALT | {"cover glass": 1.0},
    "NTC + bent Ta-O-Ta": SALT | {"Ta-O-Ta bent": 0.7},
}


@pytest.fixture(scope="module")
def library() -> BandLibrary:
    return load_bands()


@pytest.fixture(scope="module")
def hypotheses() -> tuple[Hypothesis, ...]:
    known = {one.name: one for one in load_hypotheses()}
    return tuple(known[name] for name in READINGS)


def draw_sample(
    contents: Mapping[str, float],
    *,
    library: BandLibrary,
    simulate: Simulate,
    make_line: MakeLine,
    seed: int,
) -> xr.Dataset:
    """Return three spots; lines 3 cm-1 and areas 30 % off what the library says."""
    rng = np.random.default_rng(seed)
    lines = [
        make_line(
            centre=band.wavenumber + rng.normal(0.0, 3.0),
            area=2e3 * amount * band.strength * band.fwhm * rng.uniform(0.7, 1.3),
            sigma=0.25 * band.fwhm,
            gamma=0.3 * band.fwhm,
        )
        for species, amount in contents.items()
        for band in library.select(species).within(105.0, 1090.0).bands
    ]
    shift = np.arange(100.0, 1100.0, 2.0)
    return simulate(lines, seed=seed, shift=shift, scales=(1.0, 0.8, 1.2))


@pytest.mark.parametrize("truth", READINGS)
def test_the_true_reading_is_first(
    truth: str,
    library: BandLibrary,
    hypotheses: tuple[Hypothesis, ...],
    simulate: Simulate,
    make_line: MakeLine,
) -> None:
    spectra = draw_sample(
        CONTENTS[truth],
        library=library,
        simulate=simulate,
        make_line=make_line,
        seed=111,
    )
    found = assign(spectra, hypotheses, library=library)
    assert found.best.hypothesis.name == truth
    assert found.best.delta_bic == 0.0
    deltas = [one.delta_bic for one in found.ranked]
    assert deltas == sorted(deltas)
    # A band nobody assigned may stand for the only one that tells two apart.
    assert deltas[1] > (0.0 if "bent" in truth else 10.0)
    assert found.n_independent == 500.0
    assert 1.0 <= found.misfit < 2.0
    others = set(CONTENTS[truth]) - set(SALT)
    if others:
        own = {band.name for band in library.select(sorted(others)).bands}
        assert found.best.discriminating[0].split(" (z")[0] in own
    for one in found.ranked:
        assert one.fit is not None
        assert one.n_parameters == count_parameters(one.fit)


def test_a_line_that_no_reading_has_decides_nothing(
    library: BandLibrary,
    hypotheses: tuple[Hypothesis, ...],
    simulate: Simulate,
    make_line: MakeLine,
) -> None:
    """A plasma line at 965: it becomes a band nobody assigned in every reading."""
    lines = [
        make_line(
            centre=band.wavenumber,
            area=2e3 * amount * band.strength * band.fwhm,
            sigma=0.25 * band.fwhm,
            gamma=0.3 * band.fwhm,
        )
        for species, amount in CONTENTS["NTC + TaCl5"].items()
        for band in library.select(species).within(105.0, 1090.0).bands
    ]
    lines.append(make_line(centre=965.0, area=8000.0))
    spectra = simulate(lines, seed=112, shift=np.arange(100.0, 1100.0, 2.0))
    found = assign(spectra, hypotheses[:2], library=library)
    assert found.best.hypothesis.name == "NTC + TaCl5"
    assert found.best.fit is not None
    extra = [b for b in found.best.fit.model.bands if b.species == UNASSIGNED]
    assert any(abs(band.wavenumber - 965.0) < 6.0 for band in extra)


NESTED = (
    "NTC",
    "NTC + cover glass",
    "NTC + bent Ta-O-Ta",
    "NTC + NTOC glass",
    "NTC + NTOC glass + bent Ta-O-Ta",
    "NTC + NTOC glass + cover glass",
)


@pytest.mark.parametrize(
    ("species", "amount", "seed"),
    [
        ("cover glass", 1.0, 125),
        ("NTOC glass", 0.5, 131),
        ("Ta-O-Ta bent", 0.5, 124),
        ("Ta-O-Ta bent", 0.5, 126),
    ],
)
def test_no_reading_is_behind_a_part_of_it_by_more_than_its_price(
    species: str,
    amount: float,
    seed: int,
    library: BandLibrary,
    simulate: Simulate,
    make_line: MakeLine,
) -> None:
    """Least squares from the library's bands end up to 1000 higher in the larger."""
    known = {one.name: one for one in load_hypotheses()}
    spectra = draw_sample(
        SALT | {species: amount},
        library=library,
        simulate=simulate,
        make_line=make_line,
        seed=seed,
    )
    found = assign(spectra, [known[name] for name in NESTED], library=library)
    check_nested(found)


def check_nested(found: Assignment) -> None:
    """Check all pairs of readings of which one holds the other."""
    pairs = 0
    for part, whole in itertools.permutations(found.ranked, 2):
        species = set(part.hypothesis.species)
        if not species < set(whole.hypothesis.species):
            continue
        assert part.fit is not None
        assert whole.fit is not None
        pairs += 1
        added = [
            band
            for band in whole.fit.model.bands
            if band.species not in {*species, UNASSIGNED}
        ]
        # An area, a centre, a width and a shape each.
        price = 4.0 * len(added) * math.log(found.n_independent)
        assert whole.delta_bic < part.delta_bic + price + 2.0 * STOP
        if count_found(whole) >= count_found(part):
            assert whole.chi_square < part.chi_square + 2.0 * STOP
    assert pairs


def count_found(ranked: RankedHypothesis) -> int:
    """Return the number of bands nobody assigned."""
    assert ranked.fit is not None
    return sum(band.species == UNASSIGNED for band in ranked.fit.model.bands)


@pytest.mark.shared
def test_no_measured_reading_is_behind_a_part_of_it(
    library: BandLibrary, shared_data: Path
) -> None:
    """A spectrum that no reading describes: it has a misfit of 16."""
    spectra = read_spectra(shared_data / "raman" / "SMC1-Initial_RT.txt")
    prepared = prepare_spectra(spectra, options=PreparationOptions())
    names = ("NTC + bent Ta-O-Ta", "NTOC glass + bent Ta-O-Ta", *NESTED[3:5])
    known = {one.name: one for one in load_hypotheses()}
    found = assign(prepared, [known[name] for name in names], library=library)
    assert found.misfit > 5.0
    check_nested(found)


def test_all_readings_weigh_the_points_alike(
    library: BandLibrary,
    hypotheses: tuple[Hypothesis, ...],
    simulate: Simulate,
    make_line: MakeLine,
) -> None:
    """A sharp line that one reading lacks is no outlier to it."""
    spectra = draw_sample(
        CONTENTS["NTC + Ta2O5"],
        library=library,
        simulate=simulate,
        make_line=make_line,
        seed=119,
    )
    found = assign(spectra, hypotheses, library=library)
    first, *rest = (one.fit for one in found.ranked)
    assert first is not None
    for fit in rest:
        assert fit is not None
        assert np.array_equal(fit.spectra[0].sigma, first.spectra[0].sigma)
        assert fit.smoothness == first.smoothness


def test_bic_is_what_it_says(
    lines: tuple[Any, ...], simulate: Simulate, near: Near
) -> None:
    spectra = simulate(lines, seed=113)
    full = fit_bands(spectra, BandModel(bands=near(lines)))
    # One baseline for both, as in readings: a softer one is the band that is left out.
    same = BaselineOptions(smoothness=full.smoothness)
    four = BandModel(bands=near(lines)[:4], baseline=same)
    fits = {"all": full, "four": fit_bands(spectra, four)}
    found = compare_fits(fits)
    assert found["all"] == 0.0
    # Each free band has a centre, a width, a share and an area; no misfit here.
    assert count_parameters(fits["all"]) == 20
    gained = 2.0 * (fits["four"].solution.cost - fits["all"].solution.cost)
    assert found["four"] == pytest.approx(gained - 4.0 * math.log(400.0), rel=0.15)


def test_spots_are_averaged_with_their_noise(
    lines: tuple[Any, ...], simulate: Simulate
) -> None:
    spectra = simulate(lines, seed=114, scales=(1.0, 2.0))
    summed = add_spots(spectra)
    values = spectra[INTENSITY].to_numpy()
    assert summed[INTENSITY].to_numpy()[0] == pytest.approx(values.mean(axis=0))
    std = np.sqrt((noise_of(spectra) ** 2).sum(axis=0)) / 2.0
    assert summed[INTENSITY_STD].to_numpy()[0] == pytest.approx(std)
    assert summed[INTENSITY].attrs["units"] == "count"
    assert summed.sizes[SPOT] == 1


def test_masked_points_are_left_out_of_the_average(
    lines: tuple[Any, ...], simulate: Simulate
) -> None:
    spectra = simulate(lines, seed=115, scales=(1.0, 1.0))
    mask = np.zeros((2, 400), dtype=np.int8)
    mask[0, 50] = 1
    mask[:, 60] = 1
    hit = spectra.copy(deep=True)
    hit[INTENSITY][0, 50] = 1e6
    summed = add_spots(hit.assign({MASKED: ((SPOT, RAMAN_SHIFT), mask)}))
    std = noise_of(spectra)
    assert float(summed[INTENSITY][0, 50]) == float(spectra[INTENSITY][1, 50])
    assert float(summed[INTENSITY_STD][0, 50]) == pytest.approx(std[1, 50])
    assert float(summed[INTENSITY_STD][0, 60]) > 100.0 * std[0, 60]


def test_a_model_takes_what_is_known_best(library: BandLibrary) -> None:
    """Templates before learned bands before the library; what is outside is cut."""
    base = BandModel(bands=library.bands[:1], instrument_fwhm=3.0)
    shift = np.arange(90.0, 1110.0, 2.0)
    glass = Template(
        name="glass", species="cover glass", raman_shift=shift, values=np.ones(510)
    )
    own = tuple(
        Band(name=f"x{c}", species="NaTaCl6", wavenumber=float(c)) for c in (300, 378)
    )
    apart = Band(name="x405", species="405 line", wavenumber=405.0)
    far = Band(name="x1500", species="NaTaCl6", wavenumber=1500.0)
    learned = ReferenceBands(
        bands=(*own, far, apart),
        tie=Tie(
            name="NaTaCl6",
            species="NaTaCl6",
            bands=("x300", "x378", "x1500"),
            shares=(1.0, 3.0, 1.0),
        ),
        source="NTC",
    )
    model, lacks = build_model(
        ("NaTaCl6", "405 line", "cover glass", "TaCl5"),
        library=library,
        within=(100.0, 1100.0),
        base=base,
        learned={"NaTaCl6": learned},
        templates={"cover glass": glass},
    )
    assert model is not None
    assert lacks == ""
    names = [band.name for band in model.bands]
    assert names[:3] == ["x300", "x378", "x405"]
    own_names = [b.name for b in library.select("TaCl5").within(100.0, 1100.0).bands]
    assert names[3:] == own_names
    assert model.ties[0].bands == ("x300", "x378")
    assert model.ties[0].shares == (1.0, 3.0)
    assert model.templates == (glass,)
    assert model.instrument_fwhm == 3.0
    # Without the salt's own band apart: its line is not taken.
    less, _ = build_model(
        ("NaTaCl6",),
        library=library,
        within=(100.0, 1100.0),
        base=base,
        learned={"NaTaCl6": learned},
    )
    assert less is not None
    assert [band.name for band in less.bands] == ["x300", "x378"]


GLASS = {
    "strange glass": ((480.0, 60.0, 3.0), (610.0, 30.0, 1.5), (800.0, 40.0, 1.0)),
}


def draw_glass(simulate: Simulate, make_line: MakeLine, seed: int) -> xr.Dataset:
    """Return a glass alone that is not quite the library's, on an axis of its own."""
    lines = [
        make_line(centre=c, area=4e6 * a, sigma=w, gamma=1.0)
        for c, w, a in GLASS["strange glass"]
    ]
    shift = np.arange(90.0, 1115.0, 2.7)
    return simulate(lines, seed=seed, shift=shift, level=30.0)


def test_a_measured_blank_is_in_every_reading(
    library: BandLibrary,
    hypotheses: tuple[Hypothesis, ...],
    simulate: Simulate,
    make_line: MakeLine,
) -> None:
    """Oxide under a glass that no reading has together with it."""
    spectra = draw_sample(
        CONTENTS["NTC + Ta2O5"],
        library=library,
        simulate=simulate,
        make_line=make_line,
        seed=121,
    )
    glass = draw_glass(simulate, make_line, seed=122)
    shift = spectra[RAMAN_SHIFT].to_numpy()
    light = 0.2 * np.interp(
        shift, glass[RAMAN_SHIFT].to_numpy(), glass[INTENSITY].to_numpy()[0]
    )
    covered = spectra.assign(
        {
            INTENSITY: spectra[INTENSITY] + light,
            INTENSITY_STD: np.hypot(spectra[INTENSITY_STD], np.sqrt(light)),
        }
    )
    blind = assign(covered, hypotheses, library=library)
    found = assign(covered, hypotheses, library=library, blank=glass)
    assert found.best.hypothesis.name == "NTC + Ta2O5"
    assert found.misfit < 0.5 * blind.misfit
    for one in found.ranked:
        assert one.fit is not None
        assert one.fit.model.names[-1] == "blank"
        assert "cover glass" not in one.fit.model.species
    known = {one.hypothesis.name: one for one in found.ranked}
    plain, under_glass = known["NTC"], known["NTC + cover glass"]
    assert under_glass.delta_bic == pytest.approx(plain.delta_bic)
    assert under_glass.reason.startswith("cover glass: the blank stands for it")
    assert found.best.fit is not None
    area = found.best.fit.areas[0, -1]
    whole = float(np.trapezoid(light, shift))
    assert area == pytest.approx(whole, rel=0.1)  # the baseline takes a part of it


def test_a_glass_measured_apart_is_beside_the_blank(library: BandLibrary) -> None:
    """What the user gave as a species is one; a blank given as one is not."""
    shift = np.arange(90.0, 1110.0, 2.0)
    curve = np.exp(-(((shift - 500.0) / 80.0) ** 2))
    blank, slide = (
        Template(
            name=name,
            species="cover glass",
            raman_shift=shift,
            values=curve,
            background=background,
        )
        for name, background in (("blank", True), ("slide", False))
    )
    found = []
    for one in (blank, slide):
        model, lacks = build_model(
            ("NaTaCl6", "cover glass"),
            library=library,
            within=(100.0, 1100.0),
            base=BandModel(bands=library.bands[:1]),
            templates={"cover glass": one},
            blank=blank,
        )
        assert model is not None
        found.append(([t.name for t in model.templates], bool(lacks)))
    assert found == [(["blank"], True), (["slide", "blank"], False)]


def test_what_has_no_band_in_the_range_is_told(library: BandLibrary) -> None:
    base = BandModel(bands=library.bands[:1])
    model, lacks = build_model(
        ("NaTaCl6", "Ta=O"), library=library, within=(100.0, 500.0), base=base
    )
    assert model is not None
    assert lacks == "Ta=O: no band of it within the range"
    none, lacks = build_model(
        ("Ta=O",), library=library, within=(100.0, 500.0), base=base
    )
    assert none is None
    assert "no band" in lacks


def test_readings_that_cannot_be_fitted_come_last(
    library: BandLibrary,
    lines: tuple[Any, ...],
    simulate: Simulate,
    hypotheses: tuple[Hypothesis, ...],
) -> None:
    spectra = simulate(lines, seed=116).sel(raman_shift=slice(100.0, 500.0))
    only = Hypothesis(name="oxo", species=("Ta=O",), statement="Ta=O alone.")
    found = assign(spectra, (only, hypotheses[0]), library=library)
    assert [one.hypothesis.name for one in found.ranked] == ["NTC", "oxo"]
    last = found.ranked[-1]
    assert math.isnan(last.delta_bic)
    assert last.fit is None
    assert last.discriminating == ()
    assert "no band of it within the range" in last.reason
    with pytest.raises(FitError, match="no hypothesis could be fitted: oxo"):
        assign(spectra, (only,), library=library)


def test_a_silent_addition_ranks_by_its_parameters_only(
    library: BandLibrary, simulate: Simulate, make_line: MakeLine
) -> None:
    """Ta=O has no band below 500: the same fit, the same BIC, and a reason."""
    lines = [make_line(centre=c, area=a) for c, a in ((300.0, 8e3), (378.0, 3e4))]
    spectra = simulate(lines, seed=117, shift=np.arange(100.0, 500.0, 2.0))
    two = (
        Hypothesis(name="salt", species=("NaTaCl6",), statement="a"),
        Hypothesis(name="and oxo", species=("NaTaCl6", "Ta=O"), statement="b"),
    )
    found = assign(spectra, two, library=library)
    assert [one.delta_bic for one in found.ranked] == pytest.approx([0.0, 0.0])
    reasons = {one.hypothesis.name: one.reason for one in found.ranked}
    assert reasons["salt"] == ""
    assert "Ta=O" in reasons["and oxo"]


def test_noise_that_is_underrated_does_not_decide(
    library: BandLibrary,
    hypotheses: tuple[Hypothesis, ...],
    simulate: Simulate,
    make_line: MakeLine,
) -> None:
    """Noise said to be a third of what it is: the salt alone is still first."""
    spectra = draw_sample(
        SALT, library=library, simulate=simulate, make_line=make_line, seed=118
    )
    shrunk = make_spectra(
        spectra[RAMAN_SHIFT].to_numpy(),
        spectra[INTENSITY].to_numpy(),
        intensity_std=spectra[INTENSITY_STD].to_numpy() / 3.0,
    )
    found = assign(shrunk, hypotheses, library=library)
    assert found.misfit == pytest.approx(9.0, rel=0.5)
    assert found.best.hypothesis.name == "NTC"


def test_readings_hold_the_skew_that_a_series_fits() -> None:
    # a regression once took the skew out of series, too: bends were 16 % too high
    library = load_bands()
    base = BandModel(bands=library.bands[:1])
    model, _ = build_model(
        ("NaTaCl6", "NTOC glass"), library=library, within=(60.0, 1100.0), base=base
    )
    assert model is not None
    skewed = [band.name for band in model.bands if band.skew_std > 0.0]
    assert skewed
    assert {band.species for band in model.bands if band.skew_std > 0.0} == {
        "NTOC glass"
    }
    assert all(band.skew_std == 0.0 for band in _symmetric(model).bands)
