"""The stored trees of all stages are read as xarray reads them."""

from __future__ import annotations

from pathlib import Path

import pytest
import xarray as xr

from structkit.store import read_tree

STAGES = ("refine", "crystallinity", "raman", "eis", "nmr", "index")


@pytest.mark.parametrize("stage", STAGES)
def test_stored_trees_are_as_xarray_reads_them(
    stage: str, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = results / f"{stage}.nc"
    with xr.open_datatree(path, engine="h5netcdf") as opened:
        slowly = opened.load()
    monkeypatch.delattr(xr, "open_datatree")  # the quick reader needs no help
    xr.testing.assert_identical(read_tree(path), slowly)
