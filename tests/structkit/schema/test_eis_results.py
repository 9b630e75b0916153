from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from structkit.eis.circuits import parse_circuit
from structkit.eis.fit import fit_impedance
from structkit.eis.results import root_dataset, spectrum_dataset
from structkit.errors import SchemaError
from structkit.schema.eis_results import validate_eis_results
from structkit.schema.impedance import make_impedance
from structkit.store import read_tree, write_tree

CIRCUIT = parse_circuit("p(R1,C1)")


@pytest.fixture(scope="module")
def spectrum() -> xr.Dataset:
    frequency = np.geomspace(1.0, 1e5, 30)
    ohms = CIRCUIT.evaluate(frequency, [1e3, 1e-7])
    scalars = {"temperature": 300.0, "history": ""}
    measured = make_impedance(frequency, ohms, scalars=scalars)
    fit = fit_impedance(measured, CIRCUIT)
    return spectrum_dataset(measured, fit=fit, check=None, drt=None)


def make(spectrum: xr.Dataset, *, name: str = "a") -> xr.DataTree:
    root = root_dataset({name: (1, 1, 0)}, [("a", "f", "said")], {"name": "x"})
    return xr.DataTree.from_dict({"/": root, f"/samples/{name}/spectra/1": spectrum})


@pytest.mark.parametrize("name", ["a", "sample", "n_spectra", "frequency"])
def test_any_name_of_a_sample_is_stored(
    spectrum: xr.Dataset, name: str, tmp_path: object
) -> None:
    tree = make(spectrum, name=name)
    validate_eis_results(tree)
    path = write_tree(tree, f"{tmp_path}/eis.nc")
    stored = read_tree(path)
    validate_eis_results(stored)
    xr.testing.assert_equal(
        stored[f"/samples/{name}/spectra/1"].to_dataset(inherit=False), spectrum
    )


def test_what_is_wrong_is_named(spectrum: xr.Dataset) -> None:
    with pytest.raises(SchemaError, match="spectra/1: no variable 'residual'"):
        validate_eis_results(make(spectrum.drop_vars("residual")))
    wrong = spectrum.assign(value_std=-spectrum["value_std"])
    with pytest.raises(SchemaError, match="value_std: a standard uncertainty below"):
        validate_eis_results(make(wrong))
    bare = xr.DataTree(root_dataset({"a": (1, 0, 0)}, (), {}))
    with pytest.raises(SchemaError, match="/samples/a: no node"):
        validate_eis_results(bare)
