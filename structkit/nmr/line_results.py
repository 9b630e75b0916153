"""A line fit as a labelled dataset, ready to be stored."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr

from structkit.nmr.line_fit import LineFit
from structkit.nmr.widths import split_width
from structkit.schema import CHEMICAL_SHIFT, SITE, label

OTHER_SITE = "other_site"
"""Second dim of a covariance over sites."""
_UNITS = {
    "shift": ("ppm", "chemical shift of the line"),
    "fwhm": ("Hz", "full width at half maximum"),
    "fwhm_ppm": ("ppm", "full width at half maximum"),
    "lorentzian_share": ("1", "Lorentzian share: a description, no cause"),
    "sigma_cq": ("MHz", "width of Czjzek's distribution"),
    "area": ("ppm", "area of the line"),
    "population": ("1", "share of the whole area"),
    "lifetime_width": ("Hz", "least width by the lifetime, 1/(pi T1)"),
    "lorentzian_rest": ("Hz", "width less lifetime, both Lorentzian"),
    "gaussian_rest": ("Hz", "Gaussian beside the lifetime in a Voigt"),
}


def tabulate_lines(fit: LineFit) -> xr.Dataset:
    """Return values, covariances and curves of a line fit.

    Parameters
    ----------
    fit : LineFit
        From :func:`structkit.nmr.fit.fit_lines`.

    Returns
    -------
    xarray.Dataset
        Over ``site``: ``shift`` (ppm), ``fwhm`` (Hz), ``fwhm_ppm``,
        ``lorentzian_share``, ``sigma_cq`` (MHz), ``area`` (intensity times ppm),
        ``population`` with their ``_std``; ``lifetime_width``, ``lorentzian_rest`` and
        ``gaussian_rest`` (Hz), NaN where T1 is unknown; ``trades_with``, the sites of
        which only the sum is known. ``area_covariance`` and ``population_covariance``
        over ``site, other_site``. Over ``chemical_shift``: ``line`` (by ``site``),
        ``baseline``, ``residual``. attrs: ``status``, ``reason``, ``remarks``,
        ``sidebands``, ``noise_std``, ``n_points``, ``n_independent``.
    """
    std = {
        "shift": fit.shift_std,
        "fwhm": fit.fwhm_std_hz,
        "fwhm_ppm": fit.fwhm_std_hz / fit.model.larmor_frequency,
        "lorentzian_share": fit.share_std,
        "sigma_cq": fit.sigma_cq_std_mhz,
        "area": np.sqrt(np.maximum(np.diag(fit.area_covariance), 0.0)),
        "population": np.sqrt(np.maximum(np.diag(fit.population_covariance), 0.0)),
    }
    values = {
        "shift": fit.shifts,
        "fwhm": fit.fwhm_hz,
        "fwhm_ppm": fit.fwhm_hz / fit.model.larmor_frequency,
        "lorentzian_share": fit.shares,
        "sigma_cq": fit.sigma_cq_mhz,
        "area": fit.areas,
        "population": fit.populations,
        **_lifetime_columns(fit),
    }
    table = xr.Dataset(coords={SITE: list(fit.names)})
    for name, numbers in values.items():
        units, long_name = _UNITS[name]
        table[name] = (SITE, numbers, {"units": units, "long_name": long_name})
        if name in std:
            told = {"units": units, "long_name": f"1 sigma of the {long_name}"}
            table[f"{name}_std"] = (SITE, std[name], told)
    both = (SITE, OTHER_SITE)
    table = table.assign_coords({OTHER_SITE: list(fit.names)})
    for name, numbers, units in (
        ("area", fit.area_covariance, "ppm2"),
        ("population", fit.population_covariance, "1"),
    ):
        told = {"units": units, "long_name": f"covariance of the {name}s"}
        table[f"{name}_covariance"] = (both, numbers, told)
    trades = dict.fromkeys(fit.names, "")
    for group in fit.find_groups():
        trades.update(dict.fromkeys(group.sites, " + ".join(group.sites)))
    sums = np.asarray(list(trades.values()), dtype=str)
    table["trades_with"] = (SITE, sums, {"long_name": "sites known as a sum only"})
    return _with_curves(table, fit)


def _lifetime_columns(fit: LineFit) -> dict[str, np.ndarray]:
    """Return the lifetime width and what is left of each width, in Hz."""
    names = ("lifetime_width", "lorentzian_rest", "gaussian_rest")
    columns = {name: np.full(len(fit.names), math.nan) for name in names}
    for number, site in enumerate(fit.model.sites):
        width = float(fit.fwhm_hz[number])
        if site.t1_s is None or not width > 0.0:
            continue
        parts = split_width(width, site.t1_s, t1_std=site.t1_std_s)
        columns["lifetime_width"][number] = parts.lifetime_hz
        columns["lorentzian_rest"][number] = parts.lorentzian_rest_hz
        columns["gaussian_rest"][number] = parts.gaussian_rest_hz
    return columns


def _with_curves(table: xr.Dataset, fit: LineFit) -> xr.Dataset:
    """Return the table with lines, baseline and residual, and the verdict."""
    axis = xr.DataArray(fit.model.shift, dims=(CHEMICAL_SHIFT,))
    table = table.assign_coords({CHEMICAL_SHIFT: label(axis, CHEMICAL_SHIFT)})
    curves = {
        "line": ((SITE, CHEMICAL_SHIFT), fit.lines),
        "baseline": ((CHEMICAL_SHIFT,), fit.baseline),
        "residual": ((CHEMICAL_SHIFT,), fit.residual),
    }
    for name, (dims, numbers) in curves.items():
        table[name] = (dims, numbers, {"units": "1", "long_name": name})
    phase = fit.phase_degree
    return table.assign_attrs(
        status=fit.status.value,
        reason=fit.reason,
        remarks="\n".join(fit.remarks),
        sidebands=fit.model.options.sidebands if len(fit.model.orders) > 1 else "none",
        noise_std=fit.noise_std,
        noise_known=str(fit.noise_known).lower(),
        reduced_chi_square=fit.reduced_chi_square,
        n_points=fit.n_points,
        n_independent=fit.n_independent,
        phase_0_degree=float(phase[0]) if phase.size else 0.0,
        phase_1_degree=float(phase[1]) if phase.size > 1 else 0.0,
    )
