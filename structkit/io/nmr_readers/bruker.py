"""Folder of a Bruker experiment, or the same folder zipped.

The folder is the file. ``acqus`` holds the parameters, ``fid`` one decay, ``ser`` one
per delay of ``vdlist``; ``pdata/N`` holds processing N: ``procs``, ``title`` and ``1r``
with ``1i``, or ``2rr`` with one row per delay. A path to one of these files or to
``pdata/N`` means the experiment it belongs to.

Returns all of :class:`structkit.io.raw_nmr.NmrHeader`; the imaginary part with the
sign that makes its transform a decay (TopSpin keeps the opposite); attrs
``pulse_program``, ``solvent``, ``probe``, ``instrument``; of the vendor's processing
``vendor_phase0`` and ``vendor_phase1`` (degree), ``vendor_line_broadening`` (Hz) and
``vendor_points`` (complex points that it used).
"""

from __future__ import annotations

import re
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from structkit.errors import ReadError
from structkit.io.nmr_readers.bruker_binary import read_decays, read_plane
from structkit.io.nmr_readers.bruker_parameters import (
    find_group_delay,
    make_header,
    need_number,
    number,
    read_parameters,
)
from structkit.io.number_text import read_text
from structkit.io.raw_nmr import NmrHeader, RawDecay, RawNmrSpectrum, add_remarks

Floats = NDArray[np.float64]

