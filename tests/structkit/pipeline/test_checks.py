"""Whether stored results can be true together: each check, both ways."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from structkit.checks.finding import Verdict
from structkit.pipeline.checks import COLUMNS, Check, run_checks
from structkit.schema.conductivity import CONTRIBUTIONS
from structkit.store import read_table, write_tree

SERIES = """
[series]
name = "made up for a test"
axis = "milling_time"

[eis]
diameter_mm = 8.0
diameter_std_mm = 0.05

[nmr]
flip_angle_degree = {flip}

[[sample]]
id = "4h"
role = "milled"
milling_time = 4
eis = {{ file = "4h.csv", temperature = 25 }}
nmr = "4h.csv"
t1 = "4h.csv"
pellet = {{ {pellet} }}
"""
GOOD = "thickness_mm = 0.85, thickness_std_mm = 0.02"
WEIGHED = ", mass_mg = {mass}, mass_std_mg = 1, density_g_cm3 = 3.0"
MASS = 3.0 * math.pi * 4.0**2 * 0.85
"""Of a pellet of 8 mm and 0.85 mm, mg."""


def series(folder: Path, *, flip: float = 15.0, pellet: str = GOOD) -> Path:
    (folder / "4h.csv").write_text("not read here", encoding="utf-8")
    path = folder / "series.toml"
    path.write_text(SERIES.format(flip=flip, pellet=pellet), encoding="utf-8")
    return path


def of(dims: object, values: object, units: str = "1") -> tuple[object, ...]:
    return dims, np.asarray(values), {"units": units, "long_name": "made up"}


def write_eis(output: Path, *, transference: float = 0.9999) -> None:
    sigma = np.array([[math.nan, math.nan, 4.4e-3]])
    rows = xr.Dataset(
        {
            "conductivity": of(("measurement", "contribution"), sigma, "S cm-1"),
            "conductivity_std": of(
                ("measurement", "contribution"), 0.02 * sigma, "S cm-1"
            ),
        },
        coords={
            "contribution": list(CONTRIBUTIONS),
            "temperature": ("measurement", [298.15]),
            "history": ("measurement", [""]),
        },
    )
    run = xr.Dataset({"transference": of((), transference)})
    tree = xr.DataTree.from_dict(
        {
            "/samples/4h/conductivity": rows,
            "/samples/4h/polarization/1": run,
        }
    )
    write_tree(tree, output / "eis.nc")


def write_nmr(
    output: Path,
    *,
    t1: tuple[float, float, float] = (1.2e-3, 2.06, 0.24),
    larmor: float = 132.294,
) -> None:
    dims = ("sample", "site")
    root = xr.Dataset(
        {
            "t1": of(dims, [t1], "s"),
            "t1_std": of(dims, 0.05 * np.array([t1]), "s"),
            "area": of(dims, [[1.0, 1.0, 1.0]]),
            "area_std": of(dims, [[0.01, 0.01, 0.01]]),
            "recycle_delay": of("sample", [10.0], "s"),
            "larmor_frequency": of("sample", [larmor], "MHz"),
        },
        coords={"sample": ["4h"], "site": ["NTOC", "NaCl", "Na2O"]},
    )
    recovery = xr.Dataset({"temperature": of((), 298.15, "K")})
    tree = xr.DataTree.from_dict({"/": root, "/4h/t1/1": recovery})
    tree.attrs["nucleus"] = "23Na"
    write_tree(tree, output / "nmr.nc")


def verdicts(found: tuple[Check, ...], check: str) -> list[Verdict]:
    return [one.verdict for one in found if one.check == check]


def test_what_agrees_passes_and_is_stored(tmp_path: Path) -> None:
    write_eis(tmp_path)
    write_nmr(tmp_path)
    pellet = GOOD + WEIGHED.format(mass=f"{MASS:.2f}")
    found = run_checks(series(tmp_path, pellet=pellet), tmp_path)
    assert {one.check for one in found} == {
        "pellet",
        "electrons",
        "larmor",
        "T1 of lines",
        "saturation",
        "current and T1",
    }
    assert {one.verdict for one in found} == {Verdict.PASS}
    rows = read_table(tmp_path / "tables" / "checks.csv")
    assert list(rows[0]) == list(COLUMNS)
    assert len(rows) == len(found)


def test_a_thickness_written_down_twice_as_large(tmp_path: Path) -> None:
    pellet = GOOD + WEIGHED.format(mass=f"{0.5 * MASS:.2f}")
    found = run_checks(series(tmp_path, pellet=pellet), tmp_path)
    (one,) = found
    assert one.verdict is Verdict.TENSION
    assert one.value == pytest.approx(2.0, rel=0.01)


def test_electrons_that_carry_current(tmp_path: Path) -> None:
    write_eis(tmp_path, transference=0.97)
    found = run_checks(series(tmp_path), tmp_path)
    assert verdicts(found, "electrons") == [Verdict.TENSION]


def test_t1_at_each_others_lines(tmp_path: Path) -> None:
    write_nmr(tmp_path, t1=(1.2e-3, 0.24, 2.06))
    found = run_checks(series(tmp_path), tmp_path)
    assert verdicts(found, "T1 of lines") == [Verdict.TENSION]


def test_hard_pulses_saturate_salt(tmp_path: Path) -> None:
    write_nmr(tmp_path, t1=(1.2e-3, 11.0, 0.9))
    found = run_checks(series(tmp_path, flip=90.0), tmp_path)
    assert Verdict.TENSION in verdicts(found, "saturation")


def test_a_frequency_of_no_magnet(tmp_path: Path) -> None:
    write_nmr(tmp_path, larmor=73.39)
    found = run_checks(series(tmp_path), tmp_path)
    assert verdicts(found, "larmor") == [Verdict.TENSION]


def test_motion_too_slow_for_the_current(tmp_path: Path) -> None:
    write_eis(tmp_path)
    write_nmr(tmp_path, t1=(1.0, 2.06, 0.24))
    found = run_checks(series(tmp_path), tmp_path)
    assert verdicts(found, "current and T1") == [Verdict.TENSION]


def test_nothing_stored_asks_nothing(tmp_path: Path) -> None:
    assert run_checks(series(tmp_path), tmp_path) == ()
    assert read_table(tmp_path / "tables" / "checks.csv") == []
