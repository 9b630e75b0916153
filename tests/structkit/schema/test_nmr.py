from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from structkit.errors import SchemaError
from structkit.schema import make_decay, make_nmr_spectrum, validate_nmr_spectrum

SHIFT = np.linspace(-5.0, 5.0, 16)
VALUES = np.arange(16.0)


def test_units_and_names_are_set() -> None:
    spectrum = make_nmr_spectrum(
        SHIFT,
        VALUES,
        intensity_imag=-VALUES,
        intensity_std=0.5,
        scalars={"nucleus": "23Na", "larmor_frequency": 79.39, "mas_rate": 25e3},
        attrs={"title": "a"},
    )
    validate_nmr_spectrum(spectrum)
    units = {name: spectrum[name].attrs["units"] for name in spectrum.variables}
    assert units["chemical_shift"] == "ppm"
    assert units["intensity"] == units["intensity_imag"] == "1"
    assert units["larmor_frequency"] == "MHz"
    assert units["mas_rate"] == "Hz"
    assert spectrum["nucleus"].item() == "23Na"
    assert spectrum.attrs["title"] == "a"


def test_delays_make_two_dims() -> None:
    rows = np.outer([0.1, 1.0, 0.5], VALUES)
    spectrum = make_nmr_spectrum(SHIFT, rows, delay=[0.01, 10.0, 1.0])
    validate_nmr_spectrum(spectrum)
    assert spectrum["intensity"].dims == ("delay", "chemical_shift")
    np.testing.assert_array_equal(spectrum["delay"], [0.01, 10.0, 1.0])
    with pytest.raises(SchemaError, match="delays exactly where"):
        make_nmr_spectrum(SHIFT, rows)
    with pytest.raises(SchemaError, match="delays exactly where"):
        make_nmr_spectrum(SHIFT, VALUES, delay=[1.0])


@pytest.mark.parametrize(
    ("shift", "values", "std", "message"),
    [
        (SHIFT[::-1], VALUES, None, "ascend"),
        (np.zeros(16), VALUES, None, "ascend"),
        (np.where(SHIFT > 4, np.nan, SHIFT), VALUES, None, "finite and ascend"),
        (SHIFT, np.where(VALUES > 9, np.inf, VALUES), None, "not finite"),
        (SHIFT, VALUES, 0.0, "positive"),
        (SHIFT[:5], VALUES[:5], None, "5 points"),
    ],
)
def test_refuses_what_is_no_spectrum(
    shift: np.ndarray, values: np.ndarray, std: float | None, message: str
) -> None:
    with pytest.raises(SchemaError, match=message):
        make_nmr_spectrum(shift, values, intensity_std=std)


def test_refuses_negative_delays() -> None:
    with pytest.raises(SchemaError, match="negative"):
        make_nmr_spectrum(SHIFT, np.stack([VALUES, VALUES]), delay=[-1.0, 2.0])


def test_validation_names_what_is_missing() -> None:
    with pytest.raises(SchemaError, match="'chemical_shift'"):
        validate_nmr_spectrum(xr.Dataset())


def test_decay_is_complex_over_equal_steps() -> None:
    decay = make_decay([0.0, 1e-5, 2e-5], [1.0, 0.5, 0.25], group_delay=2.0)
    assert decay["signal"].dtype == complex
    assert decay["time"].attrs["units"] == "s"
    assert decay.attrs["group_delay"] == 2.0
    for time in ([0.0, 1e-5, 3e-5], [0.0, 0.0, 0.0], [0.0]):
        with pytest.raises(SchemaError, match="equal steps"):
            make_decay(time, np.ones(len(time)))
    with pytest.raises(SchemaError, match="dims"):
        make_decay([0.0, 1e-5], np.ones((2, 2)))
    with pytest.raises(SchemaError, match="not finite"):
        make_decay([0.0, 1e-5], [1.0, np.nan])
