"""How broad the lines of an expected phase must be for it to stay unseen."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.optimize import brentq

from refinement.crystallinity.detection import limits_at
from refinement.crystallinity.expected_lines import (
    FittedPattern,
    LineList,
    line_widths,
    list_lines,
    read_fit,
)
from refinement.plan import RefinementPlan
from refinement.result import RefinementResult
from structkit.errors import PlanError, SchemaError
from structkit.schema import PHASE
from structkit.structures.crystal import CrystalStructure
from structkit.xrd.instrument import Instrument
from structkit.xrd.simulate import SimulatedPhase

Floats = NDArray[np.float64]
Indices = tuple[int, int, int]

SIZES_NM = (200.0, 0.7)
"""Sizes between which an answer is sought; the smaller is about one cell."""
_STEPS = 24
_EXACT = 0.01
"""Relative exactness of the size."""
_FULL_CIRCLE = (5.0, 170.0)
_SAME_D = 1e-4
"""Relative difference of d below which two sets of indices are one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hidden:
    """The size below which an expected amount stays undetected."""

    size_nm: float
    """Largest such crystallite size, nm; infinite: at any; 0: at none."""
    fwhm: float
    """Full width of the strongest line at that size, degree."""


def area_ratio(
    structure: CrystalStructure,
    hkl: Indices,
    other: CrystalStructure,
    other_hkl: Indices,
    *,
    instrument: Instrument,
    mass_ratio: float,
) -> float:
    """Return the area of a line of one phase over that of a line of another.

    Parameters
    ----------
    structure, other : CrystalStructure
        The two phases.
    hkl, other_hkl : tuple of int
        Indices of the two lines.
    instrument : Instrument
        Wavelength and polarisation.
    mass_ratio : float
        Mass of the first phase over that of the second in the sample.

    Returns
    -------
    float
        ``(W_1/W_2) q_1/q_2`` with ``q = m |F|^2 LP / (M V)``.

    Raises
    ------
    PlanError
        A line does not exist or is out of reach at this wavelength.

    Notes
    -----
    Both phases are in one specimen: its absorption is common to both. No film.
    """
    if not mass_ratio > 0.0:
        raise PlanError(f"mass_ratio is {mass_ratio:g}; it must be positive")
    first = _line_area(structure, hkl, instrument)
    return mass_ratio * first / _line_area(other, other_hkl, instrument)


def width_for_height(
    areas: float, *, height_ratio: float, reference_fwhm: float
) -> float:
    """Return the width that keeps a line below a height.

    Parameters
    ----------
    areas : float
        Area of the line over that of the reference line.
    height_ratio : float
        Height allowed, over that of the reference line.
    reference_fwhm : float
        Full width of the reference line, **degree**.

    Returns
    -------
    float
        Full width in **degree**, for two lines of the same shape.
    """
    return areas * reference_fwhm / height_ratio


