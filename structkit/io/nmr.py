"""Read NMR spectra and decays: choose the reader, judge the header, stamp."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import xarray as xr

from structkit import __version__
from structkit.errors import ReadError, SchemaError
from structkit.io.choose import check_file, choose_reader
from structkit.io.mas_rate import MasRate, estimate_mas_rate
from structkit.io.nmr_condition import (
    judge_header,
    judge_mas_rate,
    judge_temperature,
)
from structkit.io.nmr_readers import NMR_READERS, NmrReader
from structkit.io.raw_nmr import (
    NmrHeader,
    RawDecay,
    RawNmrSpectrum,
    to_decay,
    to_spectrum,
    transform_plainly,
)
from structkit.store import sha256_of

_LOGGER = logging.getLogger(__name__)


def read_nmr(
    path: str | Path, *, procno: int | None = None, raw: bool = False
) -> xr.Dataset:
    """Read an NMR spectrum, or one per delay.

    Parameters
    ----------
    path : str or Path
        Folder of a Bruker experiment or a file in it, its .zip, JCAMP-DX, or columns
        of text.
    procno : int, optional
        Which processing (``pdata/N``) or block of a file. Default: the first.
    raw : bool, default False
        Take the plain transform of the decay instead of processed data; for spectra
        to be measured, see :func:`structkit.nmr.spectrum.process_decay`.

    Returns
    -------
    xarray.Dataset
        ``intensity`` over ``[delay,] chemical_shift`` (ppm, ascending) and the rest of
        :mod:`structkit.schema.nmr`. ``nucleus`` is what the frequency speaks for;
        ``remarks`` say where the header contradicts itself, the frequency, the title
        or the rotor echoes.

    Raises
    ------
    ReadError
        The path is absent, of no known format, holds no spectrum, or is damaged. The
        message names file, line and remedy.
    """
    path = Path(path)
    reader = _choose(path)
    try:
        if raw:
            decay = reader.read_decay(path)
            return _finish(transform_plainly(decay), decay, reader)
        return _finish(reader.read_spectrum(path, procno=procno), None, reader)
    except (SchemaError, OSError) as error:
        raise ReadError(f"{path}: {error}") from error


def read_decay(path: str | Path) -> xr.Dataset:
    """Read a free induction decay, or one per delay.

    Parameters
    ----------
    path : str or Path
        As :func:`read_nmr`.

    Returns
    -------
    xarray.Dataset
        ``signal`` over ``[delay,] time`` as :mod:`structkit.schema.nmr` describes.
        A line above the carrier turns with positive frequency.

    Raises
    ------
    ReadError
        As :func:`read_nmr`; or there is no decay.
    """
    path = Path(path)
    reader = _choose(path)
    try:
        return _finish(reader.read_decay(path), None, reader)
    except (SchemaError, OSError) as error:
        raise ReadError(f"{path}: {error}") from error


def _choose(path: Path) -> NmrReader:
    """Return the reader of a path; a reader without suffixes is asked first."""
    for reader in NMR_READERS:
        if not reader.suffixes and reader.sniff(path):
            return reader
    if path.is_dir():
        inside = sorted(
            place.name
            for place in path.iterdir()
            if place.is_dir() and any(r.sniff(place) for r in NMR_READERS[:1])
        )
        hint = f"; give one of {', '.join(inside[:5])} in it" if inside else ""
        raise ReadError(f"{path}: is no folder of a Bruker experiment{hint}")
    check_file(path)
    return choose_reader(path, [reader for reader in NMR_READERS if reader.suffixes])


def _finish(
    raw: RawNmrSpectrum | RawDecay, decay: RawDecay | None, reader: NmrReader
) -> xr.Dataset:
    """Return labelled data whose header has been judged, with its provenance."""
    header = judge_temperature(judge_header(raw.header))
    data = _labelled(raw, header)
    judged = judge_mas_rate(header, _mas_rate(raw, decay, reader, data))
    data = _labelled(raw, judged)
    remarks = str(data.attrs["remarks"])
    if remarks:
        _LOGGER.info("%s: %s", raw.path.name, remarks.replace("\n", " "))
    inside = raw.data_file != raw.path and raw.data_file.is_relative_to(raw.path)
    name = raw.data_file.relative_to(raw.path.parent) if inside else raw.data_file.name
    return data.assign_attrs(
        source_file=str(name).replace("\\", "/"),
        source_sha256=sha256_of(raw.data_file),
        reader=reader.name,
        software=f"structkit {__version__}",
    )


def _labelled(raw: RawNmrSpectrum | RawDecay, header: NmrHeader) -> xr.Dataset:
    """Return what was read under a header."""
    if isinstance(raw, RawDecay):
        return to_decay(replace(raw, header=header))
    return to_spectrum(replace(raw, header=header))


def _mas_rate(
    raw: RawNmrSpectrum | RawDecay,
    decay: RawDecay | None,
    reader: NmrReader,
    data: xr.Dataset,
) -> MasRate:
    """Return the spinning rate: from the decay where there is one, else the spectrum.

    A processed spectrum stands beside its decay; a decay that cannot be read leaves
    the spectrum.
    """
    if isinstance(raw, RawDecay):
        return estimate_mas_rate(data)
    if decay is None:
        try:
            decay = reader.read_decay(raw.path)
        except ReadError:
            decay = None
    if decay is not None:
        return estimate_mas_rate(to_decay(decay))
    try:
        return estimate_mas_rate(data)
    except SchemaError as error:
        return MasRate(
            rate=float("nan"), rate_std=float("nan"), n_echoes=0, reason=f"{error}."
        )
