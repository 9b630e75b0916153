"""Time of impedance fits, beside lmfit and impedance.py: rows of ``make bench``."""

from __future__ import annotations

import contextlib
import io
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from benchmarks.table import Row
from benchmarks.timing import Timing, measure
from structkit.eis.circuits import Circuit, parse_circuit
from structkit.eis.fit import fit_impedance, fit_impedance_series
from structkit.eis.validity import check_kramers_kronig
from structkit.schema import FREQUENCY, IMPEDANCE
from structkit.schema.impedance import make_impedance

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]

TEXT = "L0-p(R1,CPE1)-p(R2,CPE2)-CPE3"
TRUTH = (2e-7, 40.0, 2e-9, 0.9, 300.0, 5e-8, 0.85, 1e-6, 0.85)
OFF = (1.3, 1.5, 0.7, 1.02, 0.7, 1.3, 0.97, 1.2, 1.02)
"""Warm start over truth: as far as a neighbour some ten kelvin away."""
NOISE = 0.005
POINTS = 72
SPECTRA = 100
WARM_MS, COLD_MS, KRONIG_MS, SERIES_S = 5.0, 100.0, 10.0, 2.0
SAME_FIT = 1e-3
"""Relative difference of chi-square from which two programs found other minima."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Case:
    """Two arcs and a spike over 7.7 decades, noise in proportion to the modulus."""

    circuit: Circuit
    """What was simulated and is fitted."""
    spectrum: xr.Dataset
    """72 points."""
    start: Floats
    """Warm start, in the order of the circuit's parameters."""

    @property
    def frequency(self) -> Floats:
        """Return the frequencies, **Hz**."""
        return np.asarray(self.spectrum[FREQUENCY].to_numpy(), dtype=float)

    @property
    def impedance(self) -> Complexes:
        """Return the impedance, **ohm**."""
        return np.asarray(self.spectrum[IMPEDANCE].to_numpy(), dtype=complex)


def two_arcs() -> Case:
    """Return the case of the benchmark."""
    circuit = parse_circuit(TEXT)
    rng = np.random.default_rng(1)
    spectrum = _simulate(circuit, np.array(TRUTH), rng)
    start = np.array(TRUTH) * np.array(OFF)
    return Case(circuit=circuit, spectrum=spectrum, start=start)


def along_temperature(circuit: Circuit) -> list[xr.Dataset]:
    """Return 100 spectra whose resistances grow by 30 along them."""
    rng = np.random.default_rng(2)
    spectra = []
    for factor in np.geomspace(1.0, 30.0, SPECTRA):
        values = np.array(TRUTH)
        values[[1, 4]] *= factor
        spectra.append(_simulate(circuit, values, rng))
    return spectra


def _simulate(circuit: Circuit, values: Floats, rng: np.random.Generator) -> xr.Dataset:
    """Return a spectrum with noise."""
    frequency = np.geomspace(0.1, 5e6, POINTS)
    parts = rng.normal(size=(2, POINTS))
    factor = 1.0 + NOISE * (parts[0] + 1j * parts[1])
    return make_impedance(frequency, circuit.evaluate(frequency, values) * factor)


