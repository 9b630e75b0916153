"""A series measured by three structural techniques and two properties."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr

SAMPLES = ("unmilled", "NTC", "1h", "2h", "4h", "6h", "glass")
TIMES = (0.0, 0.0, 1.0, 2.0, 4.0, 6.0, 4.0)
ROLES = (
    "unmilled",
    "crystalline_reference",
    "milled",
    "milled",
    "milled",
    "milled",
    "glass_reference",
)
TRUTH = np.array([0.01, 0.02, 0.33, 0.53, 0.81, 0.93, 1.0])
MILLED = slice(2, 6)

XRD_STD, CONSTANT_STD = 0.015, 0.03
RAMAN_STD, SHIFT_STD, RATE_STD, SIGMA_STD = 0.15, 0.03, 0.1, 0.3
CRYSTAL_PPM, GLASS_PPM = -10.6, -11.18
CRYSTAL_RATE, GLASS_RATE = 1.0 / 7.3e-3, 1.0 / 1.2e-3


@pytest.fixture(scope="session")
def make_metrics() -> Callable[..., xr.Dataset]:
    """Return a maker of metrics with noise of the stated size; seed None: none."""

    def make(seed: int | None = None, **bias: float) -> xr.Dataset:
        rng = np.random.default_rng(seed)
        size = 0.0 if seed is None else 1.0
        alpha = TRUTH

        def noise(std: float) -> np.ndarray:
            return size * std * rng.standard_normal(alpha.size)

        def of(name: str) -> np.ndarray:
            return np.clip(alpha + bias.get(name, 0.0), 1e-3, 1.0 - 1e-3)

        constant = size * CONSTANT_STD * rng.standard_normal()
        xrd = alpha + bias.get("xrd", 0.0) + (1.0 - alpha) * constant + noise(XRD_STD)
        odds = np.log(of("raman") / (1.0 - of("raman"))) + noise(RAMAN_STD)
        odds += size * 0.15 * rng.standard_normal()
        odds[[0, 1, 6]] = math.nan
        shift = CRYSTAL_PPM + (GLASS_PPM - CRYSTAL_PPM) * (
            alpha + bias.get("nmr", 0.0) * (np.arange(7) > 1) * (np.arange(7) < 6)
        )
        shift += noise(SHIFT_STD)
        shift[1] = CRYSTAL_PPM + noise(SHIFT_STD)[0]
        shift[[0, 3, 5]] = math.nan
        rate = CRYSTAL_RATE + (GLASS_RATE - CRYSTAL_RATE) * alpha
        rate[1] = CRYSTAL_RATE
        rate = rate * (1.0 + noise(RATE_STD))
        rate[[0, 3, 5]] = math.nan
        sigma = np.array([math.nan, -9.2, -9.1, -7.2, -5.4, -5.6, -6.5])
        total = np.sqrt(XRD_STD**2 + ((1.0 - alpha) * CONSTANT_STD) ** 2)
        return to_dataset(
            {
                "amorphous_fraction": xrd,
                "amorphous_fraction_std": total,
                "amorphous_fraction_low": np.clip(xrd - 2.0 * total, 0.0, 1.0),
                "amorphous_fraction_high": np.clip(xrd + 2.0 * total, 0.0, 1.0),
                "glass_log_ratio": odds,
                "glass_log_ratio_std": np.full(7, RAMAN_STD),
                "line_shift": shift,
                "line_shift_std": np.full(7, 1e-3),
                "relaxation_rate": rate,
                "relaxation_rate_std": np.full(7, 1.0),
                "log_conductivity": sigma,
                "log_conductivity_std": np.full(7, 0.05),
            }
        )

    return make


def to_dataset(columns: dict[str, np.ndarray]) -> xr.Dataset:
    """Return metrics with their labels."""
    found = xr.Dataset(
        {
            name: ("sample", values, {"units": "1", "long_name": name})
            for name, values in columns.items()
        },
        coords={
            "sample": list(SAMPLES),
            "milling_time": (
                "sample",
                list(TIMES),
                {"units": "h", "long_name": "milling time"},
            ),
        },
    ).assign(role=("sample", list(ROLES)))
    found["amorphous_fraction"].attrs["constant_std"] = CONSTANT_STD
    return found
