"""A plan in rietx's terms, and its conventions beside the native engine's.

==================  ===============================  ==============================
quantity            native                           rietx
==================  ===============================  ==============================
profile             Thompson-Cox-Hastings pseudo-    the same
                    Voigt; axial divergence after
                    Finger, Cox & Jephcoat
size L              FWHM 0.9 lambda / (L cos)        ``lor_size`` / cos, degree
microstrain e       FWHM 4 e tan                     ``lor_strain`` tan, degree
displacement s      + s cos theta, degree            - 2 d / R cos theta, radian;
                                                     d in mm, R = 200 mm here
zero                observed = true + zero           the same
polarisation        (1 + K cos^2) / (1 + K)          k + (1 - k) cos^2, k = 1/(1+K)
emission lines      shares, sum 1                    weights, the first 1
scale S             I = S m F^2 LP / (M V)           I = s m F^2 LP
f0                  IT92                             Waasmaier & Kirfel
f', f''             Cromer-Liberman by gemmi         the same values, handed over
March-Dollase r     (r^2 cos^2 + sin^2/r)^-3/2       the same
==================  ===============================  ==============================
"""

from __future__ import annotations

import math
from typing import Any

from refinement.engines.rietx.prepare import BLANK, CHEBYSHEV, Prepared, Smooth, Start
from refinement.plan import Phase, RefinementPlan
from structkit.errors import FitError
from structkit.structures.crystal import CrystalStructure
from structkit.xrd.scattering import anomalous_terms

SCHERRER_K = 0.9
RADIUS_MM = 200.0
"""Goniometer radius that displacements in mm are counted with; it cancels out."""
CELL_RANGE = 0.008
"""Relative half-range of the cell's lengths about the plan's."""
CELL_RANGE_UNCERTAIN = 0.025
"""The same where the plan says that the cell is uncertain."""
ANGLE_RANGE = 1.5
"""Half-range of the cell's angles, degree."""
SIZES_NM = (2.0, 1e4)
"""Smallest and largest crystallite size."""
MICROSTRAINS = (1e-5, 6e-3)
"""Smallest and largest microstrain."""
MARCH_RANGE = (0.3, 3.3)
"""Smallest and largest March-Dollase r."""
SHIFT_RANGE = 0.5
"""Largest displacement or zero shift, degree."""
EXTRA_W = 0.15
"""Largest addition to the instrument's W, degree squared."""
HARMONIC_ORDER = 4
_COUNTS_TOLERANCE = 1e-3


def size_width(size_nm: float, wavelength: float) -> float:
    """Return rietx's ``lor_size`` (degree) of a crystallite size (nm)."""
    return math.degrees(SCHERRER_K * wavelength / (10.0 * size_nm))


def strain_width(microstrain: float) -> float:
    """Return rietx's ``lor_strain`` (degree) of a microstrain."""
    return math.degrees(4.0 * microstrain)


def displacement_mm(shift: float) -> float:
    """Return rietx's displacement (mm) of a shift in degree times cos theta."""
    return -0.5 * RADIUS_MM * math.radians(shift)


def scale_factor(phase: Phase, volume: float, plan: RefinementPlan) -> float:
    """Return the mass-proportional scale over rietx's own, at a cell volume."""
    shares = plan.instrument.radiation.shares
    return phase.structure.cell_mass * volume / shares[0]


def build_structure(prepared: Prepared) -> Any:
    """Return all phases as rietx's ``Structure``.

    Raises
    ------
    FitError
        rietx refuses a phase, or counts other atoms in its cell.
    """
    import rietx

    plan = prepared.plan
    phases = [
        _build_phase(phase, start, plan)
        for phase, start in zip(plan.phases, prepared.starts, strict=True)
    ]
    return rietx.Structure(phases=phases)


