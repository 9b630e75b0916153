"""Stored results come back as they were; a failed write leaves nothing behind."""

from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis.extra.numpy import arrays

from structkit.errors import OutputError, ReadError
from structkit.schema import make_pattern
from structkit.store import (
    atomic_path,
    read_dataset,
    read_table,
    read_tree,
    sha256_of,
    write_dataset,
    write_table,
    write_text,
    write_tree,
)

ANGLE = np.linspace(10.0, 20.0, 12)


def example_pattern() -> xr.Dataset:
    return make_pattern(
        ANGLE,
        np.arange(12),
        intensity_std=np.full(12, 2.0),
        wavelength=1.5406,
        attrs={"source_file": "a.xy", "scan": 1, "alpha2_ratio": 0.5},
    )


def test_tree_round_trip(tmp_path: Path) -> None:
    tree = xr.DataTree.from_dict(
        {"/": xr.Dataset(attrs={"name": "series"}), "/4h/xrd": example_pattern()}
    )
    back = read_tree(write_tree(tree, tmp_path / "tree.nc"))
    xr.testing.assert_identical(back, tree)
    assert back["/4h/xrd"]["intensity_std"].attrs["units"] == "count"
    assert isinstance(back["/4h/xrd"].attrs["scan"], int | np.integer)


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    values=arrays(float, (12,), elements=st.floats(0.0, 1e9)),
    text=st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1),
    number=st.floats(allow_nan=False),
    integer=st.integers(-(2**62), 2**62),
)
def test_dataset_round_trip(
    tmp_path: Path, values: np.ndarray, text: str, number: float, integer: int
) -> None:
    attrs: dict[str, str | int | float] = {"text": text, "x": number, "n": integer}
    pattern = make_pattern(ANGLE, values, attrs=attrs)
    back = read_dataset(write_dataset(pattern, tmp_path / "a.nc"))
    xr.testing.assert_identical(back, pattern)


def test_strings_flags_and_gaps_round_trip(tmp_path: Path) -> None:
    table = xr.Dataset(
        {
            "status": ("sample", ["converged", "failed"]),
            "r_wp": ("sample", [0.1, np.nan]),
            "flag": ("sample", np.array([1, 0], dtype=np.int8)),
        },
        coords={"sample": ["0 h", "4 h"]},
    )
    back = read_dataset(write_dataset(table, tmp_path / "a.nc"))
    xr.testing.assert_equal(back, table)
    assert back.flag.dtype == np.int8


@pytest.mark.parametrize("value", [True, None, [1, 2], np.bool_(True)])
def test_attrs_hold_text_and_numbers_only(tmp_path: Path, value: object) -> None:
    pattern = example_pattern()
    pattern["intensity"].attrs["odd"] = value
    with pytest.raises(OutputError, match="intensity: attr 'odd'"):
        write_dataset(pattern, tmp_path / "a.nc")
    assert not list(tmp_path.iterdir())


def test_numpy_scalars_are_converted_in_a_copy(tmp_path: Path) -> None:
    pattern = example_pattern().assign_attrs(n=np.int64(3), x=np.float32(0.5))
    back = read_dataset(write_dataset(pattern, tmp_path / "a.nc"))
    assert back.attrs["n"] == 3
    assert isinstance(pattern.attrs["n"], np.int64)


def test_failed_write_keeps_what_was_there(tmp_path: Path) -> None:
    path = write_text("old", tmp_path / "a.txt")

    def fail_halfway() -> None:
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_halfway()
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_unwritable_object_leaves_no_file(tmp_path: Path) -> None:
    odd = xr.Dataset({"a": ("x", np.array([{}, {}], dtype=object))})
    with pytest.raises(OutputError, match="netCDF"):
        write_dataset(odd, tmp_path / "a.nc")
    assert not list(tmp_path.iterdir())


def test_folder_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="choose another output folder"):
        write_text("x", tmp_path / "file" / "a.txt")


def test_folder_is_made(tmp_path: Path) -> None:
    assert write_text("x", tmp_path / "tables" / "a.txt").read_text() == "x"


def test_tables(tmp_path: Path) -> None:
    frame = pd.DataFrame({"sample": ["0 h"], "size_nm": [np.nan], "scale": [1.5]})
    text = write_table(frame, tmp_path / "a.csv").read_text()
    assert text == "sample,size_nm,scale\n0 h,,1.5\n"
    dataset = xr.Dataset({"r_wp": ("sample", [0.1])}, coords={"sample": ["a"]})
    assert (
        write_table(dataset, tmp_path / "b.csv").read_text() == "sample,r_wp\na,0.1\n"
    )


def test_sha256(tmp_path: Path) -> None:
    path = write_text("", tmp_path / "a")
    assert sha256_of(path).startswith("e3b0c44298fc1c149afbf4c8996fb924")


def test_reading_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="no such file"):
        read_tree(tmp_path / "a.nc")
    write_text("no netCDF", tmp_path / "b.nc")
    with pytest.raises(ReadError, match="not a netCDF file"):
        read_dataset(tmp_path / "b.nc")


def test_tables_are_read_back_as_text(tmp_path: Path) -> None:
    path = tmp_path / "tables" / "a.csv"
    dataset = xr.Dataset(
        {"std": ("sample", [0.5, np.nan])}, coords={"sample": ["a, b", 'say "c"']}
    )
    write_table(dataset, path)
    assert read_table(path) == [
        {"sample": "a, b", "std": "0.5"},
        {"sample": 'say "c"', "std": ""},
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such table"),
        (b"", "is empty"),
        (b"a,b\n1\n", "row 2: 1 cells below 2 names"),
        (b"a\n\xff\n", "cannot be read"),
    ],
)
def test_odd_tables_say_why(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "a.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ReadError, match=message):
        read_table(path)
