"""Activation energies of the conductivities of a pellet.

====================================  ======  =========================================
name                                  units   meaning
====================================  ======  =========================================
``activation_energy``, ``_std``,      eV      every error source in; ``_low``, ``_high``
``_low``, ``_high``                           at the level of the settings
``activation_energy_statistical_std`` eV      without the errors common to all points
``ln_prefactor``, ``_std``            1       of S K/cm (``ln_sigma_T``) or S/cm
``parameter_covariance``,             1, eV   of both; over ``parameter``,
``parameter_covariance_statistical``          ``parameter_``
``degrees_of_freedom``                1       of the statistical part, effective
``n_points``                          1       in the fit
``reduced_chi_square``                1       with the errors as given
``extra_scatter``                     1       sigma of ln(sigma) that they lack
``mean_temperature``                  K       of the points in the fit
``temperature_low``, ``_high``        K       range of the points in the fit
``vogel_delta_bic``                   1       curve less line; NaN: not asked
``vogel_temperature``                 K       of the curve
``status``, ``reason``                        of the fit
====================================  ======  =========================================

Over ``contribution``, ``convention`` and ``points``: ``all`` and ``in_band``, which
leaves out those whose arc has its peak outside the measured band.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from structkit.eis.arrhenius_line import (
    BOLTZMANN_EV,
    ArrheniusLine,
    ArrheniusSettings,
    Convention,
    convention_difference,
    fit_line,
)
from structkit.eis.vogel import CurvatureTest, compare_curved
from structkit.errors import FitError
from structkit.schema import CONTRIBUTION, TEMPERATURE, FitStatus
from structkit.schema.conductivity import (
    ALL_POINTS,
    CONDUCTIVITY,
    CONDUCTIVITY_SHIFT,
    CONDUCTIVITY_STATISTICAL_STD,
    CONVENTION,
    CONVENTIONS,
    ERROR_SOURCE,
    GEOMETRY,
    IN_BAND,
    IN_BAND_POINTS,
    LN_SIGMA,
    LN_SIGMA_T,
    OTHER_PARAMETER,
    PARAMETER,
    POINTS,
    TOTAL,
)

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_PARAMETERS = ["ln_prefactor", "activation_energy"]
_SUMMARY = {
    "activation_energy": ("eV", "activation energy"),
    "activation_energy_std": ("eV", "standard uncertainty, all sources"),
    "activation_energy_low": ("eV", "lower limit of the activation energy"),
    "activation_energy_high": ("eV", "upper limit of the activation energy"),
    "activation_energy_statistical_std": ("eV", "without errors common to all points"),
    "ln_prefactor": ("1", "ln of the prefactor in S K/cm, or in S/cm"),
    "ln_prefactor_std": ("1", "standard uncertainty of it"),
    "degrees_of_freedom": ("1", "effective degrees of freedom"),
    "n_points": ("1", "points in the fit"),
    "reduced_chi_square": ("1", "reduced chi-square with the errors as given"),
    "extra_scatter": ("1", "scatter of ln(sigma) beyond the errors given"),
    "mean_temperature": ("K", "mean temperature of the points"),
    "temperature_low": ("K", "lowest temperature of the points"),
    "temperature_high": ("K", "highest temperature of the points"),
    "vogel_delta_bic": ("1", "BIC of the VFT curve less that of the line"),
    "vogel_temperature": ("K", "Vogel temperature"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """A conductivity on the line."""

    conductivity: float
    """**S cm-1**."""
    low: float
    """Lower limit, **S cm-1**."""
    high: float
    """Upper limit, **S cm-1**."""
    ln_std: float
    """1 sigma of its logarithm, all sources."""
    remark: str = ""
    """Says when it is an extrapolation."""


def fit_arrhenius(
    conductivity: xr.Dataset, settings: ArrheniusSettings | None = None
) -> xr.Dataset:
    """Fit the activation energy of each contribution, in both conventions.

    Parameters
    ----------
    conductivity : xarray.Dataset
        From :func:`structkit.eis.conductivity.compute_conductivity`; missing values
        are left out of the fit of their contribution.
    settings : ArrheniusSettings, optional
        Errors of the temperature, weights, level.

    Returns
    -------
    xarray.Dataset
        As the module docstring says. ``ln_sigma_T`` is the primary convention
        (Nernst-Einstein); the other is lower by about k times the mean temperature,
        which the attr ``convention_remark`` states in numbers.

    Notes
    -----
    The weights hold the statistical errors alone. Geometry, leads and the common error
    of the temperatures are propagated as one shift each, so that the geometry reaches
    the prefactor and not the activation energy.

    Examples
    --------
    >>> from structkit.eis.conductivity import compute_conductivity, make_resistances
    >>> from structkit.eis.pellet import Pellet
    >>> kelvin = np.arange(258.15, 329.0, 10.0)
    >>> ohms = 1e-4 * kelvin * np.exp(0.32 / (BOLTZMANN_EV * kelvin))
    >>> pellet = Pellet(diameter_mm=8.0, diameter_std_mm=0.02, thickness_mm=0.85,
    ...                 thickness_std_mm=0.03)
    >>> arcs = make_resistances(kelvin, total=ohms, total_std=0.02 * ohms)
    >>> fits = fit_arrhenius(compute_conductivity(arcs, pellet))
    >>> one = fits.sel(contribution="total", points="all")
    >>> print(one["activation_energy"].to_numpy().round(4))
    [0.32  0.295]
    """
    settings = settings or ArrheniusSettings()
    names = conductivity[CONTRIBUTION].to_numpy().tolist()
    selections = (ALL_POINTS, IN_BAND_POINTS)
    shape = (len(names), len(CONVENTIONS), len(selections))
    filled: dict[str, Any] = {name: np.full(shape, math.nan) for name in _SUMMARY}
    status = np.full(shape, "", dtype=object)
    reason = np.full(shape, "", dtype=object)
    matrices = np.full((2, *shape, 2, 2), math.nan)
    remarks = []
    for place in np.ndindex(shape):
        series = _read_series(conductivity, names[place[0]], selections[place[2]])
        convention = CONVENTIONS[place[1]]
        line, curve = _fit(series, convention, settings)
        for name, value in _summarise(line, curve, series, settings).items():
            filled[name][place] = value
        status[place] = line.status.value
        reason[place] = line.reason
        matrices[0][place] = line.covariance
        matrices[1][place] = line.statistical_covariance
        if line.status.has_values and place[1:] == (0, 0):
            told = _tell_difference(series, line, settings)
            remarks.append(f"{names[place[0]].replace('_', ' ')}: {told}")
    dims = (CONTRIBUTION, CONVENTION, POINTS)
    square = (*dims, PARAMETER, OTHER_PARAMETER)
    attrs = {"units": "1", "long_name": "covariance of ln_prefactor and energy in eV"}
    variables: dict[str, Any] = {
        name: (dims, values, _says(*_SUMMARY[name])) for name, values in filled.items()
    }
    variables["parameter_covariance"] = (square, matrices[0], attrs)
    variables["parameter_covariance_statistical"] = (square, matrices[1], attrs)
    variables["status"] = (dims, status.astype(str))
    variables["reason"] = (dims, reason.astype(str))
    return xr.Dataset(
        variables,
        coords={
            CONTRIBUTION: names,
            CONVENTION: list(CONVENTIONS),
            POINTS: list(selections),
            PARAMETER: _PARAMETERS,
            OTHER_PARAMETER: _PARAMETERS,
        },
        attrs={"level": settings.level, "convention_remark": "\n".join(remarks)},
    )


def predict_conductivity(
    fits: xr.Dataset,
    temperature: float,
    *,
    contribution: str = TOTAL,
    convention: str = LN_SIGMA_T,
    points: str = ALL_POINTS,
) -> Prediction:
    """Return the conductivity of the line at a temperature, with its interval.

    Parameters
    ----------
    fits : xarray.Dataset
        From :func:`fit_arrhenius`.
    temperature : float
        **K**.
    contribution, convention, points : str
        Which fit.

    Returns
    -------
    Prediction
        Of the line, not of another measurement; the remark tells an extrapolation.

    Raises
    ------
    FitError
        That fit has no values.
    """
    row = fits.sel({CONTRIBUTION: contribution, CONVENTION: convention, POINTS: points})
    status = FitStatus(str(row["status"].item()))
    if not status.has_values:
        raise FitError(
            f"no line of {contribution} to read at {temperature:g} K: "
            f"{row['reason'].item()}"
        )
    line = ArrheniusLine(
        convention=LN_SIGMA_T if convention == LN_SIGMA_T else LN_SIGMA,
        values=np.array([row[name].item() for name in _PARAMETERS]),
        covariance=row["parameter_covariance"].to_numpy(),
        statistical_covariance=row["parameter_covariance_statistical"].to_numpy(),
        degrees_of_freedom=float(row["degrees_of_freedom"]),
        status=status,
    )
    direction = np.array([1.0, -1.0 / (BOLTZMANN_EV * temperature)])
    reach = line.reach(direction, float(fits.attrs["level"]))
    value = float(line.ln_conductivity(np.asarray(temperature)))
    low, high = float(row["temperature_low"]), float(row["temperature_high"])
    outside = max(low - temperature, temperature - high)
    said = f"extrapolated {outside:.0f} K beyond {low:.0f} to {high:.0f} K"
    return Prediction(
        conductivity=math.exp(value),
        low=math.exp(value - reach),
        high=math.exp(value + reach),
        ln_std=math.sqrt(direction @ line.covariance @ direction),
        remark=said if outside > 0.0 else "",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Series:
    """The conductivities of one contribution that a fit uses."""

    kelvin: Floats
    sigma: Floats
    relative_std: Floats
    scale_std: float
    shifts: Floats


def _read_series(conductivity: xr.Dataset, name: str, selection: str) -> _Series:
    """Return the usable points of one contribution."""
    row = conductivity.sel({CONTRIBUTION: name})
    sigma = row[CONDUCTIVITY].to_numpy()
    used: Bools = np.isfinite(sigma) & (sigma > 0.0)
    inside = row[IN_BAND].to_numpy() > 0 if IN_BAND in row else np.ones_like(used)
    if selection == IN_BAND_POINTS:
        used = used & inside
    own = row[CONDUCTIVITY_STATISTICAL_STD].to_numpy()[used]
    relative = row[CONDUCTIVITY_SHIFT].to_numpy()[:, used] / sigma[used]
    is_scale = row[ERROR_SOURCE].to_numpy() == GEOMETRY
    return _Series(
        kelvin=row[TEMPERATURE].to_numpy()[used],
        sigma=sigma[used],
        relative_std=own / sigma[used],
        scale_std=float(relative[is_scale].mean()) if np.any(used) else math.nan,
        shifts=relative[~is_scale],
    )


def _fit(
    series: _Series, convention: str, settings: ArrheniusSettings
) -> tuple[ArrheniusLine, CurvatureTest]:
    """Return the line of one series and what a curve would do."""
    chosen: Convention = LN_SIGMA_T if convention == LN_SIGMA_T else LN_SIGMA
    line = fit_line(
        series.kelvin,
        series.sigma,
        relative_std=series.relative_std,
        scale_std=series.scale_std,
        shifts=series.shifts,
        convention=chosen,
        settings=settings,
    )
    if not line.status.has_values:
        return line, CurvatureTest()
    alike = settings.weights == "none"
    curve = compare_curved(
        series.kelvin,
        series.sigma,
        relative_std=None if alike else series.relative_std,
        convention=chosen,
    )
    return line, curve


def _summarise(
    line: ArrheniusLine,
    curve: CurvatureTest,
    series: _Series,
    settings: ArrheniusSettings,
) -> dict[str, float]:
    """Return the numbers of one fit by the names of the dataset."""
    if not line.status.has_values:
        return {"n_points": line.n_points}
    low, high = line.energy_limits(settings.level)
    return {
        "activation_energy": line.energy,
        "activation_energy_std": line.energy_std,
        "activation_energy_low": low,
        "activation_energy_high": high,
        "activation_energy_statistical_std": math.sqrt(
            line.statistical_covariance[1, 1]
        ),
        "ln_prefactor": float(line.values[0]),
        "ln_prefactor_std": math.sqrt(line.covariance[0, 0]),
        "degrees_of_freedom": line.degrees_of_freedom,
        "n_points": line.n_points,
        "reduced_chi_square": line.reduced_chi_square,
        "extra_scatter": line.extra_scatter,
        "mean_temperature": float(series.kelvin.mean()),
        "temperature_low": float(series.kelvin.min()),
        "temperature_high": float(series.kelvin.max()),
        "vogel_delta_bic": curve.delta_bic,
        "vogel_temperature": curve.vogel_temperature,
    }


def _tell_difference(
    series: _Series, line: ArrheniusLine, settings: ArrheniusSettings
) -> str:
    """Return one sentence on the two conventions."""
    other, _ = _fit(series, LN_SIGMA, settings)
    expected = convention_difference(series.kelvin)
    return (
        f"ln(sigma T) gives {line.energy:.4f} eV, ln(sigma) {other.energy:.4f} eV: "
        f"lower by {line.energy - other.energy:.4f} eV; "
        f"k T of the mean temperature is {expected:.4f} eV"
    )


def _says(units: str, long_name: str) -> dict[str, str]:
    """Return the attributes of a variable."""
    return {"units": units, "long_name": long_name}
