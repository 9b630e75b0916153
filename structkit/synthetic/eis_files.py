"""Synthetic impedance and polarization as files: Gamry's ``.DTA``, csv, and the truth.

The tables are those of Framework: titles, units, rows that begin with a tab; sweeps run
from the highest frequency down.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from structkit.schema import CURRENT, FREQUENCY, IMPEDANCE, TEMPERATURE, TIME, VOLTAGE
from structkit.store import write_dataset, write_text
from structkit.synthetic.eis import EisStudy, simulate_eis
from structkit.synthetic.eis_truth import EisAdversary
from structkit.synthetic.mixture import LABEL

FOLDER = "eis"
TRUTH_FILE = "eis_truth.nc"
_SECONDS_PER_POINT = 0.5


def write_gamry(spectrum: xr.Dataset, path: Path, *, title: str) -> Path:
    """Write a sweep as Gamry's potentiostatic EIS.

    Parameters
    ----------
    spectrum : xarray.Dataset
        :mod:`structkit.schema.impedance`.
    path : Path
        Where to, ``.DTA``; its folder is made when absent.
    title : str
        Test identifier.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    frequency = spectrum[FREQUENCY].to_numpy()[::-1]
    impedance = spectrum[IMPEDANCE].to_numpy()[::-1]
    time = np.cumsum(_SECONDS_PER_POINT + 1.0 / frequency)
    rows = []
    for number, (when, hertz, z) in enumerate(
        zip(time, frequency, impedance, strict=True)
    ):
        cells = (when, hertz, z.real, z.imag, 1.0, abs(z), np.angle(z, deg=True))
        text = "\t".join(f"{cell:.9g}" for cell in cells)
        rows.append(f"\t{number}\t{text}\t0\t0\t9")
    names = "Pt Time Freq Zreal Zimag Zsig Zmod Zphz Idc Vdc IERange".split()
    units = "# s Hz ohm ohm V ohm deg A V #".split()
    lines = [
        *_head("EISPOT", title),
        f"ZCURVE\tTABLE\t{len(rows)}",
        "\t" + "\t".join(names),
        "\t" + "\t".join(units),
        *rows,
    ]
    return write_text("\n".join(lines) + "\n", path)


def write_chronoa(run: xr.Dataset, path: Path, *, title: str) -> Path:
    """Write a polarization run as Gamry's chronoamperometry; as :func:`write_gamry`."""
    columns = (
        run[name].to_numpy()
        for name in (TIME, VOLTAGE, CURRENT)
        if name in run.variables
    )
    rows = [
        f"\t{number}\t{time:.6g}\t{volt:.6g}\t{ampere:.9g}\t0\t0\t0\t5\t..........."
        for number, (time, volt, ampere) in enumerate(zip(*columns, strict=True))
    ]
    lines = [
        *_head("CHRONOA", title),
        f"CURVE\tTABLE\t{len(rows)}",
        "\tPt\tT\tVf\tIm\tVu\tSig\tAch\tIERange\tOver",
        "\t#\ts\tV vs. Ref.\tA\tV\tV\tV\t#\tbits",
        *rows,
    ]
    return write_text("\n".join(lines) + "\n", path)


def _head(tag: str, title: str) -> list[str]:
    """Return the lines above the tables."""
    return [
        "EXPLAIN",
        f"TAG\t{tag}",
        f"TITLE\tLABEL\t{title}\tTest &Identifier",
        "DATE\tLABEL\t3/2/2025\tDate",
        "TIME\tLABEL\t09:00:00\tTime",
        f"PSTAT\tPSTAT\t{LABEL}\tPotentiostat",
    ]


def write_csv(spectrum: xr.Dataset, path: Path) -> Path:
    """Write a sweep as columns of text with its temperature above.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    celsius = float(spectrum[TEMPERATURE]) - 273.15
    rows = [
        f"{hertz:.9g},{z.real:.9g},{z.imag:.9g}"
        for hertz, z in zip(
            spectrum[FREQUENCY].to_numpy(), spectrum[IMPEDANCE].to_numpy(), strict=True
        )
    ]
    head = [f"# {LABEL}", f"# Temperature: {celsius:.2f} °C"]
    titles = "freq/Hz,Re(Z)/Ohm,Im(Z)/Ohm"
    return write_text("\n".join([*head, titles, *rows]) + "\n", path)


def write_eis(
    folder: str | Path, *, seed: int = 20258, adversary: EisAdversary | None = None
) -> EisStudy:
    """Write all impedance and polarization of a study, and their truth.

    Parameters
    ----------
    folder : str or Path
        Where to; made when absent.
    seed, adversary
        As for :func:`structkit.synthetic.eis.simulate_eis`.

    Returns
    -------
    EisStudy
        What was written: ``eis/<sample>.DTA``, the series of ``4h`` as
        ``eis/4h_<C>C.csv``, ``eis/4h_dc.DTA``, ``eis_truth.nc``.

    Raises
    ------
    PlanError
        An adversary that does not exist.
    OutputError
        The folder cannot be written.
    """
    study = simulate_eis(seed, adversary=adversary)
    write_eis_study(study, Path(folder))
    return study


def write_eis_study(study: EisStudy, folder: Path) -> None:
    """Write what was simulated of a study, and its truth, as :func:`write_eis`."""
    place, warmed = folder / FOLDER, str(study.truth.attrs["series_sample"])
    for name, sweep in study.sweeps.items():
        write_gamry(sweep, place / f"{name}.DTA", title=name)
    for sweep in study.series:
        write_csv(sweep, place / series_file(warmed, sweep))
    write_chronoa(study.run, place / f"{warmed}_dc.DTA", title="polarization")
    write_dataset(study.truth, folder / TRUTH_FILE)


def series_file(sample: str, sweep: xr.Dataset) -> str:
    """Return the name of a sweep of a temperature series, ``4h_-15C.csv``."""
    return f"{sample}_{round(float(sweep[TEMPERATURE]) - 273.15)}C.csv"
