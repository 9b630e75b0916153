"""Synthetic 23Na decays of a study, in the time domain, with known truth.

A line is a decay: a lifetime, times a normal distribution of shifts, times the
second-order shifts of a disordered site, turning at its offset and repeated as
sidebands at the spinning rate. The receiver opens after the dead time, a digital filter
goes over an eightfold oversampled signal and delays it. Nothing is shared with
:mod:`structkit.nmr`, which fits lines in the frequency domain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from zlib import crc32

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.signal import oaconvolve

from structkit.schema import (
    CARRIER_FREQUENCY,
    LARMOR_FREQUENCY,
    MAS_RATE,
    NUCLEUS,
    RECYCLE_DELAY,
    REFERENCE_FREQUENCY,
)
from structkit.schema.names import SITE
from structkit.schema.nmr import make_decay
from structkit.synthetic.eis import draw_study
from structkit.synthetic.mixture import LABEL
from structkit.synthetic.nmr_truth import (
    CHLORIDE,
    OXIDE,
    PRODUCT,
    RECYCLE_S,
    SITES,
    WRONG_MHZ,
    NmrAdversary,
    NmrTruth,
)
from structkit.synthetic.species import Species, share_out
from structkit.synthetic.study_truth import Contents, fill, without_oxide

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]

DWELL_S = 8e-6
N_POINTS = 1024
CARRIER_PPM = 20.0
GROUP_DELAY = 67.984
"""Points of the digital filter."""
DELAYS_S = tuple(float(f"{one:.3g}") for one in np.geomspace(5e-5, 30.0, 18))
"""Of inversion recovery."""
_OVERSAMPLING = 8
_PASS = 0.48
_FIRST_SIDEBANDS = 0.8
_WEIGHTS = (0.2, 0.8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line as it decays."""

    site: str
    """Which site it belongs to."""
    amplitude: float
    """Of sidebands and centreband together, at time 0."""
    offset_hz: float
    """From 0 ppm, **Hz**."""
    lorentz_hz: float
    """Lifetime width, **Hz**."""
    gauss_hz: float
    """Full width at half maximum of the distribution of shifts, **Hz**."""
    second_order_hz: float = 0.0
    """Scale of second-order shifts, **Hz**."""
    sidebands: float = 0.0
    """Share in sidebands."""

    def evaluate(self, time: Floats, *, carrier_hz: float, mas_hz: float) -> Complexes:
        """Return the decay at times after the pulse, **s**."""
        decay: Complexes = np.exp(-np.pi * self.lorentz_hz * time).astype(complex)
        decay = decay * np.exp(-((np.pi * self.gauss_hz * time) ** 2) / (4 * np.log(2)))
        if self.second_order_hz > 0.0:
            turn = 4j * np.pi * self.second_order_hz * time
            decay = decay * (1.0 + turn) ** -2.5
        first = 0.5 * self.sidebands * _FIRST_SIDEBANDS
        second = 0.5 * self.sidebands * (1.0 - _FIRST_SIDEBANDS)
        rotor = 2.0 * np.pi * mas_hz * time
        echo = (
            1.0
            - self.sidebands
            + 2.0 * (first * np.cos(rotor) + second * np.cos(2.0 * rotor))
        )
        turning = np.exp(2j * np.pi * (self.offset_hz - carrier_hz) * time)
        return np.asarray(self.amplitude * decay * echo * turning)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NmrStudy:
    """What was measured of one study, and what is true of it."""

    sample: xr.Dataset
    """Decay of the sample (:mod:`structkit.schema.nmr`)."""
    blank: xr.Dataset
    """Decay of NaCl + TaCl5 milled as long without Na2O."""
    recovery: xr.Dataset
    """Inversion recovery of the sample, one decay for each delay."""
    truth: xr.Dataset
    """Over ``site``: ``sodium``, ``t1``, ``area`` (of centrebands at time 0),
    ``saturation``. Scalars: ``x`` (of the product's line), ``blank_ratio``,
    ``response_factor``, ``dead_time``, ``rate_ratio``, ..."""


def list_lines(truth: NmrTruth, species: Species) -> tuple[Line, ...]:
    """Return the lines of a sample as one pulse after each recycle delay shows them."""
    ppm = truth.larmor_mhz
    lifetime = 1.0 / (np.pi * truth.product_t1(species))
    product = species.glass + species.crystal
    shares = species.sodium
    lines = []
    for part, moles in (("glass", species.glass), ("crystal", species.crystal)):
        share = shares["product"] * moles / product
        lines.append((PRODUCT, part, share, lifetime))
    lines += [(n, n, shares[n], truth.homogeneous_hz[n]) for n in (CHLORIDE, OXIDE)]
    return tuple(
        Line(
            site=site,
            amplitude=share
            * truth.response(site)
            / (1.0 - truth.sidebands[site])
            * truth.recovered(site, species),
            offset_hz=ppm * truth.shift_ppm[part],
            lorentz_hz=lorentz,
            gauss_hz=ppm * truth.spread_ppm[part],
            second_order_hz=truth.second_order_hz() if part == "glass" else 0.0,
            sidebands=truth.sidebands[site],
        )
        for site, part, share, lorentz in lines
        if share > 0.0
    )


