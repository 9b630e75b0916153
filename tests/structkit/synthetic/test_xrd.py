"""The synthetic milling series keeps its books and writes files that can be read."""

import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from structkit.errors import PlanError
from structkit.io.manifest import read_series
from structkit.io.read import read_pattern
from structkit.store import read_dataset
from structkit.structures import library
from structkit.structures.composition import molar_mass
from structkit.synthetic.xrd import (
    WEIGHED_IN,
    MillingTruth,
    simulate_milling_series,
    write_series,
)

COARSE = np.arange(10.0, 60.0, 0.1)


@pytest.fixture(scope="module")
def series() -> tuple[xr.DataTree, xr.Dataset]:
    return simulate_milling_series(two_theta=COARSE)


@pytest.mark.parametrize("time_h", [0.0, 0.5, 1.0, 4.0, 30.0])
def test_atoms_are_conserved(time_h: float) -> None:
    truth = MillingTruth()
    atoms = dict(truth.glass(time_h).composition)
    for name, moles in truth.moles(time_h).items():
        structure = library.load(name)
        for element, count in structure.atom_counts.items():
            atoms[element] += moles * count / structure.formula_units
    for element, count in WEIGHED_IN.items():
        assert atoms[element] == pytest.approx(count, abs=1e-12)


def test_mass_is_conserved(series: tuple[xr.DataTree, xr.Dataset]) -> None:
    _, known = series
    total = known.weight_fraction.sum("phase") + known.amorphous_fraction
    np.testing.assert_allclose(total, 1.0, atol=1e-12)
    glass = MillingTruth().glass(4.0).molar_mass / molar_mass(WEIGHED_IN)
    assert float(known.amorphous_fraction.sel(sample="4h")) == pytest.approx(glass)


def test_crystals_vanish_and_shrink(series: tuple[xr.DataTree, xr.Dataset]) -> None:
    _, known = series
    assert bool((known.crystalline_fraction.diff("sample") < 0.0).all())
    size = known.size_nm.sel(phase="NaTaCl6")
    assert float(size[0]) == 60.0
    assert float(size[-1]) < 10.0
    assert known.milling_time.attrs["units"] == "h"


def test_true_cell_is_smaller_than_the_computed_one(
    series: tuple[xr.DataTree, xr.Dataset],
) -> None:
    cell = float(series[1].cell_a.sel(phase="NaTaCl6")[0])
    assert cell / library.load("NaTaCl6").cell.a == pytest.approx(0.982)


def test_attenuation_stays(series: tuple[xr.DataTree, xr.Dataset]) -> None:
    values = series[1].mass_attenuation
    np.testing.assert_allclose(values, values[0], rtol=1e-9)


def test_tree_holds_patterns(series: tuple[xr.DataTree, xr.Dataset]) -> None:
    tree, known = series
    assert list(tree.children) == list(known.sample.to_numpy())
    pattern = tree["/4h/xrd"].to_dataset()
    assert float(pattern.milling_time) == 4.0
    assert np.all(pattern.intensity == np.round(pattern.intensity))


def test_seed_decides(series: tuple[xr.DataTree, xr.Dataset]) -> None:
    again, _ = simulate_milling_series(two_theta=COARSE, times_h=(0.0,))
    first = series[0]["/0h/xrd/intensity"]
    np.testing.assert_array_equal(again["/0h/xrd/intensity"], first)
    other, _ = simulate_milling_series(two_theta=COARSE, times_h=(0.0,), seed=9)
    assert not np.array_equal(other["/0h/xrd/intensity"], first)


def test_internal_standard_does_not_count_as_sample() -> None:
    plain = simulate_milling_series(two_theta=COARSE, times_h=(2.0,))[1]
    spiked = simulate_milling_series(
        two_theta=COARSE, times_h=(2.0,), internal_standard=0.2
    )[1]
    assert float(spiked.weight_fraction.sel(phase="corundum")[0]) == 0.2
    np.testing.assert_allclose(spiked.amorphous_fraction, plain.amorphous_fraction)


def test_more_crystals_than_weighed_are_refused() -> None:
    truth = replace(MillingTruth(), na2o_left=(1.4, 0.0, 1.0))
    with pytest.raises(PlanError, match="more"):
        truth.glass(0.0)


@pytest.mark.parametrize("internal_standard", [0.0, 0.2])
def test_written_series_is_read_back(tmp_path: Path, internal_standard: float) -> None:
    path = write_series(
        tmp_path / "demo", times_h=(0.0, 4.0), internal_standard=internal_standard
    )
    manifest = read_series(path)
    assert manifest.xrd is not None
    assert manifest.xrd.phases[0].cell_uncertain
    assert (manifest.xrd.internal_standard is not None) == (internal_standard > 0.0)
    assert [sample.milling_time for sample in manifest.samples] == [0.0, 4.0]
    for name in ("0h.xy", "4h.xy", "LaB6.xy", "film_blank.xy"):
        pattern = read_pattern(path.parent / name)
        assert int(pattern.esd_reliable) == 1, name
        assert 0.75 < float(pattern.noise_ratio) < 1.25, name
    known = read_dataset(path.parent / "truth.nc")
    assert known.weight_fraction.shape[0] == 2
    head = (path.parent / "truth.csv").read_text().splitlines()[0].split(",")
    assert {"sample", "phase", "weight_fraction", "milling_time_h"} <= set(head)
    assert "synthetic" in tomllib.loads(path.read_text())["series"]["name"]