_RAW = ("fid", "ser")
_PARTS = (*_RAW, "acqus", "acqu", "vdlist", "1r", "1i", "2rr", "procs", "proc", "title")
_DELAY = re.compile(r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(s|m|u|n)?(?:s)?")
_SECONDS = {"s": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9, None: 1.0}
_MAX_ZIP_BYTES = 1 << 31
_UNZIP_ERRORS = (
    *(zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError),
    RuntimeError,  # a password, or a compression that is not known
)


class BrukerReader:
    """Bruker experiments as XWIN-NMR and TopSpin keep them."""

    name = "bruker"
    suffixes: tuple[str, ...] = ()

    def sniff(self, path: Path) -> bool:
        """Return whether the path is an experiment or one of its files."""
        folder, _ = _experiment(path)
        return folder.is_dir() and _is_experiment(folder)

    def read_spectrum(self, path: Path, *, procno: int | None = None) -> RawNmrSpectrum:
        """Return a processed spectrum, or one per delay.

        Raises
        ------
        ReadError
            No processed data, none of that number, or files that contradict each
            other.
        """
        folder, meant = _experiment(path)
        place = _processing(folder, procno if procno is not None else meant)
        processed = read_parameters(_need(place / "procs"))
        acquired, lost = _acquired(folder)
        header = make_header(acquired, processed, _title(place))
        header = add_remarks(header, lost)
        if (place / "1r").is_file():
            return _read_1d(path, place, processed, header)
        return _read_2d(path, (folder, place), processed, header)

    def read_decay(self, path: Path) -> RawDecay:
        """Return the decay of ``fid``, or those of ``ser``.

        Raises
        ------
        ReadError
            No ``acqus``, ``fid`` or ``ser``; no complex decay; rows without delays;
            a digital filter that is not known.
        """
        folder, procno = _experiment(path)
        acquired = read_parameters(_need(folder / "acqus"))
        data_file = next((folder / n for n in _RAW if (folder / n).is_file()), None)
        if data_file is None:
            raise ReadError(f"{path}: neither fid nor ser in it; copy the raw data")
        rows = None
        if data_file.name == "ser":
            indirect = read_parameters(_need(folder / "acqu2s"))
            rows = int(need_number(indirect, "TD", folder / "acqu2s"))
        signal, remarks = read_decays(data_file, acquired, rows=rows)
        delay = None
        if rows is not None:
            delay, said = _delays(folder, signal.shape[0])
            remarks.append(said)
        try:
            group_delay = find_group_delay(acquired)
        except ReadError as error:
            raise ReadError(f"{folder / 'acqus'}: {error}") from None
        if group_delay >= signal.shape[-1]:
            raise ReadError(f"{data_file}: ends within the digital filter's delay")
        place = folder / "pdata" / str(procno or 1)
        procs = place / "procs"
        processed = read_parameters(procs) if procs.is_file() else {}
        header = make_header(acquired, processed, _title(place))
        return RawDecay(
            path=path,
            data_file=data_file,
            dwell=1.0 / need_number(acquired, "SW_h", folder / "acqus"),
            signal=signal,
            delay=delay,
            group_delay=group_delay,
            header=add_remarks(header, *remarks),
        )


class BrukerZipReader:
    """A Bruker experiment in a .zip archive."""

    name = "bruker-zip"
    suffixes = (".zip",)

    def sniff(self, path: Path) -> bool:
        """Return whether the file is an archive with an experiment."""
        return zipfile.is_zipfile(path)

    def read_spectrum(self, path: Path, *, procno: int | None = None) -> RawNmrSpectrum:
        """Return a processed spectrum; as :class:`BrukerReader`."""
        with tempfile.TemporaryDirectory() as folder:
            try:
                inside = _unzip(path, Path(folder))
                raw = BrukerReader().read_spectrum(inside, procno=procno)
            except ReadError as error:
                raise _renamed(error, folder, path) from error
            return replace(raw, path=path, data_file=path)

    def read_decay(self, path: Path) -> RawDecay:
        """Return the decays; as :class:`BrukerReader`."""
        with tempfile.TemporaryDirectory() as folder:
            try:
                raw = BrukerReader().read_decay(_unzip(path, Path(folder)))
            except ReadError as error:
                raise _renamed(error, folder, path) from error
            return replace(raw, path=path, data_file=path)


def _renamed(error: ReadError, folder: str, path: Path) -> ReadError:
    """Return an error that names the archive, not where it was unpacked."""
    return ReadError(str(error).replace(folder, str(path)))


def _unzip(path: Path, folder: Path) -> Path:
    """Unpack an archive and return its experiment."""
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(item.file_size for item in archive.infolist()) > _MAX_ZIP_BYTES:
                raise ReadError(f"{path}: unpacks to more than 2 GiB; unpack it first")
            archive.extractall(folder)
    except _UNZIP_ERRORS as error:
        raise ReadError(
            f"{path}: cannot be unpacked ({error}); copy it again"
        ) from error
    found = sorted(
        place
        for place in folder.rglob("*")
        if place.is_dir() and "__MACOSX" not in place.parts and _is_experiment(place)
    )
    if len(found) != 1:
        names = ", ".join(place.name for place in found[:5]) or "none"
        raise ReadError(
            f"{path}: one experiment must be in it, found {names}; unpack it and give "
            "one folder"
        )
    return found[0]


def _experiment(path: Path) -> tuple[Path, int | None]:
    """Return the folder of the experiment, and the processing that a path names."""
    if path.name in _PARTS and not path.is_dir():
        path = path.parent
    if path.parent.name == "pdata" and path.name.isdigit():
        return path.parent.parent, int(path.name)
    return (path.parent if path.name == "pdata" else path), None


def _is_experiment(folder: Path) -> bool:
    """Return whether a folder holds what an experiment is made of."""
    return (folder / "pdata").is_dir() or any(
        (folder / name).is_file() for name in ("acqus", *_RAW)
    )


def _need(path: Path) -> Path:
    """Return a file that must be there."""
    if not path.is_file():
        raise ReadError(
            f"{path}: is missing, and nothing can be read without it; copy the whole "
            "folder of the experiment"
        )
    return path


def _acquired(folder: Path) -> tuple[dict[str, str], str]:
    """Return the acquisition parameters, or none and a remark."""
    if (folder / "acqus").is_file():
        return read_parameters(folder / "acqus"), ""
    return {}, "There is no acqus: nucleus, frequency and delays are not known."


def _processing(folder: Path, procno: int | None) -> Path:
    """Return the folder of a processing, the first unless one is asked for."""
    found = sorted(
        int(place.name)
        for place in (folder / "pdata").glob("*")
        if place.name.isdigit()
        and any((place / name).is_file() for name in ("1r", "2rr"))
    )
    if not found:
        raise ReadError(
            f"{folder}: holds no processed spectrum (pdata/N/1r or 2rr); read its "
            "decay with read_decay, or its plain transform with raw=True"
        )
    if procno is not None and procno not in found:
        there = ", ".join(str(place) for place in found)
        raise ReadError(f"{folder}: no processing {procno}; there is {there}")
    return folder / "pdata" / str(found[0] if procno is None else procno)


def _title(place: Path) -> str:
    """Return the title; empty where there is none."""
    return read_text(place / "title") if (place / "title").is_file() else ""


def _axis(procs: Path, processed: Mapping[str, str]) -> Floats:
    """Return the shift of each point, ppm, descending."""
    points = int(need_number(processed, "SI", procs))
    first = need_number(processed, "OFFSET", procs)
    frequency = need_number(processed, "SF", procs)
    width = need_number(processed, "SW_p", procs)
    if points < 1 or frequency <= 0.0 or width <= 0.0:
        raise ReadError(f"{procs}: SI, SF or SW_p is not positive; process it again")
    return first - width / frequency * np.arange(points) / points


def _read_1d(
    path: Path, place: Path, processed: Mapping[str, str], header: NmrHeader
) -> RawNmrSpectrum:
    """Return one processed spectrum."""
    shift = _axis(place / "procs", processed)
    imaginary = None
    if (place / "1i").is_file():
        imaginary = -read_plane(place / "1i", processed, None)
    return RawNmrSpectrum(
        path=path,
        data_file=place / "1r",
        shift=shift,
        intensity=read_plane(place / "1r", processed, None),
        imaginary=imaginary,
        header=header,
    )


def _read_2d(
    path: Path,
    places: tuple[Path, Path],
    processed: Mapping[str, str],
    header: NmrHeader,
) -> RawNmrSpectrum:
    """Return the processed spectra of a series of delays."""
    folder, place = places
    table = read_plane(
        place / "2rr", processed, read_parameters(_need(place / "proc2s"))
    )
    measured = np.flatnonzero(np.any(table, axis=1))
    rows = int(measured[-1]) + 1 if measured.size else table.shape[0]
    if (folder / "acqu2s").is_file():
        announced = number(read_parameters(folder / "acqu2s"), "TD")
        rows = min(rows, int(announced)) if announced else rows
    delay, said = _delays(folder, rows)
    return RawNmrSpectrum(
        path=path,
        data_file=place / "2rr",
        shift=_axis(place / "procs", processed),
        intensity=table[:rows],
        delay=delay,
        header=add_remarks(header, said),
    )


def _delays(folder: Path, rows: int) -> tuple[Floats, str]:
    """Return the delay of each row, s, and a remark."""
    path = folder / "vdlist"
    if not path.is_file():
        raise ReadError(
            f"{path}: is missing, so its {rows} rows have no delays; only series of "
            "delays are read, no other two-dimensional spectra"
        )
    delays = read_delays(path)
    if delays.size < rows:
        raise ReadError(
            f"{path}: {delays.size} delays for {rows} rows; complete the list"
        )
    if delays.size == rows:
        return delays, ""
    return delays[:rows], (
        f"vdlist has {delays.size} delays for {rows} rows; the first {rows} were taken."
    )


def read_delays(path: Path) -> Floats:
    """Return the delays of a list, **s**; one a line, with the units s, m, u or n.

    Raises
    ------
    ReadError
        A line that is no delay; names it. Or none at all.
    """
    delays = []
    for place, line in enumerate(read_text(path).splitlines(), start=1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        match = _DELAY.fullmatch(text)
        if match is None or float(match[1]) < 0.0:
            raise ReadError(
                f"{path}: line {place}: {text[:20]!r} is no delay; write it such as "
                "1.5, 20m or 500u"
            )
        delays.append(float(match[1]) * _SECONDS[match[2]])
    if not delays:
        raise ReadError(f"{path}: holds no delay; copy the folder again")
    return np.array(delays)
