"""Measured patterns with known answers; the floors are those of the issue."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import gemmi
import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray

from refinement import RefinementPlan, RefinementResult, refine, refine_series
from refinement.calibrate import Standard, calibrate_instrument
from refinement.crystallinity import amorphous_fraction
from refinement.plan import InternalStandard, Phase
from structkit.io.read import read_pattern
from structkit.structures import library
from structkit.structures.cif import read_cif
from structkit.structures.crystal import CrystalStructure
from structkit.xrd.instrument import Instrument
from structkit.xrd.instrument_files import read_instrument
from structkit.xrd.radiation import doublet, tube

pytestmark = [pytest.mark.shared, pytest.mark.slow]
Floats = NDArray[np.float64]

MINUTES = (15, 30, 45, 60, 90, 120, 150, 180)
MILLING = ("CsBr", "PbBr2", "CsPbBr3_Pbnm", "Cs4PbBr6_fit")
MEAN_RWP = {"10N": 11.4, "20N": 10.0}
LARGEST_RWP = 15.0
GONE = 0.015
"""CsBr of the 20 N series at its end."""

CPD = ("corundum", "zincite", "fluorite")
WEIGHED = {
    "1a": (1.15, 4.04, 94.81),
    "1b": (94.31, 1.36, 4.33),
    "1c": (5.04, 93.59, 1.36),
    "1d": (13.53, 32.89, 53.58),
    "1f": (27.06, 55.22, 17.72),
}
PARTICLE_UM = 5.0
CPD_FLOORS = {None: (0.42, 1.2), PARTICLE_UM: (0.20, 0.45)}
"""Mean and largest error (wt%) by particle diameter."""


@pytest.fixture(scope="module")
def milling(shared_data: Path) -> dict[str, dict[int, RefinementResult]]:
    """Refine both series, 16 patterns, with one plan."""
    folder = shared_data / "xrd" / "milling_csbr_pbbr2"
    files = folder / "cif_and_instprm"
    phases = [
        Phase(structure=read_cif(files / f"{name}.cif", name=name)) for name in MILLING
    ]
    phases[1] = replace(phases[1], texture=(0, 0, 1), texture_model="harmonics")
    plan = RefinementPlan(
        phases=tuple(phases), instrument=read_instrument(files / "Lab_CuKa.instprm")
    )
    found = {}
    for force in MEAN_RWP:
        series = folder / f"{force}_60rpm"
        patterns = {
            str(t): read_pattern(next(series.glob(f"*_{t}min.xye"))) for t in MINUTES
        }
        results = refine_series(patterns, plan)
        found[force] = {int(name): result for name, result in results.items()}
    return found


@pytest.mark.parametrize("force", MEAN_RWP)
def test_milling_series_fit(
    milling: dict[str, dict[int, RefinementResult]], force: str
) -> None:
    results = milling[force].values()
    assert all(result.status.has_values for result in results)
    r_wp = [100.0 * float(result.parameters["r_wp"]) for result in results]
    assert np.mean(r_wp) <= MEAN_RWP[force]
    assert max(r_wp) <= LARGEST_RWP


def test_caesium_bromide_is_used_up(
    milling: dict[str, dict[int, RefinementResult]],
) -> None:
    """A phase that has vanished must not broaden into the background."""
    share = {
        t: result.parameters["weight_fraction_crystalline"].to_numpy()[0]
        for t, result in milling["20N"].items()
    }
    assert share[15] > 0.2
    assert share[150] < GONE
    assert share[180] < GONE


def test_milling_series_agrees_with_the_published_one(
    milling: dict[str, dict[int, RefinementResult]], shared_data: Path
) -> None:
    """Agreement, not truth: their own Cs/Pb wanders between 1.04 and 1.57."""
    published = shared_data / "xrd" / "milling_csbr_pbbr2" / "published"
    for force, results in milling.items():
        text = (published / f"{force}_60rpm.csv").read_text()
        differences = []
        for line in text.splitlines()[1:]:
            fractions = [float(x) for x in line.split("]")[0].strip('"[').split(",")]
            minutes = int(re.search(r"_(\d+)min_", line)[1])  # type: ignore[index]
            own = results[minutes].parameters["weight_fraction_crystalline"].to_numpy()
            differences.append(np.abs(own - fractions))
        assert len(differences) == len(MINUTES)
        assert np.mean(differences) < 0.03
        assert np.max(differences) < 0.09


@pytest.fixture(scope="module")
def cpd_instrument(shared_data: Path) -> Instrument:
    """Fit the resolution to the three pure patterns together."""
    folder = shared_data / "xrd" / "cpd"
    standards = [
        Standard(
            pattern=read_pattern(folder / f"{name}.prn"),
            structure=library.load(name),
            texture=(0, 0, 1) if name == "zincite" else None,
        )
        for name in CPD
    ]
    start = Instrument(
        radiation=tube("CuKa"),
        monochromator_two_theta=26.6,
        u=0.005,
        v=-0.002,
        w=0.004,
        x=0.02,
        y=0.02,
        axial_divergence=0.02,
    )
    instrument, results = calibrate_instrument(standards, start)
    assert len(results) == len(CPD)
    return instrument


def cpd_plan(instrument: Instrument, **options: Any) -> RefinementPlan:
    phases = tuple(
        Phase(
            structure=library.load(name),
            texture=(0, 0, 1) if name == "zincite" else None,
        )
        for name in CPD
    )
    return RefinementPlan(phases=phases, instrument=instrument, **options)


@pytest.fixture(scope="module", params=[None, PARTICLE_UM], ids=["no size", "one size"])
def cpd(
    request: pytest.FixtureRequest, shared_data: Path, cpd_instrument: Instrument
) -> tuple[float | None, Floats, Floats]:
    """Return particle diameter, found minus weighed, and total uncertainty, wt%."""
    plan = cpd_plan(cpd_instrument, particle_size_um=request.param)
    patterns = {
        name: read_pattern(shared_data / "xrd" / "cpd" / f"cpd-{name}.prn")
        for name in WEIGHED
    }
    errors, totals = [], []
    for name, result in refine_series(patterns, plan).items():
        found = result.parameters
        share = found["weight_fraction_crystalline"].to_numpy()
        errors.append(100.0 * share - np.array(WEIGHED[name]))
        totals.append(
            100.0
            * np.hypot(
                found["weight_fraction_crystalline_std"].to_numpy(),
                found["weight_fraction_crystalline_systematic"].to_numpy(),
            )
        )
    return request.param, np.array(errors), np.array(totals)


def test_round_robin(cpd: tuple[float | None, Floats, Floats]) -> None:
    diameter, errors, _ = cpd
    mean, largest = CPD_FLOORS[diameter]
    assert np.abs(errors).mean() <= mean
    assert np.abs(errors).max() <= largest


def test_round_robin_is_covered_by_the_stated_uncertainty(
    cpd: tuple[float | None, Floats, Floats],
) -> None:
    """Asked of the run without a particle size, the one a user can make.

    With one size for all phases the floor is missed: docs/real_data.md has the count.
    """
    diameter, errors, totals = cpd
    if diameter is None:
        assert (np.abs(errors) <= totals).sum() >= 14
    assert np.median(totals) <= 1.0


def test_amorphous_content_where_a_phase_is_left_out(
    shared_data: Path, cpd_instrument: Instrument
) -> None:
    """Fluorite, unseen by the plan, plays the amorphous part of sample 1d."""
    standard = InternalStandard(phase="corundum", weight_fraction=0.1353)
    pattern = read_pattern(shared_data / "xrd" / "cpd" / "cpd-1d.prn")
    lines = fluorite_lines(float(pattern["two_theta"][-1]))
    plan = cpd_plan(cpd_instrument, exclude=tuple((x - 1.0, x + 1.0) for x in lines))
    left = tuple(phase for phase in plan.phases if phase.name != "fluorite")
    plan = replace(plan, phases=left, internal_standard=standard)
    found = amorphous_fraction(refine(pattern, plan), standard)
    truth = 53.58 / (100.0 - 13.53)
    assert truth == pytest.approx(0.6196, abs=1e-4)
    assert float(found["amorphous_fraction"]) == pytest.approx(truth, abs=0.04)
    assert 0.0 < float(found["amorphous_fraction_std"]) < 0.1


def fluorite_lines(last: float) -> list[float]:
    """Return the angles (degree) of all lines of fluorite, h k l all odd or even."""
    a = library.load("fluorite").cell.a
    squares = {
        h * h + k * k + m * m
        for h in range(13)
        for k in range(13)
        for m in range(13)
        if h % 2 == k % 2 == m % 2 and h + k + m > 0
    }
    sines = 0.5 * 1.540593 * np.sqrt(sorted(squares)) / a
    angles = 2.0 * np.degrees(np.arcsin(sines[sines < 1.0]))
    return [float(angle) for angle in angles if angle < last + 1.0]


def fluorapatite(folder: Path, target: Path) -> CrystalStructure:
    """Write a CIF of the facts in ``FAP.EXP`` and read it."""
    text = (folder / "FAP.EXP").read_text(encoding="latin-1")
    a, _, c = (float(x) for x in re.search(r"ABC ((?: +[\d.]+){3})", text)[1].split())  # type: ignore[index]
    symbol = re.search(r"SG SYM +(\S+ \S+)", text)[1]  # type: ignore[index]
    operations = gemmi.SpaceGroup(symbol).operations()
    first = re.findall(
        r"AT +\d+A +(\w+)((?: +-?[\d.]+){3}) +([\d.]+?)([A-Z]+\d+) ", text
    )
    second = re.findall(r"AT +\d+B +([\d.]+)", text)
    rows = [
        f"{tag} {element.capitalize()} {' '.join(position.split())} {occupancy} {u_iso}"
        for (element, position, occupancy, tag), u_iso in zip(
            first, second, strict=True
        )
    ]
    names = "label type_symbol fract_x fract_y fract_z occupancy U_iso_or_equiv"
    path = target / "fluorapatite.cif"
    path.write_text(
        "\n".join(
            [
                "data_fluorapatite",
                f"_cell_length_a {a}",
                f"_cell_length_b {a}",
                f"_cell_length_c {c}",
                "_cell_angle_alpha 90",
                "_cell_angle_beta 90",
                "_cell_angle_gamma 120",
                f"_space_group_name_H-M_alt '{symbol}'",
                "loop_",
                "_space_group_symop_operation_xyz",
                *(f"'{op.triplet()}'" for op in operations),
                "loop_",
                *(f"_atom_site_{name}" for name in names.split()),
                *rows,
            ]
        )
        + "\n"
    )
    return read_cif(path, name="fluorapatite")


def test_fluorapatite(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "xrd" / "standards"
    structure = fluorapatite(folder, tmp_path)
    assert structure.atom_counts == {"Ca": 10.0, "P": 6.0, "F": 2.0, "O": 24.0}
    pattern: xr.Dataset = read_pattern(folder / "FAP.XRA")
    start = Instrument(
        radiation=doublet("GSAS", 1.5405, 1.5443),
        polarization=1.0,
        u=0.005,
        v=-0.002,
        w=0.004,
        x=0.02,
        y=0.02,
        axial_divergence=0.02,
    )
    _, (result,) = calibrate_instrument(
        [Standard(pattern=pattern, structure=structure)],
        start,
        two_theta_range=(15.0, 130.0),
    )
    found = result.parameters.isel(phase=0)
    assert float(found["cell_a"]) == pytest.approx(9.371724, rel=150e-6)
    assert float(found["cell_c"]) == pytest.approx(6.885867, rel=150e-6)
    assert float(found["r_wp"]) <= 0.105
