from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from structkit.errors import FitError, SchemaError
from structkit.nmr.reference import reference_spectrum
from structkit.nmr.spectrum import (
    ProcessingOptions,
    estimate_noise,
    integrate_regions,
    process_decay,
)
from structkit.schema import make_decay, make_nmr_spectrum, validate_nmr_spectrum

DWELL = 1e-5
CARRIER, ZERO = 132.2945, 132.2940
OFFSET_PPM = 1e6 * (CARRIER - ZERO) / ZERO
SCALARS: dict[str, float | str] = {
    "nucleus": "23Na",
    "carrier_frequency": CARRIER,
    "reference_frequency": ZERO,
}
NOISE = 0.02
AREAS = (1.0, 0.25)
SHIFTS = (-11.0, 60.0)
DRAWS = 40


def decay_of(
    rng: np.random.Generator,
    *,
    scale: tuple[float, ...] = (1.0,),
    noise: float = NOISE,
    phase: float = 0.0,
) -> xr.Dataset:
    """Return decays of two lines, one for each entry of ``scale``."""
    time = DWELL * np.arange(2048)
    signal = np.zeros(time.size, dtype=complex)
    for area, shift in zip(AREAS, SHIFTS, strict=True):
        offset = (shift - OFFSET_PPM) * ZERO
        signal += area * np.exp((2j * np.pi * offset - np.pi * 300.0) * time)
    rows = np.outer(scale, signal * np.exp(1j * np.deg2rad(phase)))
    rows = rows + noise * (
        rng.normal(size=rows.shape) + 1j * rng.normal(size=rows.shape)
    )
    single = len(scale) == 1
    return make_decay(
        time,
        rows[0] if single else rows,
        delay=None if single else np.arange(1.0, len(scale) + 1.0),
        scalars=SCALARS,
        attrs={"title": "made up", "remarks": "one"},
    )


def test_lines_lie_at_their_shifts_with_their_areas() -> None:
    spectrum = process_decay(decay_of(np.random.default_rng(1), noise=0.0))
    validate_nmr_spectrum(spectrum)
    shift = spectrum["chemical_shift"].to_numpy()
    step = shift[1] - shift[0]
    top = shift[int(np.argmax(spectrum["intensity"].to_numpy()))]
    assert abs(top - SHIFTS[0]) <= step
    total = float(spectrum["intensity"].sum()) / shift.size
    assert total == pytest.approx(0.5 * sum(AREAS), rel=0.01)
    assert spectrum.attrs["title"] == "made up"
    assert spectrum["nucleus"].item() == "23Na"


def test_phase_is_found_and_kept() -> None:
    decay = decay_of(np.random.default_rng(2), phase=75.0)
    spectrum = process_decay(decay)
    assert spectrum.attrs["phase0"] == pytest.approx(-75.0, abs=2.0)
    given = process_decay(decay, ProcessingOptions(phase0=-75.0))
    within = float(np.sin(np.deg2rad(2.0)) * np.abs(given["intensity"]).max())
    np.testing.assert_allclose(spectrum["intensity"], given["intensity"], atol=within)
    assert spectrum.attrs["remarks"] == "one"


def test_missing_start_of_a_decay_is_told() -> None:
    decay = decay_of(np.random.default_rng(3))
    # In 48 points the two lines, 9.4 kHz apart, part by four and a half turns.
    late = decay.isel(time=slice(48, None))
    late = late.assign_coords(time=late["time"] - late["time"][0])
    remarks = str(process_decay(late).attrs["remarks"])
    assert "missing at the decay's start" in remarks


def test_noise_of_the_spectrum_is_that_put_in() -> None:
    spectrum = process_decay(decay_of(np.random.default_rng(4)))
    expected = NOISE * np.sqrt(2048)
    assert float(spectrum["intensity_std"]) == pytest.approx(expected, rel=0.1)
    assert spectrum.attrs["noise_correlation"] == pytest.approx(1.0)
    again = estimate_noise(spectrum.drop_vars("intensity_std"))
    assert float(again["intensity_std"]) == pytest.approx(expected, rel=0.1)
    assert again.attrs["noise_correlation"] == pytest.approx(1.0, rel=0.4)


def test_areas_scatter_as_stated() -> None:
    region = (-26.0, 4.0)
    options = ProcessingOptions(phase0=0.0, lorentz_broadening=50.0)
    areas, stds = [], []
    for seed in range(DRAWS):
        spectrum = process_decay(decay_of(np.random.default_rng(seed)), options)
        found = integrate_regions(spectrum, [region])
        areas.append(float(found["area"][0]))
        stds.append(float(found["area_std"][0]))
    # A standard deviation of 40 draws is known to 11 %; three of these.
    assert np.std(areas, ddof=1) == pytest.approx(np.mean(stds), rel=0.35)


