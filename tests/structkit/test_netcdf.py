"""The quick reader gives the tree that xarray gives, to the type of every attr."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

from structkit.errors import ReadError
from structkit.netcdf import load_tree
from structkit.store import read_tree, write_tree

NAMES = ["0 h", "4 h", "µ"]

VARIABLES: dict[str, xr.Dataset] = {
    "float64": xr.Dataset({"a": ("x", [0.5, np.nan, np.inf])}),
    "float32": xr.Dataset({"a": ("x", np.array([0.5, np.nan], dtype=np.float32))}),
    "int8": xr.Dataset({"a": ("x", np.array([1, 0, -1], dtype=np.int8))}),
    "int64": xr.Dataset({"a": ("x", [2**62, -1])}),
    "unsigned": xr.Dataset({"a": ("x", np.array([1, 2], dtype=np.uint16))}),
    "bool": xr.Dataset({"a": ("x", [True, False])}),
    "complex": xr.Dataset({"a": ("x", [1.0 + 2.0j, np.nan]), "b": ((), 1.0j)}),
    "text": xr.Dataset({"a": ("x", [*NAMES, ""])}),
    "text of objects": xr.Dataset({"a": ("x", np.array(NAMES, dtype=object))}),
    "scalars": xr.Dataset({"a": 0.5, "b": 3, "c": "text", "d": np.nan}),
    "two dimensions": xr.Dataset({"a": (("x", "y"), np.arange(6.0).reshape(2, 3))}),
    "one dimension twice in names": xr.Dataset(
        {"a": (("x", "x_"), np.eye(2))}, {"x": NAMES[:2], "x_": NAMES[:2]}
    ),
    "index of text": xr.Dataset({"a": ("x", [1.0, 2.0, 3.0])}, {"x": NAMES}),
    "index of numbers": xr.Dataset(
        {"a": (("x", "y"), np.ones((2, 2)))}, {"x": [2, 1], "y": [0.5, 0.1]}
    ),
    "other coordinates": xr.Dataset(
        {"a": ("x", [1.0, 2.0])},
        {"x": [1, 2], "time": ("x", [0.0, np.nan]), "wavelength": 1.54},
    ),
    "coordinates alone": xr.Dataset(coords={"x": [1, 2], "time": ("x", [0.0, 1.0])}),
    "empty dimension": xr.Dataset(
        {"a": ("x", np.empty(0)), "b": (("x", "y"), np.empty((0, 2)))}
    ),
    "empty text": xr.Dataset({"a": ("x", np.empty(0, dtype="U1"))}),
    "attrs": xr.Dataset(
        {"a": ("x", [1.0], {"units": "cm-1", "n": 2, "std": 0.5, "none": ""})},
        {"x": ("x", [5], {"units": "h"})},
        {"name": "µ", "n": 2, "std": 0.5, "nan": np.nan, "long": "a" * 70000},
    ),
    "nothing": xr.Dataset(),
}
"""One dataset for each kind of variable that the project stores."""


def read_slowly(path: Path) -> xr.DataTree:
    """Read a file by xarray's own reader."""
    with xr.open_datatree(path, engine="h5netcdf") as tree:
        return tree.load()


def assert_same(tree: xr.DataTree, other: xr.DataTree) -> None:
    """Hold two trees against each other, order and types included."""
    xr.testing.assert_identical(tree, other)
    pairs = zip(tree.subtree, other.subtree, strict=True)
    for one, two in (
        (a.to_dataset(inherit=False), b.to_dataset(inherit=False)) for a, b in pairs
    ):
        assert list(one.variables) == list(two.variables)
        assert list(one.coords) == list(two.coords)
        assert types_of(one.attrs) == types_of(two.attrs)
        assert set(one.xindexes) == set(two.xindexes)
        for name in one.variables:
            left, right = one[name].variable, two[name].variable
            assert left.dtype == right.dtype
            assert type(left) is type(right)
            assert types_of(left.attrs) == types_of(right.attrs)


def types_of(attrs: dict[str, object]) -> list[tuple[str, type]]:
    """Return name and type of every attr, in order."""
    return [(name, type(value)) for name, value in attrs.items()]


@pytest.fixture
def no_fallback(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], xr.DataTree]:
    """Return the quick reader alone: it may not ask xarray's."""

    def refuse(*_args: object, **_options: object) -> None:
        raise AssertionError("xarray's reader was asked")

    def load(path: Path) -> xr.DataTree:
        with monkeypatch.context() as patch:
            patch.setattr(xr, "open_datatree", refuse)
            return load_tree(path)

    return load


@pytest.mark.parametrize("kind", VARIABLES)
def test_every_kind_of_variable(
    kind: str, tmp_path: Path, no_fallback: Callable[[Path], xr.DataTree]
) -> None:
    nodes = {"/": VARIABLES[kind], "/inner": VARIABLES[kind], "/inner/most": None}
    path = write_tree(xr.DataTree.from_dict(nodes), tmp_path / "a.nc")
    assert_same(no_fallback(path), read_slowly(path))


def test_dimensions_and_coordinates_are_inherited(
    tmp_path: Path, no_fallback: Callable[[Path], xr.DataTree]
) -> None:
    tree = xr.DataTree.from_dict(
        {
            "/": xr.Dataset(coords={"sample": NAMES, "time": ("sample", [0, 1, 2])}),
            "/b": xr.Dataset({"score": (("sample", "y"), np.ones((3, 2)))}),
            "/b/a": xr.Dataset({"value": ("sample", [1.0, 2.0, 3.0])}),
            "/a": xr.Dataset({"y": ("y", [1.0]), "z": ("z", [2.0, 3.0])}),
        }
    )
    path = write_tree(tree, tmp_path / "a.nc")
    back = no_fallback(path)
    assert_same(back, read_slowly(path))
    xr.testing.assert_identical(back, tree)
    assert list(back["/b/a"].coords["sample"].values) == NAMES


