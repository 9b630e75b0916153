"""Synthetic Raman spectra as files: what an operator would bring home, and the truth.

One text file for each spot, as LabSpec exports it: latin-1, lines ``#Name=<tab>value``
above two columns, Raman shift and counts; silicon, a cover glass and two templates
beside them; a ``[raman]`` table for the series file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import xarray as xr

from structkit.schema import (
    ACCUMULATIONS,
    ACQUISITION_TIME,
    INTENSITY,
    LASER_WAVELENGTH,
    MILLING_TIME,
    RAMAN_SHIFT,
    SAMPLE,
    SPOT,
    TIME,
)
from structkit.store import atomic_path, write_dataset, write_table, write_text
from structkit.synthetic.mixture import LABEL
from structkit.synthetic.raman import (
    describe_series,
    record_series,
    simulate_references,
    stream_of,
)
from structkit.synthetic.raman_detector import RamanOptions
from structkit.synthetic.raman_species import NTC, TA2CL10
from structkit.synthetic.raman_truth import RamanAdversary, RamanTruth

FOLDER = "raman"
"""Folder of the spectra, beside the series file."""
TRUTH_FILE = "raman_truth.nc"
TEMPLATES: Mapping[str, str] = MappingProxyType(
    {NTC: "NTC_template", TA2CL10: "TaCl5_template"}
)
"""Species -> name of its measured spectrum; that of NaTaCl6 has its 405 line."""
_MINUTES_BEFORE = 9 * 60
_TABLE_DIMS = (SPOT, RAMAN_SHIFT, "band", "species")


def write_labspec(spectrum: xr.Dataset, path: Path, *, title: str) -> Path:
    """Write one spot as LabSpec exports it.

    Parameters
    ----------
    spectrum : xarray.Dataset
        Spectra with one spot (:mod:`structkit.schema.spectra`), in ``count``.
    path : Path
        Where to; its folder is made when absent.
    title : str
        For the header.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    pairs = zip(
        spectrum[RAMAN_SHIFT].to_numpy(),
        spectrum[INTENSITY].to_numpy().ravel(),
        strict=True,
    )
    rows = "".join(f"{shift:.6g}\t{counts:.0f}\n" for shift, counts in pairs)
    with atomic_path(path) as temporary:
        temporary.write_text(
            _header(spectrum, title) + rows, encoding="latin-1", newline=""
        )
    return path


def _header(spectrum: xr.Dataset, title: str) -> str:
    """Return the lines above the columns."""
    seconds = float(spectrum[TIME][0]) if TIME in spectrum.coords else 0.0
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(_MINUTES_BEFORE + minutes, 60)
    shift = spectrum[RAMAN_SHIFT]
    entries = {
        "Acq. time (s)": f"{float(spectrum[ACQUISITION_TIME]):g}",
        "Accumulations": f"{float(spectrum[ACCUMULATIONS]):g}",
        "Range": f"{float(shift[0]):.0f} - {float(shift[-1]):.0f}",
        "Spike filter": "Off",
        "Binning": "1",
        "Readout mode": "Signal",
        "DeNoise": "Off",
        "ICS correction": "Off",
        "Dark correction": "Off",
        "Detector temperature (°C)": "-60.1",
        "Instrument": LABEL,
        "Objective": "x50_LWD",
        "Grating": f"{float(spectrum['grating']):g} (500nm)",
        "Spectro (cm-¹)": f"{float(shift.mean()):.3f}",
        "Laser": f"{float(spectrum[LASER_WAVELENGTH]):g}nm_Edge",
        "X (µm)": f"{float(spectrum['position_x'][0]):g}",
        "Y (µm)": f"{float(spectrum['position_y'][0]):g}",
        "Title": title,
        "Acquired": f"02.03.2025 {hours:02d}:{minutes:02d}:{rest:02d}",
    }
    return "".join(f"#{name}=\t{value}\n" for name, value in entries.items())


def write_spots(spectra: xr.Dataset, folder: Path, *, name: str) -> list[Path]:
    """Write each spot as ``<name>_spot<n>.txt``, one spot alone as ``<name>.txt``."""
    if spectra.sizes[SPOT] == 1:
        return [write_labspec(spectra, folder / f"{name}.txt", title=name)]
    return [
        write_labspec(
            spectra.isel({SPOT: [place]}),
            folder / f"{name}_spot{number}.txt",
            title=f"{name}_{number}",
        )
        for place, number in enumerate(spectra[SPOT].to_numpy())
    ]


