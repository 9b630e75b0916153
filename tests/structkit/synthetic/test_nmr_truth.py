"""What a pulse sees of each site, and which T1 it has."""

from __future__ import annotations

import numpy as np
import pytest

from structkit.errors import PlanError
from structkit.synthetic.eis import list_species
from structkit.synthetic.nmr_truth import (
    PRODUCT,
    SITES,
    T1_MILLED_ALONE_S,
    NmrTruth,
    check_nmr_adversary,
)


def test_response_goes_from_all_transitions_to_the_central_one() -> None:
    none = dict.fromkeys(SITES, 0.0)
    whole = NmrTruth(selective_share=0.0, sidebands=none)
    central = NmrTruth(selective_share=1.0, sidebands=none, flip_degree=1e-3)
    at_right = NmrTruth(selective_share=1.0, sidebands=none, flip_degree=90.0)
    assert whole.response_factor == pytest.approx(1.0)
    assert central.response_factor == pytest.approx(0.4)
    assert at_right.response_factor == pytest.approx(0.0, abs=1e-12)


def test_product_relaxes_with_the_mean_rate() -> None:
    truth = NmrTruth()
    _, species = list_species(truth.study)["4h"]
    t1 = truth.product_t1(species)
    assert truth.t1_s["glass"] < t1 < truth.t1_s["crystal"]
    part = species.glass / (species.glass + species.crystal)
    assert 1.0 / t1 == pytest.approx(part / 1.2e-3 + (1.0 - part) / 7.3e-3)


def test_rates_of_slow_and_fast_motion() -> None:
    assert NmrTruth(omega_tau=1e-6).rate_ratio == pytest.approx(1.0)
    assert NmrTruth(omega_tau=1e6).rate_ratio == pytest.approx(4.0)


def test_saturation_is_that_of_the_study() -> None:
    bulk = dict(NmrTruth().t1_s) | {"NaCl": 11.43}
    truth = NmrTruth(t1_s=bulk, flip_degree=90.0)
    _, species = list_species(truth.study)["4h"]
    assert truth.recovered("NaCl", species) == pytest.approx(0.58, abs=0.005)
    assert truth.recovered(PRODUCT, species) == pytest.approx(1.0)


def test_draws_differ_as_their_adversaries_say() -> None:
    def draw(adversary: object) -> NmrTruth:
        rng = np.random.default_rng(8)
        return NmrTruth.draw(rng, adversary=adversary)  # type: ignore[arg-type]

    plain, swapped, long, wrong = map(
        draw, (None, "t1_swap", "saturated_nacl", "wrong_larmor")
    )
    assert swapped.t1_s["NaCl"] == plain.t1_s["Na2O"]
    assert swapped.t1_s["Na2O"] == plain.t1_s["NaCl"]
    assert long.t1_s["NaCl"] > T1_MILLED_ALONE_S["NaCl"]
    assert long.flip_degree == 90.0
    assert wrong.larmor_mhz == pytest.approx(79.390, abs=0.001)
    assert plain.larmor_mhz == pytest.approx(132.294, abs=0.001)
    assert 0.35 < plain.response_factor < 1.05
    with pytest.raises(PlanError, match="no NMR adversary 'fog'"):
        check_nmr_adversary("fog")
