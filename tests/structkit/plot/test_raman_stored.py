from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from structkit.errors import SchemaError
from structkit.plot.raman_bands import compose_band_parameters
from structkit.plot.raman_stored import stored_bands, stored_curves
from structkit.plot.spectrum import compose_spectrum_figure
from structkit.schema import MILLING_TIME, label

SHIFT = np.arange(300.0, 500.0, 2.0)
CENTRES = (380.0, 405.0)
AXIS_SHIFT = 0.7
AREAS = np.array([[1.0, 2.0, 3.0], [3.0, 4.0, 7.0]])


def make_node(factor: float) -> dict[str, xr.Dataset]:
    """Return bands (a tie of one, one alone, their sum) and spectra of two spots."""
    light = np.stack([900.0 / (1.0 + ((SHIFT - c) / 6.0) ** 2) for c in CENTRES])
    light = factor * np.stack([light, 2.0 * light])
    points, count = ("spot", "raman_shift"), {"units": "count"}
    sigma = np.full((2, SHIFT.size), 10.0)
    sigma[0, 3] = 1e7
    spectra = xr.Dataset(
        {
            "intensity": (points, light.sum(axis=1) + 50.0, count),
            "intensity_std": (points, sigma, count),
            "baseline": (points, np.full((2, SHIFT.size), 50.0), count),
            "component": (("spot", "column", "raman_shift"), light, count),
            "residual": (points, np.zeros((2, SHIFT.size)), {"units": "1"}),
        },
        coords={
            "raman_shift": ("raman_shift", SHIFT, {"units": "cm-1"}),
            "spot": [1, 2],
            "column": ["405", "salt"],
        },
    )
    area, wavenumber = {"units": "count cm-1"}, {"units": "cm-1"}
    bands = xr.Dataset(
        {
            "kind": ("band", ["band", "band", "sum"]),
            "species": ("band", ["NaTaCl6", "405 line", "NaTaCl6 + 405 line"]),
            "member_of": ("band", ["salt", "405", "salt + 405"]),
            "status": ("band", ["merged", "merged", "sum of merged bands"]),
            **{
                name: ("band", [value, value, np.nan], wavenumber)
                for name, value in (("fwhm", 9.0), ("fwhm_std", 0.1))
            },
            "centre": ("band", [*CENTRES, np.nan], wavenumber),
            "centre_std": ("band", [0.1, 0.1, np.nan], wavenumber),
            "area": (("spot", "band"), factor * AREAS, area),
            "area_std": (("spot", "band"), np.full((2, 3), 0.2), area),
            "chi_square": ("spot", [1.1, 1.2]),
            "axis_shift": ("spot", [0.0, AXIS_SHIFT]),
        },
        coords={"spot": [1, 2], "band": ["A1g (NTC)", "405", "A1g (NTC) + 405"]},
    )
    return {"bands": bands, "spectra/1": spectra}


@pytest.fixture
def tree() -> xr.DataTree:
    """Return stored results of two samples with a fit and one without."""
    times = xr.DataArray([1.0, 2.0, np.nan], dims="sample")
    root = xr.Dataset(
        {
            "role": ("sample", ["milled", "milled", "milled"]),
            "status": ("sample", ["converged", "not converged", "failed"]),
            "reason": ("sample", ["", "no minimum", "no file"]),
        },
        coords={
            "sample": ["1h", "2h", "lost"],
            MILLING_TIME: label(times, MILLING_TIME),
        },
    )
    nodes = {"/": root}
    for name, factor in (("1h", 1.0), ("2h", 3.0)):
        nodes |= {f"/{name}/{key}": one for key, one in make_node(factor).items()}
    return xr.DataTree.from_dict(nodes)


def test_curves_of_a_spot_can_be_drawn(tree: xr.DataTree) -> None:
    curves = stored_curves(tree, "2h", spot=1)
    assert curves["column_species"].to_numpy().tolist() == ["405 line", "NaTaCl6"]
    assert curves["column_status"].to_numpy().tolist() == ["merged", "merged"]
    assert float(curves[MILLING_TIME]) == 2.0
    assert curves.attrs["status"] == "not converged"
    assert curves.attrs["chi_square"] == 1.1
    compose_spectrum_figure(curves, title="2h").draw_without_rendering()


def test_points_without_weight_are_hidden(tree: xr.DataTree) -> None:
    curves = stored_curves(tree, "1h", spot=1)
    hidden = curves["masked"].to_numpy() == 1
    assert np.flatnonzero(hidden).tolist() == [3]
    np.testing.assert_array_equal(np.isnan(curves["residual"]), hidden)


def test_the_brightest_spot_is_the_default(tree: xr.DataTree) -> None:
    curves = stored_curves(tree, "1h")
    assert curves.attrs["chi_square"] == 1.2
    np.testing.assert_allclose(curves["centre"], np.add(CENTRES, AXIS_SHIFT))


def test_what_is_not_stored_is_refused(tree: xr.DataTree) -> None:
    with pytest.raises(SchemaError, match="lost: no fit"):
        stored_curves(tree, "lost")
    with pytest.raises(SchemaError, match="no spot 9; there are 1, 2"):
        stored_curves(tree, "1h", spot=9)
    with pytest.raises(SchemaError, match="no sample has a fit"):
        stored_bands(xr.DataTree(tree.to_dataset()))


def test_areas_are_means_of_spots_with_the_larger_uncertainty(
    tree: xr.DataTree,
) -> None:
    bands = stored_bands(tree).sel(sample="2h")
    assert bands["area"].sel(band="A1g (NTC)") == 3.0 * 2.0
    # 3 and 9 scatter by sqrt(18) about 6: sqrt(18 / 2) of their mean, above 0.2
    np.testing.assert_allclose(bands["area_std"].sel(band="A1g (NTC)"), 3.0)
    assert bands["area"].attrs["units"] == "count cm-1"


def test_bands_of_all_samples_can_be_drawn(tree: xr.DataTree) -> None:
    bands = stored_bands(tree)
    assert bands["sample"].to_numpy().tolist() == ["1h", "2h"]
    compose_band_parameters(bands).draw_without_rendering()
