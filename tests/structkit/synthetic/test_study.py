"""The synthetic study keeps its books; each adversary breaks one thing and no other."""

import re
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import xarray as xr

from structkit.errors import PlanError
from structkit.io.manifest import read_series
from structkit.io.read import read_pattern
from structkit.store import read_dataset
from structkit.structures.cif import read_cif
from structkit.structures.composition import mixture_mass_fractions
from structkit.synthetic.scattering import form_factor, halo, mass_attenuation
from structkit.synthetic.study import (
    ADVERSARIES,
    WRONG_CIF,
    Adversary,
    StudyTruth,
    analyst_structures,
    simulate_monitor,
    simulate_study,
    write_study,
)
from structkit.synthetic.study_truth import (
    EVAPORATED,
    OTHER_PHASE,
    PHASES,
    RESIDUE,
    WEIGHED_IN,
    Contents,
    anneal,
    fill,
    formula_atoms,
    formula_mass,
    structure_of,
    without_oxide,
)

COARSE = np.arange(10.0, 60.0, 0.1)
TIMES = (0.0, 0.05, 1.0, 2.0, 4.0, 6.0, 50.0)
MIXTURE = {"NaCl": 1.0, "TaCl5": 1.0, "Na2O": 1.0}
# sums of a few products of order one, in double precision; charges weigh up to 5
ROUNDING = 1e-12
CHARGE_ROUNDING = 1e-11
# what cutting off at a finite Q leaves of the sum rule
SUM_RULE_TOLERANCE = 0.04


def simulate(
    adversary: Adversary | None = None, *, seed: int = 5, **options: object
) -> tuple[xr.DataTree, xr.Dataset]:
    rng = np.random.default_rng(seed)
    return simulate_study(
        StudyTruth(), rng=rng, adversary=adversary, two_theta=COARSE, **options
    )


@pytest.fixture(scope="module")
def plain() -> tuple[xr.DataTree, xr.Dataset]:
    return simulate()


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("adversary", [None, *ADVERSARIES])
def test_atoms_and_charge_are_conserved(seed: int, adversary: Adversary | None) -> None:
    truth = StudyTruth.draw(np.random.default_rng(seed))
    for time_h in TIMES:
        contents = fill(truth, time_h, adversary=adversary)
        left = contents.amorphous_atoms
        assert min(contents.crystalline.values()) >= 0.0
        charge = left["Na"] + 5.0 * left["Ta"] - 2.0 * left["O"] - left["Cl"]
        assert charge == pytest.approx(0.0, abs=CHARGE_ROUNDING)
        for element, count in contents.weighed.items():
            held = sum(
                n * formula_atoms(name).get(element, 0.0)
                for name, n in contents.crystalline.items()
            )
            assert held + left[element] == pytest.approx(count, abs=ROUNDING)


def test_unmilled_is_the_weighed_mixture(
    plain: tuple[xr.DataTree, xr.Dataset],
) -> None:
    first = plain[1].sel(sample="unmilled")
    for name, share in mixture_mass_fractions(MIXTURE).items():
        found = float(first["weight_fraction"].sel(phase=name))
        # the structures' masses and the formulae's are summed in another order
        assert found == pytest.approx(share, rel=1e-9)
    assert float(first["amorphous_fraction"]) == pytest.approx(0.0, abs=ROUNDING)
    # SCIENCE, finding 2
    np.testing.assert_allclose(
        first["weight_fraction"].sel(phase=["NaCl", "TaCl5", "Na2O"]),
        [0.122, 0.748, 0.129],
        atol=6e-4,
    )


def test_sodium_tantalum_chloride_comes_and_goes() -> None:
    truth = StudyTruth()
    times = np.linspace(0.0, 12.0, 100)
    moles = [fill(truth, float(t)).crystalline for t in times]
    ntc = np.array([m["NaTaCl6"] for m in moles])
    peak = np.log(truth.precursor_rate / truth.glass_rate) / (
        truth.precursor_rate - truth.glass_rate
    )
    assert times[ntc.argmax()] == pytest.approx(peak, abs=0.07)
    assert ntc[0] == 0.0
    assert np.all(np.diff([m["TaCl5"] for m in moles]) < 0.0)


