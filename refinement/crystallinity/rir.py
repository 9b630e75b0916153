"""Reference intensity ratios: computed ones, and fractions from peaks (SCIENCE B6).

Descriptive checks beside a refinement: one peak says less than the whole pattern.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from structkit.errors import PlanError
from structkit.structures.attenuation import mass_attenuation
from structkit.structures.crystal import CrystalStructure
from structkit.structures.library import load
from structkit.xrd.instrument import Instrument
from structkit.xrd.reflections import (
    Reflections,
    list_reflections,
    lorentz_polarization,
    structure_factors,
)
from structkit.xrd.simulate import SimulatedPhase, simulate_phase

Floats = NDArray[np.float64]
REFERENCE = "corundum"
"""Phase of the library to which intensity ratios refer."""
_REFERENCE_HKL = [1, 1, 3]
_SHORTEST_D = 1.0
"""Least d (angstrom) at which a strongest line is looked for."""
_SAME_D = 1e-4
"""Relative difference of d up to which reflections are one line."""
_STRONG_D = 3.6, 1.55
"""Range of d (angstrom) that holds corundum's strong lines, 012 to 116."""
_STEP = 0.005
"""Grid of a simulated height, degree: a twentieth of a sharp line's width."""


def is_corundum(structure: CrystalStructure) -> bool:
    """Return whether a structure is corundum, by formula and space group."""
    return structure.formula == "Al2O3" and structure.space_group_number == 167


def at_rest(structure: CrystalStructure) -> CrystalStructure:
    """Return the structure with atoms that do not move (B = 0)."""
    sites = tuple(site.with_u_iso(0.0) for site in structure.sites)
    return replace(structure, sites=sites)


def line_rir(
    structure: CrystalStructure,
    instrument: Instrument,
    *,
    corundum: CrystalStructure | None = None,
    anomalous: bool = True,
) -> float:
    """Return I/I_c: the strongest line's integrated intensity over corundum's 113.

    Parameters
    ----------
    structure : CrystalStructure
        As it stands, with its displacement parameters; :func:`at_rest` of it and of
        corundum for values at B = 0.
    instrument : Instrument
        Wavelength and polarisation.
    corundum : CrystalStructure, optional
        By default the library's.
    anomalous : bool
        Include f' and f''. They change the ratio by some per cent; many published
        computed values leave them out.

    Returns
    -------
    float
        Dimensionless. Lines of the same d count as one.

    Notes
    -----
    In a 1:1 mixture by weight both phases see the same attenuation, and the intensity
    of a line is ``m |F|^2 LP / (M V)`` with the mass M and volume V of the cell.

    References
    ----------
    Chung (1974), J. Appl. Cryst. 7, 519, doi:10.1107/S0021889874010375.
    """
    _, own = _lines(structure, instrument, anomalous=anomalous)
    standard = corundum or load(REFERENCE)
    reference, strengths = _lines(standard, instrument, anomalous=anomalous)
    found = [
        number
        for number, equivalents in enumerate(reference.equivalents)
        if _REFERENCE_HKL in equivalents.tolist()
    ]
    return float(own.max() / strengths[found[0]])


def _lines(
    structure: CrystalStructure, instrument: Instrument, *, anomalous: bool
) -> tuple[Reflections, Floats]:
    """Return reflections, and the intensity per mass of the line each belongs to."""
    wavelength = instrument.radiation.wavelength
    reflections = list_reflections(structure, max(_SHORTEST_D, 0.501 * wavelength))
    squared = structure_factors(
        structure, reflections, wavelength=wavelength if anomalous else None
    )
    angles = reflections.two_theta(wavelength)
    polarized = lorentz_polarization(angles, instrument.polarization_ratio)
    single = reflections.multiplicity * squared * polarized
    single /= structure.cell_mass * structure.cell.volume
    d = reflections.d_spacing
    same = np.abs(d[:, None] - d[None, :]) < _SAME_D * d[:, None]
    return reflections, np.asarray(same @ single)


