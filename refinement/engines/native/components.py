"""Measured patterns as linear columns: interpolated, shifted, never broadened."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from refinement.engines.native.layout import OFFSET, Layout
from refinement.engines.smooth import line_below
from refinement.plan import Component, RefinementPlan
from structkit.errors import PlanError
from structkit.schema import INTENSITY, TWO_THETA

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredColumns:
    """The measured components of a plan on given angles."""

    angles: Floats
    """Points of the fit, degree, shape (n_points,)."""
    lever: Floats
    """By what a shift of 1 degree moves each point: cos(theta), or 1."""
    splines: tuple[CubicSpline, ...]
    """Each pattern over its own angles, baseline taken off."""
    spans: tuple[tuple[float, float], ...]
    """First and last angle of each."""
    own: tuple[int | None, ...]
    """Where the shift of each stands in the layout; None: it does not move."""
    offset: int | None
    """Where the shift that they share stands; None: none of them moves."""

    @property
    def size(self) -> int:
        """Return the number of components."""
        return len(self.splines)

    def shifts(self, values: Floats) -> Floats:
        """Return by how much each is shifted (degree), shape (n_components,)."""
        common = 0.0 if self.offset is None else float(values[self.offset])
        return np.array([0.0 if i is None else common + values[i] for i in self.own])

    def draw(self, values: Floats) -> Floats:
        """Return the columns at ``values``, shape (n_components, n_points)."""
        return np.array(
            [
                spline(self._places(number, shift))
                for number, (spline, shift) in enumerate(
                    zip(self.splines, self.shifts(values), strict=True)
                )
            ]
        )

    def slopes(self, values: Floats, amounts: Floats, free: Flags) -> dict[int, Floats]:
        """Return the derivative of the pattern by each free shift, at the points.

        Parameters
        ----------
        values : ndarray, shape (n_parameters,)
            Nonlinear parameters.
        amounts : ndarray, shape (n_components,)
            Present amounts of the components.
        free : ndarray of bool, shape (n_parameters,)
            Which parameters are wanted.

        Returns
        -------
        dict of int to ndarray
            By parameter.
        """
        found: dict[int, Floats] = {}
        if self.offset is None:
            return found
        total = np.zeros_like(self.angles)
        for number, shift in enumerate(self.shifts(values)):
            own = self.own[number]
            if own is None:
                continue
            places = self._places(number, shift)
            low, high = self.spans[number]
            inside = (places > low) & (places < high)
            steepness = self.splines[number](places, 1) * inside
            slope = -amounts[number] * self.lever * steepness
            total += slope
            if free[own]:
                found[own] = slope
        if free[self.offset]:
            found[self.offset] = total
        return found

    def _places(self, number: int, shift: float) -> Floats:
        """Return where the points lie in a pattern; its ends go on as they are."""
        return np.clip(self.angles - shift * self.lever, *self.spans[number])


def measured_columns(
    plan: RefinementPlan, layout: Layout, angles: Floats
) -> MeasuredColumns | None:
    """Return the measured components of a plan; None where it has none.

    Parameters
    ----------
    plan : RefinementPlan
        Its ``components`` and ``shift``.
    layout : Layout
        Where their shifts stand.
    angles : ndarray, shape (n_points,)
        Points of the fit, **degree**.

    Raises
    ------
    PlanError
        When a component's pattern does not cover the points.

    Notes
    -----
    A cubic spline goes through the measured points, so that the derivative by the
    shift is smooth. The pattern's own counting noise stays in it: it repeats itself in
    every fit, is in no uncertainty, and is small where the library pattern was counted
    as long as the sample. The shift moves the pattern as ``plan.shift`` moves lines:
    with cos(theta) for a displaced sample, else the same everywhere. Beyond its ends
    a shifted pattern is taken to go on at its last value.
    """
    if not plan.components:
        return None
    for part in plan.components:
        first, last = part.span
        if first > angles[0] + 1e-9 or last < angles[-1] - 1e-9:
            raise PlanError(
                f"component {part.name!r} covers {first:g}-{last:g} degree, the "
                f"pattern needs {angles[0]:g}-{angles[-1]:g}; measure it over that "
                "range, or set range"
            )
    places = {name: i for i, name in enumerate(layout.names)}
    displaced = plan.shift == "displacement"
    return MeasuredColumns(
        angles=angles,
        lever=np.cos(np.radians(angles) / 2.0) if displaced else np.ones_like(angles),
        splines=tuple(_spline(part) for part in plan.components),
        spans=tuple(part.span for part in plan.components),
        own=tuple(
            places[f"{part.name}.component_shift"] if part.shift else None
            for part in plan.components
        ),
        offset=places.get(OFFSET),
    )


def _spline(part: Component) -> CubicSpline:
    """Return a component's pattern without its baseline, as a spline."""
    angles = part.pattern[TWO_THETA].to_numpy()
    intensity = part.pattern[INTENSITY].to_numpy().astype(float)
    if part.subtract == "constant":
        intensity = intensity - max(float(intensity.min()), 0.0)
    elif part.subtract == "line":
        intensity = intensity - line_below(intensity, angles)
    return CubicSpline(angles, intensity)
