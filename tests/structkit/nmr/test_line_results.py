from __future__ import annotations

import numpy as np
import pytest

from structkit.nmr.fit import fit_lines
from structkit.nmr.line_results import tabulate_lines
from structkit.nmr.sites import Site
from structkit.schema import make_nmr_spectrum

LARMOR = 132.294


def test_table_holds_widths_shares_and_lifetime_with_units() -> None:
    shift = np.linspace(-40.0, 40.0, 500)
    noise = np.random.default_rng(1).normal(0.0, 0.02, shift.size)
    values = 3.0 * np.exp(-((shift + 11.0) ** 2) / 3.0) + noise
    values += 1.0 * np.exp(-((shift - 7.0) ** 2) / 2.0)
    spectrum = make_nmr_spectrum(shift, values, scalars={"larmor_frequency": LARMOR})
    sites = [
        Site(name="NTOC", shift_ppm=-11.0, fwhm_hz=380.0, t1_s=0.0012),
        Site(name="NaCl", shift_ppm=7.0, fwhm_hz=300.0),
    ]
    table = tabulate_lines(fit_lines(spectrum, sites))
    assert table["fwhm"].attrs["units"] == "Hz"
    assert table["fwhm_ppm_std"].attrs["units"] == "ppm"
    np.testing.assert_allclose(table["fwhm"], table["fwhm_ppm"] * LARMOR)
    life = table["lifetime_width"].to_numpy()
    assert life[0] == pytest.approx(1.0 / np.pi / 0.0012)
    assert np.isnan(life[1])
    total = table["line"].sum("site") + table["baseline"] + table["residual"]
    np.testing.assert_allclose(total, values, atol=1e-9)
    assert float(table["population"].sum()) == pytest.approx(1.0)
    # shares add up to one, so their covariances add up to zero
    rows = table["population_covariance"].sum("other_site")
    assert np.abs(rows).max() < 1e-12
    assert table.attrs["status"] == "converged"
