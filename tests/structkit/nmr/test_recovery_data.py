from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy.ndimage import gaussian_filter1d

from structkit.errors import SchemaError
from structkit.nmr.recovery import fit_recovery
from structkit.nmr.recovery_data import integrate_recovery, restore_signs
from structkit.schema import make_nmr_spectrum

DELAYS = np.geomspace(0.02, 20.0, 10)
T1, FACTOR = 1.7, 1.8
WINDOW = (-3.0, 3.0)


def simulate(*, seed: int, angle: float, noise: float, smooth: float) -> xr.Dataset:
    """A line recovering, turned by a phase, with noise shared by neighbours."""
    rng = np.random.default_rng(seed)
    shift = np.linspace(-60.0, 60.0, 2401)
    line = 1.0 / (1.0 - 1j * shift / 0.5)
    size = 1.0 - FACTOR * np.exp(-DELAYS / T1)
    spectra = size[:, None] * line * np.exp(1j * angle)
    for part in (1.0, 1j):
        raw = rng.normal(0.0, 1.0, spectra.shape)
        smoothed = gaussian_filter1d(raw, smooth, axis=1)
        spectra = spectra + part * noise * smoothed
    return make_nmr_spectrum(
        shift,
        spectra.real,
        intensity_imag=spectra.imag,
        delay=DELAYS,
        scalars={"temperature": 298.15},
    )


@pytest.mark.parametrize("angle", [0.0, 0.7, 2.8, -1.9])
def test_a_common_phase_is_taken_away(angle: float) -> None:
    spectra = simulate(seed=1, angle=angle, noise=0.02, smooth=2.0)
    areas = integrate_recovery(spectra, window=WINDOW, phase="common")
    assert float(areas["area"][-1]) > 0.0 > float(areas["area"][0])
    apart = (float(areas["phase_angle"]) - angle + np.pi) % (2.0 * np.pi) - np.pi
    assert abs(apart) < 0.02
    fit = fit_recovery(DELAYS, areas["area"].to_numpy(), std=float(areas["area_std"]))
    assert abs(fit.t1 - T1) < 4.0 * fit.t1_std
    assert areas["area"].attrs["units"] == "ppm"
    assert float(areas["temperature"]) == 298.15


def test_the_noise_of_an_area_is_its_scatter_where_neighbours_share_noise() -> None:
    found, stds = [], []
    for seed in range(60):
        spectra = simulate(seed=seed, angle=0.0, noise=0.05, smooth=4.0)
        areas = integrate_recovery(spectra, window=WINDOW)
        found.append(areas["area"].to_numpy())
        stds.append(float(areas["area_std"]))
    assert np.mean(stds) == pytest.approx(np.std(found, axis=0).mean(), rel=0.15)


def test_white_noise_serves_where_nothing_else_is_left() -> None:
    spectra = simulate(seed=2, angle=0.0, noise=0.05, smooth=0.01)
    spectra["intensity_std"] = xr.DataArray(0.05)
    wide = integrate_recovery(spectra, window=(-40.0, 40.0))
    step = 120.0 / 2400.0
    assert float(wide["area_std"]) == pytest.approx(0.05 * step * np.sqrt(1601.0))
    unknown = integrate_recovery(spectra.drop_vars("intensity_std"), window=(-40, 40))
    assert "area_std" not in unknown


def test_magnitudes_get_their_signs_back() -> None:
    rng = np.random.default_rng(3)
    truth = 1.0 - FACTOR * np.exp(-DELAYS / T1)
    turn = rng.permutation(DELAYS.size)
    data = np.abs(truth + rng.normal(0.0, 0.01, DELAYS.size))[turn]
    signed = restore_signs(DELAYS[turn], data, std=0.01)
    np.testing.assert_array_equal(np.sign(signed.values), np.sign(truth[turn]))
    assert signed.margin > 4.0


def test_a_saturation_recovery_gets_no_minus() -> None:
    signed = restore_signs(DELAYS, 1.0 - np.exp(-DELAYS / T1), std=0.01)
    assert signed.n_negative == 0


def test_a_point_at_the_null_is_a_guess() -> None:
    delay = np.array([0.1, 0.4, T1 * np.log(FACTOR), 3.0, 8.0, 20.0])
    rng = np.random.default_rng(4)
    data = np.abs(1.0 - FACTOR * np.exp(-delay / T1) + rng.normal(0.0, 0.02, 6))
    assert restore_signs(delay, data, std=0.02).margin < 4.0


def test_bad_input() -> None:
    spectra = simulate(seed=1, angle=0.0, noise=0.02, smooth=2.0)
    with pytest.raises(SchemaError, match="no point between"):
        integrate_recovery(spectra, window=(70.0, 80.0))
    with pytest.raises(SchemaError, match="intensity_imag"):
        integrate_recovery(
            spectra.drop_vars("intensity_imag"), window=WINDOW, phase="common"
        )
    with pytest.raises(SchemaError, match="no delay"):
        integrate_recovery(spectra.isel(delay=0), window=WINDOW)
    with pytest.raises(SchemaError, match="have signs"):
        restore_signs(DELAYS, np.linspace(-1.0, 1.0, DELAYS.size))
