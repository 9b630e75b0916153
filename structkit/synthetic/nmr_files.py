"""Synthetic 23Na decays as folders of Bruker experiments, and their truth.

``acqus``, ``fid`` and ``pdata/1/procs``; with delays ``acqu2s``, ``ser``, whose rows
fill blocks of 1024 bytes, and ``vdlist``. :func:`write_processed` adds ``1r`` and
``1i``, the spectrum as its operator phased it. Words are 32-bit integers.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from structkit.schema import (
    CARRIER_FREQUENCY,
    DELAY,
    GROUP_DELAY,
    MAS_RATE,
    RECYCLE_DELAY,
    REFERENCE_FREQUENCY,
    SIGNAL,
    TIME,
)
from structkit.store import atomic_path, write_dataset, write_text
from structkit.synthetic.mixture import LABEL
from structkit.synthetic.nmr import NmrStudy, simulate_nmr
from structkit.synthetic.nmr_truth import NmrAdversary

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]

FOLDER = "nmr"
TRUTH_FILE = "nmr_truth.nc"
NUMBERS = {"sample": 1, "blank": 2, "recovery": 3}
"""Experiment numbers."""
_TOP = 2**28
_BLOCK_WORDS = 256
_ZERO_FILLING = 2
_LINE_HZ = 1500.0
_PHASE_STD_DEGREE = 0.3
_LINES_PPM = (-35.0, 80.0)
_DEGREE = 5


def write_bruker(decay: xr.Dataset, folder: Path, *, title: str) -> Path:
    """Write a decay, or one for each delay, as a Bruker experiment.

    Parameters
    ----------
    decay : xarray.Dataset
        :mod:`structkit.schema.nmr`.
    folder : Path
        Of the experiment; made when absent.
    title : str
        For ``pdata/1/title``.

    Returns
    -------
    Path
        ``folder``.

    Raises
    ------
    OutputError
        The folder cannot be written.
    """
    signal = np.atleast_2d(decay[SIGNAL].to_numpy())
    words = np.empty((signal.shape[0], 2 * signal.shape[1]))
    words[:, ::2], words[:, 1::2] = signal.real, signal.imag
    words = np.round(words * (_TOP / np.abs(words).max()))
    width = words.shape[1]
    write_text(_acqus(decay, width), folder / "acqus")
    place = folder / "pdata" / "1"
    zero = float(decay[REFERENCE_FREQUENCY])
    procs = {"SF": f"{zero:.9f}", "SI": "0", "SW_p": "0"}
    write_text(_parameters(procs), place / "procs")
    write_text(f"{title}\n{LABEL}\n", place / "title")
    if DELAY in decay.dims:
        write_text(_parameters({"TD": str(words.shape[0])}), folder / "acqu2s")
        delays = "".join(f"{one:.9g}\n" for one in decay[DELAY].to_numpy())
        write_text(delays, folder / "vdlist")
        padded = -(-width // _BLOCK_WORDS) * _BLOCK_WORDS
        words = np.pad(words, ((0, 0), (0, padded - width)))
    name = "ser" if DELAY in decay.dims else "fid"
    with atomic_path(folder / name) as temporary:
        temporary.write_bytes(words.astype("<i4").tobytes())
    return folder


def write_processed(
    decay: xr.Dataset, folder: Path, *, dead_s: float, rng: np.random.Generator
) -> Path:
    """Write the spectrum of a decay beside it, phased as an operator phases it.

    Parameters
    ----------
    decay : xarray.Dataset
        One decay, with its group delay.
    folder : Path
        Of the experiment; its ``pdata/1/procs`` is replaced.
    dead_s : float
        From pulse to first point, **s**: the operator knows it and corrects the phase
        that rises with frequency, and the baseline that rolls with it.
    rng : numpy.random.Generator
        Of the error of the other phase, 0.3 degree (1 sigma).

    Returns
    -------
    Path
        ``folder/pdata/1``.

    Raises
    ------
    OutputError
        The folder cannot be written.
    """
    signal = decay[SIGNAL].to_numpy()
    dwell = float(decay[TIME][1] - decay[TIME][0])
    size = _ZERO_FILLING * signal.size
    turns = np.fft.fftshift(np.fft.fftfreq(size))
    delay = float(decay.attrs[GROUP_DELAY]) - dead_s / dwell
    spectrum = np.fft.fftshift(np.fft.fft(signal, size))
    spectrum *= np.exp(2j * np.pi * delay * turns)
    height = np.abs(spectrum)
    near = np.abs(turns - turns[np.argmax(height)]) / dwell < _LINE_HZ
    error = np.deg2rad(_PHASE_STD_DEGREE * float(rng.standard_normal()))
    phase = float(np.angle((height**2 * spectrum)[near].sum())) + error
    spectrum = (spectrum * np.exp(-1j * phase))[::-1]
    place = folder / "pdata" / "1"
    carrier, zero = (
        float(decay[name]) for name in (CARRIER_FREQUENCY, REFERENCE_FREQUENCY)
    )
    ppm = (1e6 * (carrier - zero) + turns[::-1] / dwell) / zero
    spectrum -= _rolling(ppm, spectrum, spacing=float(decay[MAS_RATE]) / zero)
    highest = float(turns[-1]) / dwell
    first = (1e6 * (carrier - zero) + highest) / zero
    slope = -360.0 * dead_s / dwell
    values = {
        "BYTORDP": "0",
        "DTYPP": "0",
        "LB": "0",
        "NC_proc": "0",
        "OFFSET": f"{first:.9g}",
        "PHC0": f"{np.rad2deg(phase) - 0.5 * slope:.6f}",
        "PHC1": f"{slope:.6f}",
        "SF": f"{zero:.9f}",
        "SI": str(size),
        "SW_p": f"{1.0 / dwell:.9f}",
        "WDW": "0",
    }
    write_text(_parameters(values), place / "procs")
    scale = _TOP / np.abs(spectrum).max()
    for name, part in (("1r", spectrum.real), ("1i", -spectrum.imag)):
        with atomic_path(place / name) as temporary:
            temporary.write_bytes(np.round(scale * part).astype("<i4").tobytes())
    return place


def _rolling(ppm: Floats, spectrum: Complexes, *, spacing: float) -> Complexes:
    """Return the baseline that the points lost in the dead time leave: a polynomial.

    Parameters
    ----------
    ppm : ndarray, shape (n_points,)
        Shifts.
    spectrum : ndarray of complex, shape (n_points,)
        Phased.
    spacing : float
        Of sidebands, **ppm**.
    """
    low, high = _LINES_PPM
    bare = np.ones(ppm.size, dtype=bool)
    for order in range(-2, 3):
        bare &= (ppm < low + order * spacing) | (ppm > high + order * spacing)
    place = 2.0 * (ppm - ppm.mean()) / np.ptp(ppm)
    real, imaginary = (
        np.polynomial.Chebyshev.fit(place[bare], part[bare], _DEGREE, domain=[-1, 1])
        for part in (spectrum.real, spectrum.imag)
    )
    return np.asarray(real(place) + 1j * imaginary(place))


def _acqus(decay: xr.Dataset, width: int) -> str:
    """Return the acquisition parameters."""
    carrier, zero = (
        float(decay[name]) for name in (CARRIER_FREQUENCY, REFERENCE_FREQUENCY)
    )
    dwell = float(decay[TIME][1] - decay[TIME][0])
    recycle = float(decay[RECYCLE_DELAY])
    return _parameters(
        {
            "AQ_mod": "3",
            "BF1": f"{zero:.9f}",
            "BYTORDA": "0",
            "D": f"(0..1)\n0 {recycle:g}",
            "DECIM": "160",
            "DIGMOD": "1",
            "DSPFVS": "20",
            "DTYPA": "0",
            "GRPDLY": f"{float(decay.attrs[GROUP_DELAY]):.9g}",
            "MASR": f"{float(decay[MAS_RATE]):g}",
            "NS": "64",
            "NUC1": "<23Na>",
            "O1": f"{1e6 * (carrier - zero):.6f}",
            "SFO1": f"{carrier:.9f}",
            "SW_h": f"{1.0 / dwell:.9f}",
            "TD": str(width),
            "TE": "298.0",
        }
    )


def _parameters(values: dict[str, str]) -> str:
    """Return parameters as Bruker writes them."""
    lines = [f"##TITLE= {LABEL}", "##DATATYPE= Parameter Values"]
    lines += [f"##${name}= {value}" for name, value in values.items()]
    return "\n".join([*lines, "##END=", ""])


def write_nmr(
    folder: str | Path, *, seed: int = 20258, adversary: NmrAdversary | None = None
) -> NmrStudy:
    """Write sample, blank and inversion recovery of a study, and their truth.

    Parameters
    ----------
    folder : str or Path
        Where to; made when absent.
    seed, adversary
        As for :func:`structkit.synthetic.nmr.simulate_nmr`.

    Returns
    -------
    NmrStudy
        What was written: experiments ``nmr/1`` (sample), ``nmr/2`` (blank), ``nmr/3``
        (recovery) and ``nmr_truth.nc``.

    Raises
    ------
    PlanError
        An adversary that does not exist.
    OutputError
        The folder cannot be written.
    """
    study = simulate_nmr(seed, adversary=adversary)
    for name, number in NUMBERS.items():
        write_bruker(
            getattr(study, name), Path(folder) / FOLDER / str(number), title=name
        )
    write_dataset(study.truth, Path(folder) / TRUTH_FILE)
    return study
