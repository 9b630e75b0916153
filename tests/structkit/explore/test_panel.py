from __future__ import annotations

import math
import sys

import numpy as np
import pytest
import xarray as xr

from structkit.errors import MissingExtraError
from structkit.explore.bands import explore_bands
from structkit.schema import make_spectra

pytest.importorskip("ipywidgets")

SHIFT = np.arange(90.0, 500.0, 2.5)
PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def spectra() -> xr.Dataset:
    """Return two spots of crystalline NaTaCl6 with a line at 405."""
    light = np.full(SHIFT.size, 300.0)
    for centre, height in ((378.0, 900.0), (405.0, 500.0), (180.0, 350.0)):
        light += height / (1.0 + ((SHIFT - centre) / 6.0) ** 2)
    counts = np.random.default_rng(2).poisson(light, (2, SHIFT.size)).astype(float)
    return make_spectra(SHIFT, counts, intensity_std=np.sqrt(counts + 1.0))


def test_controls_change_fit_numbers_and_figure(spectra: xr.Dataset) -> None:
    panel = explore_bands(spectra, species=["NaTaCl6", "405 line"], rivals=["TaCl5"])
    image, numbers = bytes(panel.image.value), panel.numbers.value
    assert image.startswith(PNG)
    assert math.isnan(panel.exploration.delta_bic)  # nothing to compare with yet
    panel.rows["405"].on.value = False
    assert panel.exploration.delta_bic > 30.0
    assert f"{panel.exploration.delta_bic:+.1f}" in panel.numbers.value
    assert bytes(panel.image.value) != image
    assert panel.numbers.value != numbers
    panel.reset.click()
    assert panel.rows["405"].on.value
    assert panel.exploration.delta_bic == 0.0
    panel.tied["NaTaCl6"].value = True
    panel.rows["TaCl6 A1g"].held.value = True
    assert panel.exploration.state == panel.read_state()
    assert "widget-view" in str(panel._repr_mimebundle_())


def test_stiffness_counts_when_it_is_not_automatic(spectra: xr.Dataset) -> None:
    panel = explore_bands(spectra, species=["405 line"], rivals=[])
    assert panel.stiffness.disabled
    assert panel.exploration.state.smoothness is None
    panel.automatic.value = False
    panel.stiffness.value = 2.0
    assert not panel.stiffness.disabled
    assert panel.exploration.state.smoothness == 100.0


def test_a_state_without_bands_says_why_there_is_no_fit(spectra: xr.Dataset) -> None:
    panel = explore_bands(spectra, species=["405 line"], rivals=[])
    panel.rows["405"].on.value = False
    assert "No fit:" in panel.numbers.value
    assert "needs a band" in panel.numbers.value


def test_without_ipywidgets_the_extra_is_named(
    spectra: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    monkeypatch.delitem(sys.modules, "structkit.explore.panel", raising=False)
    with pytest.raises(MissingExtraError, match=r"structkit\[notebook\]"):
        explore_bands(spectra)


def test_html_is_escaped(spectra: xr.Dataset) -> None:
    from structkit.explore.panel import describe

    panel = explore_bands(spectra, species=["405 line"], rivals=[])
    text = describe(panel.exploration)
    assert "<table>" in text
    assert text.count("<") == text.count(">")
