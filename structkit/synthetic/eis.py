"""Synthetic impedance spectra and polarization runs of a study, with known truth.

The pellet is a relaxation after Havriliak and Negami, or a log-normal spread of
relaxation times, not the R||CPE of the fitter; electrodes block; leads, stray
capacitance, noise and what the operator measured of the pellet stand around it. The
current of a polarization run falls as a stretched exponential. Nothing is shared with
:mod:`structkit.eis`.

The truth is a Dataset over ``sample`` (and ``temperature``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from zlib import crc32

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from structkit.schema import MILLING_TIME, SAMPLE, TEMPERATURE, label
from structkit.schema.impedance import make_impedance, make_polarization
from structkit.synthetic.eis_truth import (
    DIAMETER_MM,
    ROOM_K,
    Cell,
    EisAdversary,
    EisTruth,
    check_eis_adversary,
    leak_of,
)
from structkit.synthetic.mixture import LABEL
from structkit.synthetic.species import Species, share_out
from structkit.synthetic.study_truth import StudyTruth, fill, without_oxide

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]

CONTROL = "NTC-4"
"""NaCl + TaCl5 milled 4 h without Na2O."""
CONTROL_TIME_H = 4.0
TIMES_H = (1.0, 2.0, 4.0, 6.0)
SERIES_C = tuple(range(-15, 56, 10))
"""Set points of the temperature series, C."""
SERIES_SAMPLE = "4h"
VOLTAGE_V = 0.1
LEAKAGE_A = 2e-11
"""Of the instrument, in every polarization run, **A**."""
_VACUUM = 8.8541878128e-14
_NODES = 24
_RUN_S, _STEP_S = 7200.0, 10.0
_CURRENT_NOISE_A = 3e-12
_CURRENT_NOISE = 2e-3
_CHAMBER_STD_K = 0.3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EisStudy:
    """What was measured of one study, and what is true of it."""

    sweeps: dict[str, xr.Dataset]
    """Impedance of each sample at 25 C (:mod:`structkit.schema.impedance`)."""
    series: tuple[xr.Dataset, ...]
    """The same of sample ``4h`` at the set points, coldest first."""
    run: xr.Dataset
    """Polarization of ``4h``."""
    truth: xr.Dataset
    """Over ``sample``: ``conductivity``, ``resistance``, ``thickness``,
    ``measured_thickness``, ``measured_lead``, ``measured_mass``,
    ``measured_density``, ...; over ``temperature``: ``series_conductivity``.
    Scalars: ``activation_energy``, ``electronic_conductivity``."""


def frequency_grid(*, per_decade: int = 10) -> Floats:
    """Return the frequencies of a sweep, 0.1 Hz to 5 MHz, ascending, **Hz**."""
    decades = np.log10(5e6 / 0.1)
    return np.geomspace(0.1, 5e6, round(decades * per_decade) + 1)


def sample_impedance(
    frequency: Floats, cell: Cell, *, resistance: float, capacitance: float
) -> Complexes:
    """Return the impedance of pellet, electrodes and cell without noise.

    Parameters
    ----------
    frequency : ndarray, shape (n_points,)
        **Hz**.
    cell : Cell
        All around the pellet.
    resistance : float
        Of the ions in the pellet, **ohm**.
    capacitance : float
        Of the pellet, **F**.

    Returns
    -------
    ndarray of complex, shape (n_points,)
        **ohm**.

    References
    ----------
    Havriliak and Negami, 1967, 10.1016/0032-3861(67)90021-3.
    """
    omega = 2j * np.pi * np.asarray(frequency, dtype=float)
    tau = resistance * capacitance
    if cell.spread > 0.0:
        node, weight = np.polynomial.hermite_e.hermegauss(_NODES)
        times = tau * np.exp(cell.spread * node)
        relaxed = 1.0 / (1.0 + np.outer(omega, times)) @ (weight / weight.sum())
    else:
        alpha, beta = cell.dispersion
        relaxed = 1.0 / (1.0 + (omega * tau) ** alpha) ** beta
    q, n = cell.electrode
    ions = resistance * relaxed + 1.0 / (q * omega**n)
    admittance = 1.0 / ions + cell.electronic + omega * cell.stray_f
    return np.asarray(1.0 / admittance + cell.lead_ohm + omega * cell.inductance_h)


def simulate_sweep(
    cell: Cell,
    *,
    sigma: float,
    diameter_mm: float,
    permittivity: float,
    rng: np.random.Generator,
    temperature: float = ROOM_K,
    frequency: Floats | None = None,
) -> xr.Dataset:
    """Simulate one sweep.

    Parameters
    ----------
    cell : Cell
        Pellet and cell.
    sigma : float
        True conductivity at that temperature, **S cm-1**.
    diameter_mm : float
        True diameter, **mm**.
    permittivity : float
        Relative.
    rng : numpy.random.Generator
        Of the noise.
    temperature : float
        As read, **K**.
    frequency : ndarray, optional
        **Hz**; default :func:`frequency_grid`.

    Returns
    -------
    xarray.Dataset
        As :mod:`structkit.schema.impedance`.
    """
    grid = frequency_grid() if frequency is None else frequency
    constant = cell.constant(diameter_mm)
    resistance = constant / sigma
    clean = sample_impedance(
        grid,
        cell,
        resistance=resistance,
        capacitance=permittivity * _VACUUM / constant,
    )
    std = np.hypot(cell.noise * np.abs(clean), cell.noise_floor * resistance)
    noise = rng.standard_normal((2, grid.size))
    return make_impedance(
        grid,
        clean + std * (noise[0] + 1j * noise[1]),
        scalars={TEMPERATURE: temperature},
        attrs={"label": LABEL},
    )


def simulate_run(
    cell: Cell,
    *,
    electronic: float,
    diameter_mm: float,
    rng: np.random.Generator,
    voltage: float = VOLTAGE_V,
) -> xr.Dataset:
    """Simulate a polarization run of two hours.

    Parameters
    ----------
    cell : Cell
        Pellet.
    electronic : float
        Conductivity of the electrons, **S cm-1**.
    diameter_mm : float
        True diameter, **mm**.
    rng : numpy.random.Generator
        Of transient and noise.
    voltage : float
        **V**.

    Returns
    -------
    xarray.Dataset
        Polarization run (:mod:`structkit.schema.impedance`); its current ends at
        ``sigma_e V A / L`` and :data:`LEAKAGE_A`.
    """
    steady = electronic * voltage / cell.constant(diameter_mm) + LEAKAGE_A
    time = np.arange(0.0, _RUN_S, _STEP_S)
    times = rng.uniform([20.0, 150.0], [60.0, 400.0])
    sizes = steady * np.exp(rng.uniform(np.log(2.0), np.log(30.0), size=2))
    stretch = rng.uniform(0.75, 1.0, size=2)
    ions = sum(
        size * np.exp(-((time / one) ** power))
        for size, one, power in zip(sizes, times, stretch, strict=True)
    )
    clean = steady + ions
    std = np.hypot(_CURRENT_NOISE_A, _CURRENT_NOISE * clean)
    return make_polarization(
        time,
        clean + std * rng.standard_normal(time.size),
        voltage=np.full(time.size, voltage),
        scalars={TEMPERATURE: ROOM_K},
        attrs={"label": LABEL},
    )


def eis_stream(seed: int, name: str) -> np.random.Generator:
    """Return the random numbers of one purpose."""
    return np.random.default_rng([seed, crc32(f"eis {name}".encode())])


def draw_study(seed: int) -> StudyTruth:
    """Return the amounts and the oxygen that the Raman series of a seed has."""
    return StudyTruth.draw(np.random.default_rng([seed, crc32(b"raman truth")]))


def list_species(study: StudyTruth) -> dict[str, tuple[float, Species]]:
    """Return milling time and compounds of each sample, the control first."""
    found = {CONTROL: (CONTROL_TIME_H, share_out(without_oxide(), oxygen=0.0))}
    for time in TIMES_H:
        made = share_out(fill(study, time), oxygen=study.oxygen(time))
        found[f"{time:g}h"] = (time, made)
    return found


def simulate_eis(
    seed: int,
    *,
    adversary: EisAdversary | None = None,
    truth: EisTruth | None = None,
    temperatures_c: Sequence[float] = SERIES_C,
) -> EisStudy:
    """Simulate all impedance and polarization of one study.

    Parameters
    ----------
    seed : int
        Of everything; amounts and oxygen are those of the Raman series of that seed.
    adversary : str, optional
        One of :data:`structkit.synthetic.eis_truth.EIS_ADVERSARIES`.
    truth : EisTruth, optional
        In place of the drawn one.
    temperatures_c : sequence of float
        Set points of the series of ``4h``, **C**. The sample is off by one error of
        1 K for the chamber and 0.3 K for each point (1 sigma).

    Returns
    -------
    EisStudy
        Measured and true.

    Raises
    ------
    PlanError
        An adversary that does not exist.
    """
    check_eis_adversary(adversary)
    truth = truth or EisTruth.draw(eis_stream(seed, "truth"), study=draw_study(seed))
    return simulate_pellets(
        list_species(truth.study),
        truth=truth,
        seed=seed,
        adversary=adversary,
        temperatures_c=temperatures_c,
    )


def simulate_pellets(
    powders: Mapping[str, tuple[float, Species]],
    *,
    truth: EisTruth,
    seed: int,
    adversary: EisAdversary | None = None,
    temperatures_c: Sequence[float] = SERIES_C,
    warmed: str = SERIES_SAMPLE,
    one_cell: bool = False,
) -> EisStudy:
    """Simulate impedance and polarization of any powders.

    Parameters
    ----------
    powders : mapping of str to tuple of float and Species
        Sample -> milling time, **h**, and compounds. Each has a stream of its own:
        another choice of samples changes none.
    truth : EisTruth
        Conductivities.
    seed : int
        Of pellets, cells and noise.
    adversary, temperatures_c
        As for :func:`simulate_eis`.
    warmed : str
        Sample of the temperature series and of the polarization run.
    one_cell : bool
        All pellets were measured in one cell: leads and stray capacitance are one.

    Returns
    -------
    EisStudy
        Measured and true.
    """
    holder = Cell.draw(eis_stream(seed, "cell"), truth=truth, adversary=adversary)
    sweeps, rows, cells = {}, [], {}
    for name, (time, species) in powders.items():
        chance = eis_stream(seed, f"sample {name}")
        cell = Cell.draw(chance, truth=truth, adversary=adversary)
        if one_cell:
            cell = _put_into(cell, holder)
        sigma = truth.conductivity(species, time_h=time)
        electronic = truth.electronic_conductivity
        if adversary == "electronic_leak":
            electronic = leak_of(sigma)
        conductance = electronic / cell.constant(truth.diameter_mm)
        cell = replace(cell, electronic=conductance)
        sweep = simulate_sweep(
            cell,
            sigma=sigma,
            diameter_mm=truth.diameter_mm,
            permittivity=truth.permittivity,
            rng=chance,
        )
        when = label(xr.DataArray(time), MILLING_TIME)
        sweeps[name] = sweep.assign_coords({MILLING_TIME: when})
        cells[name] = cell
        rows.append(_record(name, cell, (sigma, electronic), truth, chance))
    series, warm = _simulate_series(
        seed,
        truth,
        cells[warmed],
        powder=powders[warmed],
        temperatures_c=temperatures_c,
    )
    known = xr.concat(rows, dim=SAMPLE)
    run = simulate_run(
        cells[warmed],
        electronic=float(known["electronic_conductivity"].sel({SAMPLE: warmed})),
        diameter_mm=truth.diameter_mm,
        rng=eis_stream(seed, "run"),
    )
    known = known.merge(warm).assign_attrs(
        label=LABEL, adversary=adversary or "", series_sample=warmed
    )
    return EisStudy(sweeps=sweeps, series=series, run=run, truth=known)


def _put_into(cell: Cell, holder: Cell) -> Cell:
    """Return a pellet with the leads and the stray capacitance of another cell."""
    return replace(
        cell,
        lead_ohm=holder.lead_ohm,
        inductance_h=holder.inductance_h,
        stray_f=holder.stray_f,
    )


def _record(
    name: str,
    cell: Cell,
    sigmas: tuple[float, float],
    truth: EisTruth,
    rng: np.random.Generator,
) -> xr.Dataset:
    """Return what is true of one pellet, and what the operator wrote down."""
    constant = cell.constant(truth.diameter_mm)
    area = 0.1 * cell.thickness_mm / constant
    density = float(rng.uniform(2.6, 3.1))
    mass = 100.0 * density * area * cell.thickness_mm
    values = {
        "conductivity": (sigmas[0], "S cm-1"),
        "electronic_conductivity": (sigmas[1], "S cm-1"),
        "resistance": (constant / sigmas[0], "ohm"),
        "thickness": (cell.thickness_mm, "mm"),
        "measured_thickness": (cell.measured_thickness_mm, "mm"),
        "measured_diameter": (DIAMETER_MM, "mm"),
        "measured_mass": (mass * (1.0 + 0.005 * rng.standard_normal()), "mg"),
        "measured_density": (density * (1.0 + 0.03 * rng.standard_normal()), "g cm-3"),
        "lead_resistance": (cell.lead_ohm, "ohm"),
        "measured_lead": (cell.lead_ohm + 0.1 * rng.standard_normal(), "ohm"),
        "inductance": (cell.inductance_h, "H"),
        "stray_capacitance": (cell.stray_f, "F"),
        "noise": (cell.noise, "1"),
    }
    return xr.Dataset(
        {key: ((), value, {"units": units}) for key, (value, units) in values.items()}
    ).expand_dims({SAMPLE: [name]})


def _simulate_series(
    seed: int,
    truth: EisTruth,
    cell: Cell,
    *,
    powder: tuple[float, Species],
    temperatures_c: Sequence[float],
) -> tuple[tuple[xr.Dataset, ...], xr.Dataset]:
    """Return sweeps of one pellet at set points that the sample misses a little."""
    chance = eis_stream(seed, "series")
    time, species = powder
    read = np.asarray(temperatures_c, dtype=float) + 273.15
    offset = float(chance.standard_normal())
    real = read + offset + _CHAMBER_STD_K * chance.standard_normal(read.size)
    sigmas = [truth.conductivity(species, one, time_h=time) for one in real]
    sweeps = tuple(
        simulate_sweep(
            cell,
            sigma=sigma,
            diameter_mm=truth.diameter_mm,
            permittivity=truth.permittivity,
            rng=chance,
            temperature=float(one),
        )
        for sigma, one in zip(sigmas, read, strict=True)
    )
    kelvin = label(xr.DataArray(read, dims=TEMPERATURE), TEMPERATURE)
    energy = truth.activation_energy(species, read.tolist())
    known = xr.Dataset(
        {
            "series_conductivity": (TEMPERATURE, sigmas, {"units": "S cm-1"}),
            "sample_temperature": (TEMPERATURE, real, {"units": "K"}),
            "chamber_offset": ((), offset, {"units": "K"}),
            "activation_energy": ((), energy, {"units": "eV"}),
        },
        coords={TEMPERATURE: kelvin},
    )
    return sweeps, known