def test_areas_of_a_recovery_follow_it() -> None:
    scale = (-0.9, -0.2, 0.4, 1.0)
    rng = np.random.default_rng(5)
    spectrum = process_decay(decay_of(rng, scale=scale, phase=160.0))
    areas = integrate_regions(spectrum, [(-26.0, 4.0), (75.0, 45.0)])
    assert areas["area"].dims == ("delay", "region")
    assert areas["area"].attrs["units"] == "ppm"
    ratio = areas["area"] / areas["area"][-1]
    np.testing.assert_allclose(ratio[:, 0], scale, atol=0.02)
    np.testing.assert_allclose(ratio[:, 1], scale, atol=0.06)
    np.testing.assert_array_equal(areas["low"], [-26.0, 45.0])
    with pytest.raises(SchemaError, match="inside the spectrum"):
        integrate_regions(spectrum, [(9000.0, 9100.0)])
    with pytest.raises(SchemaError, match="no region"):
        integrate_regions(spectrum, [])


@pytest.mark.parametrize("kind", ["polynomial", "spline"])
def test_offset_is_taken_away(kind: str) -> None:
    decay = decay_of(np.random.default_rng(6))
    first = decay["signal"].to_numpy().copy()
    first[0] += 3.0
    spoiled = decay.assign(signal=("time", first))
    regions = ((-60.0, 110.0),)
    options = ProcessingOptions(phase0=0.0, baseline=kind, signal_regions=regions)  # type: ignore[arg-type]
    raw = process_decay(spoiled, ProcessingOptions(phase0=0.0))
    flat = process_decay(spoiled, options)
    far = np.abs(raw["chemical_shift"].to_numpy()) > 250.0
    assert float(raw["intensity"][far].mean()) == pytest.approx(1.5, abs=0.3)
    assert abs(float(flat["intensity"][far].mean())) < 0.1


def test_reference_moves_the_axis_and_its_zero() -> None:
    spectrum = process_decay(decay_of(np.random.default_rng(7)))
    moved = reference_spectrum(spectrum, (-30.0, 0.0), at=7.2, at_std=0.1)
    added = moved.attrs["reference_shift"]
    std = moved.attrs["reference_shift_std"]
    assert abs(added - (7.2 - SHIFTS[0])) < 4.0 * np.hypot(std**2 - 0.01, 0.02)
    assert 0.1 <= std < 0.12
    np.testing.assert_allclose(
        moved["chemical_shift"], spectrum["chemical_shift"] + added
    )
    zero = float(moved["reference_frequency"])
    assert 1e6 * (ZERO - zero) / ZERO == pytest.approx(added)
    assert moved["chemical_shift"].attrs["units"] == "ppm"


def test_position_scatters_as_stated() -> None:
    places, stds = [], []
    options = ProcessingOptions(phase0=0.0)
    for seed in range(DRAWS):
        decay = decay_of(np.random.default_rng(seed), noise=0.05)
        moved = reference_spectrum(process_decay(decay, options), (-30.0, 5.0), at=0.0)
        places.append(moved.attrs["reference_shift"])
        stds.append(moved.attrs["reference_shift_std"])
    assert np.mean(places) == pytest.approx(-SHIFTS[0], abs=0.1)
    assert np.std(places, ddof=1) < 2.0 * np.mean(stds)
    assert np.std(places, ddof=1) > 0.5 * np.mean(stds)


def test_reference_without_line_is_refused() -> None:
    spectrum = process_decay(decay_of(np.random.default_rng(8)))
    with pytest.raises(FitError, match="no line stands out"):
        reference_spectrum(spectrum, (200.0, 240.0), at=0.0)
    with pytest.raises(FitError, match="widen"):
        reference_spectrum(spectrum, (200.0, 200.1), at=0.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lorentz_broadening": -1.0}, "negative"),
        ({"points": 3}, "points"),
        ({"size": 4}, "size"),
        ({"baseline_degree": 50}, "baseline_degree"),
        ({"phase0": 1.0, "phase1": None}, "phase1"),
    ],
)
def test_options_are_checked(options: dict[str, float], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        ProcessingOptions(**options)  # type: ignore[arg-type]


def test_decay_without_frequencies_or_points_is_refused() -> None:
    decay = decay_of(np.random.default_rng(9))
    with pytest.raises(SchemaError, match="carrier_frequency"):
        process_decay(decay.drop_vars("carrier_frequency"))
    with pytest.raises(SchemaError, match="below the decay"):
        process_decay(decay, ProcessingOptions(size=64))
    with pytest.raises(SchemaError, match="use more points"):
        process_decay(
            decay.assign_attrs(group_delay=68.0), ProcessingOptions(points=32)
        )


def test_smoothed_spectrum_has_no_noise() -> None:
    spectrum = make_nmr_spectrum(np.arange(256.0), np.ones(256))
    with pytest.raises(FitError, match="do not scatter"):
        estimate_noise(spectrum)
