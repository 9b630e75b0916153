"""Compiled inner loops: drawing lines, their derivatives, and the linear fit.

Positions and widths are in *grid steps* here; a line is a Thompson-Cox-Hastings
pseudo-Voigt. Nothing in this file knows about crystals.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_LN2 = math.log(2.0)
_GAUSS_HEIGHT = 2.0 * math.sqrt(_LN2 / math.pi)
_GAUSS_REACH = 2.6
"""Half-range of the Gaussian part in FWHM: the rest is below 1e-8 of the height."""
_TAPER_START = 0.75
"""Share of the window from which a line is tapered to zero."""


@njit(cache=True, fastmath=True)
def mix_widths(gaussian: float, lorentzian: float) -> tuple[float, ...]:
    """Return FWHM, eta, and their derivatives by the Gaussian and Lorentzian FWHM."""
    g, l = gaussian, lorentzian  # noqa: E741
    g2, l2 = g * g, l * l
    fifth = (
        g2 * g2 * g
        + 2.69269 * g2 * g2 * l
        + 2.42843 * g2 * g * l2
        + 4.47163 * g2 * l2 * l
        + 0.07842 * g * l2 * l2
        + l2 * l2 * l
    )
    width = fifth**0.2
    by_g = (
        5.0 * g2 * g2
        + 4.0 * 2.69269 * g2 * g * l
        + 3.0 * 2.42843 * g2 * l2
        + 2.0 * 4.47163 * g * l2 * l
        + 0.07842 * l2 * l2
    ) / (5.0 * width**4)
    by_l = (
        2.69269 * g2 * g2
        + 2.0 * 2.42843 * g2 * g * l
        + 3.0 * 4.47163 * g2 * l2
        + 4.0 * 0.07842 * g * l2 * l
        + 5.0 * l2 * l2
    ) / (5.0 * width**4)
    q = l / width
    eta = 1.36603 * q - 0.47719 * q * q + 0.11116 * q * q * q
    slope = 1.36603 - 0.95438 * q + 0.33348 * q * q
    eta_by_l = slope * (1.0 / width - l / (width * width) * by_l)
    eta_by_g = -slope * l / (width * width) * by_g
    return width, eta, by_g, by_l, eta_by_g, eta_by_l


@njit(cache=True, fastmath=True)
def draw_lines(
    centers: Floats,
    gaussian: Floats,
    lorentzian: Floats,
    amplitudes: Floats,
    window: float,
    out: Floats,
) -> None:
    """Add every line to all columns.

    Parameters
    ----------
    centers, gaussian, lorentzian : ndarray, shape (n_lines,)
        Position, Gaussian and Lorentzian FWHM in grid steps.
    amplitudes : ndarray, shape (n_lines, n_columns)
        Area of the line in each column.
    window : float
        Half-range in FWHM.
    out : ndarray, shape (n_columns, n_grid)
        Added to in place.
    """
    n_grid = out.shape[1]
    buffer = np.empty(n_grid)
    for line in range(centers.shape[0]):
        center = centers[line]
        width, eta, _, _, _, _ = mix_widths(gaussian[line], lorentzian[line])
        reach = window * width
        first = max(0, int(math.ceil(center - reach)))
        last = min(n_grid - 1, int(math.floor(center + reach)))
        if last < first:
            continue
        count = last - first + 1
        height = eta * 2.0 / (math.pi * width)
        inverse = 2.0 / width
        offset = first - center
        for i in range(count):
            u = (offset + i) * inverse
            buffer[i] = height / (1.0 + u * u)
        taper = _TAPER_START * reach
        span = 1.0 / (reach - taper)
        left = min(count, max(0, int(math.ceil(center - taper)) - first))
        for i in range(left):
            t = (-(offset + i) - taper) * span
            buffer[i] *= (1.0 - t * t) ** 2
        right = max(left, min(count, int(math.floor(center + taper)) + 1 - first))
        for i in range(right, count):
            t = ((offset + i) - taper) * span
            buffer[i] *= (1.0 - t * t) ** 2
        if eta < 1.0:
            g_first = max(first, int(math.ceil(center - _GAUSS_REACH * width)))
            g_last = min(last, int(math.floor(center + _GAUSS_REACH * width)))
            rate = 4.0 * _LN2 / (width * width)
            x = g_first - center
            value = (1.0 - eta) * _GAUSS_HEIGHT / width * math.exp(-rate * x * x)
            factor = math.exp(-rate * (2.0 * x + 1.0))
            bend = math.exp(-2.0 * rate)
            for i in range(g_first - first, g_last - first + 1):
                buffer[i] += value
                value *= factor
                factor *= bend
        for k in range(out.shape[0]):
            area = amplitudes[line, k]
            target = out[k]
            for i in range(count):
                target[first + i] += area * buffer[i]


@njit(cache=True, fastmath=True)
def draw_derivatives(
    centers: Floats,
    gaussian: Floats,
    lorentzian: Floats,
    areas: Floats,
    by_center: Floats,
    by_lorentzian: Floats,
    by_gaussian: Floats,
    by_area: Floats,
    columns: Ints,
    window: float,
    out: Floats,
) -> None:
    """Add the derivative of every line by the parameters that move it.

    Parameters
    ----------
    centers, gaussian, lorentzian, areas : ndarray, shape (n_lines,)
        The lines.
    by_center, by_lorentzian, by_gaussian, by_area : ndarray, shape (n_lines, n_max)
        Derivative of position, widths (grid steps) and *relative* area by each
        parameter of the line; 0 where it has no influence.
    columns : ndarray, shape (n_lines, n_max)
        Row of ``out`` of each parameter, -1 beyond the last.
    window : float
        Half-range in FWHM.
    out : ndarray, shape (n_parameters, n_grid)
        Added to in place.
    """
    n_grid = out.shape[1]
    moved = np.empty(n_grid)
    widened = np.empty(n_grid)
    softened = np.empty(n_grid)
    shape = np.empty(n_grid)
    for line in range(centers.shape[0]):
        area = areas[line]
        if area == 0.0:
            continue
        center = centers[line]
        width, eta, by_g, by_l, eta_by_g, eta_by_l = mix_widths(
            gaussian[line], lorentzian[line]
        )
        first = max(0, int(math.ceil(center - window * width)))
        last = min(n_grid - 1, int(math.floor(center + window * width)))
        if last < first:
            continue
        count = last - first + 1
        inverse = 1.0 / width
        l_height = area * 2.0 / math.pi * inverse
        g_height = area * _GAUSS_HEIGHT * inverse
        needs_gaussian = False
        for k in range(columns.shape[1]):
            if columns[line, k] >= 0 and by_gaussian[line, k] != 0.0:
                needs_gaussian = True
        rate = 4.0 * _LN2
        u0 = (first - center) * inverse
        value = g_height * math.exp(-rate * u0 * u0)
        factor = math.exp(-rate * (2.0 * u0 + inverse) * inverse)
        bend = math.exp(-2.0 * rate * inverse * inverse)
        reach = _GAUSS_REACH
        started = False
        for i in range(count):
            u = (first + i - center) * inverse
            if u < -reach or u > reach:
                g = 0.0
            else:
                if not started:
                    value = g_height * math.exp(-rate * u * u)
                    factor = math.exp(-rate * (2.0 * u + inverse) * inverse)
                    started = True
                g = value
                value *= factor
                factor *= bend
            softened[i] = g
        for i in range(count):
            u = (first + i - center) * inverse
            u2 = u * u
            r = 1.0 / (1.0 + 4.0 * u2)
            lor = l_height * r
            g = softened[i]
            l_w = lor * inverse * (8.0 * u2 * r - 1.0)
            g_w = g * inverse * (2.0 * rate * u2 - 1.0)
            w_w = eta * l_w + (1.0 - eta) * g_w
            moved[i] = inverse * u * (eta * lor * 8.0 * r + (1.0 - eta) * g * 2 * rate)
            widened[i] = eta_by_l * (lor - g) + by_l * w_w
            shape[i] = eta * lor + (1.0 - eta) * g
            softened[i] = eta_by_g * (lor - g) + by_g * w_w
        for k in range(columns.shape[1]):
            row = columns[line, k]
            if row < 0:
                continue
            target = out[row]
            a = by_center[line, k]
            b = by_lorentzian[line, k]
            c = by_area[line, k]
            if a != 0.0:
                for i in range(count):
                    target[first + i] += a * moved[i]
            if b != 0.0:
                for i in range(count):
                    target[first + i] += b * widened[i]
            if c != 0.0:
                for i in range(count):
                    target[first + i] += c * shape[i]
            if needs_gaussian and by_gaussian[line, k] != 0.0:
                d = by_gaussian[line, k]
                for i in range(count):
                    target[first + i] += d * softened[i]


@njit(cache=True, fastmath=True)
def apply_segments(
    row: Ints,
    origin: Ints,
    offset: Ints,
    weights: Floats,
    padded: Floats,
    scale: Floats,
    out: Floats,
) -> None:
    """Apply the instrument to rows of ``padded``: ``out = scale * (M padded)``.

    Parameters
    ----------
    row, origin, offset, weights : ndarray
        A :class:`refinement.engines.native.operator.SegmentOperator`.
    padded : ndarray, shape (n_columns, n_grid)
        Curves on the padded grid.
    scale : ndarray, shape (n_points,)
        Factor of each point (square root of its weight).
    out : ndarray, shape (n_columns, n_points)
        Overwritten.
    """
    for column in range(padded.shape[0]):
        source = padded[column]
        for i in range(scale.shape[0]):
            total = 0.0
            for segment in range(row[i], row[i + 1]):
                first = offset[segment]
                shift = origin[segment] - first
                for j in range(first, offset[segment + 1]):
                    total += weights[j] * source[shift + j]
            out[column, i] = total * scale[i]


@njit(cache=True)
def _solve_passive(normal: Floats, right: Floats, passive: NDArray[np.bool_]) -> Floats:
    chosen = np.nonzero(passive)[0]
    n = chosen.shape[0]
    small = np.empty((n, n))
    b = np.empty(n)
    for i in range(n):
        b[i] = right[chosen[i]]
        for j in range(n):
            small[i, j] = normal[chosen[i], chosen[j]]
    # Cholesky with a floor on the pivots: columns were scaled to unit norm.
    for i in range(n):
        for j in range(i + 1):
            total = small[i, j]
            for k in range(j):
                total -= small[i, k] * small[j, k]
            if i == j:
                small[i, i] = math.sqrt(max(total, 1e-13))
            else:
                small[i, j] = total / small[j, j]
    for i in range(n):
        total = b[i]
        for k in range(i):
            total -= small[i, k] * b[k]
        b[i] = total / small[i, i]
    for i in range(n - 1, -1, -1):
        total = b[i]
        for k in range(i + 1, n):
            total -= small[k, i] * b[k]
        b[i] = total / small[i, i]
    full = np.zeros(right.shape[0])
    for i in range(n):
        full[chosen[i]] = b[i]
    return full


@njit(cache=True)
def solve_bounded(
    normal: Floats, right: Floats, free: NDArray[np.bool_], passive: NDArray[np.bool_]
) -> Floats:
    """Minimise ``x'Nx/2 - r'x`` with ``x >= 0`` except where ``free``.

    Parameters
    ----------
    normal : ndarray, shape (n, n)
        Normal matrix of columns scaled to unit norm.
    right : ndarray, shape (n,)
        Right-hand side.
    free : ndarray of bool, shape (n,)
        Columns that may be negative.
    passive : ndarray of bool, shape (n,)
        Columns thought to be non-zero, as a start; updated in place.

    Returns
    -------
    ndarray, shape (n,)
        The solution (Lawson & Hanson 1974, on normal equations).
    """
    n = right.shape[0]
    for i in range(n):
        if free[i]:
            passive[i] = True
    x = np.zeros(n)
    started = False
    for _ in range(4 * n + 10):
        # Inner loop: shrink the passive set until its solution is feasible.
        while True:
            trial = _solve_passive(normal, right, passive)
            worst = 1.0
            for i in range(n):
                if passive[i] and not free[i] and trial[i] <= 0.0:
                    if not started:
                        worst = -1.0
                        break
                    gap = x[i] - trial[i]
                    if gap > 0.0:
                        worst = min(worst, x[i] / gap)
            if worst < 0.0:
                # A warm start that is not feasible: drop its negative members.
                for i in range(n):
                    if passive[i] and not free[i] and trial[i] <= 0.0:
                        passive[i] = False
                continue
            if worst >= 1.0:
                feasible = True
                for i in range(n):
                    if passive[i] and not free[i] and trial[i] <= 0.0:
                        passive[i] = False
                        feasible = False
                if feasible:
                    x = trial
                    break
                continue
            for i in range(n):
                x[i] += worst * (trial[i] - x[i])
                if passive[i] and not free[i] and x[i] <= 1e-14:
                    x[i] = 0.0
                    passive[i] = False
        started = True
        best, best_gain = -1, 1e-11 * np.abs(right).max()
        for i in range(n):
            if not passive[i]:
                gain = right[i]
                for j in range(n):
                    gain -= normal[i, j] * x[j]
                if gain > best_gain:
                    best, best_gain = i, gain
        if best < 0:
            return x
        passive[best] = True
    return x