def test_chain_is_the_solution_of_its_equations() -> None:
    truth = StudyTruth()
    times = np.linspace(0.0, 5.0, 5001)
    precursors, ntc = np.array([truth.chain(float(t)) for t in times]).T
    rate = truth.precursor_rate * precursors - truth.glass_rate * ntc
    np.testing.assert_allclose(
        np.gradient(ntc, times)[1:-1], rate[1:-1], atol=1e-5, rtol=1e-5
    )
    equal = replace(truth, glass_rate=truth.precursor_rate)
    near = replace(truth, glass_rate=truth.precursor_rate * (1.0 + 2e-6))
    np.testing.assert_allclose(equal.chain(1.0), near.chain(1.0), rtol=1e-5)


def test_sodium_chloride_is_the_blank_and_twice_the_oxygen() -> None:
    truth = StudyTruth()
    late = fill(truth, 200.0).crystalline["NaCl"]
    reacted = 1.0 - truth.nacl_blank
    expected = truth.nacl_blank + 2.0 * truth.oxygen_end * reacted
    assert late == pytest.approx(expected, rel=1e-9)


def test_mass_is_conserved_and_attenuation_closed(
    plain: tuple[xr.DataTree, xr.Dataset],
) -> None:
    known = plain[1]
    total = known["weight_fraction"].sum("phase") + known["amorphous_fraction"]
    np.testing.assert_allclose(total, 1.0, atol=ROUNDING)
    alone = mass_attenuation(WEIGHED_IN, known.attrs["optics_wavelength"])
    np.testing.assert_allclose(known["mass_attenuation"], alone, rtol=1e-9)


def test_moles_say_what_weights_say(plain: tuple[xr.DataTree, xr.Dataset]) -> None:
    known = plain[1].sel(sample="2h")
    total = sum(moles * formula_mass(name) for name, moles in MIXTURE.items())
    for name in PHASES:
        moles = float(known["moles"].sel(phase=name))
        weight = float(known["weight_fraction"].sel(phase=name))
        assert weight == pytest.approx(moles * formula_mass(name) / total, rel=1e-9)


def test_annealing_gives_crystals_back() -> None:
    milled = fill(StudyTruth(), 4.0)
    heated = anneal(milled)
    assert heated.crystalline["NaTaCl6"] > 2.0 * milled.crystalline["NaTaCl6"]
    assert heated.crystalline["Na2O"] > milled.crystalline["Na2O"]
    assert min(heated.amorphous_atoms.values()) >= 0.0


def test_more_crystals_than_weighed_are_refused() -> None:
    with pytest.raises(PlanError, match="mol more"):
        _ = Contents(crystalline={"NaCl": 4.0}).amorphous_atoms


def test_a_pattern_of_other_atoms_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    correct = Contents.weight_fractions.fget
    assert correct is not None

    def wrong(contents: Contents) -> dict[str, float]:
        shares = correct(contents)
        return shares | {"NaCl": shares["NaCl"] * (1.0 - 1e-9)}

    monkeypatch.setattr(Contents, "weight_fractions", property(wrong))
    with pytest.raises(PlanError, match="atoms are not conserved"):
        simulate(times_h=(1.0,))


@pytest.mark.parametrize("rate", [2.0, 3.5, 4.5, 6.0])
def test_a_phase_that_fades_away_keeps_the_books(rate: float) -> None:
    truth = replace(StudyTruth(), precursor_rate=rate)
    rng = np.random.default_rng(1)
    known = simulate_study(truth, rng=rng, two_theta=COARSE, times_h=(4.0, 6.0, 9.0))[1]
    assert float(known["weight_fraction"].sel(phase="TaCl5")[-1]) < 1e-7
    total = known["weight_fraction"].sum("phase") + known["amorphous_fraction"]
    np.testing.assert_allclose(total, 1.0, atol=ROUNDING)


