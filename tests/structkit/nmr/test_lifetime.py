from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import voigt_profile

from structkit.errors import SchemaError
from structkit.nmr.lifetime import lifetime_width, split_width


@pytest.mark.parametrize(
    ("fwhm", "t1", "lifetime", "lorentzian", "gaussian"),
    [(274.99, 0.0073, 44.0, 231.0, 251.0), (380.15, 0.0012, 265.0, 115.0, 204.0)],
)
def test_widths_of_the_study(
    fwhm: float, t1: float, lifetime: float, lorentzian: float, gaussian: float
) -> None:
    """Finding 6: the part that is not lifetime falls while the width rises."""
    found = split_width(fwhm, t1=t1)
    assert found.lifetime == pytest.approx(lifetime, abs=0.6)
    assert found.lorentzian_rest == pytest.approx(lorentzian, abs=0.6)
    assert found.gaussian_rest == pytest.approx(gaussian, abs=0.6)
    assert found.share == pytest.approx(lifetime / fwhm, rel=0.02)


def test_a_decay_of_that_time_has_that_width() -> None:
    t1 = 0.002
    time = np.arange(0.0, 20.0 * t1, 1e-5)
    decay = np.exp(-time / t1)
    offsets = np.linspace(0.0, 200.0, 401)
    spectrum = [
        np.trapezoid(decay * np.cos(2 * np.pi * f * time), time) for f in offsets
    ]
    half = np.interp(-0.5 * spectrum[0], -np.asarray(spectrum), offsets)
    assert 2.0 * half == pytest.approx(lifetime_width(t1), rel=2e-3)


def test_the_gaussian_rest_gives_the_voigt_width_back() -> None:
    split = split_width(380.15, t1=0.0012)
    sigma = split.gaussian_rest / math.sqrt(8.0 * math.log(2.0))
    offsets = np.linspace(0.0, 400.0, 40_001)
    line = voigt_profile(offsets, sigma, 0.5 * split.lifetime)
    half = np.interp(-0.5 * line[0], -line, offsets)
    assert 2.0 * half == pytest.approx(380.15, rel=5e-4)


def test_a_line_narrower_than_its_lifetime_contradicts_it() -> None:
    split = split_width(100.0, t1=0.0012)
    assert split.share > 1.0
    assert math.isnan(split.gaussian_rest)
    with pytest.raises(SchemaError, match="t1"):
        lifetime_width(0.0)
    with pytest.raises(SchemaError, match="fwhm"):
        split_width(-1.0, t1=1.0)
