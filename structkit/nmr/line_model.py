"""Lines, baseline and phase as one parameter vector, and its residual."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from structkit.nmr.czjzek import evaluate_czjzek, second_order_scale
from structkit.nmr.lineshapes import LineShape, LineValues, evaluate_lines
from structkit.nmr.sites import LineFitOptions, Site

Floats = NDArray[np.float64]

CENTRE, LOG_WIDTH, SHARE, LOG_SCALE = range(4)
"""Places of a site's own parameters; the last belongs to Czjzek lines only."""
_PER_SITE = 4
_SCALE_RANGE = math.log(100.0)
_LARGEST_PHASE = math.pi
_SCATTER_WIDTH = 0.4
_SCATTER_CENTRE = 0.5


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

    @property
    def n_sites(self) -> int:
        """Return the number of sites."""
        return len(self.sites)

    @property
    def areas(self) -> slice:
        """Return the places of areas: centrebands first, then order by order."""
        free = self.options.sideband_areas == "free"
        n_areas = self.n_sites * (len(self.orders) if free else 1)
        first = _PER_SITE * self.n_sites
        return slice(first, first + n_areas)

    @property
    def ratios(self) -> slice:
        """Return the places of sideband ratios; none where their areas are free."""
        free = self.options.sideband_areas == "free"
        first = self.areas.stop
        return slice(first, first + (0 if free else len(self.orders) - 1))

    @property
    def polynomial(self) -> slice:
        """Return the places of the baseline's coefficients."""
        first = self.ratios.stop
        return slice(first, first + self.baseline.shape[0])

    @property
    def phase(self) -> slice:
        """Return the places of the phases, radian: at the middle, and at the edge."""
        number = {"none": 0, "zero": 1, "first": 2}[self.options.phase]
        first = self.polynomial.stop
        return slice(first, first + number)

    @property
    def n_parameters(self) -> int:
        """Return the length of the parameter vector, held ones in."""
        return int(self.phase.stop)

    def own(self, site: int, what: int) -> int:
        """Return the place of a site's own parameter."""
        return _PER_SITE * site + what

    def evaluate(self, values: Floats) -> tuple[Floats, Floats]:
        """Return data less model over the unit, with priors behind, and derivatives.

        Parameters
        ----------
        values : ndarray, shape (n_parameters,)
            Parameters.

        Returns
        -------
        residual : ndarray, shape (n_points + n_priors,)
        jacobian : ndarray, shape (n_parameters, n_points + n_priors)
        """
        n = self.shift.size
        priors = self._priors()
        jacobian = np.zeros((self.n_parameters, n + len(priors)))
        model = self._add_lines(values, jacobian[:, :n])
        jacobian[self.polynomial, :n] = self.baseline
        model += values[self.polynomial] @ self.baseline
        jacobian[:, :n] *= -1.0
        data = self._turn(values[self.phase], jacobian[self.phase, :n])
        residual = np.empty(n + len(priors))
        residual[:n] = data - model
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
        values = np.clip(values, low, high)
        values[self.ratios] = 0.0
        return self._with_linear(values, low)

    def _with_linear(self, values: Floats, low: Floats) -> Floats:
        """Return the parameters with areas and baseline by linear least squares."""
        values[self.areas] = 1.0
        _, jacobian = self.evaluate(values)
        n = self.shift.size
        places = np.r_[self.areas, self.polynomial]
        columns = -jacobian[places, :n].T
        found, *_ = np.linalg.lstsq(columns, self.real, rcond=1e-10)
        bad = found < low[places]
        if bad.any():
            found[bad] = 0.0
            rest, *_ = np.linalg.lstsq(columns[:, ~bad], self.real, rcond=1e-10)
            found[~bad] = rest
        values[places] = np.maximum(found, low[places])
        return values

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

    def _area(
        self, values: Floats, site: int, order: int
    ) -> tuple[float, list[tuple[int, float]]]:
        """Return one line's area and its derivatives by place."""
        first, place = self.areas.start, self.orders.index(order)
        if self.options.sideband_areas == "free" or order == 0:
            where = first + self.n_sites * place + site
            return float(values[where]), [(where, 1.0)]
        area, ratio = first + site, self.ratios.start + place - 1
        product = float(values[area] * values[ratio])
        return product, [(area, float(values[ratio])), (ratio, float(values[area]))]

    def _components(
        self, values: Floats
    ) -> list[tuple[int, int, LineValues, Floats | None]]:
        """Return site, order, unit line and slope by scale of every line."""
        found: list[tuple[int, int, LineValues, Floats | None]] = []
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

    def _add_lines(self, values: Floats, jacobian: Floats) -> Floats:
        """Return the sum of all lines; write its derivatives."""
        model = np.zeros(self.shift.size)
        for site, order, unit, by_scale in self._components(values):
            area, slopes = self._area(values, site, order)
            first = _PER_SITE * site
            value = unit.value[0]
            model += area * value
            jacobian[first + CENTRE] += area * unit.by_centre[0]
            jacobian[first + LOG_WIDTH] += area * unit.by_log_width[0]
            jacobian[first + SHARE] += area * unit.by_share[0]
            if by_scale is not None:
                jacobian[first + LOG_SCALE] += area * by_scale
            for place, slope in slopes:
                jacobian[place] += slope * value
        return model


def _one(lines: LineValues, row: int) -> LineValues:
    """Return one of several lines."""
    part = slice(row, row + 1)
    return LineValues(
        lines.value[part],
        lines.by_centre[part],
        lines.by_log_width[part],
        lines.by_share[part],
    )