def test_precursors_alone_hold_no_oxide() -> None:
    known = simulate(extras=("NTC-4",), times_h=(1.0,))[1].sel(sample="NTC-4")
    assert float(known["weighed_atoms"].sel(element="O")) == 0.0
    assert without_oxide().amorphous_atoms["Na"] == pytest.approx(0.1)
    assert float(known["amorphous_fraction"]) == pytest.approx(0.143, abs=0.01)


@pytest.mark.parametrize("time_h", [1.0, 6.0])
def test_halo_obeys_the_sum_rule(time_h: float) -> None:
    """Per gram, Q^2 I(Q) of the glass integrates to what its atoms scatter (B7)."""
    glass = fill(StudyTruth(), time_h).glass
    assert glass is not None
    q = np.linspace(0.05, 20.0, 8000)
    s = q / (4.0 * np.pi)
    alone = sum(
        n * np.abs(form_factor(e, s, 1.5406)) ** 2 for e, n in glass.composition.items()
    )
    curve = halo(glass, s, 1.5406)
    ratio = np.trapezoid(curve * q**2, q) / np.trapezoid(alone * q**2, q)
    assert ratio == pytest.approx(1.0, abs=SUM_RULE_TOLERANCE)


def test_halo_of_the_pattern_is_absolute(
    plain: tuple[xr.DataTree, xr.Dataset],
) -> None:
    """From counts back to electrons: G, attenuation and film are all there is."""
    known = plain[1].sel(sample="6h")
    glass = fill(StudyTruth(), 6.0).glass
    assert glass is not None
    theta = np.radians(0.5 * COARSE)
    path = 2.0 * 8.6e-4 * float(known["film_thickness_um"]) / np.sin(theta)
    polarization = 0.5 * (1.0 + np.cos(2.0 * theta) ** 2)
    wavelength = known.attrs["optics_wavelength"]
    electrons = halo(glass, np.sin(theta) / wavelength, wavelength)
    moles = float(known["amorphous_fraction"]) / glass.molar_mass
    scale = float(known["instrument_scale"]) / float(known["mass_attenuation"])
    expected = scale * moles * electrons * polarization * np.exp(-path)
    np.testing.assert_allclose(known["halo"], expected, rtol=1e-9)


def test_seed_decides_and_samples_have_streams_of_their_own(
    plain: tuple[xr.DataTree, xr.Dataset],
) -> None:
    tree, known = plain
    again, few = simulate(times_h=(4.0,), spiked="4h")
    for name in ("unmilled", "4h"):
        path = f"/{name}/xrd/intensity"
        np.testing.assert_array_equal(again[path], tree[path])
    np.testing.assert_array_equal(few["drift"][:2], known["drift"][[0, 3]])
    other, _ = simulate(seed=6, times_h=(4.0,))
    assert not np.array_equal(other["/4h/xrd/intensity"], tree["/4h/xrd/intensity"])


def test_spike_is_left_out_of_the_sample_but_measured() -> None:
    known = simulate(times_h=(4.0,), spiked="4h")[1]
    twin, sample = known.sel(sample="4h_spiked"), known.sel(sample="4h")
    np.testing.assert_allclose(twin["weight_fraction"], sample["weight_fraction"])
    np.testing.assert_allclose(twin["amorphous_fraction"], sample["amorphous_fraction"])
    assert float(twin["spike_fraction"]) == 0.15
    rutile = float(twin["weight_fraction_crystalline"].sel(phase="rutile"))
    crystalline = 0.15 + 0.85 * float(sample["crystalline_fraction"])
    assert rutile == pytest.approx(0.15 / crystalline, rel=1e-9)
    assert float(twin["component"].sel(phase="rutile").max()) > 100.0