def invisible_phase(
    result: RefinementResult,
    plan: RefinementPlan,
    structure: CrystalStructure,
    *,
    expected_scale: float | None = None,
    expected_mass_ratio: Mapping[str, float] | None = None,
    background_spread: float | None = None,
) -> xr.Dataset:
    """Ask how broad an expected phase's lines must be for it to stay undetected.

    Parameters
    ----------
    result : RefinementResult
        Of the pattern in which the phase is not seen; it may or may not be in the plan.
    plan : RefinementPlan
        The plan that it was refined with.
    structure : CrystalStructure
        The expected phase.
    expected_scale : float, optional
        Its expected mass-proportional scale.
    expected_mass_ratio : mapping of one str to float, optional
        Instead: a phase that is seen, and the expected mass over that phase's
        (``W_a/W_b = S_a/S_b``).
    background_spread : float, optional
        As for :func:`refinement.crystallinity.detection.detection_limits`.

    Returns
    -------
    xarray.Dataset
        Scalars ``expected_scale`` (1), ``size_nm`` (**nm**: the phase stays undetected
        with crystallites of this size or smaller; infinite: of any size; 0: of none),
        ``fwhm`` (**degree**, of its strongest line at that size), ``line`` (degree),
        ``detection_limit_sharp`` (limit of the scale at 200 nm), ``area_ratio`` (of its
        strongest line to that of the strongest phase seen), texts ``line_hkl``,
        ``verdict``, ``area_statement``. Over ``size``: ``scale_detection_limit``.

    Raises
    ------
    PlanError
        Not exactly one of scale and ratio is given, or not positive, or no line of the
        phase lies in the range.
    SchemaError
        The result has no curves, or the phase of the ratio has no scale.

    Notes
    -----
    The size at which Currie's detection limit equals the expected scale. The limit
    rises as lines broaden: with the root of the width at first, faster once halo and
    background can imitate them.
    """
    fit = read_fit(result, plan)
    scale = _expected_scale(fit, expected_scale, expected_mass_ratio)
    phase = fit.names.index(structure.name) if structure.name in fit.names else None
    simulated = SimulatedPhase(structure=structure)
    if phase is not None:
        simulated = fit.phase_at(phase)
    lines = list_lines(
        simulated,
        fit.instrument,
        two_theta_range=(float(fit.angles[0]), float(fit.angles[-1])),
        displacement=fit.displacement,
    )

    def limit(size_nm: float) -> float:
        finer = SimulatedPhase(
            structure=simulated.structure,
            size=10.0 * size_nm,
            texture=simulated.texture,
            march_r=simulated.march_r,
        )
        column = fit.draw_phase(finer)
        found = limits_at(fit, column, phase=phase, spread=background_spread)
        return found["scale_detection_limit"]

    sizes = np.geomspace(*SIZES_NM, _STEPS)
    limits = np.array([limit(float(size)) for size in sizes])
    strongest = float(lines.two_theta[lines.strongest])
    hidden = _solve(limit, sizes, limits, scale, strongest, fit.instrument)
    return _label(fit, structure, lines, hidden, scale, sizes, limits)


def _solve(
    limit: Callable[[float], float],
    sizes: Floats,
    limits: Floats,
    scale: float,
    angle: float,
    instrument: Instrument,
) -> Hidden:
    """Return the largest size at which the limit reaches the expected scale."""
    above = limits >= scale
    if not above.any():
        return Hidden(size_nm=0.0, fwhm=math.inf)
    first = int(np.argmax(above))
    if first == 0:
        return Hidden(size_nm=math.inf, fwhm=0.0)
    low, high = float(sizes[first]), float(sizes[first - 1])
    size = float(brentq(lambda s: limit(s) - scale, low, high, xtol=_EXACT * low))
    width = line_widths(np.array([angle]), instrument, size_nm=size)
    return Hidden(size_nm=size, fwhm=float(width[0]))


def _expected_scale(
    fit: FittedPattern, scale: float | None, ratio: Mapping[str, float] | None
) -> float:
    if (scale is None) == (ratio is None):
        raise PlanError("give expected_scale or expected_mass_ratio, one of them")
    if ratio is not None:
        if len(ratio) != 1:
            raise PlanError("expected_mass_ratio: name one phase that is seen")
        ((name, times),) = ratio.items()
        if name not in fit.names:
            raise PlanError(
                f"expected_mass_ratio: no phase {name!r}; there are "
                f"{', '.join(fit.names)}"
            )
        own = fit.value("scale", fit.names.index(name), default=0.0)
        if not own > 0.0:
            raise SchemaError(f"{name} has no scale in this result: choose another")
        scale = times * own
    if scale is None or not 0.0 < scale < math.inf:
        raise PlanError("the expected scale must be positive")
    return float(scale)


