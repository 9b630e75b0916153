"""One synthetic powder pattern of any mixture, with its truth.

``intensity = T(theta) G / mu* [sum_p W_p lines_p / M_p + W_a halo / M_a + diffuse] P
+ film + air``, where everything in brackets is in electron units per mass of sample
(:mod:`structkit.synthetic.scattering`), G is the one scale of the instrument, P the
polarisation and T the film's transmission there and back.

Because G is common, the halo's area follows from its weight fraction W_a: per gram,
glass and crystal scatter the same in the integral of ``Q^2 I(Q)`` (SCIENCE B7).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from structkit.errors import PlanError
from structkit.schema import (
    PHASE,
    TWO_THETA,
    UNITS,
    make_pattern,
)
from structkit.structures.crystal import CrystalStructure
from structkit.synthetic.lines import Crystallites, Optics, draw_lines
from structkit.synthetic.scattering import (
    Glass,
    Texture,
    compton,
    halo,
    list_reflections,
    mass_attenuation,
    thermal_diffuse,
)

Floats = NDArray[np.float64]

LABEL = "synthetic: simulated by structkit.synthetic, not measured"
_OPTICS_NAMES = ("wavelength", "u", "v", "w", "axial_divergence", "radius")
_NEGLIGIBLE = 1e-6  # lines below this share of the largest of a pure phase are left out
_TRACE = 1e-3  # weight fraction from which down no more lines are left out
_CELL_NAMES = ("a", "b", "c", "alpha", "beta", "gamma")


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticPhase:
    """A crystalline phase of a synthetic sample."""

    structure: CrystalStructure
    """Atoms and the *true* cell."""
    weight_fraction: float
    """Of the whole sample, amorphous part included."""
    size_nm: float = 100.0
    """Scherrer size (K = 0.9, full width at half maximum), nm."""
    size_spread: float = 0.0
    """Standard deviation of ln(size) over the volume."""
    microstrain: float = 0.0
    """Dimensionless; Lorentzian FWHM of 4 microstrain tan(theta)."""
    texture: Texture = field(default_factory=Texture)
    """Preferred orientation."""
    b_overall: float = 0.0
    """B added to every atom, angstrom squared."""
    line_factor: float = 1.0
    """Apparent over true line intensity: microabsorption of coarse particles."""

    @property
    def name(self) -> str:
        """Return the name of the phase."""
        return self.structure.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What is seen beside the sample: film and air."""

    film_thickness_um: float = 0.0
    """Polyimide film over the sample, micrometre; 0: none."""
    film_attenuation: float = 8.6
    """Linear attenuation of the film, 1/cm."""
    film_counts: float = 250.0
    """Height of the film's hump for 25 micrometre, counts."""
    air: float = 1500.0
    """Air scatter, counts times degree: the background falls as air / 2theta."""
    dark: float = 15.0
    """Counts everywhere: electronics, cosmic rays, fluorescence."""

    def transmission(self, two_theta: Floats) -> Floats:
        """Return the film's transmission there and back."""
        path = 1e-4 * self.film_attenuation * self.film_thickness_um
        return np.asarray(np.exp(-2.0 * path / np.sin(np.radians(0.5 * two_theta))))

    def film(self, two_theta: Floats) -> Floats:
        """Return the counts that the film itself scatters.

        Two skewed bands in ln(2theta), near 20 and 42 degree, and the same path as
        the transmission.
        """
        if self.film_thickness_um == 0.0:
            return np.zeros_like(two_theta)
        path = 1e-4 * self.film_attenuation * self.film_thickness_um
        sine = np.sin(np.radians(0.5 * two_theta))
        seen = (1.0 - np.exp(-2.0 * path / sine)) / (2.0 * path / sine)
        first = np.exp(-0.5 * (np.log(two_theta / 20.0) / 0.14) ** 2)
        second = 0.12 * np.exp(-0.5 * (np.log(two_theta / 42.0) / 0.16) ** 2)
        height = self.film_counts * self.film_thickness_um / 25.0
        return np.asarray(height * seen * (first + second))

    def air_scatter(self, two_theta: Floats) -> Floats:
        """Return the counts of air and electronics."""
        return np.asarray(self.air / two_theta + self.dark)


def study_grid() -> Floats:
    """Return the angles of the Na2O-NaTaCl6 study: 10 to 80 by 0.03 degree."""
    return np.round(10.0 + 0.03 * np.arange(2334), 6)