def test_scale_drifts_from_the_session_and_the_monitor_shares_it(
    plain: tuple[xr.DataTree, xr.Dataset],
) -> None:
    known = plain[1]
    scale = float(known["session_scale"])
    np.testing.assert_allclose(known["instrument_scale"], scale * known["drift"])
    assert float(known["drift"][0]) == 1.0
    assert 0.9 < float(known["drift"].min()) < float(known["drift"].max()) < 1.1
    _, plate = simulate_monitor(scale=scale, rng=np.random.default_rng(2))
    assert float(plate["instrument_scale"]) == scale
    assert float(plate["film"].max()) == 0.0


def test_coarse_particles_matter_to_the_unmilled_powder_alone(
    plain: tuple[xr.DataTree, xr.Dataset],
) -> None:
    factors = plain[1]["line_factor"]
    assert float(factors.sel(sample="unmilled", phase="Na2O")) > 1.02
    assert float(factors.sel(sample="unmilled", phase="TaCl5")) < 0.99
    milled = factors.isel(sample=slice(1, None)).to_numpy()
    np.testing.assert_array_equal(milled[np.isfinite(milled)], 1.0)


def test_drawn_truths_differ_and_stay_within_their_ranges() -> None:
    rng = np.random.default_rng(1)
    drawn = [StudyTruth.draw(rng) for _ in range(400)]
    k1, k2 = (
        np.array([getattr(t, name) for t in drawn])
        for name in ("precursor_rate", "glass_rate")
    )
    # standard error of a median of 400 with 30 % spread: 2 %
    assert np.median(k1) == pytest.approx(2.0, rel=0.08)
    assert np.median(k2) == pytest.approx(0.45, rel=0.08)
    assert np.std(np.log(k1)) == pytest.approx(0.3, rel=0.15)
    for truth in drawn:
        assert 2000.0 <= truth.max_counts <= 8000.0
        assert 1.0 <= truth.particle_um <= 5.0
        assert all(0.9 <= r <= 1.1 for r in truth.texture.values())
    with pytest.raises(PlanError, match="positive"):
        StudyTruth(glass_rate=0.0)


def changed_samples(
    first: tuple[xr.DataTree, xr.Dataset], second: tuple[xr.DataTree, xr.Dataset]
) -> set[str]:
    """Return the samples whose counts differ."""
    return {
        str(name)
        for name in first[1]["sample"].to_numpy()
        if not np.array_equal(
            first[0][f"/{name}/xrd/intensity"], second[0][f"/{name}/xrd/intensity"]
        )
    }


MILLED = {"1h", "2h", "4h", "6h"}
CHANGES: dict[str, set[str]] = {
    "blank_missing": set(),
    "film_doubled": {"4h"},
    "other_phase": MILLED,
    "tacl5_residue": MILLED,
    "invisible_na2o": MILLED,
    "wrong_cif_a": set(),
    "wrong_cif_b": set(),
    "evaporated": MILLED,
    "all_crystalline": MILLED,
    "all_amorphous": MILLED,
}


@pytest.mark.parametrize("adversary", get_args(Adversary))
def test_adversary_changes_its_samples_alone(
    adversary: Adversary, plain: tuple[xr.DataTree, xr.Dataset]
) -> None:
    changed = simulate(adversary)
    assert changed_samples(plain, changed) == CHANGES[adversary]
    for name in ("drift", "displacement_mm", "instrument_scale", "session_scale"):
        np.testing.assert_array_equal(changed[1][name], plain[1][name], err_msg=name)
    if adversary != "film_doubled":
        np.testing.assert_array_equal(
            changed[1]["film_thickness_um"], plain[1]["film_thickness_um"]
        )
    closed = adversary in ("evaporated", "other_phase")
    same = np.allclose(changed[1]["mass_attenuation"], plain[1]["mass_attenuation"])
    assert same != closed
    assert changed[1].attrs["adversary"] == adversary


def test_film_doubled_is_doubled(plain: tuple[xr.DataTree, xr.Dataset]) -> None:
    ratio = (
        simulate("film_doubled")[1]["film_thickness_um"] / plain[1].film_thickness_um
    )
    np.testing.assert_allclose(ratio, [1.0, 1.0, 1.0, 2.0, 1.0])