def height_rir(
    structure: CrystalStructure, instrument: Instrument, span: tuple[float, float]
) -> float:
    """Return the ratio of heights that a 1:1 mixture with corundum would show.

    Parameters
    ----------
    structure : CrystalStructure
        As it stands, with its displacement parameters.
    instrument : Instrument
        Emission lines and resolution: the heights are those of lines that only the
        instrument broadens.
    span : (float, float)
        First and last 2theta, **degree**: the structure's height is its largest
        between them.

    Returns
    -------
    float
        Its largest height there over corundum's largest anywhere (012 to 116).
    """
    wavelength = instrument.radiation.wavelength
    sines = [min(wavelength / (2.0 * d), 0.99) for d in _STRONG_D]
    strong = tuple(2.0 * float(np.degrees(np.arcsin(sine))) for sine in sines)
    own = _height(structure, instrument, span)
    return own / _height(load(REFERENCE), instrument, (strong[0], strong[1]))


def _height(
    structure: CrystalStructure, instrument: Instrument, span: tuple[float, float]
) -> float:
    """Return the largest height per mass between two angles."""
    grid = np.arange(span[0], span[1], _STEP)
    phase = SimulatedPhase(structure=structure)
    return float(simulate_phase(phase, instrument, grid).max())


def normalised_rir_fractions(intensities: Floats, rirs: Floats) -> Floats:
    """Return Chung's fractions: ``(I_p/RIR_p) / sum_c I_c/RIR_c``.

    Parameters
    ----------
    intensities : ndarray, shape (n_phases,)
        Of each phase's strongest line, in one unit.
    rirs : ndarray, shape (n_phases,)
        Their I/I_c.

    Returns
    -------
    ndarray, shape (n_phases,)
        Shares of the phases named, whose sum is 1 by construction: what has no line,
        or is left out, is not in them.

    Raises
    ------
    PlanError
        An RIR that is not positive, an intensity below zero, or none above.

    References
    ----------
    Chung (1974), J. Appl. Cryst. 7, 519, doi:10.1107/S0021889874010375.

    Examples
    --------
    >>> normalised_rir_fractions(np.array([300.0, 100.0]), np.array([3.0, 1.0]))
    array([0.5, 0.5])
    """
    _check(intensities, rirs)
    shares = np.asarray(intensities, dtype=float) / np.asarray(rirs, dtype=float)
    if not shares.sum() > 0.0:
        raise PlanError("intensities: at least one must be above zero")
    return np.asarray(shares / shares.sum())


def absolute_rir_fractions(
    intensities: Floats,
    rirs: Floats,
    *,
    corundum_intensity: float,
    mixture: str | Mapping[str, float],
    wavelength: float,
) -> Floats:
    """Return ``(I_p/RIR_p) (mu_m/mu_cor) / I_cor``: fractions of the whole sample.

    Parameters
    ----------
    intensities : ndarray, shape (n_phases,)
        Of each phase's strongest line.
    rirs : ndarray, shape (n_phases,)
        Their I/I_c.
    corundum_intensity : float
        Of the strongest line of pure corundum, measured with the same optics, tube
        and time.
    mixture : str or mapping of str to float
        What the sample is made of, as
        :func:`structkit.structures.attenuation.mass_attenuation` takes it.
    wavelength : float
        **Angstrom**.

    Returns
    -------
    ndarray, shape (n_phases,)
        Weight fractions; their sum may fall short of 1 by what is amorphous.

    Raises
    ------
    PlanError
        A number that is not positive.
    StructureError
        A formula that cannot be read.

    Notes
    -----
    The tube's drift between the two patterns goes straight in.
    """
    _check(intensities, rirs)
    if not corundum_intensity > 0.0:
        raise PlanError("corundum_intensity must be positive")
    ratio = mass_attenuation(mixture, wavelength) / mass_attenuation(
        "Al2O3", wavelength
    )
    heights = np.asarray(intensities, dtype=float) / np.asarray(rirs, dtype=float)
    return np.asarray(heights * ratio / corundum_intensity)


def _check(intensities: Floats, rirs: Floats) -> None:
    """Refuse what cannot be divided."""
    if np.shape(intensities) != np.shape(rirs):
        raise PlanError("rirs: give one for each intensity")
    if not np.all(np.asarray(rirs) > 0.0):
        raise PlanError("rirs: each must be positive")
    if not np.all(np.asarray(intensities) >= 0.0):
        raise PlanError("intensities: none may be negative")
