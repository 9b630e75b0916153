"""Interactive Nyquist and Arrhenius plots, from stored results."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from structkit.plot.interactive.figure import (
    Figure,
    Trace,
    line_trace,
    make_figure,
    point_trace,
    symbol_of,
)
from structkit.plot.style import OBSERVED_COLOR, color_of, marker_of
from structkit.schema import FREQUENCY, IMPEDANCE, TEMPERATURE

_BOLTZMANN_EV = 8.617333262e-5
_UNITS = ((1e9, "GΩ"), (1e6, "MΩ"), (1e3, "kΩ"), (1.0, "Ω"))
_ARC_ROOM = 1.6


def draw_nyquist(spectrum: xr.Dataset) -> Figure:
    """Draw a spectrum and its circuit, the same scale on both axes.

    Parameters
    ----------
    spectrum : xarray.Dataset
        ``impedance``, ``impedance_fit`` (``ohm``) and ``used`` over ``frequency``.

    Returns
    -------
    dict
        Zoomed to the arc, the blocking spike cut; a double click shows all.
    """
    order = np.argsort(-spectrum[FREQUENCY].to_numpy())
    hertz = spectrum[FREQUENCY].to_numpy()[order]
    measured = spectrum[IMPEDANCE].to_numpy()[order]
    fitted = spectrum["impedance_fit"].to_numpy()[order]
    used = (
        spectrum["used"].to_numpy()[order] > 0
        if "used" in spectrum
        else np.ones(hertz.size, dtype=bool)
    )
    limit = _arc_end(measured, fitted)
    scale, unit = next(
        ((s, u) for s, u in _UNITS if limit >= s), (_UNITS[-1][0], _UNITS[-1][1])
    )
    traces: list[Trace] = []
    for kept, name, symbol in (
        (used, "measured", "circle"),
        (~used, "left out", "x"),
    ):
        if kept.any():
            traces.append(
                point_trace(
                    measured.real[kept] / scale,
                    -measured.imag[kept] / scale,
                    name,
                    OBSERVED_COLOR,
                    symbol=symbol,
                    size=6,
                    texts=[f"{one:.4g} Hz" for one in hertz[kept]],
                )
            )
    traces.append(
        line_trace(
            fitted.real / scale, -fitted.imag / scale, "circuit", color_of(1), width=2
        )
    )
    top = limit / scale
    return make_figure(
        traces,
        x_title=f"Z′ ({unit})",
        y_title=f"−Z″ ({unit})",
        x={"range": [0.0, top], "constrain": "domain"},
        y={
            "range": [-0.1 * top, 0.9 * top],
            "scaleanchor": "x",
            "constrain": "domain",
        },
    )


def _arc_end(
    measured: np.ndarray[tuple[int], np.dtype[np.complex128]],
    fitted: np.ndarray[tuple[int], np.dtype[np.complex128]],
) -> float:
    """Return how far to draw: to where the spike leaves the arc, and some more."""
    curve = fitted if np.isfinite(fitted).all() else measured
    steep = np.abs(np.gradient(np.angle(curve)))
    leave = int(np.argmin(np.where(curve.real > 0.0, -curve.imag, np.inf)))
    phase = -np.degrees(np.angle(curve))
    flat = int(np.nanargmin(np.abs(phase) + 0.0 * steep))
    place = flat if 0 < flat < curve.size - 1 else leave
    return float(max(_ARC_ROOM * curve.real[place], 1e-3))


def draw_arrhenius(conductivity: Mapping[str, xr.Dataset]) -> Figure:
    """Draw ln(sigma T) of each sample against inverse temperature, with its line.

    Parameters
    ----------
    conductivity : mapping of str to xarray.Dataset
        For each label the total's ``temperature`` (``K``), ``conductivity``,
        ``conductivity_std`` (``S cm-1``) and ``in_band`` over ``measurement``; attrs
        ``ln_prefactor``, ``activation_energy`` (``eV``), ``energy_text`` of a line.
    """
    traces: list[Trace] = []
    for index, (name, one) in enumerate(conductivity.items()):
        kelvin = one[TEMPERATURE].to_numpy().astype(float)
        value = one["conductivity"].to_numpy() * kelvin
        std = np.nan_to_num(one["conductivity_std"].to_numpy() * kelvin)
        seen = np.isfinite(value) & np.isfinite(kelvin) & (value > 0.0)
        inside = one["in_band"].to_numpy() > 0
        color, symbol = color_of(index), symbol_of(marker_of(index))
        for kept, label, shape in (
            (seen & inside, name, symbol),
            (seen & ~inside, f"{name}, apex outside the band", f"{symbol}-open"),
        ):
            if kept.any():
                traces.append(
                    point_trace(
                        1000.0 / kelvin[kept],
                        value[kept],
                        label,
                        color,
                        low=np.maximum(value - std, 0.1 * value)[kept],
                        high=(value + std)[kept],
                        symbol=shape,
                        texts=[f"{k - 273.15:.1f} °C" for k in kelvin[kept]],
                    )
                )
        energy = float(one.attrs.get("activation_energy", np.nan))
        if np.isfinite(energy) and seen.sum() > 1:
            ends = np.linspace(kelvin[seen].min(), kelvin[seen].max(), 30)
            line = float(one.attrs["ln_prefactor"]) - energy / (_BOLTZMANN_EV * ends)
            said = str(one.attrs.get("energy_text", ""))
            traces.append(line_trace(1000.0 / ends, np.exp(line), said, color))
    return make_figure(
        traces,
        x_title="1000/T (K⁻¹)",
        y_title="σT (S K cm⁻¹)",
        y={"type": "log", "exponentformat": "power", "dtick": "D2"},
    )
