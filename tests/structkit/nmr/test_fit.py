"""Simulated decays are made in the time domain; no line shape of the fit is used."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from structkit.errors import FitError, SchemaError
from structkit.nmr.czjzek import second_order_scale
from structkit.nmr.fit import _failed, compare_lines, fit_lines
from structkit.nmr.line_fit import LineFit
from structkit.nmr.line_noise import correlation_length_of
from structkit.nmr.line_results import tabulate_lines
from structkit.nmr.oxide_content import find_oxide_content
from structkit.nmr.response import Blank, CompositionSettings
from structkit.nmr.sites import LineFitOptions, Site
from structkit.nmr.spectrum import ProcessingOptions, process_decay
from structkit.schema import FitStatus, make_nmr_spectrum
from structkit.synthetic.nmr import simulate_nmr

LARMOR = 132.294
WIDTH_HZ = 40e3
N_ACQUIRED = 1024
WINDOW = (-60.0, 100.0)
N_DRAWS = 100
COVERAGE = (0.88, 1.0)
"""Of 95 % intervals: three sigmas of a binomial of 100 draws."""
BIAS = 3.5
"""Sigmas of the mean of all draws."""
Line = tuple[float, float, float, float]
"""Shift (ppm), Lorentzian and Gaussian width (Hz), area."""


def simulate(
    lines: list[Line],
    generator: np.random.Generator,
    *,
    noise: float = 1.0,
    filled: int = 2,
    broadening: float = 0.0,
    phase: float = 0.0,
    slope: float = 0.0,
) -> xr.Dataset:
    """Return the transform of a decay; areas are per ppm."""
    time = np.arange(N_ACQUIRED) / WIDTH_HZ
    signal = np.zeros(N_ACQUIRED, dtype=complex)
    for shift, lorentz, gauss, area in lines:
        decay = np.pi * lorentz * time + (np.pi * gauss * time) ** 2 / np.log(16.0)
        signal += area * np.exp(2j * np.pi * shift * LARMOR * time - decay)
    noisy = generator.normal(size=(2, N_ACQUIRED))
    signal += noise * (noisy[0] + 1j * noisy[1])
    signal *= np.exp(-np.pi * broadening * time)
    signal[0] *= 0.5
    n = filled * N_ACQUIRED
    values = np.fft.fftshift(np.fft.fft(signal, n)) * 2.0 * LARMOR / WIDTH_HZ
    shift = np.fft.fftshift(np.fft.fftfreq(n, 1.0 / WIDTH_HZ)) / LARMOR
    values = values * np.exp(1j * (phase + slope * shift))
    return make_nmr_spectrum(
        shift,
        values.real,
        intensity_imag=values.imag,
        scalars={"larmor_frequency": LARMOR},
    )


def sodium_lines(x: float, blank: float) -> list[Line]:
    product = 38.4
    return [
        (-11.2, 150.0, 250.0, product),
        (7.0, 60.0, 120.0, product * (2.0 * x + blank)),
        (55.0, 100.0, 300.0, 56.8),
    ]


SODIUM = (
    Site(name="NTOC", shift_ppm=-11.0, fwhm_hz=350.0, shape="voigt"),
    Site(
        name="NaCl",
        shift_ppm=7.2,
        fwhm_hz=170.0,
        shape="voigt",
        shift_window_ppm=(5.0, 9.0),
        fwhm_window_hz=(80.0, 400.0),
    ),
    Site(name="Na2O", shift_ppm=55.0, fwhm_hz=400.0, shape="voigt"),
)


@pytest.mark.parametrize(
    ("x", "broadening", "filled"), [(0.0, 0.0, 2), (0.06, 60.0, 4)]
)
def test_areas_and_x_are_unbiased_and_covered(
    x: float, broadening: float, filled: int
) -> None:
    generator = np.random.default_rng(23)
    blank, blank_std = 0.0534, 0.002
    lines = sodium_lines(x, blank)
    truth = np.array([line[3] for line in lines])
    weights = np.exp(-np.pi * broadening * np.arange(N_ACQUIRED) / WIDTH_HZ)
    options = LineFitOptions(
        window_ppm=WINDOW,
        correlation_length=correlation_length_of(weights, filled * N_ACQUIRED),
    )
    pulls, contents = [], []
    for _ in range(N_DRAWS):
        spectrum = simulate(lines, generator, filled=filled, broadening=broadening)
        # Apodisation broadens lines and keeps their areas.
        fit = fit_lines(spectrum, SODIUM, options)
        pulls.append((fit.areas - truth) / np.sqrt(np.diag(fit.area_covariance)))
        measured = Blank(ratio=blank + blank_std * generator.normal(), std=blank_std)
        settings = CompositionSettings(blank=measured, response=1.0)
        pair = np.ix_([1, 0], [1, 0])
        content = find_oxide_content(
            fit.areas[[1, 0]], fit.area_covariance[pair], settings
        )
        contents.append(content)
    found = np.array(pulls)
    covered = (np.abs(found) < 1.96).mean(axis=0)
    assert np.all((covered >= COVERAGE[0]) & (covered <= COVERAGE[1]))
    assert np.all(np.abs(found.mean(axis=0)) < BIAS / np.sqrt(N_DRAWS))
    values = np.array([content.value for content in contents])
    assert abs(values.mean() - x) < BIAS * values.std() / np.sqrt(N_DRAWS)
    inside = np.mean([content.low <= x <= content.high for content in contents])
    assert COVERAGE[0] <= inside <= COVERAGE[1]
    if x == 0.0:
        assert np.mean([c.includes_zero for c in contents]) >= COVERAGE[0]
        assert min(content.low for content in contents) < 0.0


def test_phase_of_first_order_is_found_and_areas_stay() -> None:
    lines = sodium_lines(0.06, 0.05)
    spectrum = simulate(
        lines, np.random.default_rng(4), noise=0.3, phase=0.4, slope=0.004
    )
    fit = fit_lines(spectrum, SODIUM, LineFitOptions(window_ppm=WINDOW, phase="first"))
    middle, edge = np.radians(fit.phase_degree)
    assert middle == pytest.approx(0.4 + 0.004 * 20.0, abs=0.01)
    assert edge == pytest.approx(0.004 * 80.0, abs=0.01)
    pull = (fit.areas - [line[3] for line in lines]) / np.sqrt(
        np.diag(fit.area_covariance)
    )
    assert np.abs(pull).max() < 4.0


def with_sidebands(rate: float, parts: dict[int, float]) -> list[Line]:
    return [
        (shift + order * rate / LARMOR, lorentz, gauss, area * part)
        for shift, lorentz, gauss, area in sodium_lines(0.06, 0.05)
        for order, part in {0: 1.0, **parts}.items()
    ]


@pytest.mark.parametrize("areas", ["free", "shared"])
def test_sidebands_are_included_or_excluded_for_all(areas: str) -> None:
    rate, parts = 6000.0, {-1: 0.2, 1: 0.1}
    lines = with_sidebands(rate, parts)
    spectrum = simulate(lines, np.random.default_rng(8), noise=0.3)
    truth = np.array([line[3] for line in sodium_lines(0.06, 0.05)])
    for sidebands, factor in (("included", 1.3), ("excluded", 1.0)):
        options = LineFitOptions(
            window_ppm=(-120.0, 140.0),
            mas_rate_hz=rate,
            sideband_orders=(-1, 1, 3),
            sideband_areas=areas,  # type: ignore[arg-type]
            sidebands=sidebands,  # type: ignore[arg-type]
        )
        fit = fit_lines(spectrum, SODIUM, options)
        pull = (fit.areas - factor * truth) / np.sqrt(np.diag(fit.area_covariance))
        assert np.abs(pull).max() < 4.0
        told = "\n".join(fit.remarks)
        assert "sideband +3 is outside" in told
        assert f"are {sidebands} for all sites" in told


def test_czjzek_line_of_drawn_gradients_gives_its_width_back() -> None:
    """Second-order shifts of chi-square strength, angle by angle, as decays."""
    generator = np.random.default_rng(12)
    sigma, n = 0.9, 2000
    strength = generator.chisquare(5, n)
    eta = np.linspace(0.0, 1.0, 4001)
    weight = eta * (1.0 - eta**2 / 9.0) * (1.0 + eta**2 / 3.0) ** -2.5
    eta = generator.choice(eta, n, p=weight / weight.sum())
    tilt = eta * np.cos(2.0 * np.pi * generator.random(n))
    square = generator.random(n) ** 2
    a = 21 / 16 - 7 / 8 * tilt + 7 / 48 * tilt**2
    b = -9 / 8 + eta**2 / 12 + tilt - 7 / 24 * tilt**2
    c = 5 / 16 - tilt / 8 + 7 / 48 * tilt**2
    factor = (a * square**2 + b * square + c) / (1.0 + eta**2 / 3.0)
    scale = second_order_scale(sigma, LARMOR)
    shift = -5.0 - scale * strength * factor
    lines = [(float(s), 0.0, 200.0, 100.0 / n) for s in shift]
    spectrum = simulate(lines, generator, noise=0.2)
    site = Site(
        name="glass",
        shift_ppm=-3.0,
        fwhm_hz=300.0,
        shape="czjzek",
        sigma_cq_mhz=0.6,
        lorentzian_share=0.0,
        share_window=(0.0, 0.0),
        shift_window_ppm=(-20.0, 20.0),
    )
    fit = fit_lines(spectrum, [site], LineFitOptions(window_ppm=WINDOW))
    assert fit.sigma_cq_mhz[0] == pytest.approx(sigma, rel=0.03)
    assert fit.shifts[0] == pytest.approx(-5.0, abs=0.3)
    assert fit.areas[0] == pytest.approx(100.0, rel=0.02)


def test_number_of_lines_is_told_by_bic() -> None:
    one = Site(name="a", shift_ppm=-11.0, fwhm_hz=400.0)
    two = (one, Site(name="b", shift_ppm=-5.0, fwhm_hz=400.0))
    options = LineFitOptions(window_ppm=WINDOW)
    generator = np.random.default_rng(2)
    single: list[Line] = [(-11.0, 0.0, 350.0, 40.0)]
    double: list[Line] = [*single, (-6.5, 0.0, 350.0, 15.0)]
    assert compare_lines(simulate(single, generator), [[one], two], options).best == 0
    assert compare_lines(simulate(double, generator), [[one], two], options).best == 1


def test_lines_on_each_other_are_told_as_a_sum() -> None:
    lines: list[Line] = [(-11.0, 100.0, 250.0, 30.0), (-10.4, 100.0, 250.0, 20.0)]
    sites = [
        Site(name="a", shift_ppm=-11.0, fwhm_hz=320.0),
        Site(name="b", shift_ppm=-10.4, fwhm_hz=320.0),
    ]
    options = LineFitOptions(window_ppm=WINDOW, area_sign="positive")
    fit = fit_lines(simulate(lines, np.random.default_rng(3)), sites, options)
    (group,) = fit.find_groups()
    assert group.sites == ("a", "b")
    assert group.reason
    assert fit.status is FitStatus.DOUBTFUL
    assert abs(group.area - 50.0) < 4.0 * group.area_std < 5.0


def test_stated_noise_that_the_residual_exceeds_is_told() -> None:
    lines: list[Line] = [(-11.0, 0.0, 300.0, 40.0), (-4.0, 0.0, 300.0, 40.0)]
    spectrum = simulate(lines, np.random.default_rng(9))
    options = LineFitOptions(window_ppm=WINDOW, noise_window_ppm=(-140.0, -80.0))
    fit = fit_lines(spectrum, [Site(name="a", shift_ppm=-11.0, fwhm_hz=300.0)], options)
    assert fit.status is FitStatus.DOUBTFUL
    assert "times the noise" in fit.reason


def test_fit_without_numbers_is_a_value_with_its_reason() -> None:
    spectrum = simulate(sodium_lines(0.06, 0.05), np.random.default_rng(1))
    model = fit_lines(spectrum, SODIUM, LineFitOptions(window_ppm=WINDOW)).model
    failed = _failed(model, (1.0, False, None), remarks=())
    assert failed.status is FitStatus.FAILED
    assert failed.reason
    table = tabulate_lines(failed)
    assert np.all(np.isnan(table["area"]))
    assert table.attrs["status"] == "failed"


def test_prior_counts_as_one_independent_observation() -> None:
    lines: list[Line] = [(-11.0, 0.0, 300.0, 40.0)]
    spectrum = simulate(lines, np.random.default_rng(10), noise=3.0)
    site = Site(name="a", shift_ppm=-11.0, fwhm_hz=300.0)
    options = LineFitOptions(window_ppm=WINDOW)
    free = fit_lines(spectrum, [site], options)
    std = float(free.shift_std[0])
    told = Site(
        name="a",
        shift_ppm=float(free.shifts[0]) + std,
        fwhm_hz=300.0,
        shift_prior_std_ppm=std,
    )
    fit = fit_lines(spectrum, [told], options)
    assert fit.shift_std[0] == pytest.approx(std / np.sqrt(2.0), rel=0.1)
    assert fit.shifts[0] - free.shifts[0] == pytest.approx(0.5 * std, rel=0.2)


def test_what_cannot_be_fitted_is_refused() -> None:
    spectrum = simulate(sodium_lines(0.0, 0.05), np.random.default_rng(1))
    with pytest.raises(FitError, match="outside the points"):
        fit_lines(spectrum, [Site(name="a", shift_ppm=900.0, fwhm_hz=300.0)])
    with pytest.raises(FitError, match="not unique"):
        fit_lines(spectrum, [SODIUM[0], SODIUM[0]])
    with pytest.raises(FitError, match="no sites"):
        fit_lines(spectrum, [])
    with pytest.raises(FitError, match="free parameters"):
        fit_lines(spectrum, SODIUM, LineFitOptions(window_ppm=(-11.5, -10.5)))
    with pytest.raises(SchemaError, match="larmor_frequency"):
        fit_lines(spectrum.drop_vars("larmor_frequency"), SODIUM)
    with pytest.raises(SchemaError, match="intensity_imag"):
        fit_lines(
            spectrum.drop_vars("intensity_imag"), SODIUM, LineFitOptions(phase="zero")
        )
    with pytest.raises(FitError, match="nothing to fit"):
        fit_lines(spectrum.assign(intensity=0.0 * spectrum["intensity"]), SODIUM)


POSITIVE = LineFitOptions(area_sign="positive", baseline_order=0)
"""As the published fits: one constant, areas not negative."""
SHARE = 0.02
SHIFT_17O = 1.4


def read_published(folder: Path, larmor: float) -> xr.Dataset:
    table = np.genfromtxt(
        folder / "pdata" / "1" / "peak_data.csv", delimiter=",", names=True
    )
    return make_nmr_spectrum(
        table["x_data"][::-1],
        table["y_data"][::-1],
        scalars={"larmor_frequency": larmor},
    )


def fit_oxygen(folder: Path, shifts: tuple[float, ...]) -> LineFit:
    """Fit from the start of the example notebooks of nmrlineshapeanalyser."""
    larmor = 67.80415
    starts = [(40.51, 0.89), (40.51, 0.89), (55.43, 0.52)] * 2
    starts[3:] = [(40.51, 0.89), (55.43, 0.52), (40.51, 0.89)]
    sites = [
        Site(
            name=f"O{number}",
            shift_ppm=shift,
            fwhm_hz=width * larmor,
            lorentzian_share=share,
        )
        for number, (shift, (width, share)) in enumerate(
            zip(shifts, starts, strict=True), start=1
        )
    ]
    return fit_lines(read_published(folder, larmor), sites, POSITIVE)


@pytest.mark.shared
def test_vanadium_lines_are_the_published_ones(shared_data: Path) -> None:
    spectrum = read_published(shared_data / "nmr" / "V51_two_peaks" / "2", 131.5566)
    sites = [
        Site(name="a", shift_ppm=-595.0, fwhm_hz=1500.0),
        Site(name="b", shift_ppm=-577.0, fwhm_hz=1500.0),
    ]
    fit = fit_lines(spectrum, sites, POSITIVE)
    assert fit.shifts == pytest.approx([-595.4, -576.8], abs=0.1)
    assert fit.populations == pytest.approx([0.29, 0.71], abs=SHARE)
    assert fit.fwhm_hz == pytest.approx([2038.9, 1838.2], rel=0.01)


@pytest.mark.shared
def test_six_oxygen_lines_are_the_published_ones(shared_data: Path) -> None:
    folder = shared_data / "nmr" / "O17_six_peaks" / "5"
    fit = fit_oxygen(folder, (334.0, 430.0, 497.0, 562.0, 581.0, 623.0))
    published = [335.07, 431.23, 497.39, 553.29, 580.16, 614.38]
    shares = [0.0211, 0.1171, 0.0447, 0.3428, 0.0255, 0.4488]
    assert fit.shifts == pytest.approx(published, abs=SHIFT_17O)
    assert fit.populations == pytest.approx(shares, abs=SHARE)
    assert ("O4", "O6") in [group.sites for group in fit.find_groups()]


@pytest.mark.shared
def test_first_two_oxygen_lines_that_trade_are_a_sum(shared_data: Path) -> None:
    folder = shared_data / "nmr" / "O17_six_peaks" / "4"
    fit = fit_oxygen(folder, (380.0, 425.0, 500.0, 547.0, 586.0, 647.0))
    (group,) = fit.find_groups()
    assert group.sites == ("O1", "O2")
    assert group.population == pytest.approx(0.305, abs=SHARE)
    published = [501.22, 547.42, 588.24, 650.20]
    assert fit.shifts[2:] == pytest.approx(published, abs=0.2)
    shares = [0.1352, 0.2349, 0.2900, 0.0346]
    assert fit.populations[2:] == pytest.approx(shares, abs=SHARE)


@pytest.mark.shared
def test_widths_of_static_fluorine_are_the_published_ones(shared_data: Path) -> None:
    folder = shared_data / "nmr" / "VT_19F_static"
    table = np.genfromtxt(
        folder / "lineshapelineshape_data.csv", delimiter=",", skip_header=1
    )
    published = {int(row[1]): 1e3 * row[3] for row in table}
    numbers = sorted(int(path.name) for path in folder.iterdir() if path.is_dir())
    assert len(numbers) == 10
    for number in numbers:
        spectrum, start = read_fluorine(folder / str(number))
        fit = fit_lines(spectrum, [start], LineFitOptions(baseline_order=0))
        assert fit.fwhm_hz[0] == pytest.approx(published[number], rel=0.01)


def read_fluorine(folder: Path) -> tuple[xr.Dataset, Site]:
    """Return the points within 200 kHz and a site on their maximum."""
    text = (folder / "pdata" / "1" / "procs").read_text(encoding="utf-8")

    def number(name: str) -> float:
        found = re.search(rf"##\${name}= *(\S+)", text)
        assert found is not None
        return float(found[1])

    values = np.fromfile(folder / "pdata" / "1" / "1r", "<i4").astype(float)[::-1]
    larmor = number("SF")
    step = number("SW_p") / larmor / values.size
    shift = number("OFFSET") - step * np.arange(values.size)[::-1]
    near = np.abs(shift * larmor) < 200e3
    shift, values = shift[near], values[near] / values.max()
    above = np.flatnonzero(values > 0.5)
    top = float(shift[np.argmax(values)])
    width = float(above[-1] - above[0]) * step * larmor
    site = Site(
        name="F",
        shift_ppm=top,
        fwhm_hz=width,
        shift_window_ppm=(top - 60.0, top + 60.0),
    )
    scalars = {"larmor_frequency": larmor}
    return make_nmr_spectrum(shift, values, scalars=scalars), site


def test_a_line_that_vanishes_between_two_points_is_held_as_given() -> None:
    """Free, it ends at the limit of its width, and its area may be anything."""
    study = simulate_nmr(7)
    phase = -360.0 * float(study.truth["dead_time"]) / 8e-6
    spectrum = process_decay(study.blank, ProcessingOptions(phase1=phase))
    sites = [
        Site(name="NTC", shift_ppm=-11.0, fwhm_hz=330.0, shape="voigt"),
        Site(name="NaCl", shift_ppm=7.2, fwhm_hz=200.0, shape="voigt"),
    ]
    options = LineFitOptions(window_ppm=WINDOW, baseline_order=2, phase="zero")
    fit = fit_lines(spectrum, sites, options)
    assert fit.status is FitStatus.CONVERGED
    assert fit.unseen == ("NaCl",)
    assert "not seen: NaCl; shift, width and shape as given" in fit.remarks
    assert fit.fwhm_hz[1] == pytest.approx(200.0)
    assert np.isnan(fit.fwhm_std_hz[1])
    assert np.sqrt(fit.area_covariance[1, 1]) < 0.02 * fit.areas[0]
    assert np.all(np.diag(fit.covariance) >= 0.0)
    assert np.all(np.linalg.eigvalsh(fit.area_covariance) > -1e-9 * fit.areas[0] ** 2)


@pytest.mark.parametrize(("place", "held"), [(-5.0, False), (40.0, True)])
def test_an_absent_line_is_held_only_apart_from_those_that_are_seen(
    place: float, held: bool
) -> None:
    """Beside a seen one it may be hidden; its width is then what the data leave."""
    spectrum = simulate([(-11.0, 0.0, 350.0, 40.0)], np.random.default_rng(11))
    sites = [
        Site(name="seen", shift_ppm=-11.0, fwhm_hz=350.0),
        Site(name="absent", shift_ppm=place, fwhm_hz=350.0),
    ]
    fit = fit_lines(spectrum, sites, LineFitOptions(window_ppm=WINDOW))
    assert fit.unseen == ("absent",)
    told = "not seen: absent; shift, width and shape as given" in fit.remarks
    assert told is held
    assert bool(np.isnan(fit.fwhm_std_hz[1])) is held