def _build_phase(phase: Phase, start: Start, plan: RefinementPlan) -> Any:
    import rietx

    structure = phase.structure
    wavelength = plan.instrument.radiation.wavelength
    extra: dict[str, Any] = {}
    if phase.texture is not None and phase.texture_model == "march-dollase":
        extra["preferred_orientation"] = rietx.PreferredOrientation(
            axis=phase.texture, r=_bounded(start.march_dollase, *MARCH_RANGE)
        )
    elif phase.texture is not None:
        from rietx.schemas.structure import SphericalHarmonicTexture

        extra["texture"] = SphericalHarmonicTexture(order=HARMONIC_ORDER)
    widths = sorted(size_width(size, wavelength) for size in SIZES_NM)
    strains = [strain_width(strain) for strain in MICROSTRAINS]
    try:
        built = rietx.Phase(
            name=phase.name,
            # In brackets: the operations alone say what the symmetry is.
            space_group=f"[{structure.space_group}]",
            symmetry_operations=list(structure.operations),
            cell=_build_cell(phase, start),
            atoms=_build_atoms(structure),
            lor_size=_bounded(size_width(start.size_nm, wavelength), *widths),
            lor_strain=_bounded(strain_width(start.microstrain), *strains),
            **extra,
        )
        _compare_atoms(built, structure)
    except (ValueError, KeyError) as error:
        raise FitError(f"phase {phase.name!r}: rietx refuses it: {error}") from error
    return built


def _bounded(value: float, low: float, high: float) -> Any:
    import rietx

    return rietx.Parameter(value=min(max(value, low), high), min=low, max=high)


def _build_cell(phase: Phase, start: Start) -> Any:
    """Return the starting cell, bounded about the plan's."""
    import rietx

    share = CELL_RANGE_UNCERTAIN if phase.cell_uncertain else CELL_RANGE
    known = phase.structure.cell
    edges = {}
    for key in ("a", "b", "c"):
        middle = getattr(known, key)
        low, high = middle * (1.0 - share), middle * (1.0 + share)
        edges[key] = _bounded(getattr(start.cell, key), low, high)
    for key in ("alpha", "beta", "gamma"):
        middle = getattr(known, key)
        low, high = middle - ANGLE_RANGE, middle + ANGLE_RANGE
        edges[key] = _bounded(getattr(start.cell, key), low, high)
    return rietx.Cell(**edges)


def _build_atoms(structure: CrystalStructure) -> list[Any]:
    import rietx

    atoms = []
    for number, site in enumerate(structure.sites, start=1):
        x, y, z = (rietx.Parameter(value=value) for value in site.position)
        atoms.append(
            rietx.Atom(
                label=f"{site.element}{number}",
                species=site.element,
                x=x,
                y=y,
                z=z,
                occ=rietx.Parameter(value=site.occupancy),
                biso=rietx.Parameter(value=site.b_iso),
            )
        )
    return atoms


def _compare_atoms(built: Any, structure: CrystalStructure) -> None:
    """Raise ``ValueError`` where rietx counts other atoms in the cell."""
    from rietx.crystallography.symmetry import resolve_group
    from rietx.optimize.qpa import phase_zmv

    group = resolve_group(built.space_group, built.symmetry_operations)
    atoms = [
        (a.species, a.x.value, a.y.value, a.z.value, a.occ.value) for a in built.atoms
    ]
    counts = phase_zmv(group, structure.cell.parameters, atoms).element_counts
    expected = structure.atom_counts
    if set(counts) != set(expected) or any(
        abs(counts[e] - n) > _COUNTS_TOLERANCE * n for e, n in expected.items()
    ):
        raise ValueError(f"it counts {counts} in the cell, the structure {expected}")