def test_other_phase_is_there_and_named() -> None:
    known = simulate("other_phase")[1]
    assert known.attrs["other_phase"] == "rutile"
    share = known["weight_fraction"].sel(phase="rutile")
    np.testing.assert_allclose(share, [0.0] + 4 * [OTHER_PHASE])
    spiked = simulate("other_phase", spiked="4h")[1]
    assert spiked.attrs["other_phase"] == "zincite"
    total = spiked["weight_fraction"].sum("phase") + spiked["amorphous_fraction"]
    np.testing.assert_allclose(total, 1.0, atol=ROUNDING)


def test_residue_stays() -> None:
    late = fill(StudyTruth(), 100.0, adversary="tacl5_residue").crystalline
    assert late["TaCl5"] == pytest.approx(RESIDUE)


def test_invisible_oxide_leaves_the_rest_alone(
    plain: tuple[xr.DataTree, xr.Dataset],
) -> None:
    known = simulate("invisible_na2o")[1]
    oxide = known["moles"].sel(phase="Na2O").to_numpy()
    np.testing.assert_array_equal(oxide, [1.0, 0.0, 0.0, 0.0, 0.0])
    rest = [name for name in PHASES if name != "Na2O"]
    np.testing.assert_array_equal(
        known["moles"].sel(phase=rest), plain[1]["moles"].sel(phase=rest)
    )


def test_evaporated_chloride_is_gone_from_every_milled_sample() -> None:
    known = simulate("evaporated")[1]
    atoms = known["weighed_atoms"]
    np.testing.assert_allclose(
        atoms.sel(element="Ta"), [1.0] + 4 * [1.0 - EVAPORATED], atol=ROUNDING
    )
    np.testing.assert_allclose(
        atoms.sel(element="Cl"), [6.0] + 4 * [6.0 - 5.0 * EVAPORATED], atol=ROUNDING
    )
    np.testing.assert_allclose(atoms.sel(element="Na"), 3.0)


def test_all_and_nothing() -> None:
    full = simulate("all_crystalline")[1]
    np.testing.assert_allclose(full["amorphous_fraction"], 0.0, atol=ROUNDING)
    none = simulate("all_amorphous")[1]
    np.testing.assert_allclose(none["amorphous_fraction"][1:], 1.0, atol=ROUNDING)
    assert float(none["component"][1:].max()) == 0.0
    assert float(none["halo"][1:].max()) > 100.0


@pytest.mark.parametrize(
    ("adversary", "cations"), [("wrong_cif_a", "KTaCl6"), ("wrong_cif_b", "NaNbCl6")]
)
def test_wrong_cif_is_wrong_in_one_cation(
    tmp_path: Path, adversary: Adversary, cations: str
) -> None:
    path = write_study(tmp_path, adversary=adversary, times_h=(4.0,))
    manifest = read_series(path)
    assert manifest.xrd is not None
    phase = manifest.xrd.phases[0]
    assert phase.name == "NaTaCl6"
    assert phase.cif == tmp_path / WRONG_CIF
    wrong, right = read_cif(phase.cif), structure_of("NaTaCl6")
    assert wrong.formula == cations
    assert "wrong on purpose" in wrong.remarks[0]
    for one, other in zip(wrong.sites, right.sites, strict=True):
        np.testing.assert_allclose(one.position, other.position, atol=1e-7)
    assert analyst_structures(adversary)["NaTaCl6"].formula == cations
    assert analyst_structures()["NaTaCl6"] == right


def test_missing_blank_is_missing(tmp_path: Path) -> None:
    path = write_study(tmp_path, adversary="blank_missing", times_h=(4.0,))
    xrd = read_series(path).xrd
    assert xrd is not None
    assert xrd.blank is None
    assert xrd.film_thickness_um == 25.0
    assert not (tmp_path / "film_blank.xy").exists()