def write_raman(
    folder: Path,
    spectra: Mapping[str, xr.Dataset],
    known: xr.Dataset,
    *,
    references: Mapping[str, xr.Dataset],
) -> dict[str, list[str]]:
    """Write spectra, references and truth below the folder of a series file.

    Parameters
    ----------
    folder : Path
        Of the series file.
    spectra : mapping of str to xarray.Dataset
        Of each sample.
    known : xarray.Dataset
        Their truth, written as ``raman_truth.nc``; what stands over samples alone also
        as ``raman_truth.csv``.
    references : mapping of str to xarray.Dataset
        From :func:`structkit.synthetic.raman.simulate_references`.

    Returns
    -------
    dict of str to list of str
        Files of each sample, relative to ``folder``.
    """
    place = folder / FOLDER
    for name, spectrum in references.items():
        write_spots(spectrum, place, name=name)
    files = {
        name: [
            path.relative_to(folder).as_posix()
            for path in write_spots(each, place, name=name)
        ]
        for name, each in spectra.items()
    }
    write_dataset(known, folder / TRUTH_FILE)
    table = known.drop_dims([dim for dim in _TABLE_DIMS if dim in known.dims])
    table = table.rename({MILLING_TIME: "milling_time_h"})
    table = table.assign(label=LABEL)
    write_table(table, (folder / TRUTH_FILE).with_suffix(".csv"))
    return files


def raman_table(
    *,
    options: RamanOptions | None = None,
    reduction: str = "none",
    model: str = "",
    templates: Sequence[str] = (),
    through_glass: bool = False,
) -> str:
    """Return the ``[raman]`` table of a series file whose spectra were written here.

    Parameters
    ----------
    options : RamanOptions, optional
        For the range.
    reduction : str
        What is done to intensities before the fit.
    model : str
        ``replicates`` or ``series``; empty: no such key.
    templates : sequence of str
        Species (``NaTaCl6``, ``TaCl5``) whose measured spectra the table names.
    through_glass : bool
        The powders lie under a cover glass: the table names its spectrum as blank.
    """
    options = options or RamanOptions()
    lines = [
        "[raman]",
        "laser_nm = 532.0",
        f"range = [{options.low + 10.0:g}, {options.high:g}]",
        f'calibration = "{FOLDER}/silicon.txt"',
        f'reduction = "{reduction}"',
    ]
    if through_glass:
        lines.insert(4, f'blank = "{FOLDER}/cover_glass.txt"')
    if model:
        lines.append(f'model = "{model}"')
    for species in templates:
        file = f"{FOLDER}/{TEMPLATES[species]}.txt"
        lines += ["", "[[raman.template]]", f'species = "{species}"']
        lines.append(f'file = "{file}"')
    return "\n".join(lines)


def raman_key(files: Sequence[str]) -> str:
    """Return the ``raman`` key of a sample."""
    return "raman = [" + ", ".join(f'"{name}"' for name in files) + "]"


def write_raman_series(
    folder: str | Path,
    *,
    seed: int = 20258,
    adversary: RamanAdversary | None = None,
    resolved: bool = True,
    truth: RamanTruth | None = None,
    times_h: Sequence[float] = (1.0, 2.0, 4.0, 6.0),
    options: RamanOptions | None = None,
    model: str = "",
    templates: Sequence[str] = (),
) -> Path:
    """Write a milling series of Raman spectra alone, and its truth.

    Parameters
    ----------
    folder : str or Path
        Where to write; made when absent.
    seed, adversary, resolved, truth, times_h, options
        As for :func:`structkit.synthetic.raman.simulate_series`.
    model, templates
        As for :func:`raman_table`.

    Returns
    -------
    Path
        ``series.toml``, beside the folder ``raman``, ``raman_truth.nc`` and
        ``raman_truth.csv``.

    Raises
    ------
    PlanError
        See :func:`structkit.synthetic.raman.simulate_series`.
    OutputError
        The folder cannot be written.
    """
    folder = Path(folder)
    truth = truth or RamanTruth.draw(stream_of(seed, "truth"), resolved=resolved)
    samples = describe_series(truth, seed=seed, adversary=adversary, times_h=times_h)
    tree, known = record_series(samples, truth=truth, seed=seed, options=options)
    spectra = {
        str(name): tree[f"/{name}/raman"].to_dataset()
        for name in known[SAMPLE].to_numpy()
    }
    references = simulate_references(truth, seed=seed, options=options)
    known = known.assign_attrs(adversary=adversary or "")
    files = write_raman(folder, spectra, known, references=references)
    blocks = [
        f"# {LABEL}\n[series]\n"
        'name = "NaCl + TaCl5 + Na2O, milled, Raman (synthetic)"\n'
        'axis = "milling_time"\n'
        "mixture = { NaCl = 1, TaCl5 = 1, Na2O = 1 }",
        raman_table(
            options=options,
            model=model,
            templates=templates,
            through_glass=adversary == "cover_glass",
        ),
    ]
    for sample in samples:
        lines = [f'[[sample]]\nid = "{sample.name}"', f'role = "{sample.role}"']
        lines.append(f'milling_time = "{sample.time_h:g} h"')
        if sample.role == "crystalline_reference":
            lines.append("mixture = { NaCl = 1, TaCl5 = 1 }")
        blocks.append("\n".join([*lines, raman_key(files[sample.name])]))
    return write_text("\n\n".join(blocks) + "\n", folder / "series.toml")