def simulate_mixture(
    phases: Sequence[SyntheticPhase],
    *,
    glass: Glass | None = None,
    two_theta: Floats | None = None,
    optics: Optics | None = None,
    surroundings: Surroundings | None = None,
    displacement_mm: float = 0.0,
    scale: float | None = None,
    max_counts: float = 6000.0,
    rng: np.random.Generator | None = None,
) -> tuple[xr.Dataset, xr.Dataset]:
    """Simulate the pattern of a powder and say what is true about it.

    Parameters
    ----------
    phases : sequence of SyntheticPhase
        Crystalline phases; their weight fractions of the whole sample add up to 1
        or, with ``glass``, to less.
    glass : Glass, optional
        What the rest of the sample is.
    two_theta : ndarray, optional
        Ascending grid in **degree**; default :func:`study_grid`.
    optics, surroundings : optional
        Diffractometer; film and air. Default: Cu K-alpha-1,2, no film.
    displacement_mm : float
        Sample displacement, **mm**.
    scale : float, optional
        The instrument's G; default: such that the highest point has ``max_counts``.
    max_counts : float
        Expected counts of the highest point.
    rng : numpy.random.Generator, optional
        Draws Poisson counts; None gives the expectation itself.

    Returns
    -------
    pattern : xarray.Dataset
        ``intensity`` in counts over ``two_theta``; attrs say that it is synthetic.
    truth : xarray.Dataset
        Over ``phase``: ``weight_fraction`` (whole sample),
        ``weight_fraction_crystalline``, ``size_nm``, ``microstrain``,
        ``march_dollase``, ``b_overall``, ``line_factor``, ``cell_a`` ...
        ``cell_gamma``. Scalars: ``amorphous_fraction``, ``displacement_mm``,
        ``displacement_shift`` (degree;
        lines move by it times cos(theta)), ``instrument_scale``,
        ``mass_attenuation``, ``r_wp_expected``. Curves in counts: ``component``
        (phase, two_theta), ``halo``, ``film``, ``background`` (air, Compton, thermal
        diffuse), ``expected``. attrs: ``optics_*``, the true instrument.

    Raises
    ------
    PlanError
        Weight fractions that do not add up.
    """
    grid = study_grid() if two_theta is None else np.asarray(two_theta, dtype=float)
    optics = optics or Optics()
    surroundings = surroundings or Surroundings()
    amorphous = _amorphous_share(phases, glass)
    sample = _Sample(phases=phases, glass=glass, amorphous=amorphous)
    attenuation = sample.attenuation(optics.wavelength)
    curves = _specific_curves(sample, grid, optics, displacement_mm=displacement_mm)
    seen = surroundings.transmission(grid) / attenuation
    film, air = surroundings.film(grid), surroundings.air_scatter(grid)
    if scale is None:
        scale = _find_scale(seen * sum(curves.values()), film + air, max_counts)
    counts = {name: scale * seen * curve for name, curve in curves.items()}
    counts["background"] = counts["background"] + air
    counts["film"] = film
    expected = sum(counts.values(), start=np.zeros_like(grid))
    intensity = expected if rng is None else rng.poisson(expected).astype(float)
    pattern = make_pattern(
        grid,
        intensity,
        wavelength=optics.wavelength,
        attrs={"source_file": LABEL, "reader": "structkit.synthetic"},
    )
    truth = _describe(sample, counts, grid).assign_attrs(
        **{f"optics_{name}": getattr(optics, name) for name in _OPTICS_NAMES}
    )
    truth = truth.assign(
        expected=(TWO_THETA, expected, {"units": "count"}),
        displacement_mm=((), displacement_mm, {"units": "mm"}),
        displacement_shift=(
            (),
            float(np.degrees(-2.0 * displacement_mm / optics.radius)),
            {"units": "degree"},
        ),
        instrument_scale=((), scale, {"units": "1"}),
        mass_attenuation=((), attenuation, {"units": "cm2 g-1"}),
        r_wp_expected=((), _expected_r_wp(expected), {"units": "1"}),
    )
    return pattern, truth


