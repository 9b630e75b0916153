"""Links between shares and what is measured, against slow forms of the same."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq

from structkit.index.links import (
    amorphous_share,
    effective_conductivity,
    glass_share,
    logit,
)

ROUNDING = 1e-9


def bruggeman(shares: list[float], conductivities: list[float]) -> float:
    """Return the root of Bruggeman's equation by bracketing."""

    def total(sigma: float) -> float:
        return sum(
            f * (s - sigma) / (s + 2.0 * sigma)
            for f, s in zip(shares, conductivities, strict=True)
        )

    return float(brentq(total, 1e-12, max(conductivities), xtol=1e-14))


@pytest.mark.parametrize("glass", [0.05, 0.3, 0.34, 0.6, 0.95])
@pytest.mark.parametrize("crystal", [0.02, 0.4, 0.9])
@pytest.mark.parametrize("relative", [0.01, 0.3, 1.0])
def test_medium_is_the_root_of_bruggemans_equation(
    glass: float, crystal: float, relative: float
) -> None:
    crystal = crystal * (1.0 - glass)
    found = effective_conductivity(np.array(glass), np.array(crystal), relative)
    shares = [glass, crystal, 1.0 - glass - crystal]
    if glass + crystal <= 1.0 / 3.0:
        assert found == 0.0
        return
    assert found == pytest.approx(bruggeman(shares, [1.0, relative, 0.0]), rel=1e-6)


def test_share_of_tantalum_by_counting_it() -> None:
    # 1 mol Ta: 0.3 in crystalline product, 0.1 in TaCl5, the rest in glass; per weight
    # the crystals of these phases alone make 40 %
    crystalline = 0.4
    product, chloride = 0.3 / crystalline, 0.1 / crystalline
    phi = glass_share(
        np.array(1.0 - crystalline), np.array(product), np.array(chloride)
    )
    assert phi == pytest.approx(0.6 / 0.9, abs=ROUNDING)


@pytest.mark.parametrize("alpha", [0.0, 0.2, 0.77, 0.999])
def test_shares_come_back(alpha: float) -> None:
    a, b = np.array(0.7), np.array(0.2)
    phi = glass_share(np.array(alpha), a, b)
    assert amorphous_share(phi, a, b) == pytest.approx(alpha, abs=ROUNDING)


def test_logit_goes_on_straight_and_rises_beyond_its_edges() -> None:
    shares = np.linspace(-0.2, 1.2, 2001)
    values = logit(shares)
    assert np.all(np.diff(values) > 0.0)
    inside = (shares > 0.01) & (shares < 0.99)
    expected = np.log(shares[inside] / (1.0 - shares[inside]))
    assert values[inside] == pytest.approx(expected, abs=ROUNDING)
