from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import xarray as xr

from structkit.errors import FitError, SchemaError
from structkit.nmr.recovery_laws import LAW_NAMES
from structkit.nmr.site_recovery import choose_law, find_line, measure_recoveries
from structkit.nmr.sites import Site
from structkit.schema import FitStatus, make_nmr_spectrum

MHZ = 132.294
DELAYS = np.geomspace(1e-3, 50.0, 12)
SIGMAS = 3.5
WIDTH_PPM = 3.0
TRUTH = {"A": (-4.0, 0.05), "B": (4.0, 3.0)}
SITES = [
    Site(name=name, shift_ppm=shift + 0.4, fwhm_hz=1.2 * WIDTH_PPM * MHZ)
    for name, (shift, _) in TRUTH.items()
]


def make_recovery(
    truth: Mapping[str, tuple[float, float]], *, seed: int = 1, noise: float = 0.01
) -> xr.Dataset:
    """Return Lorentzian lines (shift, T1) recovering, delays in no order."""
    rng = np.random.default_rng(seed)
    shift = np.linspace(-60.0, 60.0, 1200)
    order = rng.permutation(DELAYS.size)
    delay = DELAYS[order]
    rows = noise * rng.standard_normal((delay.size, shift.size))
    for place, t1 in truth.values():
        line = 1.0 / (1.0 + (2.0 * (shift - place) / WIDTH_PPM) ** 2)
        rows += (1.0 - 1.8 * np.exp(-delay / t1))[:, None] * line
    return make_nmr_spectrum(
        shift,
        rows,
        intensity_std=noise,
        delay=delay,
        scalars={"larmor_frequency": MHZ},
    )


def test_lines_that_overlap_have_their_own_t1() -> None:
    scores = []
    for seed in range(6):
        found = measure_recoveries(make_recovery(TRUTH, seed=seed), SITES)
        assert found.together
        assert np.all(np.diff(found.delay) > 0.0)
        scores += [
            (one.fit.t1 - TRUTH[one.site][1]) / one.fit.t1_std for one in found.sites
        ]
    # mean of squares of twelve normal numbers: 99.9 % below
    assert np.mean(np.square(scores)) < 2.8


def test_one_line_is_integrated_over_a_window() -> None:
    spectra = make_recovery({"B": TRUTH["B"]})
    found = measure_recoveries(spectra, SITES[1:])
    (one,) = found.sites
    assert not found.together
    assert one.site == "B"
    assert one.fit.law.name == "mono"
    assert abs(one.fit.t1 - 3.0) < SIGMAS * one.fit.t1_std
    assert found.window[0] < TRUTH["B"][0] < found.window[1]


def test_window_reaches_five_widths_from_the_highest_line() -> None:
    low, high = find_line(make_recovery({"B": TRUTH["B"]}, noise=1e-4))
    assert (low + high) / 2.0 == pytest.approx(4.0, abs=0.1)  # a point
    assert high - low == pytest.approx(10.0 * WIDTH_PPM, abs=2.0)  # two points of ten


def test_quadrupolar_law_is_chosen_where_the_delays_ask_for_it() -> None:
    """Rates 1 : 4 with weights 1/5 and 4/5 (SCIENCE A3, slow limit)."""
    spectra = make_recovery({"B": TRUTH["B"]}, noise=1e-3)
    fast, slow = np.exp(-DELAYS / 0.4), np.exp(-DELAYS / 1.6)
    grown = 1.0 - 1.8 * (0.2 * fast + 0.8 * slow)
    shift = spectra["chemical_shift"].to_numpy()
    line = 1.0 / (1.0 + (2.0 * (shift - 4.0) / WIDTH_PPM) ** 2)
    rng = np.random.default_rng(5)
    rows = grown[:, None] * line + 1e-3 * rng.standard_normal((12, shift.size))
    spectra = spectra.assign_coords(delay=("delay", DELAYS)).assign(
        intensity=(("delay", "chemical_shift"), rows)
    )
    (one,) = measure_recoveries(spectra, SITES[1:]).sites
    names = [fit.law.name for fit in one.fits]
    assert one.delta_aicc[names.index("quadrupolar_slow")] < 2.0
    assert one.delta_aicc[0] > 10.0
    assert one.chosen > 0
    (spin_half,) = measure_recoveries(spectra, SITES[1:], spin=0.5).sites
    assert [fit.law.name for fit in spin_half.fits] == ["mono", "stretched"]


@pytest.mark.parametrize(
    ("delta", "told"),
    [
        ((1.9, 0.0, 0.5, 0.7), "mono"),
        ((40.0, 0.0, 1.7, 14.9), "quadrupolar"),
        ((40.0, 3.0, 1.0, 0.0), "quadrupolar"),  # the ratio is not known to be 4
        ((40.0, 0.0, 9.0, 12.0), "stretched"),
        ((40.0, 1.0, 3.2, 0.0), "quadrupolar"),
    ],
)
def test_a_law_of_theory_goes_first(delta: tuple[float, ...], told: str) -> None:
    assert LAW_NAMES[choose_law(LAW_NAMES, np.array(delta))] == told


def test_spin_half_has_no_two_rates() -> None:
    assert choose_law(("mono", "stretched"), np.array([9.0, 0.0])) == 1
    assert choose_law(("mono", "stretched"), np.array([1.0, 0.0])) == 0


def test_a_short_recycle_delay_is_told() -> None:
    (one,) = measure_recoveries(
        make_recovery({"B": TRUTH["B"]}), SITES[1:], recycle_delay=2.0
    ).sites
    assert "shorter than 5 T1" in one.fit.reason


def test_many_points_are_averaged_without_harm() -> None:
    shift = np.linspace(-60.0, 60.0, 24_000)
    clean = make_recovery(TRUTH, noise=1e-9).interp(chemical_shift=shift)
    rng = np.random.default_rng(4)
    noise = 0.04 * rng.standard_normal((DELAYS.size, shift.size))
    spectra = make_nmr_spectrum(
        shift,
        clean["intensity"].to_numpy() + noise,
        intensity_std=0.04,
        delay=clean["delay"].to_numpy(),
        scalars={"larmor_frequency": MHZ},
    ).assign_attrs(noise_correlation=1.0)
    found = measure_recoveries(spectra, SITES)
    for one in found.sites:
        assert abs(one.fit.t1 - TRUTH[one.site][1]) < SIGMAS * one.fit.t1_std
    assert found.status is FitStatus.CONVERGED, found.reason


def test_what_holds_no_recovery_is_refused() -> None:
    spectra = make_recovery(TRUTH)
    with pytest.raises(SchemaError, match="vdlist"):
        measure_recoveries(spectra.isel(delay=0, drop=True), SITES)
    with pytest.raises(SchemaError, match="no point between 900 and 950"):
        measure_recoveries(spectra, SITES, window=(900.0, 950.0))
    with pytest.raises(FitError, match="nothing to fit"):
        measure_recoveries(spectra.assign(intensity=0.0 * spectra["intensity"]), SITES)