def build_instrument(prepared: Prepared) -> Any:
    """Return the diffractometer and the smooth part as rietx's ``Instrument``."""
    import rietx
    from rietx.schemas.instrument import Geometry

    plan = prepared.plan
    ours = plan.instrument
    displaced = plan.shift == "displacement"
    limit = abs(displacement_mm(SHIFT_RANGE))
    moved = displacement_mm(prepared.shift) if displaced else 0.0
    zero = ours.zero + (prepared.shift if plan.shift == "zero" else 0.0)
    instrument = rietx.Instrument(
        source=_build_source(plan),
        geometry=Geometry(
            kind="bragg_brentano",
            goniometer_radius_mm=RADIUS_MM,
            sample_displacement=_bounded(moved, -limit, limit),
        ),
        zero_shift=_bounded(zero, ours.zero - SHIFT_RANGE, ours.zero + SHIFT_RANGE),
        background=_build_background(prepared),
        extra_components=[
            _build_hump(one.place) for one in prepared.smooth if one.place is not None
        ],
    )
    for name in ("axial_sl", "axial_hl"):
        getattr(instrument.geometry, name).value = ours.axial_divergence
    for name in "uvwxy":
        getattr(instrument.profile, name).value = getattr(ours, name)
    if plan.refines_resolution:
        low = max(ours.w, instrument.profile.w.min)
        instrument.profile.w = _bounded(low, low, low + EXTRA_W)
    return instrument


def _build_source(plan: RefinementPlan) -> Any:
    """Return the emission lines, with the native engine's f' and f''."""
    import rietx
    from rietx.schemas.instrument import Dispersion, EmissionLine, Source

    radiation = plan.instrument.radiation
    elements = {e for phase in plan.phases for e in phase.structure.atom_counts}
    ratio = plan.instrument.polarization_ratio
    return Source(
        lines=[
            EmissionLine(
                wavelength=wavelength,
                weight=rietx.Parameter(value=share / radiation.shares[0], min=0.0),
            )
            for wavelength, share in zip(
                radiation.wavelengths, radiation.shares, strict=True
            )
        ],
        polarization=rietx.Parameter(value=1.0 / (1.0 + ratio), min=0.0, max=1.0),
        dispersion=Dispersion(
            overrides={e: anomalous_terms(e, radiation.wavelength) for e in elements}
        ),
    )


def _build_background(prepared: Prepared) -> Any:
    import rietx
    from rietx.schemas.instrument import (
        BackgroundChebyshev,
        BackgroundFixedPlusChebyshev,
    )

    terms = len(prepared.of_kind(CHEBYSHEV))
    polynomial = BackgroundChebyshev(
        coefficients=[rietx.Parameter(value=0.0) for _ in range(terms)]
    )
    blank = prepared.of_kind(BLANK)
    if not blank:
        return polynomial
    return BackgroundFixedPlusChebyshev(
        fixed_two_theta=prepared.angles.tolist(),
        fixed_intensity=blank[0].values.tolist(),
        scale=rietx.Parameter(value=0.0, min=0.0),
        chebyshev=polynomial,
    )


def _build_hump(place: tuple[float, float]) -> Any:
    import rietx
    from rietx.schemas.instrument import HumpComponent

    center, fwhm = place
    return HumpComponent(
        position=rietx.Parameter(value=center),
        height=rietx.Parameter(value=0.0, min=0.0),
        fwhm=rietx.Parameter(value=fwhm, min=0.5 * fwhm),
    )


def build_data(prepared: Prepared) -> Any:
    """Return the points in use as rietx's ``PatternData``."""
    import rietx

    return rietx.PatternData(
        two_theta=prepared.angles.tolist(),
        intensity=prepared.observed.tolist(),
        sigma=prepared.observed_std.tolist(),
    )


def write_amount(instrument: Any, column: Smooth, amount: float) -> None:
    """Write the amount of a smooth column into rietx's instrument."""
    background, parts = instrument.background, column.path.split(".")
    if column.kind == CHEBYSHEV:
        polynomial = getattr(background, "chebyshev", background)
        polynomial.coefficients[int(parts[-1][1:])].value = amount
    elif column.kind == BLANK:
        background.scale.value = max(amount, 0.0)
    else:
        instrument.extra_components[int(parts[2])].height.value = max(amount, 0.0)
