"""HORIBA LabSpec XML (``LSX_Data``): single spectra, line scans, maps.

The numbers of each spectrum are an ``LSX_Row``; axes and settings stand in a tree
whose nodes are known by hexadecimal ids. Rows run through the axes beyond the spectral
one, the first of them fastest. The axis is often in nm; the header's laser is the
measured wavelength, as 632.817 nm, not the label beside it.

Returns what :mod:`structkit.io.spectrum_readers.labspec_text` does.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from structkit.errors import ReadError
from structkit.io.blocks import choose_block
from structkit.io.raw_spectra import RawSpectra, recognise_axis, recognise_intensity
from structkit.io.spectrum_readers.labspec_header import interpret_header
from structkit.schema import TIME

Floats = NDArray[np.float64]

_AXES, _TYPE, _UNIT, _VALUES = "0x7B697861", "0x6D707974", "0x7C696E75", "0x7D6CD4DB"
_NAME, _VALUE, _EXACT = "0x6D6D616E", "0x7D6C61DB", "0x8736F70"
_COORDINATE = {"x": "position_x", "y": "position_y", "z": "position_z", "time": TIME}


class LabspecXmlReader:
    """LabSpec 6 XML exports."""

    name = "labspec-xml"
    suffixes = (".xml",)

    def sniff(self, path: Path) -> bool:
        """Return whether the root element is LabSpec's."""
        return b"<LSX_Data" in path.read_bytes()[:1024]

    def read(self, path: Path, *, block: int | None = None) -> RawSpectra:
        """Return all spectra of the file.

        Raises
        ------
        ReadError
            Broken XML, no axis or no numbers, rows that do not fit the axis.
        """
        root = _parse(path)
        choose_block([root], block, path)
        intensity = _rows(root, path)
        spectral, others = _axes(root, path)
        axis = _numbers(_text(spectral, _VALUES), path)
        if axis.size != intensity.shape[1]:
            raise ReadError(
                f"{path}: an axis of {axis.size} points for rows of "
                f"{intensity.shape[1]}; export the file again"
            )
        settings = _settings(root)
        facts = interpret_header(settings)
        coords = _spot_coords(others, intensity.shape[0], path)
        for name, place in facts.positions.items():
            if name not in coords:
                coords[name] = np.full(intensity.shape[0], place)
        measured = root.find(f".//LSX[@ID='{_AXES}']/LSX[@ID='0x0']")
        units = "" if measured is None else _text(measured, _UNIT)
        try:
            axis_unit = recognise_axis(_text(spectral, _UNIT))
        except ReadError as error:
            raise ReadError(f"{path}: {error}") from None
        return RawSpectra(
            path=path,
            axis=axis,
            intensity=intensity,
            axis_unit=axis_unit,
            units=recognise_intensity(units),
            laser_nm=facts.laser_nm,
            scalars=facts.scalars,
            spot_coords=coords,
            smoothed=facts.smoothed,
            baseline_subtracted=facts.baseline_subtracted,
            remarks=facts.remarks,
            attrs=facts.attrs,
        )


def _parse(path: Path) -> ElementTree.Element:
    """Return the root element."""
    try:
        # expat limits entity expansion since 2.4.1, older than any Python served
        return ElementTree.parse(path).getroot()  # noqa: S314
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise ReadError(
            f"{path}: broken XML ({error}); export it from LabSpec again"
        ) from error


def _text(element: ElementTree.Element, node: str) -> str:
    """Return the text of the child with an id, empty where there is none."""
    return (element.findtext(f"LSX[@ID='{node}']") or "").strip()


def _numbers(text: str, path: Path) -> Floats:
    """Return numbers separated by white space."""
    try:
        return np.array(text.split(), dtype=float)
    except ValueError as error:
        raise ReadError(f"{path}: {error}; export the file again") from error


def _rows(root: ElementTree.Element, path: Path) -> Floats:
    """Return the intensity of every spectrum."""
    rows = [_numbers(row.text or "", path) for row in root.iter("LSX_Row")]
    if not rows or rows[0].size == 0:
        raise ReadError(f"{path}: no LSX_Row with numbers; export the file again")
    if len({row.size for row in rows}) > 1:
        raise ReadError(f"{path}: rows of unequal length; export the file again")
    return np.stack(rows)


def _axes(
    root: ElementTree.Element, path: Path
) -> tuple[ElementTree.Element, list[ElementTree.Element]]:
    """Return the spectral axis and the axes of the spots, in their order."""
    axes = root.findall(f".//LSX[@ID='{_AXES}']/LSX")
    spectral = [axis for axis in axes if _text(axis, _TYPE) == "Spectr"]
    if not spectral:
        raise ReadError(f"{path}: no spectral axis; export a spectrum from LabSpec")
    rest = [a for a in axes if _text(a, _TYPE) not in ("Spectr", "Intens")]
    return spectral[0], rest


def _spot_coords(
    axes: list[ElementTree.Element], n_spots: int, path: Path
) -> dict[str, Floats]:
    """Return the coordinates of every row; none where the axes do not fit."""
    values = [_numbers(_text(axis, _VALUES), path) for axis in axes]
    if int(np.prod([v.size for v in values])) != n_spots:
        return {}
    grids = np.meshgrid(*reversed(values), indexing="ij")[::-1] if values else []
    coords = {}
    for axis, grid in zip(axes, grids, strict=True):
        name = _COORDINATE.get(_text(axis, _TYPE).lower())
        if name is not None:
            coords[name] = grid.ravel()
    return coords


def _settings(root: ElementTree.Element) -> dict[str, str]:
    """Return every named value of the tree, the exact number for the laser."""
    settings: dict[str, str] = {}
    for element in root.iter("LSX"):
        name = _text(element, _NAME)
        if not name:
            continue
        exact = _text(element, _EXACT)
        is_laser = name.lower().startswith("laser (")
        settings.setdefault(
            name, exact if is_laser and exact else _text(element, _VALUE)
        )
    return settings
