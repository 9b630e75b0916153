"""Activation energies of a series: published pellet, bands, predictions."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from structkit.eis.arrhenius import fit_arrhenius, predict_conductivity
from structkit.eis.arrhenius_line import ArrheniusSettings
from structkit.eis.conductivity import compute_conductivity, make_resistances
from structkit.eis.leads import ShortCell
from structkit.eis.pellet import Pellet
from structkit.errors import FitError

EV_PER_K = 8.617333262e-5
PELLET = Pellet(
    diameter_mm=8.0, diameter_std_mm=0.04, thickness_mm=0.9, thickness_std_mm=0.03
)
ROUNDING = 2e-4
"""eV: the published resistances have four digits."""
ESD_ROUNDING = 1.5e-4
"""eV: the published errors have two or three digits."""
UNWEIGHTED = ArrheniusSettings(weights="none", temperature_offset_std_k=0.0)


def series(*, in_band: list[int] | None = None) -> xr.Dataset:
    """Return a bulk that bends away at its two hottest points, and a total."""
    kelvin = np.arange(258.15, 329.0, 10.0)
    ohms = 0.1 * kelvin * np.exp(0.32 / (EV_PER_K * kelvin)) / 1e6
    bulk = ohms.copy()
    bulk[-2:] *= 1.3
    return compute_conductivity(
        make_resistances(
            kelvin,
            bulk=bulk,
            grain_boundary=ohms,
            covariance=np.eye(2) * (0.01 * ohms[:, None, None]) ** 2,
            in_band=None if in_band is None else {"bulk": in_band},
        ),
        PELLET,
        short=ShortCell(resistance_ohm=0.0, resistance_std_ohm=0.0),
    )


def test_points_outside_the_band_are_left_out_beside() -> None:
    fits = fit_arrhenius(series(in_band=[1] * 6 + [0, 0]))
    bulk = fits.sel(contribution="bulk", convention="ln_sigma_T")
    assert bulk["n_points"].to_numpy().tolist() == [8, 6]
    energy = bulk["activation_energy"]
    assert float(energy.sel(points="in_band")) == pytest.approx(0.32, abs=1e-6)
    assert float(energy.sel(points="all")) < 0.31
    other = fits.sel(contribution="grain_boundary", convention="ln_sigma_T")
    assert other["n_points"].to_numpy().tolist() == [8, 8]


def test_both_conventions_and_their_difference() -> None:
    fits = fit_arrhenius(series())
    one = fits.sel(contribution="grain_boundary", points="all")
    primary, other = one["activation_energy"].to_numpy()
    thermal = EV_PER_K * float(one["mean_temperature"][0])
    assert primary - other == pytest.approx(thermal, abs=5e-4)
    assert "k T of the mean temperature is 0.0253 eV" in fits.attrs["convention_remark"]
    assert fits["activation_energy"].attrs["units"] == "eV"


def test_result_survives_netcdf(tmp_path: Path) -> None:
    fits = fit_arrhenius(series())
    fits.to_netcdf(tmp_path / "fits.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "fits.nc", engine="h5netcdf") as stored:
        before = predict_conductivity(fits, 298.15)
        assert predict_conductivity(stored, 298.15) == before


def test_prediction_reads_the_line_and_tells_extrapolation() -> None:
    fits = fit_arrhenius(series())
    found = predict_conductivity(fits, 298.15, contribution="grain_boundary")
    ohms = 0.1 * 298.15 * math.exp(0.32 / (EV_PER_K * 298.15)) / 1e6
    assert found.conductivity == pytest.approx(PELLET.cell_constant / ohms, rel=1e-6)
    assert found.low < found.conductivity < found.high
    assert found.ln_std > PELLET.relative_std
    assert found.remark == ""
    settings = ArrheniusSettings(temperature_offset_std_k=0.0)
    plain = fit_arrhenius(series(), settings)
    near, hot = (
        predict_conductivity(plain, kelvin, contribution="grain_boundary")
        for kelvin in (298.15, 400.0)
    )
    assert "extrapolated 72 K beyond" in hot.remark
    assert hot.ln_std > near.ln_std


def test_contribution_without_values_fails_as_a_value() -> None:
    arcs = make_resistances([300.0, 310.0, 320.0], total=[3.0, 2.0, 1.0])
    fits = fit_arrhenius(compute_conductivity(arcs, PELLET))
    bulk = fits.sel(contribution="bulk", convention="ln_sigma_T", points="all")
    assert bulk["status"].item() == "failed"
    assert "0 usable" in bulk["reason"].item()
    with pytest.raises(FitError, match="no line of bulk"):
        predict_conductivity(fits, 300.0, contribution="bulk")


def test_curve_is_asked_with_eight_temperatures() -> None:
    fits = fit_arrhenius(series(in_band=[1] * 7 + [0]))
    bulk = fits.sel(contribution="bulk", convention="ln_sigma_T")["vogel_delta_bic"]
    assert math.isfinite(float(bulk.sel(points="all")))
    assert math.isnan(float(bulk.sel(points="in_band")))


@pytest.mark.shared
def test_published_activation_energies(shared_data: Path) -> None:
    folder = shared_data / "eis" / "EISFitpython" / "results" / "Example3"
    text = (folder / "Batch_EISfit_Report.txt").read_text(encoding="utf-8")
    kelvin = np.array(re.findall(r"Data_(\d+)K", text), dtype=float)
    bulk, boundary = (
        np.array(re.findall(rf"^{name} =\s+(\S+)", text, re.MULTILINE), dtype=float)
        for name in ("R1", "R2")
    )
    arcs = make_resistances(
        kelvin,
        bulk=bulk,
        grain_boundary=boundary,
        in_band={"bulk": kelvin < 460.0},
    )
    pellet = Pellet(diameter_mm=8.0, thickness_mm=2.1)
    fits = fit_arrhenius(compute_conductivity(arcs, pellet), UNWEIGHTED)
    fits = fits.sel(convention="ln_sigma_T")
    every = fits.sel(points="all")
    np.testing.assert_allclose(
        every["activation_energy"], [0.5869, 0.8919, 0.8555], atol=ROUNDING
    )
    np.testing.assert_allclose(
        every["activation_energy_std"], [0.0163, 0.0025, 0.0006], atol=ESD_ROUNDING
    )
    inside = fits.sel(points="in_band", contribution="bulk")
    assert float(inside["activation_energy"]) == pytest.approx(0.568, abs=5e-4)
    assert float(inside["activation_energy_std"]) == pytest.approx(0.023, abs=5e-4)
