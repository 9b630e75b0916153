"""Tables of fits: labels, what failed, and the way through a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from structkit.eis.circuits import M1, parse_circuit
from structkit.eis.element_table import make_element_table
from structkit.eis.fit import fit_impedance_series
from structkit.errors import SchemaError
from structkit.schema.impedance import make_impedance

FREQUENCY = np.geomspace(1.0, 1e6, 50)


def simulate(kelvin: float, *, points: int = 50) -> xr.Dataset:
    """Return an arc whose apex leaves the band as the sample gets hotter."""
    resistance = 20.0 * np.exp(4500.0 / kelvin)
    values = [1e-9, resistance, 2e-11, 0.95, 1e-6, 0.8]
    parts = np.random.default_rng(int(kelvin)).normal(size=(2, FREQUENCY.size))
    noise = 1 + 0.003 * (parts[0] + 1j * parts[1])
    return make_impedance(
        FREQUENCY[:points],
        (M1.evaluate(FREQUENCY, values) * noise)[:points],
        scalars={"temperature": kelvin, "history": "as milled"},
    )


def test_a_series_becomes_a_table(tmp_path: Path) -> None:
    circuit = parse_circuit("R_s-(R_b|CPE_b)-CPE_el")
    # Three points are six numbers, which six parameters follow anyhow: refused.
    spectra = [simulate(300.0), simulate(320.0, points=3), simulate(700.0)]
    fits = fit_impedance_series(spectra, circuit)
    table = make_element_table(fits, spectra)
    assert list(table["status"].values)[1] == "failed"
    assert np.isnan(table["value"].values[1]).all()
    assert list(table["temperature"].values) == [300.0, 320.0, 700.0]
    assert table["temperature"].attrs["units"] == "K"
    assert list(table["history"].values) == ["as milled"] * 3
    band = table["in_band"].sel(element="R_b").values
    assert band[0]
    assert not band[1]
    assert not band[2]
    units = dict(zip(table["element"].values, table["units"].values, strict=True))
    assert units["R_b"] == "ohm"
    table.to_netcdf(tmp_path / "eis.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "eis.nc", engine="h5netcdf") as back:
        np.testing.assert_array_equal(back["value"], table["value"])
        assert back["in_band"].dtype == bool
    first = fit_impedance_series(spectra[:1], parse_circuit("(R_b|CPE_b)-CPE_el"))
    with pytest.raises(SchemaError, match="different circuits"):
        make_element_table([*first, fits[2]], spectra[:2])
    with pytest.raises(SchemaError, match="1 fits for 3 spectra"):
        make_element_table(first, spectra)
