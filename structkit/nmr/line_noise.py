"""Noise of a spectrum: its size, and how many points share one value of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_MOST_LAGS = 400
_MOST_FILTER_LAGS = 8192
"""Lags of a known processing: the filter's points show at long ones."""


@dataclass(frozen=True, slots=True, eq=False)
class NoiseCorrelation:
    """How noise of one point goes with that of its neighbours."""

    lags: Floats
    """Autocorrelation from lag 0 (1.0) to where it is lost in its noise."""
    n_points: float = np.inf
    """Points that it was measured on."""

    @property
    def length(self) -> float:
        """Return how many points share one noise value, at least 1."""
        return max(1.0, float(2.0 * self.lags.sum() - 1.0))

    def filter(self, rows: Floats) -> Floats:
        """Return rows (n_rows, n_points) times the matrix of autocorrelations."""
        n, m = rows.shape[1], self.lags.size
        size = n + 2 * m
        kernel = np.zeros(size)
        kernel[:m] = self.lags
        if m > 1:
            kernel[-(m - 1) :] = self.lags[:0:-1]
        power = np.maximum(np.fft.rfft(kernel).real, 0.0)
        spread = np.fft.irfft(np.fft.rfft(rows, size, axis=1) * power, size, axis=1)
        return np.asarray(spread[:, :n])


def measure_correlation(residual: Floats) -> NoiseCorrelation:
    """Return the autocorrelation of a residual.

    Parameters
    ----------
    residual : ndarray, shape (n_points,)
        Noise, or data less model; equally spaced.

    Returns
    -------
    NoiseCorrelation
        Cut at the first lag that is not positive: what an apodisation leaves far away
        is below the noise of a lag, and not of their sum.

    Notes
    -----
    Apodisation and zero filling make noise of neighbouring points alike: a fit that
    counts points as independent understates every uncertainty.
    """
    n = residual.size
    centred = residual - residual.mean()
    size = 1 << (2 * n - 1).bit_length()
    spectrum = np.fft.rfft(centred, size)
    lags = np.fft.irfft(np.abs(spectrum) ** 2, size)[: min(_MOST_LAGS, n // 4)]
    if not lags[0] > 0.0:
        return NoiseCorrelation(np.ones(1))
    lags = lags / lags[0]
    lost = np.flatnonzero(lags <= 0.0)
    last = int(lost[0]) if lost.size else lags.size
    return NoiseCorrelation(np.asarray(lags[:last], dtype=np.float64), float(n))


def constant_correlation(length: float) -> NoiseCorrelation:
    """Return an exponential autocorrelation whose length is as stated, in points."""
    if length <= 1.0:
        return NoiseCorrelation(np.ones(1))
    ratio = (length - 1.0) / (length + 1.0)
    number = max(2, int(np.ceil(np.log(1e-4) / np.log(ratio))))
    lags = np.arange(min(number, _MOST_LAGS), dtype=np.float64)
    return NoiseCorrelation(np.power(ratio, lags))


def correlation_length_of(weights: Floats, n_filled: int) -> float:
    """Return how many points of a spectrum share one noise value by its processing.

    Parameters
    ----------
    weights : ndarray, shape (n_acquired,)
        Apodisation of the decay; ones for none.
    n_filled : int
        Points after zero filling.

    Returns
    -------
    float
        For :attr:`structkit.nmr.sites.LineFitOptions.correlation_length`: exact where
        lines are broader than the apodisation, and better than what one spectrum
        shows of it.

    Examples
    --------
    >>> correlation_length_of(np.ones(512), 1024)
    1.0
    """
    power = float(np.sum(weights**2))
    return float(n_filled * weights[0] ** 2 / (2.0 * power))


def correlation_of_processing(
    weights: Floats, n_filled: int, *, group_delay: float = 0.0
) -> NoiseCorrelation:
    """Return the autocorrelation of the noise of a spectrum by its processing.

    Parameters
    ----------
    weights : ndarray, shape (n_acquired,)
        Apodisation of the decay; ones for none.
    n_filled : int
        Points after zero filling.
    group_delay : float
        Points of the digital filter before time zero.

    Returns
    -------
    NoiseCorrelation
        Exact for white noise in the decay. The noise of the filter's points, before
        time zero, is in it: :func:`correlation_length_of` leaves it out.

    Notes
    -----
    The real part at lag k is ``Re sum w_j^2 exp(2 pi i k (j - delay) / n_filled)``
    over the sum of the squares. Without a filter the first point, which a transform
    halves, is taken as half: what lines of any width see beside it.
    """
    power = weights**2
    if group_delay == 0.0:
        power[0] *= 0.5
    phased = np.fft.ifft(power, n_filled)[: n_filled // 2] * n_filled
    lags = np.arange(phased.size)[:_MOST_FILTER_LAGS]
    turn = np.exp(-2j * np.pi * lags * group_delay / n_filled)
    return NoiseCorrelation((phased[: lags.size] * turn).real / float(power.sum()))


def detrend(values: Floats, axis: Floats) -> Floats:
    """Return values less a straight line, over what that leaves of their spread."""
    slope = np.polynomial.Polynomial.fit(axis, values, 1)
    left = values - slope(axis)
    return np.asarray(left * np.sqrt(values.size / max(values.size - 2, 1)))
