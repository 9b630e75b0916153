"""What a series cannot conclude, from what was measured and from stored results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from structkit.io.manifest import read_series
from structkit.pipeline.limits import Limit, list_limits, read_limits, write_limits
from structkit.pipeline.provenance import StageRecord, StageStatus
from structkit.pipeline.run import run_series
from structkit.store import write_dataset, write_tree

NOTHING = '[series]\nname = "s"\n'
XRD = '[xrd]\n[[xrd.phase]]\nname = "NaCl"\n'


def write_file(folder: Path, *samples: str, tables: str = XRD) -> Path:
    """Write a series file; every file that it names is there."""
    for name in ("a.xy", "a.txt", "a.csv", "a.fid"):
        (folder / name).touch()
    when = 'milling_time = "1 h"\n'
    blocks = "".join(
        f"[[sample]]\n{sample}\n{'' if 'milling_time' in sample else when}"
        for sample in samples
    )
    path = folder / "series.toml"
    path.write_text(f"{NOTHING}{tables}{blocks}")
    return path


def tell(
    folder: Path, path: Path, records: Sequence[StageRecord] = ()
) -> dict[str, str]:
    """Return the sentences of each topic, joined."""
    told: dict[str, str] = {}
    for one in list_limits(read_series(path), folder, records):
        told[one.topic] = f"{told.get(one.topic, '')} {one.sentence}".strip()
    return told


def refined(**changes: object) -> xr.Dataset:
    """Return what a refinement of three samples leaves, as far as it is read."""
    known = {
        "status": ["converged", "converged", "failed"],
        "reason": ["", "", "no reflections in range"],
        "amorphous_fraction": [0.2, 0.5, np.nan],
        "amorphous_fraction_low": [0.1, 0.4, np.nan],
        "amorphous_fraction_high": [0.3, 0.6, np.nan],
        "esd_reliable": [1, 1, 0],
    }
    known |= changes
    return xr.Dataset(
        {name: ("sample", values) for name, values in known.items()},
        coords={"sample": ["0h", "1h", "2h"]},
        attrs={"instrument_calibrated": "true"},
    )


def test_every_technique_that_was_not_measured_is_named(tmp_path: Path) -> None:
    told = tell(tmp_path, write_file(tmp_path, 'id = "a"\nxrd = "a.xy"'))
    assert set(told) == {"raman", "eis", "nmr"}
    told = tell(tmp_path, write_file(tmp_path, 'id = "a"\neis = "a.csv"', tables=""))
    assert set(told) == {"xrd", "raman", "nmr"}


def test_contents_found_again_are_those_that_count(tmp_path: Path) -> None:
    unknown = dict.fromkeys(
        ("amorphous_fraction", "amorphous_fraction_low", "amorphous_fraction_high"),
        [np.nan] * 3,
    )
    write_dataset(refined(**unknown), tmp_path / "refine.nc")
    path = write_file(tmp_path, 'id = "a"\nxrd = "a.xy"')
    assert "is not known" in tell(tmp_path, path)["xrd"]
    # as structkit crystallinity leaves it, with a mixture given since
    write_dataset(refined(), tmp_path / "crystallinity.nc")
    assert "is not known" not in tell(tmp_path, path)["xrd"]


def test_a_pattern_that_failed_is_named_with_its_reason(tmp_path: Path) -> None:
    write_dataset(refined(), tmp_path / "refine.nc")
    told = tell(tmp_path, write_file(tmp_path, 'id = "a"\nxrd = "a.xy"'))
    assert told["xrd"] == (
        "2h could not be refined: nothing is said of it (no reflections in range)."
    )


def test_unknown_and_bounded_contents_are_told_apart(tmp_path: Path) -> None:
    table = refined(
        amorphous_fraction=[np.nan, np.nan, np.nan],
        amorphous_fraction_low=[np.nan, 0.1, np.nan],
        amorphous_fraction_high=[np.nan, 1.0, np.nan],
        status=["converged"] * 3,
    )
    write_dataset(table, tmp_path / "refine.nc")
    told = tell(tmp_path, write_file(tmp_path, 'id = "a"\nxrd = "a.xy"'))["xrd"]
    assert "amorphous content of 0h and 2h is not known" in told
    assert "amorphous content of 1h is known only between limits" in told
    assert "standard weighed in" in told


def test_an_instrument_without_standard_makes_bounds_of_sizes(tmp_path: Path) -> None:
    table = refined().assign_attrs(instrument_calibrated="false")
    write_dataset(table, tmp_path / "refine.nc")
    told = tell(tmp_path, write_file(tmp_path, 'id = "a"\nxrd = "a.xy"'))
    assert "sizes are lower bounds and microstrains upper bounds" in told["xrd"]


def test_intensities_that_are_no_counts_are_named(tmp_path: Path) -> None:
    write_dataset(refined(esd_reliable=[1, 0, 0]), tmp_path / "refine.nc")
    told = tell(tmp_path, write_file(tmp_path, 'id = "a"\nxrd = "a.xy"'))["xrd"]
    assert "The intensities of 1h do not scatter as counts do" in told


def test_one_technique_has_no_consensus(tmp_path: Path) -> None:
    write_dataset(refined(), tmp_path / "refine.nc")
    told = tell(tmp_path, write_file(tmp_path, 'id = "a"\nxrd = "a.xy"'))
    assert "One technique tells of structure, powder diffraction" in told["index"]
    assert "no consensus index" in told["index"]
    (tmp_path / "raman.nc").touch()
    told = tell(tmp_path, write_file(tmp_path, 'id = "a"\nxrd = "a.xy"'))
    assert "Two techniques tell of structure" in told["index"]
    assert "crystalline end" in told["index"]
    assert "glassy end" in told["index"]


def test_the_index_itself_says_why_there_is_no_number(tmp_path: Path) -> None:
    places = ("sample", "index", "variant")
    names = ["0h", "1h", "2h"]
    joined = xr.Dataset(
        {
            "headline": (places, np.array([[[0]], [[0]], [[1]]])),
            "reason": (places, np.array([[["two alone"]], [["two alone"]], [[""]]])),
            "conflict": ("sample", ["", "nmr stands off", ""]),
        },
        coords={"sample": names, "index": ["AI_lat"], "variant": ["struct"]},
        attrs={"remarks": "kappa is not calibrated"},
    )
    for stage in ("refine", "raman", "nmr"):
        write_dataset(refined(), tmp_path / f"{stage}.nc")
    write_dataset(joined, tmp_path / "index.nc")
    roles = (
        'id = "a"\nrole = "unmilled"\nmilling_time = 0\nxrd = "a.xy"',
        'id = "b"\nraman = "a.txt"',
    )
    path = write_file(
        tmp_path, *roles, 'id = "c"\nrole = "glass_reference"\nnmr = "a.fid"'
    )
    assert tell(tmp_path, path)["index"] == (
        "No joint index for 0h and 1h: two alone. 1h: nmr stands off. "
        "kappa is not calibrated."
    )


def test_one_temperature_gives_no_activation_energy(tmp_path: Path) -> None:
    tree = xr.DataTree.from_dict(
        {
            "/": xr.Dataset(),
            "/samples/a/conductivity": xr.Dataset(),
            "/samples/b/arrhenius/1": xr.Dataset(),
        }
    )
    write_tree(tree, tmp_path / "eis.nc")
    told = tell(tmp_path, write_file(tmp_path, 'id = "a"\neis = "a.csv"', tables=""))
    assert told["eis"] == (
        "No activation energy of a: it needs conductivities at two temperatures or "
        "more."
    )


def test_nmr_without_recoveries_or_blank_says_so(tmp_path: Path) -> None:
    tree = xr.DataTree.from_dict({"/": xr.Dataset(), "/a/lines": xr.Dataset()})
    write_tree(tree, tmp_path / "nmr.nc")
    path = write_file(tmp_path, 'id = "a"\nnmr = "a.fid"', tables="")
    told = tell(tmp_path, path)["nmr"]
    assert "No recoveries: T1" in told
    assert "No blank of the NMR" in told
    text = path.read_text()
    path.write_text(text.replace("[[sample]]", '[nmr]\nblank = "a"\n[[sample]]'))
    assert "No blank" not in tell(tmp_path, path)["nmr"]


def test_a_failed_stage_is_a_limit_and_a_failed_report_is_none(tmp_path: Path) -> None:
    path = write_file(tmp_path, 'id = "a"\nxrd = "a.xy"')
    failed = [
        StageRecord(name=name, status=StageStatus.FAILED, reason="because\nof this")
        for name in ("refine", "report")
    ]
    told = tell(tmp_path, path, failed)
    assert told["refine"] == "The stage refine failed: because of this."
    assert "report" not in told


def test_a_broken_file_is_no_reason_to_stop(tmp_path: Path) -> None:
    for name in ("refine", "eis", "nmr", "index"):
        (tmp_path / f"{name}.nc").write_bytes(b"half")
    assert "raman" in tell(tmp_path, write_file(tmp_path, 'id = "a"\nxrd = "a.xy"'))


def test_the_table_reads_back(tmp_path: Path) -> None:
    limits = [Limit(topic="xrd", sentence='None, of "1h", is known.')]
    write_limits(limits, tmp_path)
    assert read_limits(tmp_path) == tuple(limits)
    write_limits([], tmp_path)
    assert read_limits(tmp_path) == ()


@pytest.mark.shared
@pytest.mark.slow
def test_measured_patterns_alone_say_what_they_cannot_conclude(
    shared_data: Path, tmp_path: Path
) -> None:
    """Two patterns of CsBr + PbBr2, ground by a robot (doi:10.1039/D4DD00189C)."""
    folder = shared_data / "xrd" / "milling_csbr_pbbr2"
    files = folder / "cif_and_instprm"
    phases = {
        "CsBr": "CsBr.cif",
        "PbBr2": "PbBr2.cif",
        "CsPbBr3": "CsPbBr3_Pbnm.cif",
        "Cs4PbBr6": "Cs4PbBr6_fit.cif",
    }
    tables = [
        "mixture = { CsBr = 1, PbBr2 = 1 }",
        f'[xrd.instrument]\nfile = "{files / "Lab_CuKa.instprm"}"',
        *(
            f'[[xrd.phase]]\nname = "{name}"\ncif = "{files / file}"'
            for name, file in phases.items()
        ),
    ]
    samples = []
    for minutes in (15, 180):
        (pattern,) = (folder / "20N_60rpm").glob(f"*_{minutes}min.xye")
        time = f'milling_time = "{minutes} min"'
        samples.append(f'id = "{minutes}min"\n{time}\nxrd = "{pattern}"')
    path = write_file(tmp_path, *samples, tables="\n".join([*tables, ""]))
    result = run_series(path, tmp_path / "out", jobs=1)
    assert not result.failed
    told = {one.topic: "" for one in result.limits}
    for one in read_limits(tmp_path / "out"):
        told[one.topic] += one.sentence
    assert "No Raman" in told["raman"]
    assert "conductivity" in told["eis"]
    assert "No NMR" in told["nmr"]
    assert "no consensus index" in told["index"]
    assert (
        "amorphous content of 15min and 180min is known only between limits"
        in (told["xrd"])
    )
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "no consensus index" in page
    assert str(shared_data) not in (
        (tmp_path / "out" / "provenance.json").read_text(encoding="utf-8")
    )