def _amorphous_share(phases: Sequence[SyntheticPhase], glass: Glass | None) -> float:
    """Return what the crystalline phases leave; check that it is the glass."""
    crystalline = sum(phase.weight_fraction for phase in phases)
    share = 1.0 - crystalline
    if any(phase.weight_fraction < 0.0 for phase in phases) or share < -1e-9:
        raise PlanError("weight fractions must be >= 0 and add up to 1 at most")
    if glass is None and abs(share) > 1e-9:
        raise PlanError(
            f"weight fractions add up to {crystalline:.6g}; give a glass for the rest"
        )
    return max(share, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sample:
    """What lies in the holder."""

    phases: Sequence[SyntheticPhase]
    glass: Glass | None
    amorphous: float

    def attenuation(self, wavelength: float) -> float:
        """Return the mass attenuation coefficient, cm2/g."""
        total = sum(
            phase.weight_fraction
            * mass_attenuation(phase.structure.atom_counts, wavelength)
            for phase in self.phases
        )
        if self.glass is not None and self.amorphous > 0.0:
            glass = mass_attenuation(self.glass.composition, wavelength)
            total += self.amorphous * glass
        return float(total)


def _specific_curves(
    sample: _Sample, grid: Floats, optics: Optics, *, displacement_mm: float
) -> dict[str, Floats]:
    """Return each part of the sample's pattern in electron units per g/mol."""
    s = np.sin(np.radians(0.5 * grid)) / optics.wavelength
    polarization = optics.polarization(grid)
    curves: dict[str, Floats] = {}
    diffuse = np.zeros_like(grid)
    for phase in sample.phases:
        moles = phase.weight_fraction / phase.structure.cell_mass
        lines = _lines(phase, grid, optics, displacement_mm=displacement_mm)
        curves[phase.name] = (
            moles * phase.line_factor * lines / phase.structure.cell.volume
        )
        diffuse += moles * thermal_diffuse(
            phase.structure, s, optics.wavelength, b_extra=phase.b_overall
        )
        diffuse += moles * compton(phase.structure.atom_counts, s)
    curves["halo"] = np.zeros_like(grid)
    glass = sample.glass
    if glass is not None and sample.amorphous > 0.0:
        moles = sample.amorphous / glass.molar_mass
        curves["halo"] = moles * halo(glass, s, optics.wavelength) * polarization
        diffuse += moles * compton(glass.composition, s)
    curves["background"] = diffuse * polarization
    return curves


def _lines(
    phase: SyntheticPhase, grid: Floats, optics: Optics, *, displacement_mm: float
) -> Floats:
    """Return the lines of one cell of a phase, electron^2 angstrom^3."""
    highest = np.radians(0.5 * (grid[-1] + 8.0))
    reflections = list_reflections(
        phase.structure,
        d_min=0.5 * min(optics.wavelengths) / np.sin(min(highest, 0.499 * np.pi)),
        wavelength=optics.wavelength,
        texture=phase.texture,
        b_extra=phase.b_overall,
    )
    return draw_lines(
        grid,
        reflections.d_spacing,
        reflections.strength,
        optics=optics,
        crystallites=Crystallites(
            size=10.0 * phase.size_nm,
            spread=phase.size_spread,
            microstrain=phase.microstrain,
        ),
        displacement=displacement_mm,
        negligible=_NEGLIGIBLE / max(phase.weight_fraction, _TRACE),
    )


def _find_scale(sample: Floats, rest: Floats, max_counts: float) -> float:
    """Return the scale at which the highest point has ``max_counts``."""
    scale = max_counts / float(sample.max())
    for _ in range(20):
        top = int(np.argmax(scale * sample + rest))
        scale = (max_counts - float(rest[top])) / float(sample[top])
    return scale


def _expected_r_wp(expected: Floats) -> float:
    """Return the weighted R-factor that counting noise alone gives."""
    return float(np.sqrt(expected.size / np.sum(np.maximum(expected, 1.0))))


def _describe(
    sample: _Sample, counts: Mapping[str, Floats], grid: Floats
) -> xr.Dataset:
    """Return the truth of the phases and the curves of every part."""
    phases, amorphous = sample.phases, sample.amorphous
    crystalline = max(1.0 - amorphous, 1e-300)
    columns: dict[str, tuple[list[float], str]] = {
        "weight_fraction": ([p.weight_fraction for p in phases], "1"),
        "weight_fraction_crystalline": (
            [p.weight_fraction / crystalline for p in phases],
            "1",
        ),
        "size_nm": ([p.size_nm for p in phases], "nm"),
        "microstrain": ([p.microstrain for p in phases], "1"),
        "march_dollase": ([p.texture.r for p in phases], "1"),
        "b_overall": ([p.b_overall for p in phases], "angstrom2"),
        "line_factor": ([p.line_factor for p in phases], "1"),
    }
    for index, name in enumerate(_CELL_NAMES):
        values = [p.structure.cell.parameters[index] for p in phases]
        columns[f"cell_{name}"] = (values, "angstrom" if index < 3 else "degree")
    truth = xr.Dataset(
        {
            name: (PHASE, np.array(values, dtype=float), {"units": unit})
            for name, (values, unit) in columns.items()
        },
        coords={
            PHASE: np.array([p.name for p in phases], dtype=str),
            TWO_THETA: (TWO_THETA, grid, {"units": UNITS[TWO_THETA]}),
        },
        attrs={"label": LABEL},
    )
    parts = np.array([counts[p.name] for p in phases]).reshape(len(phases), grid.size)
    truth["component"] = ((PHASE, TWO_THETA), parts, {"units": "count"})
    for name in ("halo", "film", "background"):
        truth[name] = (TWO_THETA, counts[name], {"units": "count"})
    truth["amorphous_fraction"] = ((), amorphous, {"units": "1"})
    return truth
