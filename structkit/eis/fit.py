"""Fit a circuit to impedance spectra: one, or a series from warm starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from structkit.eis.circuits import Circuit
from structkit.eis.elements import Floats
from structkit.eis.fit_result import FitOptions, ImpedanceFit
from structkit.eis.problem import Problem
from structkit.errors import FitError, PlanError
from structkit.schema import FitStatus
from structkit.schema.impedance import validate_impedance
from structkit.schema.names import FREQUENCY, IMPEDANCE

__all__ = ["FitOptions", "ImpedanceFit", "fit_impedance", "fit_impedance_series"]

_MUCH_WORSE = 1.5
"""Ratio of residuals to those of the neighbour that calls for other starts."""
_BETTER = 0.999
"""Ratio of chi-square that makes another minimum the better one."""


def fit_impedance(
    spectrum: xr.Dataset,
    circuit: Circuit,
    options: FitOptions | None = None,
    *,
    start: ImpedanceFit | Mapping[str, float] | None = None,
) -> ImpedanceFit:
    """Fit a circuit to one spectrum.

    Parameters
    ----------
    spectrum : xarray.Dataset
        :mod:`structkit.schema.impedance`; where it has ``masked``, points that are
        not 0 have no weight.
    circuit : Circuit
        From :func:`structkit.eis.circuits.parse_circuit` or one of its models.
    options : FitOptions, optional
        Weights, range, number of starts.
    start : ImpedanceFit or mapping of str to float, optional
        Warm start: a fit of the same circuit, or all values by name.

    Returns
    -------
    ImpedanceFit
        Arcs of one kind are sorted by time constant, the fast first. A fit that did
        not converge is a value with its reason.

    Raises
    ------
    FitError
        Fewer points than parameters.
    PlanError
        ``options`` or ``start`` name what the circuit does not have, or ask for a
        weight that the spectrum does not give.
    SchemaError
        The dataset is no impedance spectrum.

    Notes
    -----
    Complex least squares, ``sum |Z - Z_fit|^2 / sigma^2`` with ``sigma`` = |Z| or the
    given standard uncertainty, over the logarithms of the parameters. With modulus
    weights the covariance is scaled by the reduced chi-square; with given ones only
    where it is above 1.

    References
    ----------
    Boukamp, 1986, 10.1016/0167-2738(86)90031-7.

    Examples
    --------
    >>> from structkit.eis.circuits import parse_circuit
    >>> from structkit.schema.impedance import make_impedance
    >>> circuit = parse_circuit("R0-p(R1,C1)")
    >>> frequency = np.geomspace(1.0, 1e5, 31)
    >>> impedance = circuit.evaluate(frequency, [10.0, 100.0, 1e-5])
    >>> fit = fit_impedance(make_impedance(frequency, impedance), circuit)
    >>> print(f"{fit.value('R1'):.4g} {fit.status.value}")
    100 converged
    """
    validate_impedance(spectrum)
    chosen = options or FitOptions()
    problem = Problem.of(spectrum, circuit, chosen)
    if start is not None:
        return problem.finish(problem.improve(_warm_values(circuit, start)))
    return problem.finish(problem.search())


def fit_impedance_series(
    spectra: Sequence[xr.Dataset],
    circuit: Circuit,
    options: FitOptions | None = None,
    *,
    start: ImpedanceFit | None = None,
) -> list[ImpedanceFit]:
    """Fit one circuit to spectra that follow each other, each from its neighbour.

    Parameters
    ----------
    spectra : sequence of xarray.Dataset
        In the order in which they change, of temperature or time.
    circuit : Circuit
        As :func:`fit_impedance`.
    options : FitOptions, optional
        As :func:`fit_impedance`.
    start : ImpedanceFit, optional
        Start of the first.

    Returns
    -------
    list of ImpedanceFit
        One for each spectrum. A spectrum that cannot be fitted has status ``FAILED``
        and its reason, and the series goes on.

    Raises
    ------
    PlanError, SchemaError
        As :func:`fit_impedance`.

    Notes
    -----
    Each starts from the one before; where that leaves residuals half as large again
    as the neighbour's, starts from the data are tried too. Then back from the last:
    a start from the one behind replaces a fit where it has less chi-square.
    """
    chosen = options or FitOptions()
    fits: list[ImpedanceFit] = []
    for spectrum in spectra:
        fits.append(_fit_next(spectrum, circuit, chosen, start))
        start = fits[-1] if fits[-1].status.has_values else start
    for number in range(len(fits) - 2, -1, -1):
        fit, behind = fits[number], fits[number + 1]
        worse = fit.relative_residual > _MUCH_WORSE * behind.relative_residual
        if fit.status.has_values and behind.status.has_values and worse:
            other = fit_impedance(spectra[number], circuit, chosen, start=behind)
            if other.chi_square < _BETTER * fit.chi_square:
                fits[number] = other
    return fits


def _fit_next(
    spectrum: xr.Dataset,
    circuit: Circuit,
    options: FitOptions,
    start: ImpedanceFit | None,
) -> ImpedanceFit:
    """Return the fit of one of a series; a value also where there is none."""
    try:
        if start is None:
            return fit_impedance(spectrum, circuit, options)
        fit = fit_impedance(spectrum, circuit, options, start=start)
        limit = _MUCH_WORSE * start.relative_residual
        if fit.status is FitStatus.NOT_CONVERGED or fit.relative_residual > limit:
            other = fit_impedance(spectrum, circuit, options)
            fit = min(other, fit, key=lambda one: one.chi_square)
    except FitError as error:
        return _failed(spectrum, circuit, str(error))
    return fit


def _warm_values(circuit: Circuit, start: ImpedanceFit | Mapping[str, float]) -> Floats:
    """Return logarithms to start from."""
    if isinstance(start, ImpedanceFit):
        if start.names != circuit.names:
            raise PlanError(
                f"start is a fit of {start.circuit}, not of {circuit}; leave it out"
            )
        return start.log_values
    for name in start:
        circuit.place(name)
    absent = [name for name in circuit.names if name not in start]
    if absent or not all(value > 0.0 for value in start.values()):
        raise PlanError(
            f"start needs a positive value for each of {', '.join(circuit.names)}"
        )
    return np.log([start[name] for name in circuit.names])


def _failed(spectrum: xr.Dataset, circuit: Circuit, reason: str) -> ImpedanceFit:
    """Return the fit of a spectrum that cannot be fitted."""
    frequency = np.asarray(spectrum[FREQUENCY].to_numpy(), dtype=float)
    impedance = np.asarray(spectrum[IMPEDANCE].to_numpy(), dtype=complex)
    size = len(circuit.names)
    return ImpedanceFit(
        circuit=circuit,
        log_values=np.full(size, np.nan),
        log_covariance=np.full((size, size), np.nan),
        status=FitStatus.FAILED,
        reason=reason,
        chi_square=np.nan,
        weighting="modulus",
        condition_number=np.nan,
        frequency=frequency,
        impedance=impedance,
        used=np.zeros(frequency.size, dtype=bool),
        sigma=np.full(frequency.size, np.nan),
    )
