"""The dose axis, and its refusal where the mill is not known."""

import numpy as np
import pytest
import xarray as xr

from refinement.crystallinity.kinetics import Mill, milling_dose
from structkit.errors import SchemaError

HOURS = xr.DataArray([0.0, 1.0, 4.0], dims="sample", attrs={"units": "h"})


def test_dose_counts_every_impact() -> None:
    mill = Mill(ball_count=2, powder_mass=0.8, frequency=17.5, impact_energy=0.03)
    dose = milling_dose(HOURS, mill)
    impacts = 2 * 17.5 * 3600.0 * HOURS.to_numpy()
    np.testing.assert_allclose(dose, impacts * 0.03 / 0.8 / 1000.0)
    assert dose.attrs["units"] == "kJ g-1"
    assert dose.name == "milling_dose"
    assert HOURS.attrs == {"units": "h"}


def test_energy_follows_from_the_ball() -> None:
    mill = Mill(
        ball_count=2, ball_mass=3.17, powder_mass=1.0, frequency=17.5, impact_velocity=4
    )
    assert mill.energy == pytest.approx(0.5 * 3.17e-3 * 16.0)
    dose = milling_dose(HOURS, mill)
    assert dose.attrs["ball_to_powder"] == pytest.approx(6.34)


def test_the_study_names_no_powder_mass() -> None:
    mill = Mill(ball_count=2, ball_mass=3.17, frequency=17.5, impact_energy=0.03)
    with pytest.raises(SchemaError, match=r"the mill lacks powder_mass; give it"):
        milling_dose(HOURS, mill)


def test_everything_missing_is_named_at_once() -> None:
    with pytest.raises(SchemaError) as caught:
        milling_dose(HOURS, Mill())
    for name in ("ball_count", "powder_mass", "frequency", "impact_energy"):
        assert name in str(caught.value)


def test_impossible_mills_and_units_are_refused() -> None:
    with pytest.raises(SchemaError, match="powder_mass is 0"):
        Mill(powder_mass=0.0)
    mill = Mill(ball_count=2, powder_mass=0.8, frequency=17.5, impact_energy=0.03)
    with pytest.raises(SchemaError, match="must be in h"):
        milling_dose(HOURS.assign_attrs(units="min"), mill)
