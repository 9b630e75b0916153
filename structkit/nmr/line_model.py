"""Lines, baseline and phase as one parameter vector, and its residual."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise

import numba
import numpy as np
from numpy.typing import NDArray

from structkit.nmr.czjzek import evaluate_czjzek, second_order_scale
from structkit.nmr.lineshapes import LineShape, LineValues, evaluate_lines
from structkit.nmr.minimise import solve_positive
from structkit.nmr.sites import LineFitOptions, Site

Floats = NDArray[np.float64]

CENTRE, LOG_WIDTH, SHARE, LOG_SCALE = range(4)
"""Places of a site's own parameters; the last belongs to Czjzek lines only."""
_PER_SITE = 4
_SCALE_RANGE = math.log(100.0)
_LARGEST_PHASE = math.pi
_SCATTER_WIDTH = 0.4
_SCATTER_CENTRE = 0.5
_FIRST_RATIO = 0.1
_FIRST_PART = 0.1
"""Of the mean area: least area to start from, as a line of none cannot move."""
_RIDGE = 1e-12
_ROUNDS = 3

_Component = tuple[int, int, LineValues, Floats | None]
"""Site, order, unit line, and its derivative by the logarithm of the scale."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LineModel:
    """Sites on the points of one spectrum."""

    sites: tuple[Site, ...]
    """What is fitted."""
    options: LineFitOptions
    """How."""
    orders: tuple[int, ...]
    """The centreband, 0, and the sidebands of every site."""
    larmor_frequency: float
    """**MHz**."""
    shift: Floats
    """**ppm**, shape (n_points,)."""
    unit: float
    """What intensities are divided by: sigma of a point, or more beside priors."""
    real: Floats
    """Real part over the unit, shape (n_points,)."""
    imaginary: Floats | None
    """Imaginary part over the unit."""
    baseline: Floats
    """Legendre polynomials, shape (order + 1, n_points)."""

    areas: slice = field(init=False)
    """Places of areas: centrebands first, then order by order."""
    ratios: slice = field(init=False)
    """Places of sideband ratios; none where their areas are free."""
    polynomial: slice = field(init=False)
    """Places of the baseline's coefficients."""
    phase: slice = field(init=False)
    """Places of the phases, radian: at the middle, and from there to the edge."""
    linear: NDArray[np.int_] = field(init=False)
    """Places of areas and baseline."""
    signed: NDArray[np.bool_] = field(init=False)
    """Which of those may be negative."""

    def __post_init__(self) -> None:
        """Lay out the parameters."""
        free = self.options.sideband_areas == "free"
        n_phases = {"none": 0, "zero": 1, "first": 2}[self.options.phase]
        n_orders = len(self.orders)
        sizes = (
            ("areas", self.n_sites * (n_orders if free else 1)),
            ("ratios", 0 if free else n_orders - 1),
            ("polynomial", self.baseline.shape[0]),
            ("phase", n_phases),
        )
        first = _PER_SITE * self.n_sites
        for name, size in sizes:
            object.__setattr__(self, name, slice(first, first + size))
            first += size
        linear = np.r_[self.areas, self.polynomial]
        signed = linear >= self.polynomial.start
        signed |= self.options.area_sign == "free"
        object.__setattr__(self, "linear", linear)
        object.__setattr__(self, "signed", signed)

    @property
    def n_sites(self) -> int:
        """Return the number of sites."""
        return len(self.sites)

    @property
    def n_parameters(self) -> int:
        """Return the length of the parameter vector, held ones in."""
        return int(self.phase.stop)

    def own(self, site: int, what: int) -> int:
        """Return the place of a site's own parameter."""
        return _PER_SITE * site + what

    def evaluate(self, values: Floats) -> tuple[Floats, Floats]:
        """Return the residual and its derivatives.

        Parameters
        ----------
        values : ndarray, shape (n_parameters,)
            Parameters.

        Returns
        -------
        residual : ndarray, shape (n_points + n_priors,)
            Data less model over the unit, priors behind.
        jacobian : ndarray, shape (n_parameters, n_points + n_priors)
            Derivatives of the residual.
        """
        n = self.shift.size
        priors = self._priors()
        jacobian = np.zeros((self.n_parameters, n + len(priors)))
        slopes = jacobian[:, :n]
        data = self._turn(values[self.phase], slopes[self.phase])
        components = self._components(values)
        self._write_linear(values, components, slopes)
        residual = np.empty(n + len(priors))
        residual[:n] = data - values[self.linear] @ slopes[self.linear]
        slopes[self.linear] *= -1.0
        self._write_shapes(values, components, slopes)
        for row, (place, mean, std) in enumerate(priors, start=n):
            residual[row] = (values[place] - mean) / std
            jacobian[place, row] = 1.0 / std
        return residual, jacobian

    def lines(self, values: Floats) -> Floats:
        """Return each site's line, sidebands in, over the unit; (n_sites, n_points)."""
        found = np.zeros((self.n_sites, self.shift.size))
        for site, order, unit, _ in self._components(values):
            found[site] += self._area(values, site, order)[0] * unit.value[0]
        return found

    def site_areas(self, values: Floats) -> tuple[Floats, Floats]:
        """Return areas of sites over the unit in ppm, and their derivatives.

        Returns
        -------
        area : ndarray, shape (n_sites,)
            With or without sidebands, as the options say.
        derivative : ndarray, shape (n_sites, n_parameters)
        """
        kept = self.orders if self.options.sidebands == "included" else (0,)
        area = np.zeros(self.n_sites)
        slope = np.zeros((self.n_sites, self.n_parameters))
        for site in range(self.n_sites):
            for order in kept:
                value, by = self._area(values, site, order)
                area[site] += value
                for place, derivative in by:
                    slope[site, place] += derivative
        return area, slope

    def limits(self) -> tuple[Floats, Floats]:
        """Return lower and upper limits of all parameters."""
        low = np.full(self.n_parameters, -np.inf)
        high = np.full(self.n_parameters, np.inf)
        for number, site in enumerate(self.sites):
            narrow, wide = site.fwhm_limits()
            held = site.shape != "czjzek"
            start = self._log_scale(site)
            windows = (
                site.shift_limits(self.larmor_frequency),
                (self._log_ppm(narrow), self._log_ppm(wide)),
                site.share_window,
                (start, start) if held else (start - _SCALE_RANGE, start + 3.0),
            )
            for what, (least, most) in enumerate(windows):
                low[self.own(number, what)] = least
                high[self.own(number, what)] = most
        if self.options.area_sign == "positive":
            low[self.areas] = 0.0
            low[self.ratios] = 0.0
        low[self.phase], high[self.phase] = -_LARGEST_PHASE, _LARGEST_PHASE
        return low, high

    def start(self, generator: np.random.Generator | None = None) -> Floats:
        """Return parameters to start from; areas are those that fit best there.

        Parameters
        ----------
        generator : numpy.random.Generator, optional
            Scatters shifts, widths and shares.
        """
        values = np.zeros(self.n_parameters)
        low, high = self.limits()
        for number, site in enumerate(self.sites):
            own = np.array(
                [
                    site.shift_ppm,
                    self._log_ppm(site.fwhm_hz),
                    site.lorentzian_share,
                    self._log_scale(site),
                ]
            )
            if generator is not None:
                width = math.exp(own[LOG_WIDTH])
                own[CENTRE] += _SCATTER_CENTRE * width * generator.normal()
                own[LOG_WIDTH] += _SCATTER_WIDTH * generator.normal()
                own[SHARE] = generator.uniform(*site.share_window)
                own[LOG_SCALE] += _SCATTER_WIDTH * generator.normal()
            values[_PER_SITE * number : _PER_SITE * (number + 1)] = own
        values[self.ratios] = _FIRST_RATIO
        values = np.clip(values, low, high)
        slopes = np.zeros((self.n_parameters, self.shift.size))
        self._write_linear(values, self._components(values), slopes)
        linear = solve_linear(slopes[self.linear], self.real, signed=self.signed)
        values[self.linear] = linear
        if self.options.area_sign == "positive":
            areas = values[self.areas]
            least = _FIRST_PART * float(areas.mean())
            values[self.areas] = np.maximum(areas, least)
        return values

    def sort_sites(self, values: Floats) -> Floats:
        """Return parameters with the sites' shifts in the order as stated.

        Two lines that passed each other on the way to a minimum have only changed their
        names. They change back where shapes are the same, there are no priors, and
        windows allow it.
        """
        found = values.copy()
        low, high = self.limits()
        ranks = np.argsort([site.shift_ppm for site in self.sites], kind="stable")
        for _ in ranks:
            for i, k in pairwise(ranks):
                swapped = self._swap(found, int(i), int(k))
                if swapped is not None and np.all((swapped >= low) & (swapped <= high)):
                    found = swapped
        return found

    def _swap(self, values: Floats, i: int, k: int) -> Floats | None:
        """Return parameters with two sites' names changed; None where they stand."""
        one, other = self.sites[i], self.sites[k]
        if values[self.own(i, CENTRE)] <= values[self.own(k, CENTRE)]:
            return None
        if one.shape != other.shape or self._priors():
            return None
        mine = [*range(self.own(i, 0), self.own(i, _PER_SITE))]
        others = [*range(self.own(k, 0), self.own(k, _PER_SITE))]
        for first in range(self.areas.start, self.areas.stop, self.n_sites):
            mine.append(first + i)
            others.append(first + k)
        found = values.copy()
        found[mine], found[others] = values[others], values[mine]
        return found

    def _log_ppm(self, width_hz: float) -> float:
        return math.log(width_hz / self.larmor_frequency)

    def _log_scale(self, site: Site) -> float:
        """Return the logarithm of the second-order scale in ppm; 0 for other lines."""
        if site.shape != "czjzek":
            return 0.0
        scale = second_order_scale(
            site.sigma_cq_mhz, self.larmor_frequency, spin=self.options.spin
        )
        return math.log(scale)

    def _priors(self) -> list[tuple[int, float, float]]:
        """Return place, mean and sigma of every prior."""
        found = []
        for number, site in enumerate(self.sites):
            if math.isfinite(site.shift_prior_std_ppm):
                place = self.own(number, CENTRE)
                found.append((place, site.shift_ppm, site.shift_prior_std_ppm))
            if math.isfinite(site.fwhm_prior_log_std):
                place = self.own(number, LOG_WIDTH)
                mean = self._log_ppm(site.fwhm_hz)
                found.append((place, mean, site.fwhm_prior_log_std))
        return found

    def _turn(self, phase: Floats, slopes: Floats) -> Floats:
        """Return the real part after the phase; write its derivatives."""
        if self.imaginary is None or phase.size == 0:
            return self.real
        place = self.baseline_axis()
        angle = phase[0] + (phase[1] * place if phase.size > 1 else 0.0)
        cosine, sine = np.cos(angle), np.sin(angle)
        slopes[0] = self.imaginary * cosine - self.real * sine
        if phase.size > 1:
            slopes[1] = slopes[0] * place
        return np.asarray(self.real * cosine + self.imaginary * sine)

    def baseline_axis(self) -> Floats:
        """Return the shift scaled to -1 ... 1."""
        first, last = self.shift[0], self.shift[-1]
        return np.asarray((2.0 * self.shift - first - last) / (last - first))

    def _share_of_area(
        self, values: Floats, site: int, order: int
    ) -> tuple[int, float]:
        """Return the place of the area of a line, and the line's share of it."""
        place = self.orders.index(order)
        if self.options.sideband_areas == "free" or order == 0:
            return self.areas.start + self.n_sites * place + site, 1.0
        return self.areas.start + site, float(values[self.ratios.start + place - 1])

    def _area(
        self, values: Floats, site: int, order: int
    ) -> tuple[float, list[tuple[int, float]]]:
        """Return one line's area and its derivatives by place."""
        where, factor = self._share_of_area(values, site, order)
        area = float(values[where])
        slopes = [(where, factor)]
        if order and self.options.sideband_areas == "shared":
            slopes.append((self.ratios.start + self.orders.index(order) - 1, area))
        return area * factor, slopes

    def _components(self, values: Floats) -> list[_Component]:
        """Return site, order, unit line and slope by scale of every line."""
        found: list[_Component] = []
        own = values[: _PER_SITE * self.n_sites].reshape(-1, _PER_SITE)
        spacing = (self.options.mas_rate_hz or 0.0) / self.larmor_frequency
        shapes: tuple[LineShape, ...] = ("pseudo-voigt", "voigt")
        for order in self.orders:
            centre = own[:, CENTRE] + order * spacing
            width = np.exp(own[:, LOG_WIDTH])
            for shape in shapes:
                chosen = [k for k, s in enumerate(self.sites) if s.shape == shape]
                if not chosen:
                    continue
                lines = evaluate_lines(
                    self.shift,
                    centre[chosen],
                    width[chosen],
                    share=own[chosen, SHARE],
                    shape=shape,
                )
                for row, site in enumerate(chosen):
                    found.append((site, order, _one(lines, row), None))
            for site, description in enumerate(self.sites):
                if description.shape == "czjzek":
                    quadrupolar = evaluate_czjzek(
                        self.shift,
                        float(centre[site]),
                        float(width[site]),
                        share=float(own[site, SHARE]),
                        scale=math.exp(own[site, LOG_SCALE]),
                    )
                    found.append(
                        (site, order, quadrupolar.line, quadrupolar.by_log_scale)
                    )
        return found

    def _write_linear(
        self, values: Floats, components: list[_Component], slopes: Floats
    ) -> None:
        """Write the model's derivatives by areas and baseline."""
        slopes[self.polynomial] = self.baseline
        for site, order, unit, _ in components:
            where, factor = self._share_of_area(values, site, order)
            slopes[where] += factor * unit.value[0]

    def _write_shapes(
        self, values: Floats, components: list[_Component], slopes: Floats
    ) -> None:
        """Write the residual's derivatives by what shapes the lines."""
        for site, order, unit, by_scale in components:
            where, factor = self._share_of_area(values, site, order)
            area, first = float(values[where]) * factor, self.own(site, 0)
            slopes[first + CENTRE] -= area * unit.by_centre[0]
            slopes[first + LOG_WIDTH] -= area * unit.by_log_width[0]
            slopes[first + SHARE] -= area * unit.by_share[0]
            if by_scale is not None:
                slopes[first + LOG_SCALE] -= area * by_scale
            if order and self.options.sideband_areas == "shared":
                ratio = self.ratios.start + self.orders.index(order) - 1
                slopes[ratio] -= float(values[where]) * unit.value[0]


