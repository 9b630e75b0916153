"""Does a spectrum change while it is measured? Spots in the order they were taken.

Two questions, answered in numbers and sentences: does the intensity change (bleaching,
drift, a sample that burns), and does the *shape* change once scale and smooth
background are taken out? The shape is compared by singular values: divided by its
noise, the remainder of n spectra of p points has a largest singular value near
``sqrt(n) + sqrt(p)`` when it holds noise only; what exceeds it is change.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from structkit.errors import SchemaError
from structkit.raman.gain import NoiseModel, estimate_noise, noise_variance
from structkit.raman.remarks import REMARKS
from structkit.schema import (
    INTENSITY,
    MASKED,
    RAMAN_SHIFT,
    SPOT,
    TIME,
    validate_spectra,
)

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

_SPOTS_FOR_SHAPE = 4
_BACKGROUND_TERMS = 6
_BLOCK = 4
_CLIP = 5.0
_EDGE_SIGMAS = 3.0
_RESCALE_STEPS = 2


@dataclass(frozen=True, slots=True)
class _Shape:
    """Shape change in a group of spectra."""

    n_components: int
    largest: float
    edge: float
    share: float
    limit: float
    where: float
    n_spots: int


def assess_stability(
    spectra: xr.Dataset,
    *,
    noise: NoiseModel | None = None,
    tolerance: float = 0.1,
) -> xr.Dataset:
    """Say which spots change in intensity, and whether the shape stays.

    Parameters
    ----------
    spectra : xarray.Dataset
        Raman spectra as recorded (:mod:`structkit.schema.spectra`), spots in order of
        measurement; cosmic rays masked if possible.
    noise : NoiseModel, optional
        None: measured from the spectra.
    tolerance : float
        A run of spots is steady while its total intensity stays within this share of
        its middle, above 0 and below 1.

    Returns
    -------
    xarray.Dataset
        Over ``spot``: ``total_intensity`` (intensity units, sum over the points; NaN
        where empty), ``relative_intensity`` (over the median of the steady run),
        ``steady`` (int8, 1 in the longest steady run), ``empty`` (int8). Scalars:
        ``shape_components_*`` (number above noise), ``shape_excess_*`` (largest
        singular value over the edge of noise; above 1 means change),
        ``shape_change_*`` (root mean square of that change over that of the bands,
        both in units of the noise; 0 within noise) and ``shape_limit_*`` (the least
        that is seen), each for ``all`` spots and for the ``steady`` run; NaN for fewer
        than four spots. attrs ``remarks``: the same in sentences.

    Raises
    ------
    SchemaError
        For a tolerance outside 0 to 1, or where every spot is empty.

    Notes
    -----
    Each spectrum is described by the mean spectrum, scaled, and a Chebyshev series of
    degree 5, weighted by its noise; remainders are summed over four points. The edge
    is that of Marchenko and Pastur plus three widths of Tracy and Widom, widened by
    the uncertainty of the gain. What follows the mean spectrum or a smooth background
    is no change of shape; a shift of the axis is.

    References
    ----------
    I. M. Johnstone, Ann. Statist. 29 (2001) 295, doi:10.1214/aos/1009210544.
    F. Benaych-Georges, R. R. Nadakuditi, J. Multivar. Anal. 111 (2012) 120,
    doi:10.1016/j.jmva.2012.04.019.
    """
    validate_spectra(spectra)
    if not 0.0 < tolerance < 1.0:
        raise SchemaError(f"tolerance must be between 0 and 1, not {tolerance:g}")
    values = spectra[INTENSITY].transpose(SPOT, RAMAN_SHIFT).to_numpy()
    empty = ~np.any(values != 0.0, axis=1)
    if empty.all():
        raise SchemaError("every spot is empty; nothing to assess")
    alive = np.flatnonzero(~empty)
    total = np.where(empty, np.nan, values.sum(axis=1))
    first, last = find_steady_run(total[alive], tolerance)
    steady = np.zeros(empty.size, dtype=bool)
    steady[alive[first : last + 1]] = True
    level = float(np.median(total[steady]))
    model = noise or estimate_noise(spectra)
    masked = _mask_of(spectra)
    shapes = {
        name: _compare_shapes(spectra, values, masked=masked, chosen=flags, model=model)
        for name, flags in (("all", ~empty), ("steady", steady))
    }
    result = _tabulate(spectra, total, level=level, steady=steady, empty=empty)
    for name, shape in shapes.items():
        result = _add_shape(result, name, shape)
    numbers = spectra[SPOT].to_numpy()
    sentences = [
        *_state_empty(numbers, empty),
        *_state_intensity(
            numbers, total / level, steady, empty=empty, tolerance=tolerance
        ),
        *_state_shapes(shapes, numbers, steady, model=model),
    ]
    return result.assign_attrs({REMARKS: "\n".join(sentences)})


def find_steady_run(total: Floats, tolerance: float) -> tuple[int, int]:
    """Return first and last of the longest run that stays within a tolerance.

    Parameters
    ----------
    total : numpy.ndarray, shape (n_spots,)
        Positive or not, finite.
    tolerance : float
        Half the range of the run over its middle.

    Returns
    -------
    first, last : int
        Both belong to it; the later run where two are equally long.

    Examples
    --------
    >>> find_steady_run(np.array([9.0, 7.0, 5.1, 5.0, 4.9, 5.0]), 0.1)
    (2, 5)
    """
    best = (0, 0)
    first = 0
    for last in range(total.size):
        while True:
            run = total[first : last + 1]
            middle = 0.5 * (run.max() + run.min())
            if np.ptp(run) <= 2.0 * tolerance * abs(middle):
                break
            first += 1
        if last - first >= best[1] - best[0]:
            best = (first, last)
    return best


def _mask_of(spectra: xr.Dataset) -> Flags:
    """Return where points carry no information."""
    if MASKED not in spectra:
        return np.zeros((spectra.sizes[SPOT], spectra.sizes[RAMAN_SHIFT]), dtype=bool)
    return spectra[MASKED].transpose(SPOT, RAMAN_SHIFT).to_numpy().astype(bool)


def _compare_shapes(
    spectra: xr.Dataset,
    values: Floats,
    *,
    masked: Flags,
    chosen: Flags,
    model: NoiseModel,
) -> _Shape | None:
    """Return how much the shape changes among the chosen spots."""
    if int(chosen.sum()) < _SPOTS_FOR_SHAPE:
        return None
    shift = spectra[RAMAN_SHIFT].to_numpy()
    rows = values[chosen]
    free = ~masked[chosen]
    remainder, bands, std = _take_scale_out(shift, rows, free, model=model)
    scores = np.clip(remainder / std, -_CLIP, _CLIP) * free
    # Scale and background took part of the noise with them; the mean took one row.
    left = 1.0 - (_BACKGROUND_TERMS + 1.0) / shift.size
    blocks = _sum_blocks(scores / math.sqrt(left))
    _, singular, patterns = np.linalg.svd(blocks, full_matrices=False)
    edge = _noise_edge(*blocks.shape)
    if model.kind == "gain" and math.isfinite(model.gain_std):
        edge *= 1.0 + 0.5 * model.gain_std / model.gain
    n_components = int(np.count_nonzero(singular > edge))
    signal = float(np.linalg.norm(bands / std))
    change = _true_singular(float(singular[0]), blocks.shape) if n_components else 0.0
    limit = _true_singular(edge, blocks.shape)
    return _Shape(
        n_components=n_components,
        largest=float(singular[0]),
        edge=edge,
        share=change / signal if signal > 0.0 else math.nan,
        limit=limit / signal if signal > 0.0 else math.nan,
        where=float(shift[_BLOCK * int(np.argmax(np.abs(patterns[0]))) + _BLOCK // 2]),
        n_spots=len(rows),
    )


def _sum_blocks(scores: Floats) -> Floats:
    """Return sums over blocks of points, of the variance of one.

    No band is narrower than a few points, so little signal and much noise is lost.
    """
    n_blocks = scores.shape[1] // _BLOCK
    cut = scores[:, : n_blocks * _BLOCK].reshape(len(scores), n_blocks, _BLOCK)
    return np.asarray(cut.sum(axis=2) / math.sqrt(_BLOCK))


def _noise_edge(n_spots: int, n_points: int) -> float:
    """Return what the largest singular value of pure noise hardly exceeds."""
    root = math.sqrt(n_spots - 1) + math.sqrt(n_points)
    scale = root * (1.0 / math.sqrt(n_spots - 1) + 1.0 / math.sqrt(n_points)) ** (1 / 3)
    return math.sqrt(root**2 + _EDGE_SIGMAS * scale)


def _true_singular(observed: float, shape: tuple[int, ...]) -> float:
    """Return the singular value that noise of variance 1 raises to ``observed``.

    ``observed^2 = (s^2 + n) (s^2 + p) / s^2``; below the transition the s there.
    """
    n, p = float(shape[0] - 1), float(shape[1])
    half = 0.5 * (observed**2 - n - p)
    return math.sqrt(half + math.sqrt(max(half**2 - n * p, 0.0)))


def _take_scale_out(
    shift: Floats, rows: Floats, free: Flags, *, model: NoiseModel
) -> tuple[Floats, Floats, Floats]:
    """Return remainders, bands (fit less background) and noise, each like ``rows``."""
    scaled = 2.0 * (shift - shift[0]) / (shift[-1] - shift[0]) - 1.0
    background = np.polynomial.chebyshev.chebvander(scaled, _BACKGROUND_TERMS - 1)
    size = rows.mean(axis=1, keepdims=True)
    mean = np.median(rows / np.where(size == 0.0, 1.0, size), axis=0)
    fitted, bands = np.empty_like(rows), np.empty_like(rows)
    std = np.sqrt(noise_variance(np.maximum(size * mean, 0.0), model))
    for _ in range(_RESCALE_STEPS):
        for number, row in enumerate(rows):
            design = np.column_stack([mean, background])
            weight = free[number] / std[number]
            for _ in range(2):
                terms = np.linalg.lstsq(
                    design * weight[:, None], row * weight, rcond=None
                )[0]
                fit = design @ terms
                near = np.abs(row - fit) <= _CLIP * std[number]
                weight = free[number] * near / std[number]
            fitted[number] = fit
            bands[number] = terms[0] * mean
        std = np.sqrt(noise_variance(np.maximum(fitted, 0.0), model))
        gains = bands.mean(axis=1) / (mean.mean() or 1.0)
        clean = np.where(free, np.clip(rows - fitted, -_CLIP * std, _CLIP * std), 0.0)
        precision = gains[:, None] ** 2 / std**2
        update = np.sum(clean * gains[:, None] / std**2, axis=0) / np.sum(precision, 0)
        mean = mean + update
    for number, row in enumerate(rows):
        design = np.column_stack([mean, background])
        near = np.abs(row - fitted[number]) <= 2.0 * _CLIP * std[number]
        weight = free[number] * near / std[number]
        terms = np.linalg.lstsq(design * weight[:, None], row * weight, rcond=None)[0]
        fitted[number] = design @ terms
        smooth = background @ np.linalg.lstsq(background, mean, rcond=None)[0]
        bands[number] = terms[0] * (mean - smooth)
    return rows - fitted, bands, std


def _tabulate(
    spectra: xr.Dataset, total: Floats, *, level: float, steady: Flags, empty: Flags
) -> xr.Dataset:
    """Return the table over spots."""
    units = str(spectra[INTENSITY].attrs["units"])
    columns: dict[str, tuple[NDArray[np.generic], str, str]] = {
        "total_intensity": (total, units, "sum over the points"),
        "relative_intensity": (total / level, "1", "over the median of the steady run"),
        "steady": (steady.astype(np.int8), "1", "in the longest steady run"),
        "empty": (empty.astype(np.int8), "1", "every point is zero"),
    }
    coords = {SPOT: spectra[SPOT]}
    if TIME in spectra.coords:
        coords[TIME] = spectra[TIME]
    return xr.Dataset(
        {
            name: ((SPOT,), array, {"units": unit, "long_name": words})
            for name, (array, unit, words) in columns.items()
        },
        coords=coords,
    )


def _add_shape(result: xr.Dataset, name: str, shape: _Shape | None) -> xr.Dataset:
    """Return the table with the scalars of one group of spots."""
    blank = math.nan
    figures = {
        f"shape_components_{name}": (
            float(shape.n_components) if shape else blank,
            "components of shape above noise",
        ),
        f"shape_excess_{name}": (
            shape.largest / shape.edge if shape else blank,
            "largest singular value over the edge of noise",
        ),
        f"shape_change_{name}": (
            shape.share if shape else blank,
            "change of shape over the bands, root mean square",
        ),
        f"shape_limit_{name}": (
            shape.limit if shape else blank,
            "smallest change of shape that would be seen, likewise",
        ),
    }
    return result.assign(
        {
            key: ((), value, {"units": "1", "long_name": words})
            for key, (value, words) in figures.items()
        }
    )


def _runs(numbers: NDArray[np.generic], flags: Flags) -> str:
    """Return the numbers of flagged spots as ranges: ``1-3, 7``."""
    where = np.flatnonzero(flags)
    if where.size == 0:
        return "none"
    groups = np.split(where, np.flatnonzero(np.diff(where) > 1) + 1)
    return ", ".join(
        f"{numbers[each[0]]}"
        if each.size == 1
        else f"{numbers[each[0]]}-{numbers[each[-1]]}"
        for each in groups
    )


def _state_empty(numbers: NDArray[np.generic], empty: Flags) -> list[str]:
    """Return a sentence on empty spots."""
    if not empty.any():
        return []
    return [
        f"{int(empty.sum())} of {empty.size} spots are empty (all zero): "
        f"{_runs(numbers, empty)}."
    ]


def _state_intensity(
    numbers: NDArray[np.generic],
    relative: Floats,
    steady: Flags,
    *,
    empty: Flags,
    tolerance: float,
) -> list[str]:
    """Return sentences on the change of total intensity."""
    moving = ~steady & ~empty
    run = _runs(numbers, steady)
    if not moving.any():
        spread = 100.0 * float(np.std(relative[steady]))
        return [f"Total intensity is steady over spots {run} ({spread:.1f} % scatter)."]
    ends = relative[~empty]
    low, high = float(np.nanmin(relative[moving])), float(np.nanmax(relative[moving]))
    first_steady = int(np.flatnonzero(steady)[0])
    start = relative[:first_steady][~empty[:first_steady]]
    sentences = [
        f"Total intensity is steady within ±{100.0 * tolerance:g} % over spots {run}; "
        f"spots {_runs(numbers, moving)} differ, {low:.2f} to {high:.2f} times the "
        "steady level."
    ]
    if start.size >= 2:
        # From the median of the first fifth, since single spots may be outliers.
        fifth = float(np.median(start[: max(2, start.size // 5)]))
        change = 100.0 * (1.0 / fifth - 1.0)
        cause = " (bleaching, if nothing moved)" if fifth > 1.0 + tolerance else ""
        sentences.append(
            f"From the first spots to the steady ones it changes by {change:+.0f} %"
            f"{cause}."
        )
    if np.all(np.diff(ends) < 0.0) or np.all(np.diff(ends) > 0.0):
        sentences.append("The change goes one way from first to last spot: a drift.")
    return sentences


def _state_shapes(
    shapes: dict[str, _Shape | None],
    numbers: NDArray[np.generic],
    steady: Flags,
    *,
    model: NoiseModel,
) -> list[str]:
    """Return sentences on the shape."""
    sentences = []
    for name, shape in shapes.items():
        if name == "steady" and shapes["all"] == shape:
            continue
        who = "all spots" if name == "all" else f"spots {_runs(numbers, steady)}"
        if shape is None:
            sentences.append(
                f"Shape of {who} not compared: it takes {_SPOTS_FOR_SHAPE} spots."
            )
        elif shape.n_components == 0:
            sentences.append(
                f"Shape is constant within noise over {who}: the largest component is "
                f"{shape.largest / shape.edge:.2f} times what noise alone reaches; a "
                f"change below {100.0 * shape.limit:.2g} % of the bands is not seen."
            )
        else:
            sentences.append(
                f"Shape changes over {who}: {shape.n_components} component(s) above "
                f"noise, the largest {shape.largest / shape.edge:.2f} times its edge, "
                f"{100.0 * shape.share:.1f} % of the bands, most at {shape.where:.0f} "
                "cm-1."
            )
    if not model.is_white:
        sentences.append(
            "Neighbouring points share their noise: the verdict on shape is too strict."
        )
    return sentences
