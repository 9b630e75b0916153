"""What the figures of each stage show, and that plotly takes them."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from structkit.plot.interactive.diffraction import draw_phases, draw_rietveld
from structkit.plot.interactive.figure import Figure, unpack_array
from structkit.plot.interactive.impedance import draw_arrhenius, draw_nyquist
from structkit.plot.interactive.index import draw_against_conductivity, draw_scores
from structkit.plot.interactive.nmr import draw_lines

SINGLE = 2e-6
BOLTZMANN_EV = 8.617333262e-5


def named(figure: Figure, name: str) -> Figure:
    go.Figure(figure)  # plotly refuses what plotly.js does not know
    return next(one for one in figure["data"] if one["name"] == name)


def y_of(figure: Figure, name: str) -> np.ndarray:
    return unpack_array(named(figure, name)["y"])


def test_rietveld_difference_is_observed_less_calculated() -> None:
    angle = np.linspace(10.0, 80.0, 50)
    curves = xr.Dataset(
        {
            "observed": ("two_theta", np.full(50, 9.0)),
            "calculated": ("two_theta", np.full(50, 7.5)),
            "background": ("two_theta", np.full(50, 1.0)),
            "halo": ("two_theta", np.full(50, 2.0)),
        },
        {"two_theta": angle, "phase": ["NaCl"]},
    )
    marks = xr.Dataset(
        {
            "two_theta_hkl": ("reflection", [5.0, 32.0, 45.0]),
            "phase_index": ("reflection", [0, 0, 0]),
        }
    )
    figure = draw_rietveld(curves, marks)
    np.testing.assert_allclose(y_of(figure, "difference"), 1.5)
    np.testing.assert_allclose(y_of(figure, "background + halo"), 3.0)
    ticks = unpack_array(named(figure, "NaCl")["x"])
    np.testing.assert_array_equal(ticks, [32.0, 45.0])


def test_a_phase_not_seen_stands_at_its_limit() -> None:
    over = ("sample", "phase")
    contents = xr.Dataset(
        {
            "weight_fraction_sample": (over, [[0.5], [0.001]]),
            "weight_fraction_sample_std": (over, [[0.02], [0.004]]),
            "weight_fraction_sample_censored": (over, [[0.0], [1.0]]),
            "upper_limit_sample": (over, [[0.53], [0.0123]]),
        },
        {
            "sample": ["a", "b"],
            "phase": ["NaCl"],
            "milling_time": ("sample", [0.0, 4.0]),
        },
    )
    figure = draw_phases(contents)
    np.testing.assert_allclose(y_of(figure, "NaCl"), [0.5])
    hidden = y_of(figure, "NaCl: not seen, below")
    np.testing.assert_allclose(hidden, [0.0123], rtol=SINGLE)


def test_nyquist_is_drawn_to_the_arc_on_equal_axes() -> None:
    hertz = np.geomspace(1e6, 0.1, 60)
    arc = 2000.0 / (1.0 + 1j * hertz / 1e4) - 1j * 1e5 / hertz
    spectrum = xr.Dataset(
        {
            "impedance": ("frequency", arc),
            "impedance_fit": ("frequency", arc),
            "used": ("frequency", np.r_[0, np.ones(59)]),
        },
        {"frequency": hertz},
    )
    figure = draw_nyquist(spectrum)
    assert named(figure, "left out")["x"]["dtype"] == "f4"
    layout = figure["layout"]
    assert layout["yaxis"]["scaleanchor"] == "x"
    assert layout["xaxis"]["title"]["text"] == "Z′ (kΩ)"
    assert 2.0 < layout["xaxis"]["range"][1] < 6.0


def test_arrhenius_line_passes_its_points() -> None:
    kelvin = np.array([280.0, 300.0, 320.0])
    energy, prefactor = 0.34, 13.5
    sigma = np.exp(prefactor - energy / (BOLTZMANN_EV * kelvin)) / kelvin
    total = xr.Dataset(
        {
            "conductivity": ("measurement", sigma),
            "conductivity_std": ("measurement", 0.02 * sigma),
            "in_band": ("measurement", [1, 1, 0]),
        },
        {"temperature": ("measurement", kelvin)},
        {
            "activation_energy": energy,
            "ln_prefactor": prefactor,
            "energy_text": "0.340(2) eV",
        },
    )
    figure = draw_arrhenius({"4h": total})
    line = named(figure, "0.340(2) eV")
    np.testing.assert_allclose(
        unpack_array(line["y"])[[0, -1]], (sigma * kelvin)[[0, -1]], rtol=SINGLE
    )
    hollow = named(figure, "4h, apex outside the band")
    np.testing.assert_allclose(unpack_array(hollow["x"]), [1000.0 / 320.0])


def test_chemical_shift_descends() -> None:
    shift = np.linspace(-30.0, 30.0, 31)
    lines = xr.Dataset(
        {
            "intensity": ("chemical_shift", np.exp(-(shift**2) / 20.0)),
            "baseline": ("chemical_shift", np.zeros(31)),
            "residual": ("chemical_shift", np.zeros(31)),
            "line": (("own_site", "chemical_shift"), np.exp(-(shift**2) / 20.0)[None]),
        },
        {"chemical_shift": shift, "own_site": ["NaCl"]},
    )
    figure = draw_lines(lines)
    assert figure["layout"]["xaxis"]["autorange"] == "reversed"
    assert np.nanmax(y_of(figure, "NaCl")) == 1.0


def test_scores_keep_values_outside_and_bounds_alone() -> None:
    over = ("sample", "modality")
    scores = xr.Dataset(
        {
            "score": (over, [[1.2, np.nan]]),
            "score_std": (over, [[0.1, np.nan]]),
            "score_low": (over, [[np.nan, 0.4]]),
            "score_high": (over, [[np.nan, 1.0]]),
        },
        {"sample": ["a"], "modality": ["Raman", "NMR"]},
    )
    figure = draw_scores(scores, None, labels=["a"])
    np.testing.assert_allclose(y_of(figure, "Raman (95 %)"), [1.2], rtol=SINGLE)
    np.testing.assert_allclose(y_of(figure, "NMR: bounds only"), [0.7], rtol=SINGLE)


def test_conductivity_is_in_millisiemens_for_samples_with_an_index() -> None:
    index = xr.Dataset(
        {
            "value": ("sample", [0.3, np.nan, 0.8]),
            "low": ("sample", [0.2, np.nan, 0.7]),
            "high": ("sample", [0.4, np.nan, 0.9]),
        },
        {"sample": ["a", "b", "c"]},
    )
    measured = {"a": (1e-3, 1e-5), "b": (2e-3, 1e-5), "c": (4e-3, 1e-5)}
    figure = draw_against_conductivity(index, measured, name="AI_lat")
    np.testing.assert_allclose(y_of(figure, "samples"), [1.0, 4.0])
