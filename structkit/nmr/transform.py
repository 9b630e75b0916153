"""From decay to spectrum: filter delay, apodisation, zero filling, transform, phase.

A digital filter starts before its pulse: the first points of the decay are its rise,
and the decay itself begins ``group_delay`` points later. In the transform this is a
phase that rises by 360 degree per point of delay over the width; it is taken away
there, so that the rise stays where it belongs, before time zero.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Complex = NDArray[np.complex128]


def apodisation(
    n_points: int, dwell: float, *, lorentz: float, gauss: float, origin: float = 0.0
) -> Floats:
    """Return the weight of each point of a decay.

    Parameters
    ----------
    n_points : int
        Points of the decay.
    dwell : float
        Time between them, **s**.
    lorentz, gauss : float
        Full widths at half maximum that a sharp line gets, **Hz**.
    origin : float
        Point at which the decay starts (the group delay); weights fall on both sides.

    Returns
    -------
    ndarray, shape (n_points,)
        exp(-pi L t) exp(-(pi G t)^2 / (4 ln 2)), with t counted from the origin.

    Examples
    --------
    >>> weights = apodisation(3, 1e-3, lorentz=100.0, gauss=0.0)
    >>> print(weights.round(3))
    [1.    0.73  0.533]
    """
    time = np.abs(np.arange(n_points) - origin) * dwell
    decay = np.exp(-np.pi * lorentz * time)
    weights: Floats = decay * np.exp(-((np.pi * gauss * time) ** 2) / (4 * np.log(2)))
    return weights


def transform_decay(signal: Complex, size: int, *, group_delay: float) -> Complex:
    """Return the spectrum of a decay, from the lowest frequency to the highest.

    Parameters
    ----------
    signal : ndarray of complex, shape (..., n_points)
        Decay, apodised.
    size : int
        Points of the spectrum, at least ``n_points``; zeros fill up.
    group_delay : float
        Points of the digital filter. Without a filter the first point counts half,
        as a transform of a decay that starts at it asks.

    Returns
    -------
    ndarray of complex, shape (..., size)
        At ``arange(-(size // 2), ...) / (size * dwell)``.
    """
    padded = np.zeros((*signal.shape[:-1], size), dtype=complex)
    padded[..., : signal.shape[-1]] = signal
    if group_delay == 0.0:
        padded[..., 0] *= 0.5
    spectrum = np.fft.fft(padded)
    spectrum *= np.exp(2j * np.pi * np.fft.fftfreq(size) * group_delay)
    return np.fft.fftshift(spectrum, axes=-1)


def frequency_offsets(size: int, dwell: float) -> Floats:
    """Return the offset of each point of a spectrum from the carrier, Hz."""
    return np.fft.fftshift(np.fft.fftfreq(size, dwell))


def rotate(spectrum: Complex, phase0: float, phase1: float) -> Complex:
    """Return a spectrum with its phase corrected.

    Parameters
    ----------
    spectrum : ndarray of complex, shape (..., n_points)
        As :func:`transform_decay`.
    phase0 : float
        Phase added at the carrier, **degree**.
    phase1 : float
        Phase added over the whole width, rising with frequency, **degree**.
    """
    n_points = spectrum.shape[-1]
    place = (np.arange(n_points) - n_points // 2) / n_points
    rotated: Complex = spectrum * np.exp(1j * np.deg2rad(phase0 + phase1 * place))
    return rotated


def convert_topspin_phase(phc0: float, phc1: float) -> tuple[float, float]:
    """Return the two phases of :func:`rotate` for TopSpin's PHC0 and PHC1, degree.

    TopSpin counts from the highest frequency, in the opposite sense.

    Examples
    --------
    >>> convert_topspin_phase(30.0, 20.0)
    (-40.0, 20.0)
    """
    return -(phc0 + 0.5 * phc1), phc1
