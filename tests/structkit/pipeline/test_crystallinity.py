"""From files to absolute contents: spiked twin, monitor, reread, joint, bad input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pytest
import xarray as xr

from structkit.cli.__main__ import main
from structkit.errors import PlanError, ReadError, SeriesFileError
from structkit.io.manifest import read_series
from structkit.pipeline.diffraction import run_crystallinity, run_refinement
from structkit.store import read_dataset, read_tree
from structkit.synthetic.study import write_study

SIGMAS = 3.0
"""Standard uncertainties within which a single sample must be."""
WIDEST = 0.10
"""1 sigma of an amorphous fraction beyond which nothing would be learned."""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, xr.Dataset]:
    """Return series file, results folder and table of a study with monitor and twin."""
    folder = tmp_path_factory.mktemp("study")
    series = write_study(
        folder / "measured", times_h=(2.0,), spiked="2h", source="monitor", seed=11
    )
    return series, folder / "out", run_refinement(series, folder / "out")


def test_contents_are_those_of_the_truth(
    study: tuple[Path, Path, xr.Dataset],
) -> None:
    """By monitor, and by the standard in the twin; both are absolute."""
    series, _, table = study
    known = read_dataset(series.with_name("truth.nc"))
    methods = table["amorphous_method"].to_series().to_dict()
    assert methods == {
        "unmilled": "external_standard",
        "2h": "external_standard",
        "2h_spiked": "internal_standard",
    }
    for name in methods:
        off = float(
            table["amorphous_fraction"].sel(sample=name)
            - known["amorphous_fraction"].sel(sample=name)
        )
        std = float(table["amorphous_fraction_std"].sel(sample=name))
        assert std < WIDEST
        assert abs(off) < SIGMAS * std


def test_a_standard_of_one_sample_is_no_phase_of_the_others(
    study: tuple[Path, Path, xr.Dataset],
) -> None:
    """Rutile has a column in the twin alone."""
    _, _, table = study
    scales = table["scale"].sel(phase="rutile")
    assert np.isfinite(float(scales.sel(sample="2h_spiked")))
    assert np.isnan(float(scales.sel(sample="2h")))


def test_files_of_the_contract(study: tuple[Path, Path, xr.Dataset]) -> None:
    """Each table has its columns; the tree has contents and kinetics."""
    _, out, _ = study
    tables = out / "tables"
    amorphous = pd.read_csv(tables / "amorphous.csv")
    assert list(amorphous.columns) == [
        "sample",
        "milling_time_h",
        "method",
        "applicable",
        "reason",
        "primary",
        "value",
        "std",
        "low",
        "high",
    ]
    series = pd.read_csv(tables / "series.csv")
    assert list(series.columns) == ["quantity", "value", "remark"]
    assert {"absolute", "instrument_constant", "mass_attenuation:2h"} <= set(
        series["quantity"]
    )
    kinetics = pd.read_csv(tables / "kinetics.csv")
    assert list(kinetics.columns) == [
        "model",
        "parameter",
        "value",
        "low",
        "high",
        "resolved",
    ]
    samples = pd.read_csv(tables / "samples.csv")
    assert list(samples.columns[-3:]) == [
        "amorphous_fraction_low",
        "amorphous_fraction_high",
        "amorphous_method",
    ]
    found = read_tree(out / "crystallinity.nc").to_dataset(inherit=False)
    assert {"detection_limit_sample", "present", "size_wh", "amorphous_atoms"} <= set(
        found.data_vars
    )
    assert (out / "figures" / "amorphous.png").stat().st_size > 10_000


def test_contents_again_from_stored_refinements(
    study: tuple[Path, Path, xr.Dataset], capsys: pytest.CaptureFixture[str]
) -> None:
    """The stage alone gives the same, and obeys what the series file says now."""
    series, out, table = study
    again = run_crystallinity(series, out)
    np.testing.assert_allclose(
        again["amorphous_fraction"], table["amorphous_fraction"], rtol=1e-9
    )
    assert main(["crystallinity", str(series), "-o", str(out)]) == 0
    assert "by the internal standard" in capsys.readouterr().out
    text = series.read_text()
    changed = series.with_name("unmilled.toml")
    changed.write_text(text.replace('source = "monitor"', 'source = "unmilled"'))
    other = run_crystallinity(changed, out)
    reasons = pd.read_csv(out / "tables" / "amorphous.csv").set_index(
        ["sample", "method"]
    )["reason"]
    assert "unmilled" in reasons["2h", "external_standard"]
    assert np.isfinite(float(other["amorphous_fraction"].sel(sample="2h")))


def test_contents_need_refinements(
    study: tuple[Path, Path, xr.Dataset], tmp_path: Path
) -> None:
    """An empty folder is told what to run."""
    with pytest.raises(ReadError, match="structkit refine"):
        run_crystallinity(study[0], tmp_path)


def test_joint_refinement_from_the_series_file(
    study: tuple[Path, Path, xr.Dataset], tmp_path: Path
) -> None:
    """A shared cell is one for all; another engine is refused."""
    series = study[0]
    text = series.read_text().split('[[sample]]\nid = "2h_spiked"')[0]
    text = text.replace(
        "[xrd.instrument]", '[xrd.joint]\ncells = ["NaCl"]\n\n[xrd.instrument]'
    )
    joint = series.with_name("joint.toml")
    joint.write_text(text)
    table = run_refinement(joint, tmp_path / "out")
    cells = table["cell_a"].sel(phase="NaCl").to_numpy()
    assert np.ptp(cells) < 1e-9
    verdict = pd.read_csv(tmp_path / "out" / "tables" / "joint.csv")
    assert {"sample", "disagrees", "reason"} <= set(verdict.columns)
    with pytest.raises(PlanError, match="needs the engine native"):
        run_refinement(joint, tmp_path / "other", engine="rietx")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('source = "monitor"', 'source = "spike"', "source"),
        ("particle_size_um = [1.0, 5.0]", "particle_size_um = 20.0", "10"),
        ("particle_size_um = [1.0, 5.0]", "particle_size_um = [5.0, 1.0]", "ascend"),
        ('pattern = "monitor.xy"', 'pattern = "monitr.xy"', "did you mean"),
        ("ball_count = 2", "ball_count = 0", "ball_count"),
        (
            'id = "2h"',
            'id = "2h"\ncomposition = { atoms = { Na = 1.0, Ta = 1.0 }, '
            "std = { Na = 0.1, Tb = 0.1 } }",
            "needs its 1 sigma",
        ),
    ],
)
def test_mistakes_are_told_at_their_key(
    study: tuple[Path, Path, xr.Dataset], old: str, new: str, message: str
) -> None:
    """Bad input names the key and the remedy."""
    path = study[0].with_name("wrong.toml")
    text = study[0].read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(SeriesFileError, match=message):
        read_series(path)
