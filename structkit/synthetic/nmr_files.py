"""Synthetic 23Na decays as folders of Bruker experiments, and their truth.

``acqus``, ``fid`` and ``pdata/1/procs``; with delays ``acqu2s``, ``ser``, whose rows
fill blocks of 1024 bytes, and ``vdlist``. Words are 32-bit integers.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

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

FOLDER = "nmr"
TRUTH_FILE = "nmr_truth.nc"
NUMBERS = {"sample": 1, "blank": 2, "recovery": 3}
"""Experiment numbers."""
_TOP = 2**28
_BLOCK_WORDS = 256


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
