"""PANalytical ``.xrdml`` (schemas 1.0 to 2.x).

Returns ``intensity`` in counts, ``wavelength`` (K-alpha-1) and ``counting_time``.
``<counts>`` are as recorded: where ``beamAttenuationFactors`` are not all 1 they are
multiplied in, and ``intensity_std`` is the factor times the root of the count;
``<intensities>`` are taken as corrected already. attrs: ``anode``,
``wavelength_alpha2``, ``alpha2_ratio``, ``scan``, ``n_scans``, ``scan_axis``.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from structkit.errors import DataQualityWarning, ReadError
from structkit.io.columns import Columns, to_pattern
from structkit.schema import COUNTS, COUNTS_PER_SECOND

_UNITS = {"counts": COUNTS, "cps": COUNTS_PER_SECOND}
_TWO_THETA_SCANS = ("gonio", "2theta", "2theta-theta", "2theta-omega", "omega-2theta")


class XrdmlReader:
    """PANalytical Empyrean, X'Pert and Aeris scans."""

    name = "panalytical-xrdml"
    suffixes = (".xrdml", ".xml")

    def sniff(self, path: Path) -> bool:
        """Return whether the root element is named as in .xrdml."""
        return b"<xrdMeasurements" in path.read_bytes()[:4096]

    def read(self, path: Path, *, scan: int | None = None) -> xr.Dataset:
        """Return one scan, the first unless ``scan`` says another.

        Raises
        ------
        ReadError
            Broken XML, an area measurement, a scan that is not along two-theta or
            not there, columns of unequal length, and what ``to_pattern`` refuses.
        """
        root = _parse(path)
        scans = [s for s in root.iter("scan") if s.find("dataPoints") is not None]
        if not scans:
            raise ReadError(f"{path}: no scan with data points; export it again")
        if scan is None and len(scans) > 1:
            _check_several(root, scans, path)
        index = 1 if scan is None else scan
        if not 1 <= index <= len(scans):
            raise ReadError(f"{path}: no scan {scan} among {len(scans)}")
        columns = _columns(root, scans[index - 1], path)
        return to_pattern(columns).assign_attrs(scan=index, n_scans=len(scans))


def _parse(path: Path) -> ElementTree.Element:
    """Return the root element, names without their namespace."""
    try:
        # expat limits entity expansion since 2.4.1, older than any Python served
        root = ElementTree.parse(path).getroot()  # noqa: S314
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise ReadError(
            f"{path}: broken XML ({error}); copy the file from the instrument again"
        ) from error
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def _check_several(
    root: ElementTree.Element, scans: list[ElementTree.Element], path: Path
) -> None:
    """Refuse an area measurement, warn of a repeated scan."""
    measurement = root.find("xrdMeasurement")
    kind = "" if measurement is None else measurement.get("measurementType", "")
    if kind == "Area measurement":
        raise ReadError(
            f"{path}: an area measurement of {len(scans)} scans, not a powder "
            f"pattern; give scan=1..{len(scans)} to read one of them"
        )
    warnings.warn(
        f"{path.name}: {len(scans)} scans; the first was read, give scan= for another",
        DataQualityWarning,
        stacklevel=4,
    )


def _columns(
    root: ElementTree.Element, scan: ElementTree.Element, path: Path
) -> Columns:
    """Return the columns of one scan."""
    axis = scan.get("scanAxis", "")
    if axis.lower() not in _TWO_THETA_SCANS:
        raise ReadError(
            f"{path}: the scan runs along {axis!r}, not two-theta; choose another scan"
        )
    recorded, units, factor = _intensity(scan, path)
    corrected = recorded * factor if scan.find(".//counts") is not None else recorded
    esd = None
    if np.any(factor != 1.0):
        esd = factor * np.sqrt(np.maximum(corrected / factor, 1.0))
    return Columns(
        path=path,
        two_theta=_two_theta(scan, recorded.size, path),
        intensity=corrected,
        intensity_std=esd,
        units=units,
        wavelength=_number(root, ".//usedWavelength/kAlpha1"),
        counting_time=_number(scan, ".//commonCountingTime"),
        attrs=_attrs(root, axis),
    )


def _intensity(
    scan: ElementTree.Element, path: Path
) -> tuple[NDArray[np.float64], str | None, NDArray[np.float64]]:
    """Return recorded values, their units, and attenuation factors."""
    element = scan.find(".//counts")
    if element is None:
        element = scan.find(".//intensities")
    if element is None:
        raise ReadError(f"{path}: the scan has no intensities; export it again")
    values = _numbers(element.text, path)
    factors = scan.find(".//beamAttenuationFactors")
    factor = np.ones_like(values) if factors is None else _numbers(factors.text, path)
    if factor.size != values.size:
        raise ReadError(
            f"{path}: {factor.size} attenuation factors for {values.size} points; "
            "export the file again"
        )
    return values, _UNITS.get(element.get("unit", "")), factor


def _two_theta(
    scan: ElementTree.Element, n_points: int, path: Path
) -> NDArray[np.float64]:
    """Return the angles: a list, or start and end of a constant step."""
    positions = scan.find(".//positions[@axis='2Theta']")
    if positions is None:
        raise ReadError(f"{path}: the scan has no 2Theta positions; choose another")
    listed = positions.find("listPositions")
    if listed is not None:
        angles = _numbers(listed.text, path)
        if angles.size != n_points:
            raise ReadError(
                f"{path}: {angles.size} positions for {n_points} intensities; export "
                "the file again"
            )
        return angles
    start, end = (_number(positions, name) for name in ("startPosition", "endPosition"))
    if start is None or end is None:
        raise ReadError(f"{path}: 2Theta does not vary in this scan; choose another")
    return np.linspace(start, end, n_points)


def _numbers(text: str | None, path: Path) -> NDArray[np.float64]:
    """Return numbers from the text of an element."""
    try:
        return np.array((text or "").split(), dtype=float)
    except ValueError as error:
        raise ReadError(f"{path}: {error}; export the file again") from error


def _number(element: ElementTree.Element, query: str) -> float | None:
    """Return one number from the tree; None when it is absent."""
    text = element.findtext(query)
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def _attrs(root: ElementTree.Element, axis: str) -> dict[str, str | int | float]:
    """Return what else the file says."""
    attrs: dict[str, str | int | float] = {
        "anode": root.findtext(".//anodeMaterial") or "",
        "scan_axis": axis,
    }
    for name, query in (
        ("wavelength_alpha2", ".//usedWavelength/kAlpha2"),
        ("alpha2_ratio", ".//usedWavelength/ratioKAlpha2KAlpha1"),
    ):
        value = _number(root, query)
        if value is not None:
            attrs[name] = value
    return attrs
