"""Amorphous content by internal standard, against the masses on the balance."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray

from refinement.crystallinity import amorphous_fraction
from refinement.plan import InternalStandard
from refinement.result import RefinementResult
from structkit.schema import FitStatus

Make = Callable[..., RefinementResult]
Floats = NDArray[np.float64]

NAMES = ("NaTaCl6", "NaCl", "corundum")
# First-order propagation against 200 000 draws with relative errors of 1 to 3 %.
PROPAGATION = 0.03
N_DRAWS = 200_000


def weigh(
    crystals: Floats, glass: float, standard: float, crystallinity: float
) -> Floats:
    """Return the masses of the crystals in the jar (g), the standard's last.

    A sample of ``crystals`` and ``glass`` grams is mixed with ``standard`` grams of a
    powder that is crystalline only in part.
    """
    jar = dict(zip(NAMES, (*crystals, crystallinity * standard), strict=True))
    jar["glass"] = glass
    jar["glass"] += (1.0 - crystallinity) * standard
    assert sum(jar.values()) == pytest.approx(crystals.sum() + glass + standard)
    return np.array([jar[name] for name in NAMES])


@pytest.mark.parametrize("crystallinity", [1.0, 0.95, 0.6])
@pytest.mark.parametrize("glass", [0.0, 0.4, 3.0])
def test_masses_come_back(
    make_result: Make, glass: float, crystallinity: float
) -> None:
    crystals, spike = np.array([0.7, 0.5]), 0.31
    sample = float(crystals.sum()) + glass
    seen = weigh(crystals, glass, spike, crystallinity)
    # What a refinement sees are the shares of the crystals, up to one factor.
    result = make_result(7.3 * seen, names=NAMES, scale_std=0.0)
    found = amorphous_fraction(
        result,
        InternalStandard(
            phase="corundum",
            weight_fraction=spike / (sample + spike),
            crystallinity=crystallinity,
        ),
    )
    assert float(found.amorphous_fraction) == pytest.approx(glass / sample, abs=1e-12)
    contents = found.weight_fraction_sample.sel(phase=["NaTaCl6", "NaCl"])
    np.testing.assert_allclose(contents, crystals / sample, rtol=1e-12)
    assert np.isnan(float(found.weight_fraction_sample.sel(phase="corundum")))
    assert found.amorphous_fraction.attrs["units"] == "1"
    assert str(found.amorphous_fraction_reason.item()) == ""


def test_gualtieri_is_the_case_of_a_perfect_standard(make_result: Make) -> None:
    result = make_result((3.0, 2.0, 1.5), names=NAMES)
    weighed, share = 0.2, 1.5 / 6.5
    found = amorphous_fraction(
        result, InternalStandard(phase="corundum", weight_fraction=weighed)
    )
    expected = (1.0 - weighed / share) / (1.0 - weighed)
    assert float(found.amorphous_fraction) == pytest.approx(expected)


def uncertain(make_result: Make, systematic: float) -> RefinementResult:
    """Return a result whose scales and shares tell one story."""
    scales = np.array([3.0, 2.0, 2.6])
    root = np.array([[0.04, 0.0, 0.0], [0.01, 0.03, 0.0], [0.015, -0.01, 0.03]])
    covariance = root @ root.T
    total = scales.sum()
    slope = (np.eye(3) - (scales / total)[:, None]) / total
    shares = np.sqrt(np.diag(slope @ covariance @ slope.T))
    columns = {
        "weight_fraction_crystalline_std": shares,
        "weight_fraction_crystalline_systematic": np.full(3, systematic),
    }
    extra = {name: xr.Variable(("phase",), data) for name, data in columns.items()}
    extra["scale_covariance"] = xr.Variable(("phase", "phase_"), covariance)
    return make_result(scales, names=NAMES, extra=extra)


STANDARD = InternalStandard(
    phase="corundum",
    weight_fraction=0.25,
    weight_fraction_std=0.004,
    crystallinity=0.95,
    crystallinity_std=0.02,
)


def draw(result: RefinementResult) -> tuple[Floats, Floats]:
    """Return the amorphous share and the contents of many imagined experiments."""
    rng = np.random.default_rng(3)
    scales = rng.multivariate_normal(
        result.parameters["scale"].to_numpy(),
        result.parameters["scale_covariance"].to_numpy(),
        N_DRAWS,
    )
    weighed = rng.normal(
        STANDARD.weight_fraction, STANDARD.weight_fraction_std, N_DRAWS
    )
    pure = rng.normal(STANDARD.crystallinity, STANDARD.crystallinity_std, N_DRAWS)
    crystals = pure * weighed / scales[:, 2]
    contents = (crystals / (1.0 - weighed))[:, None] * scales[:, :2]
    return 1.0 - contents.sum(axis=1), contents


def test_uncertainty_is_that_of_many_experiments(make_result: Make) -> None:
    result = uncertain(make_result, 0.0)
    found = amorphous_fraction(result, STANDARD)
    amorphous, contents = draw(result)
    assert float(found.amorphous_fraction_std) == pytest.approx(
        amorphous.std(), rel=PROPAGATION
    )
    np.testing.assert_allclose(
        found.weight_fraction_sample_std[:2], contents.std(axis=0), rtol=PROPAGATION
    )


def test_systematic_part_of_the_fit_is_carried(make_result: Make) -> None:
    narrow = amorphous_fraction(uncertain(make_result, 0.0), STANDARD)
    wide = amorphous_fraction(uncertain(make_result, 0.01), STANDARD)
    share = 2.6 / 7.6
    slope = 0.95 * 0.25 / 0.75 / share**2
    added = np.sqrt(
        float(wide.amorphous_fraction_std) ** 2
        - float(narrow.amorphous_fraction_std) ** 2
    )
    assert added == pytest.approx(0.01 * slope)
    ratio = np.array([3.0, 2.0]) / 2.6
    added = np.sqrt(
        (wide.weight_fraction_sample_std**2 - narrow.weight_fraction_sample_std**2)[:2]
    )
    expected = 0.95 * 0.25 / 0.75 * 0.01 * np.hypot(1.0, ratio) / share
    np.testing.assert_allclose(added, expected)


def test_without_covariance_the_esds_of_shares_do(make_result: Make) -> None:
    result = make_result((3.0, 2.0, 2.6), names=NAMES)
    bare = replace(result, parameters=result.parameters.drop_vars("scale_covariance"))
    found = amorphous_fraction(bare, STANDARD)
    assert np.all(found.weight_fraction_sample_std[:2] > 0.0)
    assert np.isfinite(float(found.amorphous_fraction_std))


def test_too_little_standard_found_is_kept_and_said(make_result: Make) -> None:
    result = make_result((3.0, 2.0, 0.6), names=NAMES)
    found = amorphous_fraction(
        result, InternalStandard(phase="corundum", weight_fraction=0.25)
    )
    assert float(found.amorphous_fraction) < -0.5
    reason = str(found.amorphous_fraction_reason.item())
    assert reason.startswith("R_s smaller than weighed: 0.1071")
    assert "0.2500" in reason


def test_slightly_negative_is_no_contradiction(make_result: Make) -> None:
    result = make_result((3.0, 1.5, 1.49), names=NAMES)
    found = amorphous_fraction(
        result, InternalStandard(phase="corundum", weight_fraction=0.25)
    )
    assert -0.02 < float(found.amorphous_fraction) < 0.0
    assert str(found.amorphous_fraction_reason.item()) == ""


@pytest.mark.parametrize(
    ("settings", "phase", "reason"),
    [
        ({"scales": (3.0, 2.0, 0.02)}, "corundum", "is not detected"),
        ({"scales": (3.0, 2.0, 0.0)}, "corundum", "is not detected"),
        ({"scales": (3.0, 2.0, 2.0), "scale_std": 1.0}, "corundum", "is not detected"),
        ({"scales": (3.0, 2.0, 2.0)}, "silicon", "is no phase of the fit"),
        (
            {"scales": (3.0, 2.0, 2.0), "status": FitStatus.FAILED},
            "corundum",
            "no numbers",
        ),
    ],
)
def test_what_cannot_be_told_is_empty_with_a_reason(
    make_result: Make, settings: dict[str, object], phase: str, reason: str
) -> None:
    found = amorphous_fraction(
        make_result(names=NAMES, **settings),
        InternalStandard(phase=phase, weight_fraction=0.2),
    )
    assert np.isnan(float(found.amorphous_fraction))
    assert np.isnan(found.weight_fraction_sample).all()
    assert reason in str(found.amorphous_fraction_reason.item())


def test_no_standard_no_content(make_result: Make) -> None:
    found = amorphous_fraction(make_result(), None)
    assert np.isnan(float(found.amorphous_fraction))
    assert "no internal standard" in str(found.amorphous_fraction_reason.item())
