"""How fast did the rotor spin? Its echoes in the decay tell, not the header.

Magic-angle spinning refocuses anisotropic shifts once a turn: the decay's envelope has
maxima at whole turns, and its transform has sidebands, the same fact seen twice. A
spectrum is therefore turned back into a decay, and one search serves both.

The power of the envelope is divided by its smooth trend; the cosine transform of the
logarithm, with time counted from the decay's start, has lines at the rate and its
multiples. Beats of two lines oscillate too, but their maxima are as broad as their
minima; rotor echoes are narrower.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from structkit.errors import SchemaError
from structkit.schema import (
    CHEMICAL_SHIFT,
    DELAY,
    GROUP_DELAY,
    INTENSITY,
    INTENSITY_IMAG,
    LARMOR_FREQUENCY,
    SIGNAL,
    TIME,
)

Floats = NDArray[np.float64]

RATES_HZ = (2e3, 170e3)
"""Rates of the rotors there are."""
_MIN_ECHOES = 3
"""Two maxima make a distance; the third says that it repeats."""
_BLOCK = 16
_CREST = 25.0
"""Power over its mean that noise does not reach, even when the mean is misjudged."""
_ROUGH = 0.6
"""Median difference of neighbours' logarithms of power: ln 3 = 1.1 in noise."""
_MAX_DUTY = 0.45
"""Share of a turn that an echo stands above half its height: 0.5 for beats."""
_MIN_PROMINENCE = 0.15
"""Rise of the logarithm of the power that counts as an echo."""
_MAX_SCATTER = 0.03
"""1 sigma of the rate, relative, above which maxima do not come regularly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MasRate:
    """What the rotor echoes say."""

    rate: float
    """Spinning rate, Hz; NaN where there are no echoes."""
    rate_std: float
    """1 sigma of it, Hz, from the echoes' distances; NaN with it."""
    n_echoes: int
    """Echoes that were found."""
    reason: str
    """One sentence."""


