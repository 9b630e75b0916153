from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

from structkit.eis.circuits import parse_circuit
from structkit.eis.drt import compute_drt
from structkit.eis.fit import fit_impedance
from structkit.eis.results import spectrum_dataset
from structkit.eis.validity import check_kramers_kronig, mark_points
from structkit.plot.impedance import (
    compose_impedance,
    plot_bode,
    plot_impedance_residuals,
    plot_nyquist,
    plot_relaxation,
)
from structkit.schema.impedance import make_impedance

CIRCUIT = parse_circuit("p(R1,CPE1)-CPE2")
FREQUENCY = np.geomspace(0.1, 1e6, 50)
SPOILED = 20


@pytest.fixture(scope="module")
def stored() -> xr.Dataset:
    """Return a stored spectrum: one point is spoiled and without weight."""
    ohms = CIRCUIT.evaluate(FREQUENCY, [1e5, 1e-10, 0.9, 1e-7, 0.9])
    ohms[SPOILED] *= 1.3
    scalars = {"temperature": 298.15, "history": "as milled"}
    spectrum = make_impedance(FREQUENCY, ohms, scalars=scalars)
    check = check_kramers_kronig(spectrum)
    marked = mark_points(spectrum, check)
    fit = fit_impedance(marked, CIRCUIT)
    return spectrum_dataset(marked, fit=fit, check=check, drt=compute_drt(marked))


@pytest.fixture
def failed(stored: xr.Dataset) -> xr.Dataset:
    """Return a stored spectrum without fit, test and relaxation times."""
    plain = make_impedance(
        FREQUENCY,
        stored["impedance"].to_numpy(),
        scalars={"temperature": np.nan, "history": ""},
    )
    return spectrum_dataset(plain, fit=None, check=None, drt=None, reason="cut")


def test_nyquist_has_equal_scales_and_shows_the_arc(stored: xr.Dataset) -> None:
    ax = plot_nyquist(stored)
    assert ax.get_aspect() == 1.0
    # The spike is 16 Mohm high; the arc must not drown in it.
    assert ax.get_xlim()[1] < 2e5
    measured, hollow, fitted = ax.lines[:3]
    assert len(measured.get_xdata()) == FREQUENCY.size - 1
    assert np.asarray(hollow.get_xdata()).tolist() == [
        stored["impedance"].to_numpy()[SPOILED].real
    ]
    assert hollow.get_markerfacecolor() == "white"
    np.testing.assert_allclose(
        np.asarray(fitted.get_ydata()), -stored["impedance_fit"].to_numpy().imag
    )
    texts = [text.get_text() for text in ax.texts]
    assert "10 kHz" in texts


def test_nyquist_whole_reaches_the_end_of_the_spike(stored: xr.Dataset) -> None:
    ax = plot_nyquist(stored, whole=True)
    assert ax.get_ylim()[1] > float(-stored["impedance"].to_numpy().imag.min())


def test_bode_shows_modulus_and_phase(stored: xr.Dataset) -> None:
    upper, lower = plot_bode(stored)
    assert upper.get_yscale() == "log"
    assert "Hz" in lower.get_xlabel()
    phase = np.asarray(lower.lines[0].get_ydata())
    assert phase.max() < 95.0
    assert phase.min() > 0.0


def test_residuals_ring_the_outlier(stored: xr.Dataset) -> None:
    ax = plot_impedance_residuals(stored)
    handles, labels = ax.get_legend_handles_labels()
    ring = handles[labels.index("outlier")]
    assert np.asarray(ring.get_xdata()).tolist() == [FREQUENCY[SPOILED]]


def test_relaxation_marks_the_arc_at_its_time_constant(stored: xr.Dataset) -> None:
    ax = plot_relaxation(stored)
    curve = ax.lines[0]
    tau, value = (np.asarray(curve.get_data()[k]) for k in (0, 1))
    near = tau < 1e-3
    top = tau[near][np.argmax(value[near])]
    marked = float(np.asarray(ax.lines[-1].get_xdata())[0])
    assert abs(np.log10(marked / top)) < 0.2


def test_one_figure_says_what_it_shows(stored: xr.Dataset) -> None:
    figure = compose_impedance(stored, title="4h")
    title = figure.get_suptitle()
    assert title.startswith("4h, 25 °C, as milled, p(R1,CPE1)-CPE2")
    assert len(figure.axes) == 5
    assert not plt.get_fignums()


def test_a_spectrum_without_a_fit_is_drawn(failed: xr.Dataset) -> None:
    figure = compose_impedance(failed)
    assert "failed" in figure.get_suptitle()
    figure.draw_without_rendering()
