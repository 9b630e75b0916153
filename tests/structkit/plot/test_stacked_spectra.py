from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from structkit.errors import SchemaError
from structkit.plot.stacked_spectra import plot_spots, plot_stacked_spectra
from structkit.schema import MILLING_TIME, label, make_spectra

SHIFT = np.arange(200.0, 600.0, 2.0)


def make_curves(time: float | None, *, scale: float = 1.0) -> xr.Dataset:
    """Return curves with one determined and one doubtful band."""
    light = np.stack(
        [
            scale * height / (1.0 + ((SHIFT - centre) / 6.0) ** 2)
            for centre, height in ((380.0, 900.0), (500.0, 50.0))
        ]
    )
    along = ("raman_shift",)
    curves = xr.Dataset(
        {
            "intensity": (along, light.sum(axis=0) + 100.0),
            "baseline": (along, np.full(SHIFT.size, 100.0)),
            "component": (("column", *along), light),
            "centre": (("band",), [380.0, 500.0]),
        },
        coords={
            "raman_shift": (
                along,
                SHIFT,
                {"units": "cm-1", "long_name": "Raman shift"},
            ),
            "column": ["A1g", "extra"],
            "column_species": ("column", ["NaTaCl6", "Ta2O5"]),
            "column_status": ("column", ["determined", "not detected"]),
            "band": ["A1g", "extra"],
            "band_column": ("band", ["A1g", "extra"]),
            "band_species": ("band", ["NaTaCl6", "Ta2O5"]),
        },
    )
    if time is None:
        return curves
    return curves.assign_coords({MILLING_TIME: label(xr.DataArray(time), MILLING_TIME)})


def test_spectra_stand_in_the_order_of_time() -> None:
    series = {"b": make_curves(4.0), "NTC": make_curves(None), "1h": make_curves(1.0)}
    texts = {text.get_text(): text for text in plot_stacked_spectra(series).texts}
    levels = [texts[name].xy[1] for name in ("1 h", "4 h, b", "NTC")]
    assert levels == sorted(levels)


def test_each_spectrum_is_over_its_own_maximum() -> None:
    series = {"a": make_curves(1.0), "b": make_curves(2.0, scale=50.0)}
    ax = plot_stacked_spectra(series)
    spans = [np.ptp(line.get_ydata()) for line in ax.lines if line.get_linewidth() > 1]
    np.testing.assert_allclose(spans, 1.0, rtol=0.01)


def test_only_determined_bands_are_marked() -> None:
    ax = plot_stacked_spectra({"a": make_curves(1.0)})
    texts = [text.get_text() for text in ax.texts]
    assert "A1g · 380" in texts
    assert not any(text.startswith("extra") for text in texts)


def test_bands_may_be_chosen() -> None:
    ax = plot_stacked_spectra({"a": make_curves(1.0)}, bands={"405": 405.0})
    texts = [text.get_text() for text in ax.texts]
    assert "405 · 405" in texts
    assert "A1g · 380" not in texts


def test_nothing_to_stack_is_refused() -> None:
    with pytest.raises(SchemaError, match="no spectrum to stack"):
        plot_stacked_spectra({})


def test_spots_are_drawn_with_their_masked_points() -> None:
    counts = np.random.default_rng(1).poisson(200.0, (3, SHIFT.size))
    masked = np.zeros(counts.shape, dtype=np.int8)
    masked[1, 7] = 1
    spectra = make_spectra(SHIFT, counts).assign(
        {"masked": (("spot", "raman_shift"), masked)}
    )
    ax = plot_spots(spectra)
    crosses = [line for line in ax.lines if line.get_marker() == "x"]
    assert len(ax.lines) == 4
    assert np.asarray(crosses[0].get_xdata()).tolist() == [SHIFT[7]]
    assert ax.get_ylabel() == "intensity (counts)"