def test_written_study_is_read_back(tmp_path: Path) -> None:
    path = write_study(tmp_path / "study", times_h=(1.0, 4.0))
    manifest = read_series(path)
    assert manifest.xrd is not None
    assert [p.name for p in manifest.xrd.phases] == list(PHASES)
    assert [s.role for s in manifest.samples] == ["unmilled", "milled", "milled"]
    assert manifest.elements_of(manifest.samples[0]) == {
        "Na": 3.0,
        "Cl": 6.0,
        "Ta": 1.0,
        "O": 1.0,
    }
    for name in ("unmilled.xy", "4h.xy", "LaB6.xy", "film_blank.xy"):
        pattern = read_pattern(path.parent / name)
        assert int(pattern["esd_reliable"]) == 1, name
        assert 0.75 < float(pattern["noise_ratio"]) < 1.25, name
    known = read_dataset(path.parent / "truth.nc")
    assert known["amorphous_atoms"].dims == ("sample", "element")
    head = (path.parent / "truth.csv").read_text().splitlines()[0].split(",")
    assert {"sample", "phase", "weight_fraction", "moles", "milling_time_h"} <= set(
        head
    )


def test_extra_samples_have_their_roles(tmp_path: Path) -> None:
    path = write_study(
        tmp_path, times_h=(4.0,), spiked="4h", extras=("NTC-4", "annealed")
    )
    samples = {sample.id: sample for sample in read_series(path).samples}
    assert samples["NTC-4"].role == "crystalline_reference"
    assert samples["NTC-4"].mixture == {"NaCl": 1.0, "TaCl5": 1.0}
    assert samples["annealed"].anneal_temperature == 150.0
    assert samples["4h_spiked"].spike is not None
    assert samples["4h_spiked"].spike.weight_fraction == 0.15


@pytest.mark.parametrize("source", ["unmilled", "monitor", "spiked"])
def test_further_tables_are_written_as_agreed(tmp_path: Path, source: str) -> None:
    spiked = "4h" if source == "spiked" else None
    path = write_study(
        tmp_path, times_h=(4.0,), source=source, spiked=spiked, adversary="evaporated"
    )
    data = tomllib.loads(path.read_text())
    standard = {
        "source": source,
        "transfer_std": 0.03,
        "particle_size_um": [1.0, 5.0],
    }
    if source == "monitor":
        standard |= {"pattern": "monitor.xy", "phase": "corundum", "film": False}
        assert read_pattern(tmp_path / "monitor.xy").sizes["two_theta"] == 2334
    if source == "spiked":
        standard |= {"sample": "4h_spiked"}
    assert data["xrd"]["external_standard"] == standard
    assert data["mill"] == {
        "ball_count": 2,
        "ball_mass_g": 3.17,
        "powder_mass_g": 1.0,
        "frequency_hz": 17.7,
    }
    (sample,) = [one for one in data["sample"] if "composition" in one]
    measured = sample["composition"]
    assert (sample["id"], measured["method"]) == ("4h", "ICP")
    for element, true in (("Na", 3.0), ("Ta", 0.95), ("Cl", 5.75)):
        value, std = measured["atoms"][element], measured["std"][element]
        assert std == pytest.approx(0.01 * value, rel=0.01)
        assert abs(value - true) < 4.0 * std


def test_composition_is_measured_only_when_it_is_not_closed(tmp_path: Path) -> None:
    path = write_study(tmp_path, times_h=(4.0,))
    assert "composition" not in path.read_text()
    assert re.search(r"^\[mill\]$", path.read_text(), re.MULTILINE)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"adversary": "bad_luck"}, "no adversary 'bad_luck'"),
        ({"times_h": (0.0, 1.0)}, "positive hours"),
        ({"spiked": "3h"}, "choose one of unmilled, 1h"),
    ],
)
def test_mistakes_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(PlanError, match=message):
        simulate(**options)


def test_spiked_source_needs_a_spiked_sample(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="needs the name of a sample"):
        write_study(tmp_path, source="spiked")
