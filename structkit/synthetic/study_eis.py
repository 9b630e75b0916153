"""Impedance and polarization of the powders of a whole series, and their truth."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import xarray as xr

from structkit.schema import SAMPLE
from structkit.synthetic.eis import (
    LEAKAGE_A,
    SERIES_C,
    VOLTAGE_V,
    EisStudy,
    eis_stream,
    simulate_pellets,
)
from structkit.synthetic.eis_files import FOLDER, series_file, write_eis_study
from structkit.synthetic.eis_truth import EisAdversary, EisTruth
from structkit.synthetic.whole_samples import SeriesSample, find_warmed

_ROOM_C = 25.0
_DIAMETER_STD = 0.005
_THICKNESS_STD = math.hypot(0.01, 0.02)
_MASS_STD, _DENSITY_STD = 0.005, 0.03
_SHORT_STD_OHM = 0.1
_LEAKAGE_STD_A = 1e-11


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EisPart:
    """What impedance adds to a series file."""

    block: str
    """Table ``[eis]``."""
    keys: Mapping[str, list[str]]
    """Sample -> lines of its table."""
    known: xr.Dataset
    """What is true, :class:`structkit.synthetic.eis.EisStudy`."""


def write_study_eis(
    folder: Path,
    samples: Sequence[SeriesSample],
    *,
    truth: EisTruth,
    seed: int,
    adversary: EisAdversary | None = None,
    temperatures_c: Sequence[float] = SERIES_C,
) -> EisPart:
    """Write impedance of each sample, a temperature series and a polarization run.

    All pellets were measured in one cell, whose short was measured once.

    Parameters
    ----------
    folder : Path
        Of the series file.
    samples : sequence of SeriesSample
        Those that impedance measures; the one milled 4 h, or the last, has the series
        and the run.
    truth : EisTruth
        Conductivities.
    seed : int
        Of pellets, cell and noise.
    adversary : str, optional
        What misleads the reader of impedance alone.
    temperatures_c : sequence of float
        Set points of the series, **C**.

    Raises
    ------
    OutputError
        The folder cannot be written.
    """
    study = simulate_pellets(
        {one.name: (one.sample.time_h, one.species) for one in samples},
        truth=truth,
        seed=seed,
        adversary=adversary,
        temperatures_c=temperatures_c,
        warmed=find_warmed(samples),
        one_cell=True,
    )
    write_eis_study(study, folder)
    keys = {name: _list_keys(study, name) for name in study.sweeps}
    return EisPart(block=_block(study, seed), keys=keys, known=study.truth)


def _block(study: EisStudy, seed: int) -> str:
    """Return ``[eis]``: the die and the short of the cell."""
    own = study.truth.isel({SAMPLE: 0})
    diameter = float(own["measured_diameter"])
    error = _SHORT_STD_OHM * float(eis_stream(seed, "short").standard_normal())
    short = max(float(own["lead_resistance"]) + error, 0.0)
    return (
        f"[eis]\ndiameter_mm = {diameter:g}\n"
        f"diameter_std_mm = {_DIAMETER_STD * diameter:g}\n"
        f"short_cell = {{ resistance_ohm = {short:.3f}, "
        f"resistance_std_ohm = {_SHORT_STD_OHM:g} }}"
    )


def _list_keys(study: EisStudy, name: str) -> list[str]:
    """Return the lines of one sample."""
    entries = [f'{{ file = "{FOLDER}/{name}.DTA", temperature = {_ROOM_C:g} }}']
    lines = [f"pellet = {{ {_pellet(study.truth.sel({SAMPLE: name}))} }}"]
    if name == study.truth.attrs["series_sample"]:
        entries += [
            f'{{ file = "{FOLDER}/{series_file(name, sweep)}" }}'
            for sweep in study.series
        ]
        lines.append(
            f'dc = {{ file = "{FOLDER}/{name}_dc.DTA", voltage = {VOLTAGE_V:g}, '
            f"temperature = {_ROOM_C:g}, leakage_a = {LEAKAGE_A:g}, "
            f"leakage_std_a = {_LEAKAGE_STD_A:g} }}"
        )
    return [*lines, "eis = [\n" + "".join(f"  {one},\n" for one in entries) + "]"]


def _pellet(own: xr.Dataset) -> str:
    """Return a pellet as the operator wrote it down."""
    values = {
        "thickness_mm": ("measured_thickness", _THICKNESS_STD, "thickness_std_mm"),
        "mass_mg": ("measured_mass", _MASS_STD, "mass_std_mg"),
        "density_g_cm3": ("measured_density", _DENSITY_STD, "density_std_g_cm3"),
    }
    parts = []
    for key, (name, relative, std_key) in values.items():
        value = float(own[name])
        parts.append(f"{key} = {value:.4g}, {std_key} = {relative * value:.2g}")
    return ", ".join(parts)
