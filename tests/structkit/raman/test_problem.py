"""Columns and normal equations against finite differences and explicit matrices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import quad

from structkit.raman.bands import Band
from structkit.raman.baseline import (
    difference_penalty,
    edge_curves,
    penalty_weight,
    spline_basis,
)
from structkit.raman.layout import Layout, make_layout
from structkit.raman.model import BandModel, Template, Tie
from structkit.raman.problem import (
    Spectrum,
    TemplateCurve,
    evaluate_columns,
    form_normal,
    place_bands,
    stack_jacobian,
)

Floats = NDArray[np.float64]

SHIFT = np.arange(100.0, 500.0, 2.0)
WIDE = np.arange(60.0, 560.0, 3.0)
BUMP = np.exp(-(((WIDE - 300.0) / 40.0) ** 2)) + 0.1
DIFFERENCE = 1e-5
CLOSE = 2e-6
"""Central differences of a step 1e-5: second order and rounding."""


def band(name: str, wavenumber: float, family: str = "") -> Band:
    return Band(name=name, species="s", wavenumber=wavenumber, family=family)


MODEL = BandModel(
    bands=(
        band("a", 180.0, "f"),
        band("b", 250.0),
        band("c", 330.0, "f"),
        band("d", 400.0),
    ),
    ties=(Tie(name="X", species="s", bands=("b", "d"), shares=(1.0, 3.0)),),
    templates=(
        Template(name="T", species="t", raman_shift=WIDE, values=BUMP),
        Template(
            name="H", species="h", raman_shift=WIDE, values=BUMP**2, background=True
        ),
    ),
    drift=True,
)


def spectrum(along: float = 0.3) -> Spectrum:
    rng = np.random.default_rng(3)
    basis = spline_basis(SHIFT, MODEL.baseline)
    return Spectrum(
        raman_shift=SHIFT,
        intensity=rng.normal(50.0, 5.0, SHIFT.size),
        sigma=rng.uniform(4.0, 6.0, SHIFT.size),
        basis=basis,
        penalty=difference_penalty(basis.shape[1], 2),
        edge=edge_curves(SHIFT, (20.0, 60.0)),
        light=50.0,
        along=along,
    )


def curves() -> tuple[TemplateCurve, ...]:
    return tuple(TemplateCurve(t, SHIFT[0], SHIFT[-1]) for t in MODEL.templates)


def parameters(layout: Layout) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(4)
    shared = np.zeros(layout.n_shared)
    shared[layout.centre] = [178.0, 253.0, 331.0, 398.0]
    shared[layout.log_width] = np.log([12.0, 18.0, 25.0])
    shared[layout.mixing] = [0.3, 0.5, 0.8]
    shared[layout.template_shift] = [0.7, 0.0]
    shared[layout.centre_drift] = rng.normal(0.0, 3.0, 4)
    shared[layout.width_drift] = rng.normal(0.0, 0.3, 3)
    local = rng.uniform(100.0, 900.0, layout.n_local)
    local[layout.axis_shift] = 0.4
    return shared, local


@pytest.mark.parametrize("shape", ["pseudo-voigt", "voigt"])
def test_jacobian_against_finite_differences(shape: str) -> None:
    model = replace(MODEL, shape=shape, instrument_fwhm=4.0)
    layout = make_layout(model, n_edges=2)
    one, templates = spectrum(), curves()
    shared, local = parameters(layout)

    def light(flat: Floats) -> Floats:
        a, b = flat[: layout.n_shared], flat[layout.n_shared :]
        columns = evaluate_columns(
            one, model, layout, templates=templates, shared=a, local=b
        )
        return np.asarray(columns.unit @ b[layout.linear])

    flat = np.concatenate([shared, local])
    columns = evaluate_columns(
        one, model, layout, templates=templates, shared=shared, local=local
    )
    found = stack_jacobian(columns, layout)
    blank = layout.template_shift.stop - 1
    for place in range(flat.size):
        step = np.zeros(flat.size)
        step[place] = DIFFERENCE
        slow = (light(flat + step) - light(flat - step)) / (2.0 * DIFFERENCE)
        size = max(float(np.abs(slow).max()), 1e-3)
        assert found[:, place] == pytest.approx(slow, abs=CLOSE * size), place
    # A blank has its own shift (which is held) and none with the axis.
    assert np.any(found[:, blank] != 0.0)


def test_bands_of_a_tie_and_of_a_family_go_together() -> None:
    layout = make_layout(MODEL, n_edges=2)
    shared, local = parameters(layout)
    one = spectrum(along=0.0)
    columns = evaluate_columns(
        one, MODEL, layout, templates=curves(), shared=shared, local=local
    )
    centre, width = place_bands(layout, shared)
    assert width == pytest.approx([12.0, 18.0, 25.0])
    assert centre == pytest.approx([178.0, 253.0, 331.0, 398.0])
    areas = np.trapezoid(columns.unit, SHIFT, axis=0)
    # Lorentzian tails leave the range.
    assert areas[:3] == pytest.approx(1.0, abs=0.1)
    assert np.argmax(columns.unit[:, 2]) == np.argmin(np.abs(SHIFT - 398.4))
    assert columns.unit[:, layout.edge] == pytest.approx(one.edge)


def test_drift_moves_bands_along_the_series() -> None:
    layout = make_layout(MODEL)
    shared, _ = parameters(layout)
    (first, narrow), (last, wide) = (
        place_bands(layout, shared, along=at) for at in (-0.5, 0.5)
    )
    assert last - first == pytest.approx(shared[layout.centre_drift])
    assert np.log(wide / narrow) == pytest.approx(shared[layout.width_drift])


def test_template_has_unit_area_over_the_range() -> None:
    curve = curves()[0]

    def value(x: float) -> float:
        return float(curve.evaluate(np.array([x]))[0][0])

    area, _ = quad(value, SHIFT[0], SHIFT[-1], limit=200)
    assert area == pytest.approx(1.0, rel=1e-6)
    # Beyond its ends it goes on at its last value.
    assert value(1000.0) == value(WIDE[-1])


def test_normal_equations_against_an_explicit_baseline() -> None:
    layout = make_layout(MODEL, n_edges=2)
    one, shared_local = spectrum(), parameters(layout)
    shared, local = shared_local
    columns = evaluate_columns(
        one, MODEL, layout, templates=curves(), shared=shared, local=local
    )
    smoothness = 0.1
    found = form_normal(
        one,
        columns,
        layout,
        local=local,
        sigma=one.sigma,
        projection=one.project(one.sigma, smoothness),
    )
    jacobian = stack_jacobian(columns, layout)
    pull = penalty_weight(smoothness, one.light) * one.penalty
    n = jacobian.shape[1]
    rows = np.vstack(
        [
            np.hstack([one.basis, jacobian]) / one.sigma[:, None],
            np.hstack([pull, np.zeros((pull.shape[0], n))]),
        ]
    )
    light = columns.unit @ local[layout.linear]
    residual = np.concatenate(
        [(one.intensity - light) / one.sigma, np.zeros(pull.shape[0])]
    )
    space, _ = np.linalg.qr(rows[:, : one.basis.shape[1]])

    def left(matrix: Floats) -> Floats:
        return np.asarray(matrix - space @ (space.T @ matrix))

    bands = left(rows[:, one.basis.shape[1] :])
    scale = np.abs(bands.T @ bands).max()
    assert found.matrix == pytest.approx(bands.T @ bands, abs=1e-9 * scale)
    slow = -bands.T @ residual
    assert found.gradient == pytest.approx(slow, abs=1e-9 * np.abs(slow).max())
    assert found.chi_square == pytest.approx(float(np.sum(left(residual) ** 2)))
