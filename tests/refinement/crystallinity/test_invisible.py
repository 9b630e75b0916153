"""What an expected phase needs to stay unseen."""

from dataclasses import replace

import numpy as np
import pytest

from refinement.crystallinity.detection import detection_limits
from refinement.crystallinity.invisible import (
    area_ratio,
    invisible_phase,
    width_for_height,
)
from refinement.crystallinity.widths import scherrer_size
from refinement.plan import RefinementPlan
from refinement.result import RefinementResult
from structkit.errors import PlanError
from structkit.structures import library
from structkit.structures.crystal import CrystalStructure
from structkit.xrd.instrument import Instrument
from structkit.xrd.radiation import tube

Fit = tuple[RefinementResult, RefinementPlan]
CUKA = Instrument(radiation=tube("CuKa"))
NACL, NA2O = 58.443, 61.979
# Shares of Na (percent): NMR of the 4 h powder, and what the composition closes to.
NMR = (56.8 / 2.0 * NA2O) / (4.80 * NACL)
CLOSURE = (62.5 / 2.0 * NA2O) / (4.17 * NACL)


def motionless(name: str) -> CrystalStructure:
    structure = library.load(name)
    return replace(structure, sites=tuple(s.with_u_iso(0.0) for s in structure.sites))


@pytest.mark.parametrize(("mass_ratio", "published"), [(NMR, 4.6), (CLOSURE, 5.8)])
def test_areas_of_the_design(mass_ratio: float, published: float) -> None:
    """Published for atoms that do not move, to the rounding of one digit."""
    found = area_ratio(
        motionless("Na2O"),
        (2, 2, 0),
        motionless("NaCl"),
        (2, 0, 0),
        instrument=CUKA,
        mass_ratio=mass_ratio,
    )
    assert abs(found - published) < 0.05
    moving = area_ratio(
        library.load("Na2O"),
        (2, 2, 0),
        library.load("NaCl"),
        (2, 0, 0),
        instrument=CUKA,
        mass_ratio=mass_ratio,
    )
    assert 0.9 < moving / found < 1.0


def test_height_below_a_third_needs_2_nm() -> None:
    wide, wider = (
        width_for_height(ratio, height_ratio=1.0 / 3.0, reference_fwhm=0.3)
        for ratio in (4.6, 5.8)
    )
    assert 4.0 < wide < wider < 5.3
    size = float(scherrer_size(wide, 46.2, wavelength=1.5406))
    # "2 nm or less" to one digit.
    assert round(size) == 2


def test_hidden_size_is_where_the_limit_is_reached(without_rutile: Fit) -> None:
    result, plan = without_rutile
    found = invisible_phase(
        result, plan, library.load("rutile"), expected_mass_ratio={"NaCl": 0.1}
    )
    size = float(found.size_nm)
    assert 2.0 < size < 8.0
    at_size = detection_limits(result, plan, widths={"rutile": size})
    limit = float(at_size.scale_detection_limit.sel(phase="rutile"))
    # The rutile of the result has a little fitted strain; here it has none.
    assert limit == pytest.approx(float(found.expected_scale), rel=0.1)
    assert bool((found.scale_detection_limit.diff("size") > 0.0).all())
    assert "(110)" in found.verdict.item()
    assert "nm or less" in found.verdict.item()
    assert "times the area of" in found.area_statement.item()


def test_amount_below_every_limit_cannot_be_told(without_rutile: Fit) -> None:
    result, plan = without_rutile
    found = invisible_phase(result, plan, library.load("rutile"), expected_scale=1e-3)
    assert np.isinf(found.size_nm)
    assert "cannot tell" in found.verdict.item()


def test_a_phase_need_not_be_in_the_plan(without_rutile: Fit) -> None:
    found = invisible_phase(
        *without_rutile, library.load("Na2O"), expected_mass_ratio={"NaCl": 1.0}
    )
    assert 0.7 < float(found.size_nm) < 5.0
    assert float(found.fwhm) > 1.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "one of them"),
        ({"expected_scale": -1.0}, "positive"),
        ({"expected_mass_ratio": {"quartz": 1.0}}, "quartz"),
        ({"expected_mass_ratio": {"NaCl": 1.0, "corundum": 1.0}}, "one phase"),
    ],
)
def test_mistakes_are_named(
    without_rutile: Fit, options: dict[str, object], message: str
) -> None:
    with pytest.raises(PlanError, match=message):
        invisible_phase(*without_rutile, library.load("rutile"), **options)  # type: ignore[arg-type]


def test_extinct_line_is_refused() -> None:
    halite = library.load("NaCl")
    with pytest.raises(PlanError, match="no line"):
        area_ratio(
            halite, (1, 0, 0), halite, (2, 0, 0), instrument=CUKA, mass_ratio=1.0
        )
