"""From the stored results of a Raman series (``raman.nc``) to what figures draw."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from structkit.errors import SchemaError
from structkit.plot.spectrum import COLUMN
from structkit.schema import (
    BAND,
    INTENSITY_STD,
    MILLING_TIME,
    SAMPLE,
    SPECIES,
    SPOT,
)

Floats = NDArray[np.float64]

_BANDS, _SPECTRA = "bands", "spectra"
_OF_BAND = ("centre", "centre_std", "fwhm", "fwhm_std")
_NO_WEIGHT = 1e4
"""A sigma of so many times the median belongs to a point without weight."""


def stored_curves(
    tree: xr.DataTree, sample: str, *, spot: int | None = None
) -> xr.Dataset:
    """Return the curves of one spot, as :mod:`structkit.plot.spectrum` draws them.

    Parameters
    ----------
    tree : xarray.DataTree
        ``raman.nc``.
    sample : str
        Name of the sample.
    spot : int, optional
        Number of the spot, from 1. Default: the one with the most light of bands.

    Returns
    -------
    xarray.Dataset

    Raises
    ------
    SchemaError
        The sample has no fit, or no such spot.
    """
    bands, spectra = _nodes(tree, sample)
    numbers = [int(n) for one in spectra for n in one[SPOT].to_numpy()]
    if spot is None:
        light = [
            float(one["component"].isel({SPOT: k}).sum())
            for one in spectra
            for k in range(one.sizes[SPOT])
        ]
        spot = numbers[int(np.argmax(light))]
    if spot not in numbers:
        known = ", ".join(str(n) for n in numbers)
        raise SchemaError(f"{sample}: no spot {spot}; there are {known}")
    found = next(one for one in spectra if spot in one[SPOT].to_numpy())
    curves = found.sel({SPOT: spot}, drop=True)
    curves = _hide_points(curves)
    chi_square = float(bands["chi_square"].sel({SPOT: spot}))
    curves = curves.assign_attrs(chi_square=chi_square, **_status(tree, sample))
    time = tree.to_dataset(inherit=False)[MILLING_TIME].sel({SAMPLE: sample}, drop=True)
    if bool(np.isfinite(time)):
        curves = curves.assign_coords({MILLING_TIME: time})
    return _name_columns(curves, bands, spot)


def stored_bands(tree: xr.DataTree) -> xr.Dataset:
    """Return the bands of all samples, as :mod:`structkit.plot.raman_bands` draws them.

    Parameters
    ----------
    tree : xarray.DataTree
        ``raman.nc``.

    Returns
    -------
    xarray.Dataset
        Over sample and band: centre and width; the area, a mean over the spots, with
        the larger of the scatter of that mean and the mean of the spots' own sigmas;
        status; ``species`` over band; ``milling_time`` and ``role`` over sample.

    Raises
    ------
    SchemaError
        No sample has a fit.
    """
    root = tree.to_dataset(inherit=False)
    names = [
        str(name) for name in root[SAMPLE].to_numpy() if str(name) in tree.children
    ]
    if not names:
        raise SchemaError("no sample has a fit; the reasons are in raman.nc")
    rows, species = [], {}
    for name in names:
        bands, _ = _nodes(tree, name)
        rows.append(_over_bands(bands).expand_dims({SAMPLE: [name]}))
        for band, kind in zip(
            bands[BAND].to_numpy(), bands[SPECIES].to_numpy(), strict=True
        ):
            species[str(band)] = str(kind)
    joined = xr.concat(rows, SAMPLE, join="outer", fill_value={"status": ""})
    order = [species[str(name)] for name in joined[BAND].to_numpy()]
    chosen = root[[MILLING_TIME, "role"]].sel({SAMPLE: names})
    return joined.assign_coords(
        {
            SPECIES: ((BAND,), order),
            MILLING_TIME: chosen[MILLING_TIME],
            "role": ((SAMPLE,), chosen["role"].to_numpy()),
        }
    )


def _nodes(tree: xr.DataTree, sample: str) -> tuple[xr.Dataset, list[xr.Dataset]]:
    """Return bands and spectra of a sample."""
    if sample not in tree.children:
        raise SchemaError(f"{sample}: no fit among the stored results")
    node = tree.children[sample]
    spectra = node.children[_SPECTRA].children.values()
    return (
        node.children[_BANDS].to_dataset(inherit=False),
        [one.to_dataset(inherit=False) for one in spectra],
    )


def _status(tree: xr.DataTree, sample: str) -> dict[str, str]:
    """Return how the fit of a sample ended."""
    root = tree.to_dataset(inherit=False).sel({SAMPLE: sample})
    return {name: str(root[name].item()) for name in ("status", "reason")}


def _hide_points(curves: xr.Dataset) -> xr.Dataset:
    """Return curves whose points without weight have neither sigma nor residual."""
    sigma = curves[INTENSITY_STD]
    hidden = sigma > _NO_WEIGHT * float(sigma.median())
    if "masked" in curves:
        hidden = hidden | (curves["masked"] != 0)
    return curves.assign(
        {
            INTENSITY_STD: sigma.where(~hidden),
            "residual": curves["residual"].where(~hidden),
            "masked": hidden.astype(np.int8),
        }
    )


def _name_columns(curves: xr.Dataset, bands: xr.Dataset, spot: int) -> xr.Dataset:
    """Return curves with species and status of columns, and the bands' centres."""
    owner = [str(name) for name in bands["member_of"].to_numpy()]
    columns = [str(name) for name in curves[COLUMN].to_numpy()]
    first = [owner.index(name) for name in columns]
    kept = np.flatnonzero(bands["kind"].to_numpy().astype(str) == "band")
    alone = bands.isel({BAND: kept})
    centre = alone["centre"] + float(bands["axis_shift"].sel({SPOT: spot}))
    species, status = (
        bands[name].to_numpy().astype(str)[first] for name in (SPECIES, "status")
    )
    return curves.assign_coords(
        {
            "column_species": ((COLUMN,), species),
            "column_status": ((COLUMN,), status),
            BAND: ((BAND,), alone[BAND].to_numpy().astype(str)),
            "band_column": ((BAND,), alone["member_of"].to_numpy().astype(str)),
            "band_species": ((BAND,), alone[SPECIES].to_numpy().astype(str)),
        }
    ).assign(centre=((BAND,), centre.to_numpy(), alone["centre"].attrs))


def _over_bands(bands: xr.Dataset) -> xr.Dataset:
    """Return what a figure shows of the bands of one sample."""
    area, own = bands["area"], bands["area_std"].mean(SPOT)
    number = bands.sizes[SPOT]
    scatter = area.std(SPOT, ddof=1) / np.sqrt(number) if number > 1 else own
    found = bands[[*_OF_BAND, "status"]].assign(
        area=area.mean(SPOT), area_std=np.maximum(scatter, own)
    )
    for name in ("area", "area_std"):
        found[name].attrs.update(bands[name].attrs)
    return found.assign_coords({BAND: bands[BAND].to_numpy().astype(str)})
