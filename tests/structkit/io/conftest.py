"""Tiny experiments as Bruker's programs write them, made up here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

ACQUS = {
    "NUC1": "<23Na>",
    "SFO1": 79.3905,
    "BF1": 79.390,
    "SW_h": 50000.0,
    "AQ_mod": 3,
    "BYTORDA": 0,
    "DTYPA": 0,
    "DIGMOD": 1,
    "DSPFVS": 20,
    "DECIM": 20,
    "GRPDLY": 8,
    "TE": 298.15,
    "NS": 16,
    "MASR": 0,
    "PULPROG": "<zg>",
}
PROCS = {"SF": 79.390, "BYTORDP": 0, "DTYPP": 0, "NC_proc": 0, "PHC0": 0, "PHC1": 0}


def write_parameters(path: Path, values: Mapping[str, object]) -> None:
    lines = ["##TITLE= Parameter file", "##JCAMPDX= 5.0"]
    lines += [f"##${name}= {value}" for name, value in values.items()]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*lines, "##$D= (0..2)", "0 7.5 0.001", "##END=", ""]))


def to_words(
    signal: NDArray[np.complex128], parameters: Mapping[str, object], *, pad: bool
) -> bytes:
    """Return decays as words, each row filled up to blocks of 1024 bytes."""
    kind = "f8" if parameters["DTYPA"] == 2 else "i4"
    order = ">" if parameters["BYTORDA"] == 1 else "<"
    rows = np.atleast_2d(signal)
    words = np.stack([rows.real, rows.imag], axis=-1).reshape(rows.shape[0], -1)
    block = 1024 // np.dtype(kind).itemsize
    extra = -words.shape[1] % block if pad else 0
    return np.pad(words, ((0, 0), (0, extra))).astype(order + kind).tobytes()


def write_experiment(
    folder: Path,
    *,
    signal: NDArray[np.complex128] | None = None,
    vdlist: str | None = None,
    spectrum: NDArray[np.float64] | None = None,
    title: str = "made up",
    **acquired: object,
) -> Path:
    """Write a folder with the decay, the list and the spectrum that are given."""
    parameters = {**ACQUS, **acquired}
    if signal is not None:
        parameters = {"TD": 2 * signal.shape[-1], **parameters}
        folder.mkdir(parents=True, exist_ok=True)
        name = "fid" if signal.ndim == 1 else "ser"
        words = to_words(signal, parameters, pad=signal.ndim == 2)
        (folder / name).write_bytes(words)
        if signal.ndim == 2:
            write_parameters(folder / "acqu2s", {"TD": signal.shape[0]})
    write_parameters(folder / "acqus", parameters)
    if vdlist is not None:
        (folder / "vdlist").write_text(vdlist)
    place = folder / "pdata" / "1"
    place.mkdir(parents=True, exist_ok=True)
    (place / "title").write_text(title)
    if spectrum is not None:
        width = float(str(parameters["SW_h"]))
        carrier, zero = float(str(parameters["SFO1"])), float(str(PROCS["SF"]))
        offset = (1e6 * (carrier - zero) + 0.5 * width) / zero
        size = {"SI": spectrum.shape[-1], "SW_p": width, "OFFSET": offset}
        write_parameters(place / "procs", {**PROCS, **size})
        name = "1r" if spectrum.ndim == 1 else "2rr"
        if spectrum.ndim == 2:
            write_parameters(place / "proc2s", {"SI": spectrum.shape[0], "XDIM": 0})
        (place / name).write_bytes(spectrum.astype("<i4").tobytes())
    return folder


@pytest.fixture
def experiment(tmp_path: Path) -> Callable[..., Path]:
    """Return a writer of experiments, each into the folder ``7``."""

    def write(**content: object) -> Path:
        return write_experiment(tmp_path / "7", **content)  # type: ignore[arg-type]

    return write