def estimate_mas_rate(measured: xr.Dataset) -> MasRate:
    """Find the spinning rate from a decay's rotor echoes or a spectrum's sidebands.

    Parameters
    ----------
    measured : xarray.Dataset
        Decay or spectrum of :mod:`structkit.schema.nmr`; of several the strongest is
        taken. A spectrum needs ``larmor_frequency``; it should span several sidebands.

    Returns
    -------
    MasRate
        ``rate`` is NaN, with the reason, where no train of echoes stands out: the
        sample is static, or the anisotropy is small against the rate. Nothing then
        speaks for or against a declared rate.

    Raises
    ------
    SchemaError
        A spectrum without ``larmor_frequency``, or neither decay nor spectrum.
    """
    if SIGNAL in measured:
        signal = measured[SIGNAL].to_numpy()
        if DELAY in measured.dims:
            signal = signal[np.argmax(np.sum(np.abs(signal) ** 2, axis=1))]
        time = measured[TIME].to_numpy()
        skipped = round(float(measured.attrs.get(GROUP_DELAY, 0.0)))
        return find_rotor_echoes(signal[skipped:], float(time[1] - time[0]))
    if INTENSITY not in measured:
        raise SchemaError("neither signal nor intensity: give a decay or a spectrum")
    if LARMOR_FREQUENCY not in measured.coords:
        raise SchemaError("spectrum has no larmor_frequency; assign it in MHz")
    shift = measured[CHEMICAL_SHIFT].to_numpy()
    width = np.ptp(shift) * shift.size / (shift.size - 1)
    values = measured[INTENSITY].to_numpy().astype(complex)
    if INTENSITY_IMAG in measured:
        values = values + 1j * measured[INTENSITY_IMAG].to_numpy()
    if DELAY in measured.dims:
        values = values[np.argmax(np.sum(np.abs(values) ** 2, axis=1))]
    decay = np.fft.ifft(np.fft.ifftshift(values))[: shift.size // 2]
    return find_rotor_echoes(decay, 1.0 / (width * float(measured[LARMOR_FREQUENCY])))


def find_rotor_echoes(signal: NDArray[np.complex128], dwell: float) -> MasRate:
    """Find the period of rotor echoes in a decay.

    Parameters
    ----------
    signal : ndarray of complex, shape (n_points,)
        Decay without the points of the digital filter.
    dwell : float
        Time between points, **s**.

    Returns
    -------
    MasRate
        As :func:`estimate_mas_rate`.
    """
    power = np.abs(signal) ** 2
    if power.size < 4 * _BLOCK or not np.any(power):
        return _no_rate("The signal is too short for rotor echoes.")
    n_points, noise = _signal_points(power)
    shortest = int(2.5 / (RATES_HZ[1] * dwell))
    if n_points < max(3 * shortest, 24):
        return _no_rate("The signal is too short for rotor echoes.")
    logarithm = _detrended(power[:n_points] + noise)
    rates, score = _comb_scores(logarithm, dwell)
    if not rates.size:
        return _no_rate("The signal is too short for rotor echoes.")
    best = _fundamental(rates, score)
    scatter = 1.4826 * float(np.median(np.abs(score - np.median(score))))
    if not score[best] > 4.0 * scatter:
        return _no_rate("No rate of a rotor stands out in the envelope of the decay.")
    period = 1.0 / (rates[best] * dwell)
    orders, places = _echo_places(logarithm, period)
    if orders.size < _MIN_ECHOES:
        return _no_rate(f"{orders.size} rotor echoes in the decay; three make a rate.")
    duty = _duty(np.exp(logarithm), period)
    if duty > _MAX_DUTY:
        return _no_rate(
            f"The envelope rises and falls at {rates[best] / 1e3:.1f} kHz as broadly "
            "as beats of two lines; these are no rotor echoes."
        )
    return _rate_of(orders, places * dwell, dwell)


def _no_rate(reason: str) -> MasRate:
    """Return that there is no rate."""
    return MasRate(rate=math.nan, rate_std=math.nan, n_echoes=0, reason=reason)


def _signal_points(power: Floats) -> tuple[int, float]:
    """Return how many points hold signal, and the power of the noise after it.

    Neighbours in a signal are alike; in noise the logarithms of their powers differ by
    ln 3 in the median, whatever apodisation did to its size. The weakest points from
    the first two rough blocks on tell the noise (a fifth of exponential powers lies
    below -ln 0.8 of the mean), the last block that rises far above it ends the signal:
    between echoes there may be noise only.
    """
    n_blocks = (power.size - 1) // _BLOCK
    logarithm = np.log(np.maximum(power, 1e-12 * power.max()))
    steps = np.abs(np.diff(logarithm))[: n_blocks * _BLOCK].reshape(n_blocks, _BLOCK)
    blocks = power[: n_blocks * _BLOCK].reshape(n_blocks, _BLOCK)
    rough = np.median(steps, axis=1) > _ROUGH
    twice = np.flatnonzero(rough[:-1] & rough[1:])
    first = int(twice[0]) if twice.size else n_blocks
    low = float(np.quantile(blocks[first : first + 4], 0.2)) if twice.size else 0.0
    noise = low / -math.log(0.8)
    floor = max(_CREST * noise, 1e-9 * float(power.max()))
    above = np.flatnonzero(blocks.max(axis=1) > floor)
    return (_BLOCK * (int(above[-1]) + 1) if above.size else 0), noise


def _detrended(power: Floats) -> Floats:
    """Return the logarithm of the power about its trend."""
    logarithm = np.log(np.maximum(power, 1e-12 * power.max()))
    place = np.linspace(-1.0, 1.0, power.size)
    trend = np.polynomial.Chebyshev.fit(place, logarithm, 4)(place)
    detrended: Floats = logarithm - trend
    return detrended


def _comb_scores(logarithm: Floats, dwell: float) -> tuple[Floats, Floats]:
    """Return rates and the sum of the cosine transform at each and its multiples."""
    size = 1 << int(np.ceil(np.log2(16 * logarithm.size)))
    window = np.hanning(2 * logarithm.size)[logarithm.size :]
    cosine = np.fft.rfft(logarithm * window, size).real / window.sum()
    frequency = np.fft.rfftfreq(size, dwell)
    lowest = max(RATES_HZ[0], 2.5 / (logarithm.size * dwell))
    fundamental = np.flatnonzero((frequency >= lowest) & (frequency <= RATES_HZ[1]))
    score = np.zeros(fundamental.size)
    for multiple in (1, 2, 3):
        places = multiple * fundamental
        inside = places < cosine.size
        score[inside] += np.maximum(cosine[places[inside]], -0.5 * (multiple > 1))
    return np.asarray(frequency[fundamental], dtype=np.float64), score


def _fundamental(rates: Floats, score: Floats) -> int:
    """Return the place of the best score; its double where that is nearly as good."""
    best = int(np.argmax(score))
    for multiple in (3, 2):
        near = np.flatnonzero(np.abs(rates / (multiple * rates[best]) - 1.0) < 0.03)
        if near.size:
            other = int(near[np.argmax(score[near])])
            if score[other] > 0.75 * score[best]:
                return other
    return best


def _echo_places(logarithm: Floats, period: float) -> tuple[NDArray[np.int64], Floats]:
    """Return order and place, in points, of the echoes in an unbroken train."""
    width = max(int(period / 8.0), 1)
    smooth = np.convolve(logarithm, np.ones(width) / width, mode="same")
    orders, places = [], []
    for order in range(1, int(logarithm.size / period) + 1):
        centre, reach = order * period, 0.25 * period
        low, high = int(centre - reach), int(centre + reach) + 1
        if high + int(reach) >= smooth.size:
            break
        top = low + int(np.argmax(smooth[low:high]))
        sides = smooth[[int(centre - 0.5 * period), int(centre + 0.5 * period)]]
        if top in (low, high - 1) or smooth[top] - sides.max() < _MIN_PROMINENCE:
            break
        orders.append(order)
        places.append(top + _vertex(smooth, top, max(width, 1)))
    return np.array(orders, dtype=np.int64), np.array(places, dtype=float)


def _vertex(values: Floats, top: int, reach: int) -> float:
    """Return how far the maximum lies from ``top``, by a parabola."""
    low, high = max(top - reach, 0), min(top + reach + 1, values.size)
    place = np.arange(low, high) - top
    if place.size < 3:
        return 0.0
    curvature, slope, _ = np.polyfit(place, values[low:high], 2)
    offset = -0.5 * slope / curvature if curvature < 0.0 else 0.0
    return float(np.clip(offset, -reach, reach))


def _duty(ratio: Floats, period: float) -> float:
    """Return the share of a turn that the mean echo is above half its height."""
    phase = (np.arange(ratio.size) / period) % 1.0
    n_bins = int(np.clip(period, 8, 24))
    bins = np.minimum((phase * n_bins).astype(int), n_bins - 1)
    count = np.bincount(bins, minlength=n_bins)
    profile = np.bincount(bins, weights=ratio, minlength=n_bins) / np.maximum(count, 1)
    half = 0.5 * (profile.min() + profile.max())
    return float(np.mean(profile > half))


def _rate_of(orders: NDArray[np.int64], times: Floats, dwell: float) -> MasRate:
    """Return the rate from echo times: a line over the orders, its start free.

    The start of the acquisition lies after the pulse by the receiver's dead time.
    """
    centred = orders - orders.mean()
    weight = float(np.sum(centred**2))
    period = float(np.sum(centred * times)) / weight
    residual = times - times.mean() - period * centred
    scatter = float(np.sum(residual**2)) / max(orders.size - 2, 1)
    std = math.sqrt(max(scatter, dwell**2 / 12.0) / weight)
    rate, rate_std = 1.0 / period, std / period**2
    if rate_std > _MAX_SCATTER * rate:
        return _no_rate(f"{orders.size} maxima in the decay come at no regular time.")
    return MasRate(
        rate=rate,
        rate_std=rate_std,
        n_echoes=int(orders.size),
        reason=f"{orders.size} rotor echoes, one every {period * 1e6:.2f} us: "
        f"{rate / 1e3:.2f} kHz.",
    )
