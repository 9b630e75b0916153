"""Titles of columns: quantity, unit, sign."""

from __future__ import annotations

import numpy as np
import pytest

from structkit.io.impedance_titles import read_temperature, recognise_title


@pytest.mark.parametrize(
    ("text", "quantity", "factor"),
    [
        ("freq/Hz", "frequency", 1.0),
        ("Freq.[Hz]", "frequency", 1.0),
        ("Data: Frequency", "frequency", 1.0),
        ("Frequency (kHz)", "frequency", 1e3),
        ("f / mHz", "frequency", 1e-3),
        ("freq_MHz", "frequency", 1e6),
        ("omega (rad/s)", "frequency", 0.5 / np.pi),
        ("ω", "frequency", 0.5 / np.pi),
        ("Zs' [Ohms]", "real", 1.0),
        ("Z'(a)", "real", 1.0),
        ("Zre", "real", 1.0),
        ("Re(Z)/kOhm", "real", 1e3),
        ("Z′ (Ω)", "real", 1.0),
        ("Z' (mΩ)", "real", 1e-3),
        ("Z' (MΩ)", "real", 1e6),
        ("Z Real", "real", 1.0),
        ("Zimg", "imaginary", 1.0),
        ("Zim (ohms)", "imaginary", 1.0),
        ("-Im(Z)/Ohm", "imaginary", -1.0),
        ("-Z''/Ohm", "imaginary", -1.0),
        ("−Z″ (kΩ)", "imaginary", -1e3),
        ("neg. Zimag", "imaginary", -1.0),
        ('Z"/ohm', "imaginary", 1.0),
        ("\"Z'' (Ohm)\"", "imaginary", 1.0),
        ("Z/ohm", "modulus", 1.0),
        ("|Z|/MOhm", "modulus", 1e6),
        ("Phase(Z)/deg", "phase", np.pi / 180.0),
        ("Data: Theta (Z)", "phase", np.pi / 180.0),
        ("-Phase (°)", "phase", -np.pi / 180.0),
        ("phase/rad", "phase", 1.0),
        ("Elapsed Time (s)", "time", 1.0),
        ("T/min", "time", 60.0),
        ("<I>/mA", "current", 1e-3),
        ("Im/uA", "current", 1e-6),
        ("I [nA]", "current", 1e-9),
        ("Ewe/V", "voltage", 1.0),
        ("Vf (V vs. Ref.)", "voltage", 1.0),
        ("T (K)", "temperature", 1.0),
        ("Temperature/°C", "temperature", 1.0),
    ],
)
def test_titles_of_many_programs(text: str, quantity: str, factor: float) -> None:
    title = recognise_title(text)
    assert title is not None
    assert title.problem == ""
    assert title.quantity == quantity
    assert title.factor == pytest.approx(factor, rel=1e-12)


@pytest.mark.parametrize(
    "text",
    [
        "Re(Zce)/Ohm",
        "Re(Y)/Ohm-1",
        "ZrealDrCor",
        "cycle number",
        "I Range",
        "Z2 Real",
        "-Re(Z)/Ohm",
        "step time/s",
        "control/V/mA",
        "Z'' (V)",
        "",
    ],
)
def test_other_titles_are_left_alone(text: str) -> None:
    assert recognise_title(text) is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Z' (Ohm cm2)", "per area"),
        ("Zre/Ω·cm²", "per area"),
        ("I/mA/cm2", None),
        ("I (mA/cm2)", "per area"),
        ("Z' (furlong)", "no unit known"),
    ],
)
def test_unknown_units_are_problems(text: str, told: str | None) -> None:
    title = recognise_title(text)
    if told is None:
        assert title is None
    else:
        assert title is not None
        assert told in title.problem


def test_a_unit_below_the_title_is_obeyed() -> None:
    title = recognise_title("Zreal", "kohm")
    assert title is not None
    assert title.factor == 1e3


def test_celsius_becomes_kelvin() -> None:
    title = recognise_title("Temp", "deg C")
    assert title is not None
    assert title.factor * 25.0 + title.offset == pytest.approx(298.15)


@pytest.mark.parametrize(
    ("text", "kelvin"),
    [
        ("# Temperature: 140°C", 413.15),
        ("Temperature = -25 deg C", 248.15),
        ("Sample temperature: 300 K", 300.0),
        ("Temperature: 25,5 °C", 298.65),
        ("Temperature: 25", None),
        ("Temperature: -300 °C", None),
        ("DC=-0.08, TM=33.7, J=-5E-6", None),
        ("s04147-140deg", None),
    ],
)
def test_only_a_named_temperature_with_its_unit(
    text: str, kelvin: float | None
) -> None:
    assert read_temperature(text) == kelvin