def _label(
    fit: FittedPattern,
    structure: CrystalStructure,
    lines: LineList,
    hidden: Hidden,
    scale: float,
    sizes: Floats,
    limits: Floats,
) -> xr.Dataset:
    """Return the answer with its sentences."""
    strongest = lines.strongest
    hkl = _indices(lines.hkl[strongest])
    line = float(lines.two_theta[strongest])
    ratio, statement = _compare_areas(fit, structure, lines, scale)
    words = _sentence(structure.name, hidden, f"{hkl} at {line:.1f} degree")
    number = {"units": "1"}
    return xr.Dataset(
        {
            "expected_scale": ((), scale, number | {"long_name": "expected scale"}),
            "size_nm": (
                (),
                hidden.size_nm,
                {"units": "nm", "long_name": "largest size that stays undetected"},
            ),
            "fwhm": (
                (),
                hidden.fwhm,
                {"units": "degree", "long_name": "full width at that size"},
            ),
            "line": (
                (),
                line,
                {"units": "degree", "long_name": "where its strongest line is"},
            ),
            "detection_limit_sharp": (
                (),
                float(limits[0]),
                number | {"long_name": "detection limit of the scale, sharp lines"},
            ),
            "area_ratio": (
                (),
                ratio,
                number | {"long_name": "area of its strongest line over the other's"},
            ),
            "scale_detection_limit": (
                ("size",),
                limits,
                number | {"long_name": "detection limit of the scale (95 %)"},
            ),
            "line_hkl": ((), hkl, {"long_name": "its strongest line"}),
            "verdict": ((), words, {"long_name": "what it takes to stay hidden"}),
            "area_statement": ((), statement, {"long_name": "areas in words"}),
        },
        coords={
            "size": ("size", sizes, {"units": "nm", "long_name": "crystallite size"}),
            PHASE: ((), structure.name),
        },
    )


def _compare_areas(
    fit: FittedPattern, structure: CrystalStructure, lines: LineList, scale: float
) -> tuple[float, str]:
    """Return the expected area over that of the strongest line seen, in words too."""
    best, area, where = "", 0.0, ""
    for number, name in enumerate(fit.names):
        own = fit.value("scale", number, default=0.0)
        if name == structure.name or not own > 0.0:
            continue
        listed = fit.lines_of(number)
        found = own * float(listed.areas[listed.strongest])
        if found > area:
            best, area = name, found
            where = _indices(listed.hkl[listed.strongest])
    if not area:
        return math.nan, "no other phase is seen to compare with"
    k = lines.strongest
    ratio = scale * float(lines.areas[k]) / area
    return ratio, (
        f"its {_indices(lines.hkl[k])} line would have {ratio:.2g} times the area of "
        f"{best} {where}"
    )


def _sentence(name: str, hidden: Hidden, line: str) -> str:
    if hidden.size_nm == 0.0:
        return (
            f"{name} in the expected amount would be seen with crystallites of any "
            f"size down to {SIZES_NM[1]:g} nm: it is not there as crystals"
        )
    if math.isinf(hidden.size_nm):
        return (
            f"{name} in the expected amount is below the detection limit even with "
            "sharp lines: this pattern cannot tell"
        )
    return (
        f"{name} in the expected amount stays undetected only if {line} is broader "
        f"than {hidden.fwhm:.2g} degree: crystallites of {hidden.size_nm:.2g} nm or "
        "less"
    )


def _indices(hkl: NDArray[np.int64]) -> str:
    h, k, l = (int(index) for index in hkl)  # noqa: E741
    return f"({h}{k}{l})" if min(h, k, l) >= 0 else f"({h} {k} {l})"


def _line_area(
    structure: CrystalStructure, hkl: Indices, instrument: Instrument
) -> float:
    lines = list_lines(
        SimulatedPhase(structure=structure), instrument, two_theta_range=_FULL_CIRCLE
    )
    metric = np.linalg.inv(structure.cell.metric)
    wanted = float(np.asarray(hkl) @ metric @ np.asarray(hkl))
    squared = np.einsum("ni,ij,nj->n", lines.hkl, metric, lines.hkl)
    same = np.abs(squared / max(wanted, 1e-12) - 1.0) < _SAME_D
    if not np.any(same):
        raise PlanError(
            f"{structure.name} has no line {hkl} between {_FULL_CIRCLE[0]:g} and "
            f"{_FULL_CIRCLE[1]:g} degree; check indices, extinctions and wavelength"
        )
    return float(lines.areas[same].sum())
