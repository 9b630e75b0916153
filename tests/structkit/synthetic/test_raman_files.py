"""Files of a Raman series hold its counts; the study's patterns do not change."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest

from structkit.io.manifest import read_series
from structkit.store import read_dataset
from structkit.synthetic.raman import simulate_series
from structkit.synthetic.raman_files import raman_table, write_raman_series
from structkit.synthetic.study import write_study

# the axis is written with six digits
DIGITS = 1e-5


def read_columns(path: Path) -> tuple[dict[str, str], np.ndarray]:
    lines = path.read_bytes().decode("latin-1").split("\n")
    head = dict(line[1:].split("=\t") for line in lines if line.startswith("#"))
    rows = [line.split("\t") for line in lines if line and not line.startswith("#")]
    return head, np.array(rows, dtype=float)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raman") / "series"
    return write_raman_series(
        folder,
        seed=6,
        adversary="ta2o5",
        model="series",
        templates=("NaTaCl6", "TaCl5"),
    )


def test_files_hold_the_counts(written: Path) -> None:
    tree, known = simulate_series(6, adversary="ta2o5")
    data = tomllib.loads(written.read_text(encoding="utf-8"))
    assert [one["id"] for one in data["sample"]] == list(known["sample"].to_numpy())
    for sample in data["sample"]:
        spectra = tree[f"/{sample['id']}/raman"].to_dataset()
        assert len(sample["raman"]) == 8
        for place, name in enumerate(sample["raman"]):
            head, rows = read_columns(written.parent / name)
            np.testing.assert_allclose(rows[:, 0], spectra["raman_shift"], rtol=DIGITS)
            np.testing.assert_array_equal(rows[:, 1], spectra["intensity"][place])
            assert head["Laser"] == "532nm_Edge"
            assert head["Acq. time (s)"] == "10"
            assert float(head["X (µm)"]) == float(spectra["position_x"][place])


def test_table_names_files_that_are_there(written: Path) -> None:
    table = tomllib.loads(written.read_text(encoding="utf-8"))["raman"]
    assert table["laser_nm"] == 532.0
    assert table["range"] == [70.0, 1100.0]
    assert (table["reduction"], table["model"]) == ("none", "series")
    assert (written.parent / table["calibration"]).is_file()
    assert "blank" not in table
    glassy = tomllib.loads(raman_table(through_glass=True))["raman"]
    assert (written.parent / glassy["blank"]).is_file()
    assert [one["species"] for one in table["template"]] == ["NaTaCl6", "TaCl5"]
    for one in table["template"]:
        _, rows = read_columns(written.parent / one["file"])
        assert rows.shape == (599, 2)
    plain = tomllib.loads(raman_table())["raman"]
    assert not {"model", "template"} & set(plain)


def test_truth_is_written_whole(written: Path) -> None:
    known = read_dataset(written.parent / "raman_truth.nc")
    assert known.attrs["adversary"] == "ta2o5"
    _, simulated = simulate_series(6, adversary="ta2o5")
    np.testing.assert_array_equal(known["area"], simulated["area"])
    head = (written.parent / "raman_truth.csv").read_text().splitlines()
    assert {"sample", "r_ax", "r_o", "glass_share"} <= set(head[0].split(","))
    assert len(head) == 7


def test_bleached_spots_follow_one_another(tmp_path: Path) -> None:
    written = write_raman_series(tmp_path, adversary="bleaching", times_h=(4.0,))
    seen = [
        read_columns(written.parent / "raman" / f"4h_spot{n}.txt")[0]["Acquired"]
        for n in (1, 2, 8)
    ]
    assert [one.split()[1] for one in seen] == ["09:00:00", "09:00:10", "09:01:10"]


def test_study_gets_raman_and_keeps_its_patterns(tmp_path: Path) -> None:
    options = {"times_h": (4.0,), "spiked": "4h", "extras": ("NTC-4", "annealed")}
    plain = write_study(tmp_path / "plain", **options)
    both = write_study(tmp_path / "both", raman=True, **options)
    for path in sorted(plain.parent.iterdir()):
        if path.name != "series.toml":
            assert path.read_bytes() == (both.parent / path.name).read_bytes()
    assert "raman" not in plain.read_text(encoding="utf-8")
    data = tomllib.loads(both.read_text(encoding="utf-8"))
    assert data["raman"]["calibration"] == "raman/silicon.txt"
    assert {one["id"]: len(one.get("raman", [])) for one in data["sample"]} == {
        "unmilled": 8,
        "4h": 8,
        "4h_spiked": 0,
        "NTC-4": 8,
        "annealed": 8,
    }
    xrd = read_dataset(both.parent / "truth.nc")
    raman = read_dataset(both.parent / "raman_truth.nc")
    for name in ("unmilled", "4h", "NTC-4", "annealed"):
        moles = xrd["moles"].sel(sample=name, phase="NaTaCl6")
        share = raman["amount"].sel(sample=name, species="NaTaCl6")
        assert float(moles) == pytest.approx(float(share), rel=1e-9)
    assert float(raman["oxygen"].sel(sample="NTC-4")) == 0.0


def test_a_study_may_have_a_crystal_for_raman_alone(tmp_path: Path) -> None:
    options = {"times_h": (4.0,), "seed": 5}
    plain = write_study(tmp_path / "plain", **options)
    both = write_study(tmp_path / "both", raman=True, raman_reference=True, **options)
    for path in sorted(plain.parent.iterdir()):
        if path.name != "series.toml":
            assert path.read_bytes() == (both.parent / path.name).read_bytes()
    samples = {one.id: one for one in read_series(both).samples}
    assert samples["NTC"].role == "crystalline_reference"
    assert samples["NTC"].xrd is None
    assert len(samples["NTC"].raman or ()) == 8
    known = read_dataset(both.parent / "raman_truth.nc")
    assert float(known["oxygen"].sel(sample="NTC")) == 0.0