def measure_eis(repeats: int) -> Iterator[Row]:
    """Yield the rows on one spectrum, on a series and on other programs."""
    case = two_arcs()
    circuit, spectrum = case.circuit, case.spectrum
    start = dict(zip(circuit.names, case.start.tolist(), strict=True))
    name = f"two arcs, {POINTS} points"
    warm, fit = measure(
        lambda: fit_impedance(spectrum, circuit, start=start), repeats=repeats
    )
    yield _row(f"EIS: {name}, warm", warm, "ms", WARM_MS)
    cold, alone = measure(lambda: fit_impedance(spectrum, circuit), repeats=repeats)
    _check(alone.chi_square, fit.chi_square, "the cold fit")
    yield _row(f"EIS: {name}, cold", cold, "ms", COLD_MS)
    kronig, _ = measure(lambda: check_kramers_kronig(spectrum), repeats=repeats)
    yield _row(f"EIS: Kramers-Kronig, {POINTS} points", kronig, "ms", KRONIG_MS)
    many = along_temperature(circuit)
    series, fits = measure(
        lambda: fit_impedance_series(many, circuit), repeats=max(repeats // 5, 1)
    )
    off = [abs(np.log(one.value("R2") / one.value("R1") / 7.5)) for one in fits]
    assert max(off) < 0.5, "an arc of the series was lost or swapped"
    yield _row(f"EIS: {SPECTRA} spectra of {name}", series, "s", SERIES_S)
    few = max(repeats // 3, 1)
    yield from measure_lmfit(case, few, ours=warm, chi_square=fit.chi_square)
    yield from measure_impedance_py(case, few, ours=warm, kronig=kronig)


def measure_lmfit(
    case: Case, repeats: int, *, ours: Timing, chi_square: float
) -> Iterator[Row]:
    """Yield the time of lmfit on the circuit written out by hand, and the ratio."""
    call = lmfit_call(case)
    theirs, result = measure(call, repeats=repeats)
    _check(float(result.chisqr), chi_square, "lmfit")
    what = f"lmfit {version('lmfit')}: the same, circuit by hand, numeric slopes"
    yield _row(what, theirs, "ms", None)
    yield Row(
        what="EIS: structkit against lmfit", value=theirs.median / ours.median, unit="x"
    )


def lmfit_call(case: Case) -> Callable[[], Any]:
    """Return a call that fits the case with lmfit from the warm start."""
    import lmfit

    s = 2j * np.pi * case.frequency
    measured = case.impedance
    modulus = np.abs(measured)
    parameters = lmfit.Parameters()
    for name, value in zip(case.circuit.names, case.start, strict=True):
        top = 0.0 if name.startswith("n") else np.inf
        parameters.add(f"ln_{name}", np.log(value), max=top)
    names = [f"ln_{name}" for name in case.circuit.names]

    def residual(tried: Any) -> Floats:
        values = np.exp([tried[name].value for name in names])
        inductance, r1, q1, n1, r2, q2, n2, q3, n3 = values
        found = inductance * s + 1.0 / (1.0 / r1 + q1 * s**n1)
        found = found + 1.0 / (1.0 / r2 + q2 * s**n2) + 1.0 / (q3 * s**n3)
        return np.asarray(((found - measured) / modulus).view(float))

    return lambda: lmfit.minimize(residual, parameters)


def measure_impedance_py(
    case: Case, repeats: int, *, ours: Timing, kronig: Timing
) -> Iterator[Row]:
    """Yield the times of impedance.py, where it is installed."""
    if find_spec("impedance") is None:
        print("impedance.py is left out: it is not installed", file=sys.stderr)
        return
    from impedance import validation
    from impedance.models.circuits import CustomCircuit

    # linKK of 1.7.1 evaluates text that holds np.float64 without knowing np.
    validation.circuit_elements.setdefault("np", np)

    name = f"impedance.py {version('impedance')}"
    frequency, measured = case.frequency, case.impedance

    def fit() -> Any:
        circuit = CustomCircuit(TEXT, initial_guess=case.start.tolist())
        return circuit.fit(frequency, measured, weight_by_modulus=True)

    def test() -> Any:
        with contextlib.redirect_stdout(io.StringIO()):
            return validation.linKK(frequency, measured, c=0.85, max_M=50)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs, found = measure(fit, repeats=repeats)
        residual = (found.predict(frequency) - measured) / np.abs(measured)
        left = float(np.sum(np.abs(residual) ** 2))
        yield _row(f"{name}: the same, from the same start", theirs, "ms", None)
        yield Row(
            what=f"EIS: structkit against impedance.py (its chi-square is {left:.4g})",
            value=theirs.median / ours.median,
            unit="x",
        )
        try:
            tested, _ = measure(test, repeats=repeats)
        except (NameError, ValueError, TypeError) as error:
            print(f"{name}: linKK fails: {error}", file=sys.stderr)
            return
    yield _row(f"{name}: linKK, the same points", tested, "ms", None)
    yield Row(
        what="EIS: Kramers-Kronig against linKK",
        value=tested.median / kronig.median,
        unit="x",
    )


def _check(chi_square: float, reference: float, who: str) -> None:
    """Refuse a time of another minimum."""
    ratio = chi_square / reference
    assert abs(ratio - 1.0) < SAME_FIT, f"{who}: chi-square is {ratio:.4g} of the other"


def _row(what: str, timing: Timing, unit: str, target: float | None) -> Row:
    """Return a row on a time."""
    factor = {"s": 1.0, "ms": 1e3}[unit]
    return Row(
        what=what,
        value=factor * timing.median,
        unit=unit,
        fastest=factor * timing.fastest,
        repeats=len(timing.seconds),
        target=target,
    )