def simulate_decay(
    lines: Sequence[Line],
    truth: NmrTruth,
    *,
    rng: np.random.Generator,
    signal_to_noise: float,
    factors: Mapping[str, Floats] | None = None,
    delays: Sequence[float] | None = None,
    header_mhz: float | None = None,
) -> xr.Dataset:
    """Simulate one decay, or one for each delay.

    Parameters
    ----------
    lines : sequence of Line
        From :func:`list_lines`.
    truth : NmrTruth
        Of frequency, spinning and dead time.
    rng : numpy.random.Generator
        Of receiver phase and noise.
    signal_to_noise : float
        Highest point of the spectrum of ``lines`` over the noise of its real part.
    factors : mapping of str to ndarray, shape (n_delays,), optional
        What each delay leaves of each site's signal.
    delays : sequence of float, optional
        **s**; with ``factors``.
    header_mhz : float, optional
        Larmor frequency that the header claims, **MHz**; the true one by default.

    Returns
    -------
    xarray.Dataset
        Decay (:mod:`structkit.schema.nmr`) with a filter's ``group_delay``.
    """
    time = np.arange(N_POINTS * _OVERSAMPLING) * DWELL_S / _OVERSAMPLING
    carrier = CARRIER_PPM * truth.larmor_mhz
    parts = {site: np.zeros(N_POINTS, dtype=complex) for site in SITES}
    phase = np.exp(1j * float(rng.uniform(-np.pi, np.pi)))
    for line in lines:
        raw = line.evaluate(
            time + truth.dead_s, carrier_hz=carrier, mas_hz=truth.mas_hz
        )
        raw[0] *= 0.5
        parts[line.site] += filter_signal(phase * raw)
    whole = sum(parts.values(), np.zeros(N_POINTS, dtype=complex))
    rows = np.atleast_2d(whole)
    if factors is not None:
        rows = sum(
            factors[site][:, None] * part[None, :] for site, part in parts.items()
        ) + np.zeros((1, N_POINTS))
    highest = np.abs(np.fft.fft(whole)).max()
    sigma = highest / signal_to_noise / np.sqrt(N_POINTS)
    noise = rng.standard_normal((2, *rows.shape))
    rows = rows + sigma * (noise[0] + 1j * noise[1])
    base = header_mhz or truth.larmor_mhz
    return make_decay(
        np.arange(N_POINTS) * DWELL_S,
        rows if delays is not None else rows[0],
        delay=delays,
        group_delay=GROUP_DELAY,
        scalars={
            NUCLEUS: "23Na",
            LARMOR_FREQUENCY: base,
            CARRIER_FREQUENCY: base * (1.0 + 1e-6 * CARRIER_PPM),
            REFERENCE_FREQUENCY: base,
            MAS_RATE: truth.mas_hz,
            RECYCLE_DELAY: RECYCLE_S,
        },
        attrs={"label": LABEL},
    )


@lru_cache(maxsize=2)
def _filter_taps() -> Floats:
    """Return the taps of the digital filter, its centre at the group delay."""
    centre = GROUP_DELAY * _OVERSAMPLING
    place = np.arange(round(2.0 * centre) + 1) - centre
    window = np.cos(0.5 * np.pi * place / (centre + 1.0)) ** 2
    taps = np.sinc(2.0 * _PASS * place / _OVERSAMPLING) * window
    return np.asarray(taps / taps.sum())


def filter_signal(signal: Complexes) -> Complexes:
    """Return an oversampled signal as the receiver keeps it, delayed by its filter."""
    filtered = oaconvolve(signal, _filter_taps())
    return np.asarray(filtered[: N_POINTS * _OVERSAMPLING : _OVERSAMPLING])


