"""The resolution comes back from simulated standards."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray

from refinement.calibrate import Standard, calibrate_instrument
from structkit.errors import FitError
from structkit.structures import library
from structkit.synthetic.xrd import simulate_standard
from structkit.xrd.instrument import Instrument
from structkit.xrd.profiles import gaussian_width, lorentzian_width, mix_widths
from structkit.xrd.radiation import tube
from structkit.xrd.simulate import SimulatedPhase, Surroundings, simulate_pattern

Floats = NDArray[np.float64]
ANGLES = np.array([25.0, 40.0, 60.0, 80.0, 100.0])
TRUE = Instrument(
    radiation=tube("CuKa"),
    u=0.004,
    v=-0.003,
    w=0.005,
    x=0.012,
    y=0.03,
    axial_divergence=0.02,
)
START = Instrument(
    radiation=tube("CuKa"),
    u=0.005,
    v=-0.002,
    w=0.004,
    x=0.02,
    y=0.02,
    axial_divergence=0.01,
)
# Parameters of the resolution imitate one another; the width that they give does not.
WIDTH = 0.02
AXIAL = 0.002
GRID = np.arange(18.0, 110.0, 0.02)


def full_width(
    instrument: Instrument, *, size: float | None = None, microstrain: float = 0.0
) -> Floats:
    """Return the FWHM of a line, degree."""
    gaussian = gaussian_width(ANGLES, instrument)
    lorentzian = lorentzian_width(
        ANGLES, instrument, wavelength=1.540593, size=size, microstrain=microstrain
    )
    return mix_widths(gaussian, lorentzian)[0]


def simulate(name: str, seed: int, **options: Any) -> xr.Dataset:
    return simulate_pattern(
        [SimulatedPhase(structure=library.load(name), **options)],
        instrument=TRUE,
        two_theta=GRID,
        surroundings=Surroundings(background=(80.0, -20.0)),
        displacement=0.02,
        peak_counts=2e4,
        seed=seed,
    )


@pytest.mark.parametrize("certified", [False, True])
def test_one_standard(certified: bool) -> None:
    standard = Standard(
        pattern=simulate("LaB6", 1),
        structure=library.load("LaB6"),
        certified_cell=certified,
    )
    before = standard.pattern.copy(deep=True)
    instrument, (result,) = calibrate_instrument([standard], START)
    assert full_width(instrument) == pytest.approx(full_width(TRUE), rel=WIDTH)
    assert instrument.axial_divergence == pytest.approx(0.02, abs=AXIAL)
    assert float(result.parameters["gof"]) == pytest.approx(1.0, abs=0.06)
    shift = float(result.parameters["displacement"])
    assert shift == pytest.approx(0.02, abs=4e-3)
    cell = float(result.parameters["cell_a"][0])
    assert cell == pytest.approx(library.load("LaB6").cell.a, rel=3e-5)
    assert np.isnan(float(result.parameters["cell_a_std"][0])) == certified
    assert instrument.calibrated
    assert "fitted to LaB6" in instrument.source
    assert all(f"{key} = " in instrument.source for key in ("u", "v", "w", "axial"))
    assert instrument.radiation == START.radiation
    assert standard.pattern.identical(before)


def test_several_standards_share_the_instrument_and_keep_their_own_widths() -> None:
    """What Lorentzian width all have in common cannot be told from that of sizes.

    Then the Gaussian part and axial divergence are the instrument's, and instrument
    and crystallites together give the width of each standard.
    """
    makings: dict[str, dict[str, Any]] = {
        "corundum": {"size": 900.0, "microstrain": 3e-4},
        "silicon": {},
        "zincite": {"size": 500.0, "texture": (0, 0, 1), "march_r": 0.75},
    }
    standards = [
        Standard(
            pattern=simulate(name, seed, **options),
            structure=library.load(name),
            texture=options.get("texture"),
        )
        for seed, (name, options) in enumerate(makings.items())
    ]
    instrument, results = calibrate_instrument(standards, START)
    gaussian = gaussian_width(ANGLES, instrument)
    assert gaussian == pytest.approx(gaussian_width(ANGLES, TRUE), rel=0.04)
    assert instrument.axial_divergence == pytest.approx(0.02, abs=AXIAL)
    for result, options in zip(results, makings.values(), strict=True):
        found = result.parameters.isel(phase=0)
        own = full_width(
            instrument,
            size=10.0 * float(found["size_nm"]),
            microstrain=float(found["microstrain"]),
        )
        true = full_width(
            TRUE,
            size=options.get("size"),
            microstrain=options.get("microstrain", 0.0),
        )
        assert own == pytest.approx(true, rel=WIDTH)
        assert float(found["gof"]) < 1.1
    march = float(results[2].parameters["march_dollase"][0])
    assert march == pytest.approx(0.75, abs=0.02)
    names = [str(r.parameters["phase"].to_numpy()[0]) for r in results]
    assert names == list(makings)


def test_standard_of_the_independent_generator() -> None:
    """True Voigt lines of 2 micrometre crystallites: axial divergence and width."""
    pattern, truth = simulate_standard()
    standard = Standard(pattern=pattern, structure=library.load("LaB6"))
    instrument, (result,) = calibrate_instrument([standard], START)
    tangent = np.tan(np.radians(ANGLES / 2.0))
    u, v, w = (truth.attrs[f"optics_{key}"] for key in "uvw")
    gaussian = np.sqrt((u * tangent + v) * tangent + w)
    natural = np.degrees(2.0 * 4.8e-4 / 1.5418) * tangent
    size = np.degrees(0.9 * 1.5418 / 20000.0) / np.cos(np.radians(ANGLES / 2.0))
    true_width = mix_widths(gaussian, natural + size)[0]
    assert full_width(instrument) == pytest.approx(true_width, rel=0.04)
    axial = truth.attrs["optics_axial_divergence"]
    assert instrument.axial_divergence == pytest.approx(axial, abs=0.004)
    assert float(result.parameters["gof"]) < 1.2


def test_range_and_gaps_are_heeded() -> None:
    pattern = simulate("LaB6", 3)
    angle = pattern["two_theta"].to_numpy()
    spoiled = ((angle > 50.01) & (angle < 51.99)) | (angle < 19.99)
    pattern["intensity"] = pattern["intensity"].where(~spoiled, 1e5)
    standard = Standard(pattern=pattern, structure=library.load("LaB6"))
    instrument, (result,) = calibrate_instrument(
        [standard], START, two_theta_range=(20.0, 108.0), exclude=((50.0, 52.0),)
    )
    assert full_width(instrument) == pytest.approx(full_width(TRUE), rel=WIDTH)
    assert float(result.curves["two_theta"][0]) == pytest.approx(20.0)


def test_no_standard_is_refused() -> None:
    with pytest.raises(FitError, match="at least one standard"):
        calibrate_instrument([], START)


def test_a_wrong_phase_does_not_pass_for_a_calibration() -> None:
    """No resolution comes from lines that are not there."""
    standard = Standard(pattern=simulate("LaB6", 1), structure=library.load("Na2O"))
    _, (result,) = calibrate_instrument([standard], START)
    assert float(result.parameters["gof"]) > 3.0
