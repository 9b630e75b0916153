"""The NMR stage on experiments made up here, and on measured ones."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pytest
from matplotlib.figure import Figure
from numpy.typing import NDArray

from structkit.errors import ReadError
from structkit.io.manifest_nmr import NmrTable
from structkit.nmr.bpp import quadrupolar_rate
from structkit.pipeline.nmr import fit_files, fit_t1, run_nmr, store_results
from structkit.schema.nmr_results import validate_nmr_results
from structkit.store import read_tree

MHZ = 132.294
SWEEP_HZ = 100e3
N_POINTS = 2048
NOISE = 0.02
"""1 sigma of a point of a decay over the sodium of a sample."""
SIGMAS = 3.5
"""Of some dozens of numbers with one seed."""
DELAYS = np.geomspace(2e-4, 60.0, 14)
SHIFTS = {"NTOC": -11.2, "NaCl": 7.0, "Na2O": 55.0}
WIDTHS = {"NTOC": 380.0, "NaCl": 250.0, "Na2O": 400.0}
LONGER = {"NTOC": 1.0, "NaCl": 1e4, "Na2O": 2e3}
"""T1 over that of the product."""
TABLES = ("nmr_sites", "nmr_composition", "t1", "nmr_relaxation", "nmr_remarks")


def write_parameters(path: Path, values: Mapping[str, object]) -> None:
    lines = [f"##${name}= {value}" for name, value in values.items()]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["##TITLE= made up", *lines, "##END=", ""]))


def write_bruker(
    folder: Path,
    signal: NDArray[np.complex128],
    *,
    delays: NDArray[np.float64] | None = None,
    kelvin: float = 298.15,
    nucleus: str = "23Na",
    mhz: float = MHZ,
) -> Path:
    """Write decays as an experiment without processed data."""
    acquired = {
        **{"NUC1": f"<{nucleus}>", "SFO1": mhz, "BF1": mhz, "SW_h": SWEEP_HZ},
        **{"AQ_mod": 3, "BYTORDA": 0, "DTYPA": 2, "DIGMOD": 0, "GRPDLY": 0},
        **{"TD": 2 * signal.shape[-1], "TE": kelvin, "NS": 16, "PULPROG": "<zg>"},
    }
    write_parameters(folder / "acqus", acquired)
    words = np.stack([signal.real, signal.imag], axis=-1).astype("<f8")
    (folder / ("fid" if signal.ndim == 1 else "ser")).write_bytes(words.tobytes())
    if delays is not None:
        write_parameters(folder / "acqu2s", {"TD": delays.size})
        (folder / "vdlist").write_text("\n".join(f"{d:.9f}" for d in delays))
    return folder


def make_decay(
    areas: Mapping[str, float | NDArray[np.float64]],
    rng: np.random.Generator,
    *,
    noise: float = NOISE,
) -> NDArray[np.complex128]:
    """Return decays of Lorentzian lines, one row for each delay."""
    time = np.arange(N_POINTS) / SWEEP_HZ
    signal = np.zeros(N_POINTS, dtype=complex)
    for name, area in areas.items():
        turn = 2j * np.pi * SHIFTS[name] * MHZ - np.pi * WIDTHS[name]
        signal = signal + np.asarray(area)[..., None] * np.exp(turn * time)
    parts = rng.standard_normal((2, *signal.shape))
    return np.asarray(1e6 * (signal + noise * (parts[0] + 1j * parts[1])))


def make_recovery(
    areas: Mapping[str, float],
    t1: Mapping[str, float],
    rng: np.random.Generator,
) -> NDArray[np.complex128]:
    """Return decays of an inversion recovery of factor 1.8."""
    grown = {
        name: area * (1.0 - 1.8 * np.exp(-DELAYS / t1[name]))
        for name, area in areas.items()
    }
    return make_decay(grown, rng, noise=0.3 * NOISE)


SERIES = """\
[series]
name = "sodium"
mixture = { Na2O = 1, NaCl = 1, TaCl5 = 1 }
[nmr]
recycle_delay_s = 60.0
response = 1.0
blank = "NTC"
[[nmr.site]]
name = "NTOC"
shift_ppm = -11.0
window = [-15.0, -7.0]
role = "product"
[[nmr.site]]
name = "NaCl"
shift_ppm = 7.0
window = [3.0, 11.0]
role = "chloride"
t1_s = 11.0
t1_std_s = 1.0
[[nmr.site]]
name = "Na2O"
shift_ppm = 55.0
role = "oxide"
[[sample]]
id = "NTC"
milling_time = 4
mixture = { NaCl = 1, TaCl5 = 1 }
nmr = "ntc"
[[sample]]
id = "4h"
milling_time = 4
nmr = "4h"
t1 = ["t1", { folder = "t1hot", temperature = 75 }, { folder = "t1hotter" }]
[[sample]]
id = "lost"
milling_time = 6
nmr = "fluorine"
t1 = "4h"
"""


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a series whose x is 0.03, T1 follows one motion, one folder is wrong."""
    folder = tmp_path_factory.mktemp("nmr")
    rng = np.random.default_rng(7)
    write_bruker(folder / "ntc", make_decay({"NTOC": 0.9494, "NaCl": 0.0506}, rng))
    areas = {"NTOC": 0.40, "NaCl": 0.40 * (0.0533 + 0.06), "Na2O": 0.55}
    write_bruker(folder / "4h", make_decay(areas, rng))
    for name, kelvin in (("t1", 298.15), ("t1hot", 348.15), ("t1hotter", 398.15)):
        t1 = {name: longer * motion(kelvin) for name, longer in LONGER.items()}
        decays = make_recovery(areas, t1, rng)
        told = 298.15 if name == "t1hot" else kelvin
        write_bruker(folder / name, decays, delays=DELAYS, kelvin=told)
    other = make_decay({"NTOC": 1.0}, rng)
    write_bruker(folder / "fluorine", other, nucleus="23Na", mhz=470.6)
    (folder / "series.toml").write_text(SERIES)
    return folder / "series.toml"


