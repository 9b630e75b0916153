"""A refinement result made by hand, with any numbers that a test wants."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import xarray as xr

from refinement.result import RefinementResult, phase_variable, scalar
from structkit.schema import PHASE, TWO_THETA, FitStatus

ANGLES = np.linspace(10.0, 80.0, 701)


def build_result(
    scales: Sequence[float] = (2.0, 1.0),
    *,
    names: Sequence[str] = ("NaTaCl6", "NaCl"),
    scale_std: float = 0.01,
    halo: float = 300.0,
    variants: Sequence[float] | None = (0.5, 0.45, 0.53),
    status: FitStatus = FitStatus.CONVERGED,
    reason: str = "",
    extra: dict[str, xr.Variable] | None = None,
) -> RefinementResult:
    """Return a result of the schema that every engine fills."""
    amounts = np.asarray(scales, dtype=float)
    n = amounts.size
    share = amounts / max(float(amounts.sum()), 1e-300)
    columns = {
        "scale": amounts,
        "scale_std": np.full(n, scale_std),
        "weight_fraction_crystalline": share,
        "weight_fraction_crystalline_std": np.full(n, 0.004),
        "weight_fraction_crystalline_systematic": np.full(n, 0.01),
        "detection_limit": np.full(n, 0.02),
        "size_nm": np.full(n, 30.0),
        "size_nm_std": np.full(n, 2.0),
        "cell_a": np.full(n, 5.64),
        "cell_a_std": np.full(n, 1e-4),
    }
    variables = {name: phase_variable(name, data) for name, data in columns.items()}
    variables["scale_covariance"] = xr.Variable(
        (PHASE, "phase_"), scale_std**2 * np.eye(n)
    )
    variables |= {"r_wp": scalar("r_wp", 0.071), "gof": scalar("gof", 1.3)}
    if variants is not None:
        variables["area_fraction_variants"] = xr.Variable(
            ("background_variant",), np.asarray(variants, dtype=float)
        )
    peaks = [
        amount * 400.0 * np.exp(-0.5 * ((ANGLES - 20.0 - 7.0 * k) / 0.2) ** 2)
        for k, amount in enumerate(amounts)
    ]
    curves = xr.Dataset(
        {
            "component": ((PHASE, TWO_THETA), np.array(peaks)),
            "halo": (TWO_THETA, halo * np.exp(-0.5 * ((ANGLES - 25.0) / 4.0) ** 2)),
            "background": (TWO_THETA, np.full(ANGLES.size, 50.0)),
        },
        coords={TWO_THETA: ANGLES, PHASE: list(names)},
    )
    return RefinementResult(
        engine="by hand",
        status=status,
        reason=reason,
        parameters=xr.Dataset(variables | (extra or {}), coords={PHASE: list(names)}),
        curves=curves,
        reflections=xr.Dataset(),
        recipe={"amorphous_area": "bank"},
    )


@pytest.fixture(scope="session")
def make_result() -> Callable[..., Any]:
    """Return :func:`build_result`."""
    return build_result