def recovery_factors(
    truth: NmrTruth, species: Species, *, delays: Sequence[float]
) -> dict[str, Floats]:
    """Return what is there of each site's magnetisation after an inverting pulse.

    Delay and recycle delay stand one after the other: before inversion the site had
    recovered for :data:`RECYCLE_S` from a 90 degree pulse.
    """
    times = np.asarray(delays, dtype=float)
    found = {}
    for site, t1 in truth.site_t1(species).items():
        before = 1.0 - np.exp(-RECYCLE_S / t1)
        missing = np.exp(-times / t1)
        if site == PRODUCT:
            fast, slow = _WEIGHTS
            rate = 1.0 / (t1 * (fast * truth.rate_ratio + slow))
            missing = fast * np.exp(-times * rate * truth.rate_ratio)
            missing = missing + slow * np.exp(-times * rate)
        start = (1.0 - 2.0 * truth.inversion) * before
        found[site] = np.asarray(1.0 - (1.0 - start) * missing)
    return found


def nmr_stream(seed: int, name: str) -> np.random.Generator:
    """Return the random numbers of one purpose."""
    return np.random.default_rng([seed, crc32(f"nmr {name}".encode())])


def control_contents(truth: NmrTruth, time_h: float) -> Contents:
    """Return NaCl + TaCl5 milled as long: as much NaCl is left over in it."""
    precursors, _ = truth.study.chain(time_h)
    left = precursors + truth.study.nacl_blank * (1.0 - precursors)
    return without_oxide(amorphous=max(0.15, left), blank=left)


def simulate_nmr(
    seed: int,
    *,
    adversary: NmrAdversary | None = None,
    truth: NmrTruth | None = None,
    time_h: float = 4.0,
) -> NmrStudy:
    """Simulate sample, blank and inversion recovery of one study.

    Parameters
    ----------
    seed : int
        Of everything; amounts and oxygen are those of the Raman series of that seed.
    adversary : str, optional
        One of :data:`structkit.synthetic.nmr_truth.NMR_ADVERSARIES`.
    truth : NmrTruth, optional
        In place of the drawn one.
    time_h : float
        Milling time of the sample, **h**.

    Returns
    -------
    NmrStudy
        Measured and true.

    Raises
    ------
    PlanError
        An adversary that does not exist.
    """
    if truth is None:
        chance = nmr_stream(seed, "truth")
        truth = NmrTruth.draw(chance, study=draw_study(seed), adversary=adversary)
    study = truth.study
    species = share_out(fill(study, time_h), oxygen=study.oxygen(time_h))
    control = share_out(control_contents(truth, time_h), oxygen=0.0)
    header = WRONG_MHZ if adversary == "wrong_larmor" else None
    ratio = truth.signal_to_noise
    decays = {
        name: simulate_decay(
            list_lines(truth, made),
            truth,
            rng=nmr_stream(seed, name),
            signal_to_noise=ratio[name],
            header_mhz=header,
        )
        for name, made in (("sample", species), ("blank", control))
    }
    recovery = simulate_decay(
        list_lines(truth, species),
        truth,
        rng=nmr_stream(seed, "recovery"),
        signal_to_noise=ratio["recovery"],
        factors=recovery_factors(truth, species, delays=DELAYS_S),
        delays=DELAYS_S,
        header_mhz=header,
    )
    known = describe_nmr(truth, species, control)
    return NmrStudy(
        sample=decays["sample"],
        blank=decays["blank"],
        recovery=recovery,
        truth=known.assign_attrs(label=LABEL, adversary=adversary or ""),
    )


def describe_nmr(truth: NmrTruth, species: Species, control: Species) -> xr.Dataset:
    """Return what is true of a sample and of the control whose blank is used."""
    shares, times = species.sodium, truth.site_t1(species)
    sodium = [shares["product"], shares[CHLORIDE], shares[OXIDE]]
    saturation = [truth.recovered(site, species) for site in SITES]
    response = [truth.response(site) for site in SITES]
    left_over = control.sodium[CHLORIDE] / control.sodium["product"]
    scalars = {
        "x": (species.product_oxygen, "1"),
        "x_glass": (species.oxygen, "1"),
        "blank_ratio": (left_over, "mol mol-1"),
        "chloride_ratio": (shares[CHLORIDE] / shares["product"], "mol mol-1"),
        "response_factor": (truth.response_factor, "1"),
        "rate_ratio": (truth.rate_ratio, "1"),
        "dead_time": (truth.dead_s, "s"),
        "flip_angle": (truth.flip_degree, "degree"),
        "larmor_frequency": (truth.larmor_mhz, "MHz"),
        "inversion": (truth.inversion, "1"),
    }
    columns = {
        "sodium": (sodium, "1"),
        "t1": ([times[site] for site in SITES], "s"),
        "saturation": (saturation, "1"),
        "area": (np.prod([sodium, saturation, response], axis=0), "1"),
    }
    return xr.Dataset(
        {name: (SITE, values, {"units": u}) for name, (values, u) in columns.items()}
        | {name: ((), value, {"units": u}) for name, (value, u) in scalars.items()},
        coords={SITE: list(SITES)},
    )