ENERGY_EV, COUPLING_HZ, ATTEMPT_S = 0.20, 1.1e6, 5e-13


def motion(kelvin: float) -> float:
    """Return T1 of one activated motion, s."""
    tau = ATTEMPT_S * math.exp(ENERGY_EV / (8.617333e-5 * kelvin))
    rate = quadrupolar_rate(tau, larmor_hz=1e6 * MHZ, coupling_hz=COUPLING_HZ)
    return 1.0 / float(rate)


@pytest.fixture(scope="module")
def output(series: Path) -> Path:
    run_nmr(series, series.parent / "out", figures=False)
    return series.parent / "out"


def table(output: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(output / "tables" / f"{name}.csv")


def test_sites_are_recovered(output: Path) -> None:
    sites = table(output, "nmr_sites").set_index(["sample", "site"])
    assert list(sites.columns[:6]) == [
        *("shift_ppm", "fwhm_Hz", "lorentzian_share", "area", "area_std"),
        "lifetime_width_Hz",
    ]
    for sample, name in (
        *(("4h", "NTOC"), ("4h", "NaCl"), ("4h", "Na2O")),
        *(("NTC", "NTOC"), ("NTC", "NaCl")),
    ):
        row = sites.loc[sample, name]
        off = abs(row["shift_ppm"] - SHIFTS[name]) / row["shift_std_ppm"]
        assert off < SIGMAS
        assert abs(row["fwhm_Hz"] - WIDTHS[name]) < SIGMAS * row["fwhm_std_Hz"]
    row = sites.loc["4h", "NTOC"]
    assert row["lifetime_width_Hz"] == pytest.approx(1 / (math.pi * row["t1_s"]))


def test_composition_is_recovered_less_its_blank(output: Path) -> None:
    rows = table(output, "nmr_composition").set_index(["sample", "quantity"])
    x = rows.loc["4h", "x"]
    assert x["low"] < 0.03 < x["high"]
    assert x["std"] < 0.01
    assert "this is the blank" in rows.loc["NTC", "x"]["remark"]
    printed = rows.loc["4h", "x_equation_1"]
    assert abs(printed["value"] - 0.0567) < SIGMAS * printed["std"]


def test_t1_of_overlapped_lines_is_recovered(output: Path) -> None:
    rows = table(output, "t1")
    assert list(rows.columns[:7]) == [
        *("sample", "site", "temperature_K", "model", "t1_s", "std", "remark"),
    ]
    chosen = rows[rows["chosen"] == 1]
    assert len(chosen) == 9
    for _, row in chosen.iterrows():
        truth = LONGER[row["site"]] * motion(row["temperature_K"])
        assert abs(row["t1_s"] - truth) < SIGMAS * row["std"], row
    assert sorted(set(chosen["temperature_K"])) == [298.15, 348.15, 398.15]


def test_motion_of_the_product_is_recovered(output: Path) -> None:
    rows = table(output, "nmr_relaxation").set_index("site")
    row = rows.loc["NTOC"]
    assert row["n_points"] == 3
    assert abs(row["activation_energy_eV"] - ENERGY_EV) < SIGMAS * row["std"]
    assert row["status"] in ("converged", "doubtful")


def test_wrong_folders_are_told_and_stop_no_other(output: Path) -> None:
    remarks = table(output, "nmr_remarks")
    lost = " ".join(remarks[remarks["sample"] == "lost"]["remark"])
    assert "is of 19F by its frequency, but nucleus is 23Na" in lost
    assert "holds no delays" in lost
    sites = table(output, "nmr_sites").set_index("sample")
    assert sites.loc["lost", "status"].startswith("failed: ")


def test_stored_tree_is_as_its_schema_says(output: Path) -> None:
    tree = read_tree(output / "nmr.nc")
    validate_nmr_results(tree)
    assert [each.name for each in tree["4h"]["t1"].children.values()] == ["1", "2", "3"]
    for name in TABLES:
        assert (output / "tables" / f"{name}.csv").is_file()


def test_figures_are_those_of_what_was_fitted(
    output: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []

    def keep(figure: Figure, path: Path) -> Path:
        assert figure.axes
        written.append(path.relative_to(tmp_path / "figures").as_posix())
        return path

    monkeypatch.setattr("structkit.plot.style.write_figure", keep)
    store_results(read_tree(output / "nmr.nc"), tmp_path)
    recoveries = [f"nmr/4h_t1_{number}.png" for number in (1, 2, 3)]
    lines = ["nmr/NTC.png", "nmr/4h.png", "nmr/4h_relaxation.png"]
    assert sorted(written) == sorted([*lines, *recoveries])


def write_text(path: Path, values: NDArray[np.float64]) -> Path:
    shift = np.linspace(-100.0, 100.0, values.size)
    rows = "".join(f"{x:.4f},{y:.6g}\n" for x, y in zip(shift, values, strict=True))
    path.write_text("ppm,intensity\n" + rows)
    return path


def test_columns_of_text_need_a_frequency_and_light(tmp_path: Path) -> None:
    shift = np.linspace(-100.0, 100.0, 2000)
    noise = 0.01 * np.random.default_rng(2).standard_normal(2000)
    line = np.exp(-(((shift + 11.2) / 2.0) ** 2)) + noise
    good = write_text(tmp_path / "good.csv", line)
    empty = write_text(tmp_path / "empty.csv", np.zeros(2000))
    sites = [{"name": "A", "shift_ppm": -11.0}]
    given = NmrTable.model_validate({"larmor_mhz": MHZ, "site": sites})
    root = fit_files([good, empty], table=given).to_dataset(inherit=False)
    assert root["status"].to_numpy()[0] == "converged"
    assert float(root["shift"][0, 0]) == pytest.approx(-11.2, abs=0.01)
    assert "every point of the intensity is zero" in str(root["reason"].to_numpy()[1])
    reason = fit_files([good]).to_dataset(inherit=False)["reason"].item()
    assert "larmor_mhz" in reason


def test_a_site_outside_the_spectrum_is_told(tmp_path: Path) -> None:
    noise = np.random.default_rng(2).standard_normal(2000)
    path = write_text(tmp_path / "a.csv", noise)
    sites = [{"name": "A", "shift_ppm": 300.0}]
    given = NmrTable.model_validate(
        {"larmor_mhz": MHZ, "site": sites, "range": [-90.0, 90.0]}
    )
    root = fit_files([path], table=given).to_dataset(inherit=False)
    assert "site A" in root["reason"].item()
    assert "outside the points" in root["reason"].item()


def test_recovery_needs_its_delays(tmp_path: Path) -> None:
    decay = make_decay({"NTOC": 1.0}, np.random.default_rng(1))
    with pytest.raises(ReadError, match="holds no delays"):
        fit_t1(write_bruker(tmp_path / "1", decay))
    with pytest.raises(ReadError):
        fit_t1(tmp_path / "absent")


def test_phase_of_a_transform_is_fitted_with_its_lines(tmp_path: Path) -> None:
    """Phases that are found are off by degrees, which moved lines by 5 sigma."""
    sites = [{"name": "NTOC", "shift_ppm": -11.0}]
    given = NmrTable.model_validate({"site": sites})
    scores = []
    for seed in range(8):
        decay = make_decay({"NTOC": 1.0}, np.random.default_rng(seed))
        turned = decay * np.exp(0.3j * seed)
        path = write_bruker(tmp_path / str(seed), turned)
        root = fit_files([path], table=given).to_dataset(inherit=False)
        off = float(root["shift"][0, 0]) - SHIFTS["NTOC"]
        scores.append(off / float(root["shift_std"][0, 0]))
    # mean of squares of eight normal numbers: 99.9 % below
    assert np.mean(np.square(scores)) < 3.3


@pytest.mark.parametrize("stated", ["", "temperature = 40\n"])
def test_an_impossible_temperature_gives_way_to_the_series_file(
    stated: str, tmp_path: Path
) -> None:
    signal = make_decay({"NTOC": 1.0, "NaCl": 0.1}, np.random.default_rng(5))
    write_bruker(tmp_path / "hot", signal, kelvin=683.0)
    path = tmp_path / "series.toml"
    path.write_text(
        f'[series]\nname = "hot"\n[[sample]]\nid = "a"\nmilling_time = 4\n{stated}'
        'nmr = "hot"\n'
    )
    tree = run_nmr(path, tmp_path / "out", figures=False)
    kelvin = tree.to_dataset()["temperature"].item(0)
    assert kelvin == pytest.approx(313.15) if stated else math.isnan(kelvin)
    remarks = table(tmp_path / "out", "nmr_remarks")["remark"]
    assert any("TE 683 K" in text for text in remarks)


def test_a_line_sharper_than_its_lifetime_is_told(tmp_path: Path) -> None:
    """T1 of two sites swapped: 0.6 ms make 530 Hz, the line of NaCl has 250."""
    path = write_bruker(
        tmp_path / "1", make_decay({"NaCl": 1.0}, np.random.default_rng(1))
    )
    site = {"name": "NaCl", "shift_ppm": 7.0, "t1_s": 0.0006, "t1_std_s": 1e-5}
    swapped = fit_files([path], table=NmrTable.model_validate({"site": [site]}))
    told = " ".join(str(text) for text in swapped["remark_text"].to_numpy())
    assert "makes at least 531 Hz" in told
    right = {**site, "t1_s": 11.0, "t1_std_s": 1.0}
    plain = fit_files([path], table=NmrTable.model_validate({"site": [right]}))
    assert plain["remark_text"].size == 0


def test_a_larmor_frequency_that_no_magnet_makes_is_told(tmp_path: Path) -> None:
    """73.39 MHz, printed for 79.39."""
    decay = make_decay({"NTOC": 1.0}, np.random.default_rng(1))
    tree = fit_files([write_bruker(tmp_path / "1", decay, mhz=73.39)])
    told = " ".join(str(text) for text in tree["remark_text"].to_numpy())
    assert "23Na would need a magnet of 277.4 MHz for 1H" in told


def test_samples_are_chosen_with_their_control(series: Path, tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="no sample 'x'"):
        run_nmr(series, tmp_path, samples=["x"])
    tree = run_nmr(series, tmp_path, samples=["lost"], figures=False)
    assert [str(name) for name in tree["sample"].to_numpy()] == ["NTC", "lost"]
