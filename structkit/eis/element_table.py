"""Fits of one circuit as a table with labels.

=====================  ==================  ============================================
name                   dims                meaning
=====================  ==================  ============================================
``element`` (coord)    element             name of the parameter, ``R1``
``units`` (coord)      element             its units
``temperature``, ...   spectrum            scalar coordinates of the spectra
``value``              spectrum, element   in ``units``; NaN where a fit failed
``value_std``          spectrum, element   1 sigma; NaN where it is not known
``in_band``            spectrum, element   False: belongs to an arc whose apex was not
                                           measured
``log_covariance``     spectrum, element,  of the logarithms of the values
                       other_element
``relative_residual``  spectrum            rms of each part over the modulus
``status``, ``reason``  spectrum           :class:`structkit.schema.FitStatus`
=====================  ==================  ============================================
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from structkit.eis.arcs import describe_arcs
from structkit.eis.fit_result import Bools, ImpedanceFit
from structkit.errors import SchemaError
from structkit.schema.names import ELEMENT

SPECTRUM = "spectrum"


def make_element_table(
    fits: Sequence[ImpedanceFit], spectra: Sequence[xr.Dataset]
) -> xr.Dataset:
    """Return the parameters of fits of one circuit, one row for each spectrum.

    Parameters
    ----------
    fits : sequence of ImpedanceFit
        Of one circuit.
    spectra : sequence of xarray.Dataset
        What they are fits of, in the same order; their scalar coordinates are kept.

    Returns
    -------
    xarray.Dataset
        As the module docstring describes; attrs: ``circuit``.

    Raises
    ------
    SchemaError
        No fits, fits of different circuits, or another number of spectra.

    Examples
    --------
    >>> from structkit.eis.circuits import parse_circuit
    >>> from structkit.eis.fit import fit_impedance
    >>> from structkit.schema.impedance import make_impedance
    >>> circuit = parse_circuit("R0-p(R1,C1)")
    >>> frequency = np.geomspace(1.0, 1e5, 31)
    >>> impedance = circuit.evaluate(frequency, [10.0, 100.0, 1e-5])
    >>> spectrum = make_impedance(frequency, impedance, scalars={"temperature": 300.0})
    >>> table = make_element_table([fit_impedance(spectrum, circuit)], [spectrum])
    >>> print(table["value"].sel(element="R1").round(3).values)
    [100.]
    """
    if not fits or len(fits) != len(spectra):
        raise SchemaError(
            f"{len(fits)} fits for {len(spectra)} spectra; give one fit for each"
        )
    circuit = fits[0].circuit
    others = sorted({str(fit.circuit) for fit in fits} - {str(circuit)})
    if others:
        raise SchemaError(
            f"fits of different circuits ({circuit}, {others[0]}); make a table of each"
        )
    rows = (SPECTRUM, ELEMENT)
    table = xr.Dataset(
        {
            "value": (rows, np.array([fit.values for fit in fits])),
            "value_std": (rows, np.array([fit.values_std for fit in fits])),
            "in_band": (rows, np.array([_in_band(fit) for fit in fits])),
            "log_covariance": (
                (*rows, "other_element"),
                np.array([fit.log_covariance for fit in fits]),
            ),
            "relative_residual": (SPECTRUM, [fit.relative_residual for fit in fits]),
            "status": (SPECTRUM, [fit.status.value for fit in fits]),
            "reason": (SPECTRUM, [fit.reason for fit in fits]),
        },
        coords={
            ELEMENT: list(circuit.names),
            "other_element": list(circuit.names),
            "units": (ELEMENT, [one.units for one in circuit.parameters]),
        },
        attrs={"circuit": str(circuit)},
    )
    names = [str(name) for name in spectra[0].coords if spectra[0][name].ndim == 0]
    for name in names:
        if all(name in one.coords and one[name].ndim == 0 for one in spectra):
            values = [one[name].item() for one in spectra]
            table = table.assign_coords({name: (SPECTRUM, values)})
            table[name].attrs.update(spectra[0][name].attrs)
    for name in ("log_covariance", "relative_residual", "in_band"):
        table[name].attrs["units"] = "1"
    for name in ("value", "value_std"):
        table[name].attrs["long_name"] = f"{name} in the units of each element"
    return table


def _in_band(fit: ImpedanceFit) -> Bools:
    """Return which parameters belong to no arc, or to one whose apex was measured."""
    inside = np.ones(len(fit.names), dtype=bool)
    if not fit.status.has_values:
        return ~inside
    outside = {arc.resistor for arc in describe_arcs(fit) if not arc.in_band}
    for arc in fit.circuit.arcs:
        inside[list(arc.places)] = arc.resistor not in outside
    return inside
