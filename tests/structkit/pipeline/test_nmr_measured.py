"""The NMR stage on measured experiments whose headers are wrong."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pytest

from structkit.pipeline.nmr import fit_t1, run_nmr

pytestmark = pytest.mark.shared

SHARE = 0.02
"""Of published populations."""
WIDTH = 0.01
"""Relative, of published widths."""

VANADIUM = """\
[series]
name = "51V"
[nmr]
nucleus = "51V"
[[nmr.site]]
name = "a"
shift_ppm = -595.0
fwhm_hz = 1500.0
[[nmr.site]]
name = "b"
shift_ppm = -577.0
fwhm_hz = 1500.0
[[sample]]
id = "V"
milling_time = 1
nmr = "{nmr}/V51_two_peaks/2"
"""
FLUORINE = """\
[series]
name = "19F"
axis = "temperature"
[nmr]
nucleus = "19F"
range = [-425.0, 425.0]
baseline_order = 0
[[nmr.site]]
name = "F"
shift_ppm = 0.0
window = [-200.0, 200.0]
fwhm_hz = 30000.0
"""
"""200 kHz to each side, as published."""


def tables(folder: Path, text: str) -> dict[str, pd.DataFrame]:
    path = folder / "series.toml"
    path.write_text(text)
    run_nmr(path, folder / "out", figures=False)
    return {
        name: pd.read_csv(folder / "out" / "tables" / f"{name}.csv")
        for name in ("nmr_sites", "nmr_remarks")
    }


def test_vanadium_has_its_two_lines(shared_data: Path, tmp_path: Path) -> None:
    found = tables(tmp_path, VANADIUM.format(nmr=shared_data / "nmr"))
    sites = found["nmr_sites"].set_index("site")
    assert sites["shift_ppm"].to_numpy() == pytest.approx([-595.4, -576.8], abs=0.1)
    assert sites["population"].to_numpy() == pytest.approx([0.29, 0.71], abs=SHARE)
    remarks = " ".join(found["nmr_remarks"]["remark"])
    assert "declares 24 kHz of spinning, but 3 rotor echoes" in remarks


def test_static_fluorine_has_the_published_widths(
    shared_data: Path, tmp_path: Path
) -> None:
    folder = shared_data / "nmr" / "VT_19F_static"
    rows = np.genfromtxt(
        folder / "lineshapelineshape_data.csv", delimiter=",", skip_header=1
    )
    published = {int(row[1]): 1e3 * row[3] for row in rows}
    numbers = sorted(int(path.name) for path in folder.iterdir() if path.is_dir())
    samples = [
        f'[[sample]]\nid = "{number}"\ntemperature = {5 * number - 80}\n'
        f'nmr = "{folder / str(number)}"\n'
        for number in numbers
    ]
    found = tables(tmp_path, FLUORINE + "".join(samples))
    sites, remarks = found["nmr_sites"], found["nmr_remarks"]
    assert len(sites) == 10
    for _, row in sites.iterrows():
        width = published[int(row["sample"])]
        assert row["fwhm_Hz"] == pytest.approx(width, rel=WIDTH)
    for number in numbers:
        told = " ".join(remarks[remarks["sample"] == number]["remark"])
        assert "declares 1H" in told
        assert "declares 24 kHz of spinning, but the title says static" in told


@pytest.mark.parametrize("window", [None, (101.35, 111.35), (86.35, 126.35)])
def test_inversion_recovery_of_the_wrong_nucleus(
    shared_data: Path, window: tuple[float, float] | None
) -> None:
    tree = fit_t1(shared_data / "nmr" / "DNPLab" / "304", window=window)
    (recovery,) = tree["DNPLab-304"]["t1"].children.values()
    mono = recovery.to_dataset(inherit=False).isel(own_site=0).sel(law="mono")
    assert int(mono["chosen"]) == 1
    assert 2.0 < float(mono["t1"]) < 2.3
    assert float(mono["inversion_factor"]) == pytest.approx(1.8, abs=0.07)
    remarks = " ".join(str(text) for text in tree["remark_text"].to_numpy())
    assert "declares 15N" in remarks
    assert "fits 1H" in remarks
    assert math.isnan(float(mono["temperature"]))
    assert "TE 683" in remarks
