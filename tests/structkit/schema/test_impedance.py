"""Schemas of an impedance spectrum and of a polarization run."""

from __future__ import annotations

import numpy as np
import pytest

from structkit.errors import SchemaError
from structkit.schema import make_impedance, make_polarization, validate_impedance

FREQUENCY = np.array([1.0, 10.0, 100.0])
IMPEDANCE = np.array([3 - 2j, 2 - 1j, 1 - 0.1j])


def test_a_spectrum_has_units_and_scalars() -> None:
    spectrum = make_impedance(
        FREQUENCY,
        IMPEDANCE,
        impedance_std=[0.1, 0.1, 0.2],
        time=[2.0, 1.0, 0.0],
        scalars={"temperature": 298.15, "history": "milled"},
        attrs={"remarks": ""},
    )
    units = {name: spectrum[name].attrs["units"] for name in spectrum.variables}
    assert units["impedance"] == units["impedance_std"] == "ohm"
    assert (units["frequency"], units["time"], units["temperature"]) == ("Hz", "s", "K")
    assert str(spectrum.history.values) == "milled"
    assert np.iscomplexobj(spectrum.impedance)


@pytest.mark.parametrize(
    ("frequency", "impedance", "message"),
    [
        ([1.0, 10.0], [1j, 2j], "2 points"),
        ([1.0, 10.0, 10.0], IMPEDANCE, "does not ascend at 10 Hz"),
        ([100.0, 10.0, 1.0], IMPEDANCE, "does not ascend"),
        ([0.0, 10.0, 100.0], IMPEDANCE, "positive"),
        ([1.0, 10.0, np.nan], IMPEDANCE, "finite"),
        (FREQUENCY, [1.0, 2.0, np.nan], "not finite"),
    ],
)
def test_bad_spectra_are_refused(
    frequency: list[float], impedance: list[complex], message: str
) -> None:
    with pytest.raises(SchemaError, match=message):
        make_impedance(frequency, impedance)


def test_what_is_absent_or_real_is_named() -> None:
    spectrum = make_impedance(FREQUENCY, IMPEDANCE)
    with pytest.raises(SchemaError, match="no variable 'impedance'"):
        validate_impedance(spectrum.drop_vars("impedance"))
    with pytest.raises(SchemaError, match="must be complex"):
        validate_impedance(spectrum.assign(impedance=spectrum.impedance.real))
    with pytest.raises(SchemaError, match="must have dims"):
        validate_impedance(spectrum.rename_dims(frequency="f"))


def test_an_esd_of_zero_is_refused() -> None:
    with pytest.raises(SchemaError, match="impedance_std must be positive"):
        make_impedance(FREQUENCY, IMPEDANCE, impedance_std=[0.1, 0.0, 0.1])


def test_a_run_has_units() -> None:
    run = make_polarization([0.0, 1.0, 2.0], [3e-9, 2e-9, 1e-9], voltage=[0.1] * 3)
    assert run.current.attrs["units"] == "A"
    assert run.voltage.attrs["units"] == "V"
    assert run.time.attrs["units"] == "s"


@pytest.mark.parametrize(
    ("time", "current", "message"),
    [
        ([0.0, 1.0], [1.0, 1.0], "three points"),
        ([0.0, 1.0, 1.0], [1.0, 1.0, 1.0], "ascend"),
        ([0.0, 1.0, 2.0], [1.0, np.inf, 1.0], "current holds values"),
    ],
)
def test_bad_runs_are_refused(
    time: list[float], current: list[float], message: str
) -> None:
    with pytest.raises(SchemaError, match=message):
        make_polarization(time, current)
