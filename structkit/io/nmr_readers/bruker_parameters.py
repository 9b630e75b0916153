"""Parameters of Bruker's files: ``##$NAME= value``, and what they mean.

Lists stand as ``(0..63)`` with their numbers in the lines below, texts in ``<>``.

Found of what they declare: ``GRPDLY`` is the delay of the digital filter in points; -1
says to look it up by ``DSPFVS`` and ``DECIM`` (firmware 10 to 13); ``DIGMOD`` 0 has no
such filter. ``TE`` 0 or below is no temperature, nor is one that no common probe
reaches. ``SF`` far from ``SFO1`` is left over from another experiment.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from structkit.errors import ReadError
from structkit.io.number_text import read_text
from structkit.io.raw_nmr import REFERENCE_RANGE, Attrs, NmrHeader

Parameters = Mapping[str, str]

_ENTRY = re.compile(r"^##(\$?[^=]*)=(.*)$")
_HOTTEST_K = 600.0
"""Where all but special probes end."""
_TEXT_ATTRS = {
    "PULPROG": "pulse_program",
    "SOLVENT": "solvent",
    "PROBHD": "probe",
    "INSTRUM": "instrument",
}
_NUMBER_ATTRS = {
    "PHC0": "vendor_phase0",
    "PHC1": "vendor_phase1",
    "LB": "vendor_line_broadening",
}


def read_parameters(path: Path) -> dict[str, str]:
    """Return the parameters of ``acqus``, ``procs`` and their like as text.

    Raises
    ------
    ReadError
        The file cannot be read or holds no parameter.

    """
    try:
        lines = read_text(path).splitlines()
    except OSError as error:
        raise ReadError(f"{path}: cannot be read ({error.strerror})") from error
    parameters = collect_parameters(lines)
    if not parameters:
        raise ReadError(f"{path}: holds no ##$ parameter; copy the folder again")
    return parameters


def collect_parameters(lines: list[str]) -> dict[str, str]:
    """Return the ``##$`` parameters among lines; those of lists with their numbers.

    Examples
    --------
    >>> collect_parameters(["##$NUC1= <23Na>", "##$D= (0..1)", "0 15"])
    {'NUC1': '23Na', 'D': '(0..1) 0 15'}
    """
    parameters: dict[str, str] = {}
    name = ""
    for line in lines:
        match = _ENTRY.match(line)
        if match is not None:
            name = match[1].removeprefix("$").strip() if match[1][:1] == "$" else ""
            if name:
                parameters[name] = match[2].strip()
        elif name and not line.startswith("$$"):
            parameters[name] = f"{parameters[name]} {line.strip()}"
    return {
        key: value[1:-1].strip() if value[:1] + value[-1:] == "<>" else value
        for key, value in parameters.items()
    }


def number(parameters: Parameters, name: str) -> float | None:
    """Return a parameter as a number; None where it is absent or none."""
    try:
        return float(parameters[name])
    except (KeyError, ValueError):
        return None


def need_number(parameters: Parameters, name: str, path: Path) -> float:
    """Return a parameter that must be there.

    Raises
    ------
    ReadError
        It is absent, or no number.
    """
    value = number(parameters, name)
    if value is None:
        said = parameters.get(name)
        what = "is missing" if said is None else f"is {said[:20]!r}, no number"
        raise ReadError(f"{path}: ##${name} {what}; copy the folder again")
    return value


def list_item(parameters: Parameters, name: str, index: int) -> float | None:
    """Return one number of a list; None where it is absent."""
    words = parameters.get(name, "").partition(")")[2].split()
    try:
        return float(words[index])
    except (IndexError, ValueError):
        return None


def find_group_delay(parameters: Parameters) -> float:
    """Return the delay of the digital filter in points.

    Raises
    ------
    ReadError
        A filter without ``GRPDLY`` whose firmware and decimation are not tabulated.
    """
    declared = number(parameters, "GRPDLY")
    if declared is not None and declared >= 0.0:
        return declared
    if number(parameters, "DIGMOD") in (None, 0.0):
        return 0.0
    firmware, decimation = number(parameters, "DSPFVS"), number(parameters, "DECIM")
    if decimation in (None, 0.0, 1.0) or not firmware:
        return 0.0
    from nmrglue.fileio.bruker import bruker_dsp_table

    try:
        return float(bruker_dsp_table[int(firmware)][int(decimation or 0)])
    except KeyError:
        raise ReadError(
            f"no delay is tabulated for a digital filter of DSPFVS {firmware:g}, DECIM "
            f"{decimation:g}; give the processed spectrum"
        ) from None


def make_header(acquired: Parameters, processed: Parameters, title: str) -> NmrHeader:
    """Return what acquisition and processing parameters declare."""
    carrier, reference = number(acquired, "SFO1"), number(processed, "SF")
    scans = number(acquired, "NS")
    temperature, remarks = _judge_temperature(number(acquired, "TE"))
    if reference and carrier and abs(reference / carrier - 1.0) > REFERENCE_RANGE:
        remarks.append(
            f"SF {reference:.3f} MHz is far from the frequency {carrier:.3f} MHz: it "
            "belongs to another experiment, and 0 ppm was put at BF1."
        )
    attrs: Attrs = {
        key: acquired[name] for name, key in _TEXT_ATTRS.items() if acquired.get(name)
    }
    for name, key in _NUMBER_ATTRS.items():
        value = number(processed, name)
        if value is not None:
            attrs[key] = value
    used = number(processed, "TDeff")
    if used:
        attrs["vendor_points"] = int(used) // 2
    nucleus = acquired.get("NUC1", "")
    return NmrHeader(
        nucleus="" if nucleus.lower() == "off" else nucleus,
        carrier_frequency=carrier or None,
        base_frequency=number(acquired, "BF1") or None,
        reference_frequency=reference or None,
        mas_rate=number(acquired, "MASR") or None,
        recycle_delay=list_item(acquired, "D", 1) or None,
        temperature=temperature,
        scans=int(scans) if scans else None,
        title=title.strip(),
        attrs=attrs,
        remarks=tuple(remarks),
    )


def _judge_temperature(declared: float | None) -> tuple[float | None, list[str]]:
    """Return ``TE`` where it can be a sample's, K, and what to say where it cannot."""
    if declared is None or declared == 0.0:
        return None, []
    if declared < 0.0:
        return None, [f"TE {declared:g} K is no temperature."]
    if declared > _HOTTEST_K:
        return None, [
            f"TE {declared:g} K is hotter than probes get and was left out: the "
            "temperature is not known."
        ]
    return declared, []