def test_a_scalar_may_bear_the_name_of_a_dimension_above(tmp_path: Path) -> None:
    outer = xr.Dataset({"a": ("sample", [1.0, 2.0])})
    tree = xr.DataTree.from_dict({"/": outer, "/inner": xr.Dataset({"sample": 5.0})})
    path = write_tree(tree, tmp_path / "a.nc")
    xr.testing.assert_identical(load_tree(path), tree)


def test_files_of_other_programs(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    days = np.array(["2024-01-01", "2024-02-01"], dtype="datetime64[ns]")
    dataset = xr.Dataset(
        {
            "scaled": ("time", [0.5, np.nan]),
            "lasting": ("time", np.array([1, 2], dtype="timedelta64[h]")),
            "letters": ("time", np.array([b"ab", b"c"])),
            "whole": ("time", [1.0, np.nan]),
        },
        {"time": days},
        {"texts": ["a", "b"], "one": ["a"], "numbers": [1.0, 2.0]},
    )
    dataset.to_netcdf(
        path,
        engine="h5netcdf",
        unlimited_dims=["time"],
        encoding={
            "scaled": {"dtype": "i2", "scale_factor": 0.5, "_FillValue": -1},
            "whole": {"dtype": "i4", "_FillValue": 9},
        },
    )
    tree = load_tree(path)
    assert_same(tree, read_slowly(path))
    assert tree["scaled"].values[0] == 0.5
    assert tree["time"].values[1] == days[1]


def stretch_dimension(file: h5py.File) -> None:
    """Make a dimension longer than the variable over it."""
    file.create_dataset("x", shape=(2,), dtype=">f4", maxshape=(None,)).make_scale("x")
    file.create_dataset("a", data=[1.0, 2.0], maxshape=(None,))
    file.create_dataset("b", data=[1.0, 2.0, 3.0], maxshape=(None,))
    for name in "ab":
        file[name].dims[0].attach_scale(file["x"])


def shadow_dimension(file: h5py.File) -> None:
    """Refer to a dimension over the head of another of its name."""
    file.create_dataset("x", data=[1.0, 2.0]).make_scale("x")
    inner = file.create_group("inner")
    inner.create_dataset("x", data=[1.0, 2.0]).make_scale("x")
    inner.create_dataset("a", data=[5.0, 6.0]).dims[0].attach_scale(file["x"])


def name_twice(file: h5py.File) -> None:
    """Link one object by two names."""
    file.create_dataset("x", data=[1.0, 2.0]).make_scale("x")
    file["y"] = file["x"]


def add_letters(file: h5py.File) -> None:
    """Store text of fixed length, as value and as attr."""
    file.create_dataset("a", data=np.bytes_(b"text"))
    file.attrs["b"] = np.bytes_(b"text")


def add_classic(file: h5py.File) -> None:
    """Say that the file keeps to the classic model."""
    file.create_dataset("a", data=1.0)
    file.attrs["_nc3_strict"] = np.int32(1)


def add_empty_attr(file: h5py.File) -> None:
    """Store an attr without a value."""
    file.create_dataset("a", data=1.0)
    file.attrs["b"] = h5py.Empty("f8")


def add_enumeration(file: h5py.File) -> None:
    """Store numbers that stand for names."""
    kind = h5py.enum_dtype({"no": 0, "yes": 1}, basetype="i1")
    file["answer"] = np.dtype(kind)
    file.create_dataset("a", data=1, dtype=file["answer"])


@pytest.mark.parametrize(
    "build",
    [
        stretch_dimension,
        shadow_dimension,
        name_twice,
        add_letters,
        add_classic,
        add_empty_attr,
        add_enumeration,
    ],
)
def test_unknown_layouts_are_left_to_xarray(
    build: Callable[[h5py.File], None],
    tmp_path: Path,
    no_fallback: Callable[[Path], xr.DataTree],
) -> None:
    path = tmp_path / "a.nc"
    with h5py.File(path, "w", track_order=True) as file:
        build(file)
    assert_same(load_tree(path), read_slowly(path))
    with pytest.raises(AssertionError, match="was asked"):
        no_fallback(path)


@pytest.mark.filterwarnings("ignore:The 'phony_dims' kwarg:UserWarning")
def test_arrays_without_dimensions_get_xarrays_names(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    with h5py.File(path, "w") as file:
        file["a"] = [1.0, 2.0]
    assert_same(load_tree(path), read_slowly(path))


def test_damaged_files_are_named(tmp_path: Path) -> None:
    whole = write_tree(xr.DataTree(VARIABLES["attrs"]), tmp_path / "a.nc").read_bytes()
    for name, content in {"cut.nc": whole[: len(whole) // 2], "none.nc": b""}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ReadError, match=f"{name}: not a netCDF file of structkit"):
            read_tree(tmp_path / name)


def test_a_link_to_nowhere_is_told(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.nc", "w") as file:
        file["a"] = h5py.SoftLink("/nowhere")
    with pytest.raises(ReadError, match=r"a\.nc: not a netCDF file of structkit"):
        read_tree(tmp_path / "a.nc")