def solve_linear(basis: Floats, data: Floats, *, signed: NDArray[np.bool_]) -> Floats:
    """Return the coefficients of rows whose sum is nearest to the data.

    Parameters
    ----------
    basis : ndarray, shape (n_rows, n_points)
        Rows.
    data : ndarray, shape (n_points,)
        What they add up to.
    signed : ndarray of bool, shape (n_rows,)
        Rows whose coefficient may be negative.

    Notes
    -----
    Normal equations, a trace of the diagonal added: rows that are nearly the same
    share what they have in common. Negative coefficients are set to zero, worst first,
    and those that would gain return (Lawson & Hanson).
    """
    matrix = basis @ basis.T
    return np.asarray(_solve_signed(matrix, basis @ data, signed))


@numba.njit(cache=True)
def _solve_signed(matrix, right, signed):  # type: ignore[no-untyped-def]
    """Return the least squares solution with some coefficients not negative."""
    n = right.size
    for i in range(n):
        matrix[i, i] *= 1.0 + _RIDGE
    kept = np.ones(n, dtype=np.bool_)
    found = np.zeros(n)
    for _ in range(_ROUNDS * n):
        places = np.flatnonzero(kept)
        part, wanted = np.empty((places.size, places.size)), right[places]
        for a in range(places.size):
            for b in range(places.size):
                part[a, b] = matrix[places[a], places[b]]
        found[:] = 0.0
        found[places] = solve_positive(part, wanted)
        worst, least = -1, 0.0
        for i in range(n):
            if not signed[i] and found[i] < least:
                worst, least = i, found[i]
        if worst >= 0:
            kept[worst] = False
            continue
        best, most = -1, _RIDGE * np.abs(right).max()
        for i in range(n):
            gain = right[i] - (matrix[i] * found).sum()
            if not kept[i] and gain > most:
                best, most = i, gain
        if best < 0:
            break
        kept[best] = True
    for i in range(n):
        if not signed[i] and found[i] < 0.0:
            found[i] = 0.0
    return found


def _one(lines: LineValues, row: int) -> LineValues:
    """Return one of several lines."""
    part = slice(row, row + 1)
    return LineValues(
        lines.value[part],
        lines.by_centre[part],
        lines.by_log_width[part],
        lines.by_share[part],
    )
