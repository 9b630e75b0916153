"""From impedance and DC files to stored results, and what may go wrong."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from numpy.typing import NDArray

from structkit.eis.circuits import parse_circuit
from structkit.eis.pellet import Pellet
from structkit.errors import FitError, ReadError, SeriesFileError
from structkit.io.manifest_eis import ShortCellTable
from structkit.pipeline.eis import (
    draw_results,
    fit_eis_files,
    run_arrhenius,
    run_eis,
    run_polarization,
)
from structkit.pipeline.eis_plan import (
    EisOptions,
    find_circuit,
    make_pellet,
    read_short,
)
from structkit.schema.conductivity import CONVENTIONS
from structkit.schema.eis_results import validate_eis_results
from structkit.store import read_tree

Floats = NDArray[np.float64]
Row = dict[str, str]

BOLTZMANN = 8.617333262e-5
TWO_ARCS = parse_circuit("p(R1,CPE1)-p(R2,CPE2)-CPE3")
FREQUENCY = np.geomspace(0.05, 1e6, 60)
CELSIUS = (0.0, 25.0, 50.0, 75.0)
ENERGIES = {"bulk": 0.45, "grain_boundary": 0.60}
CELL = 0.85 / 10.0 / (math.pi / 4.0 * 0.8**2)
"""L/A of the pellet of the series file, cm-1."""
NOISE = 0.002
"""Relative, of each part of a simulated spectrum."""
FEW_SIGMAS = 4.0
"""One in ten thousand is further off."""
SERIES = """\
[series]
name = "pellets"
[eis]
diameter_mm = 8.0
diameter_std_mm = 0.02
thickness_mm = 0.85
thickness_std_mm = 0.03
circuit = "p(R1,CPE1)-p(R2,CPE2)-CPE3"
short_cell = {{ resistance_ohm = 2.0, resistance_std_ohm = 0.3 }}
temperature_std_k = 1.0
polarization_voltage = 0.1
[[sample]]
id = "4h"
milling_time = 4
eis = [
{entries}
  {{ file = "cut.csv", temperature = 100 }},
]
dc = [
  {{ file = "dc.csv", leakage_a = 2e-11, leakage_std_a = 1e-12, temperature = 25 }},
  "dc_cut.csv",
]
[[sample]]
id = "bare"
milling_time = 1
pellet = {{ thickness_mm = 0.5 }}
eis = "0.csv"
"""


def resistances(kelvin: float) -> tuple[float, float]:
    """Return bulk and grain boundary, ohm: 1 Mohm each at 298.15 K."""
    bulk, boundary = (
        1e6
        * (kelvin / 298.15)
        * math.exp(energy / BOLTZMANN * (1.0 / kelvin - 1.0 / 298.15))
        for energy in ENERGIES.values()
    )
    return bulk, boundary


def simulate(kelvin: float, *, seed: int, lead: float = 0.0) -> NDArray[np.complex128]:
    """Return a spectrum of two arcs and a spike with noise, ohm."""
    bulk, boundary = resistances(kelvin)
    values = [bulk, 8e-12, 0.98, boundary, 9e-10, 0.95, 1e-6, 0.7]
    exact = TWO_ARCS.evaluate(FREQUENCY, values) + lead
    parts = np.random.default_rng(seed).normal(size=(2, FREQUENCY.size))
    return np.asarray(exact * (1.0 + NOISE * (parts[0] + 1j * parts[1])))


def write_csv(
    path: Path,
    impedance: NDArray[np.complex128],
    *,
    titles: str = "frequency/Hz,Z'/ohm,Z''/ohm",
    frequency: Floats = FREQUENCY,
) -> Path:
    rows = zip(frequency, impedance.real, impedance.imag, strict=True)
    lines = [titles, *(f"{f:.9g},{x:.9g},{y:.9g}" for f, x, y in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_dc(path: Path, steady: float = 3.5e-10) -> Path:
    time = np.arange(0.0, 3600.0, 20.0)
    rng = np.random.default_rng(2)
    current = steady + 2e-11 + 5e-9 * np.exp(-time / 200.0)
    current += 1e-13 * rng.normal(size=time.size)
    rows = [f"{t:g},{i:.6e}" for t, i in zip(time, current, strict=True)]
    path.write_text("\n".join(["time/s,I/A", *rows]) + "\n", encoding="utf-8")
    return path


def read_rows(path: Path) -> list[Row]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


class Run(NamedTuple):
    series: Path
    output: Path
    tree: xr.DataTree

    def rows(self, name: str) -> list[Row]:
        return read_rows(self.output / "tables" / name)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Fit a simulated series with a cut file, a bare pellet and a DC run."""
    folder = tmp_path_factory.mktemp("eis")
    entries = []
    for number, celsius in enumerate(CELSIUS):
        path = folder / f"{celsius:g}.csv"
        write_csv(path, simulate(celsius + 273.15, seed=number, lead=2.0))
        entries.append(f'  {{ file = "{path.name}", temperature = {celsius} }},')
    (folder / "cut.csv").write_text("frequency/Hz,Z'/ohm,Z''/ohm\n1,2,-3\n")
    write_dc(folder / "dc.csv")
    (folder / "dc_cut.csv").write_text("time/s,I/A\n1,2e-9\n")
    series = folder / "series.toml"
    series.write_text(SERIES.format(entries="\n".join(entries)), encoding="utf-8")
    tree = run_eis(series, folder / "out", figures=False)
    return Run(series, folder / "out", tree)


def test_files_of_the_contract(run: Run) -> None:
    files = {str(path.relative_to(run.output)) for path in run.output.rglob("*")}
    names = ("eis_elements", "conductivity", "arrhenius", "polarization", "eis_remarks")
    wanted = {f"tables/{name}.csv" for name in (*names, "retention")} | {"eis.nc"}
    assert wanted <= files
    assert not [name for name in files if name.endswith(".part")]
    stored = read_tree(run.output / "eis.nc")
    validate_eis_results(stored)
    assert np.iscomplexobj(stored["/samples/4h/spectra/1"]["impedance"].to_numpy())


def test_figures_are_drawn(run: Run, tmp_path: Path) -> None:
    path = run.series.parent / "25.csv"
    fit_eis_files([path], tmp_path, options=EisOptions(circuit=TWO_ARCS), name="a")
    names = [path.name for path in (tmp_path / "figures" / "eis").iterdir()]
    assert names == ["a_1.png"]


def test_columns_of_the_contract(run: Run) -> None:
    columns = {
        "eis_elements.csv": "sample,temperature_K,history,element,value,std,status",
        "conductivity.csv": (
            "sample,temperature_K,history,contribution,sigma_S_per_cm,std,in_band,"
            "remark"
        ),
        "arrhenius.csv": (
            "sample,contribution,convention,activation_energy_eV,std,ln_prefactor,"
            "n_points,points"
        ),
        "polarization.csv": (
            "sample,current_A,sigma_e_S_per_cm,std,steady,transference"
        ),
        "retention.csv": "sample,temperature_K,history,retention,std,remark",
        "eis_remarks.csv": "sample,file,remark",
    }
    for name, wanted in columns.items():
        text = (run.output / "tables" / name).read_text(encoding="utf-8")
        assert text.splitlines()[0].startswith(wanted)


def test_truth_comes_back_within_its_uncertainty(run: Run) -> None:
    rows = [row for row in run.rows("conductivity.csv") if row["sample"] == "4h"]
    assert len(rows) == 3 * (len(CELSIUS) + 1)
    for row in rows[:-3]:
        bulk, boundary = resistances(float(row["temperature_K"]))
        truth = {"bulk": bulk, "grain_boundary": boundary, "total": bulk + boundary}
        expected = CELL / truth[row["contribution"]]
        off = abs(float(row["sigma_S_per_cm"]) - expected)
        assert off < FEW_SIGMAS * float(row["std"])
        # The pellet was made exactly as said: what is off comes from the fit alone.
        fitted = float(row["resistance_ohm"]) - truth[row["contribution"]]
        assert abs(fitted) < FEW_SIGMAS * float(row["resistance_std_ohm"])


def test_activation_energies_come_back(run: Run) -> None:
    rows = run.rows("arrhenius.csv")
    for name, energy in ENERGIES.items():
        (row,) = [
            row
            for row in rows
            if (row["contribution"], row["convention"], row["points"])
            == (name, "ln_sigma_T", "in_band")
        ]
        off = abs(float(row["activation_energy_eV"]) - energy)
        assert off < FEW_SIGMAS * float(row["std"])
    assert {row["points"] for row in rows} == {"all", "in_band"}
    assert {row["convention"] for row in rows} == {"ln_sigma_T", "ln_sigma"}
    said = [row["remark"] for row in run.rows("eis_remarks.csv")]
    assert any("k T of the mean temperature" in text for text in said)


def test_a_file_that_cannot_be_read_is_a_row_and_stops_nothing(run: Run) -> None:
    (row,) = [r for r in run.rows("eis_elements.csv") if r["file"] == "cut.csv"]
    assert row["status"].startswith("failed: ")
    assert "cut.csv" in row["status"]
    assert row["value"] == ""
    (remark,) = [r for r in run.rows("eis_remarks.csv") if r["file"] == "cut.csv"]
    assert remark["remark"].startswith("left out: ")
    hot = [r for r in run.rows("conductivity.csv") if r["temperature_K"] == "373.15"]
    assert [r["in_band"] for r in hot] == ["", "", ""]
    assert all("cut.csv" in r["remark"] for r in hot)


def test_transference_is_formed_at_the_temperature_of_the_run(run: Run) -> None:
    row, _ = run.rows("polarization.csv")
    electronic = 3.5e-10 * CELL / 0.1
    assert row["steady"] == "1"
    off = abs(float(row["sigma_e_S_per_cm"]) - electronic)
    assert off < FEW_SIGMAS * float(row["std"])
    total = CELL / sum(resistances(298.15))
    assert 1.0 - float(row["transference"]) == pytest.approx(
        electronic / total, rel=0.1
    )
    assert "at 298.15 K" in row["remark"]


def test_a_dc_file_that_cannot_be_read_is_a_row_with_its_reason(run: Run) -> None:
    good, lost = run.rows("polarization.csv")
    assert (good["status"], lost["status"]) == ("converged", "failed")
    assert lost["file"] == "dc_cut.csv"
    assert "dc_cut.csv" in lost["remark"]
    assert lost["current_A"] == lost["steady"] == lost["transference"] == ""
    assert int(run.tree["n_runs"].sum()) == 1
    said = [r["remark"] for r in run.rows("eis_remarks.csv")]
    assert any(text.startswith("left out: ") and "dc_cut" in text for text in said)


def test_a_sample_without_temperature_has_conductivities_and_no_line(run: Run) -> None:
    rows = [row for row in run.rows("conductivity.csv") if row["sample"] == "bare"]
    thinner = CELL * 0.5 / 0.85
    assert rows[2]["temperature_K"] == ""
    assert float(rows[2]["sigma_S_per_cm"]) == pytest.approx(
        thinner / sum(resistances(273.15)), rel=0.02
    )
    said = [r["remark"] for r in run.rows("eis_remarks.csv") if r["sample"] == "bare"]
    assert any("no temperature" in text for text in said)
    assert not [row for row in run.rows("arrhenius.csv") if row["sample"] == "bare"]


def test_histories_have_their_own_lines(tmp_path: Path) -> None:
    entries = []
    for step, (history, factor) in enumerate((("heating", 1.0), ("cooling", 0.5))):
        for number, celsius in enumerate(CELSIUS[:3]):
            name = f"{history}-{celsius:g}.csv"
            ohms = factor * simulate(celsius + 273.15, seed=10 * step + number)
            write_csv(tmp_path / name, ohms)
            entries.append(
                f'{{ file = "{name}", temperature = {celsius}, history = "{history}" }}'
            )
    series = tmp_path / "series.toml"
    series.write_text(
        '[series]\nname = "h"\n[eis]\ndiameter_mm = 8\nthickness_mm = 1\n'
        'circuit = "p(R1,CPE1)-p(R2,CPE2)-CPE3"\n'
        f'[[sample]]\nid = "a"\nmilling_time = 1\neis = [{", ".join(entries)}]\n'
    )
    run_eis(series, tmp_path, figures=False)
    rows = read_rows(tmp_path / "tables" / "arrhenius.csv")
    kept = [
        row
        for row in rows
        if (row["contribution"], row["convention"], row["points"])
        == ("grain_boundary", "ln_sigma_T", "all")
    ]
    assert [(row["history"], row["n_points"]) for row in kept] == [
        ("heating", "3"),
        ("cooling", "3"),
    ]
    for row in kept:
        off = abs(float(row["activation_energy_eV"]) - ENERGIES["grain_boundary"])
        assert off < FEW_SIGMAS * float(row["std"])
    said = [r["remark"] for r in read_rows(tmp_path / "tables" / "eis_remarks.csv")]
    assert any(text.startswith("histories: hysteresis: ") for text in said)


AGEING = """\
[series]
name = "ageing"
[eis]
diameter_mm = 8.0
diameter_std_mm = 0.1
thickness_mm = 0.85
thickness_std_mm = 0.05
circuit = "p(R1,CPE1)-p(R2,CPE2)-CPE3"
[[sample]]
id = "annealed"
milling_time = 4
anneal_temperature = 150
age = "10 d"
pristine = "4h"
eis = { file = "lost.csv", temperature = 25 }
[[sample]]
id = "4h"
milling_time = 4
eis = [
  { file = "new.csv", temperature = 25, age = 0 },
  { file = "old.csv", temperature = 25, age = "10 d" },
  { file = "hot.csv", temperature = 100, history = "at 100 C" },
]
"""
PUBLISHED_RETENTION = 2.48 / 4.35
"""4 h sample, mS/cm after ten days over those at first (study, Fig. S8)."""


@pytest.fixture(scope="module")
def aged(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Fit a pellet new, aged and hot, and one annealed to a hundredth."""
    folder = tmp_path_factory.mktemp("aged")
    for seed, (name, celsius, left) in enumerate(
        (
            ("new", 25.0, 1.0),
            ("old", 25.0, PUBLISHED_RETENTION),
            ("hot", 100.0, 1.0),
            ("lost", 25.0, 0.01),
        )
    ):
        exact = simulate(celsius + 273.15, seed=20 + seed)
        write_csv(folder / f"{name}.csv", np.asarray(exact / left))
    (folder / "series.toml").write_text(AGEING)
    output = folder / "out"
    tree = run_eis(folder / "series.toml", output, figures=False)
    return Run(folder / "series.toml", output, tree)


def test_retention_of_one_pellet(aged: Run) -> None:
    rows = [row for row in aged.rows("retention.csv") if row["sample"] == "4h"]
    new, old, hot = rows
    assert [row["history"] for row in rows] == ["age 0 h", "age 10 d", "at 100 C"]
    assert (float(new["retention"]), float(new["std"])) == (1.0, 0.0)
    off = abs(float(old["retention"]) - PUBLISHED_RETENTION)
    assert off < FEW_SIGMAS * float(old["std"])
    # 13 % of geometry cancel: only the fits' errors are left.
    assert float(old["std"]) < 0.01
    assert "left after 10 d" in old["remark"]
    assert old["age_h"] == "240.0"
    assert hot["retention"] == ""
    assert "nothing measured before" in hot["remark"]


def test_retention_of_an_annealed_sample_is_against_the_one_before(aged: Run) -> None:
    (row,) = [r for r in aged.rows("retention.csv") if r["sample"] == "annealed"]
    assert row["reference"] == "4h, age 0 h"
    assert float(row["decades_lost"]) == pytest.approx(2.0, abs=0.01)
    geometry = Pellet(
        diameter_mm=8.0, diameter_std_mm=0.1, thickness_mm=0.85, thickness_std_mm=0.05
    ).relative_std
    std = float(row["std"]) / float(row["retention"])
    assert std == pytest.approx(math.sqrt(2.0) * geometry, rel=0.02)
    stored = read_tree(aged.output / "eis.nc")
    validate_eis_results(stored)
    kept = stored["/samples/annealed/retention"]
    assert kept["retention"].item() == pytest.approx(float(row["retention"]))


def test_retentions_are_drawn(
    aged: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = []

    def keep(figure: Figure, path: Path) -> Path:
        names.append(path.name)
        plt.close(figure)
        return path

    monkeypatch.setattr("structkit.plot.style.write_figure", keep)
    draw_results(aged.tree, tmp_path)
    assert {"4h_retention.png", "annealed_retention.png"} <= set(names)


def test_the_sample_before_comes_along(aged: Run, tmp_path: Path) -> None:
    tree = run_eis(aged.series, tmp_path, samples=["annealed"], figures=False)
    assert set(tree["samples"].children) == {"annealed", "4h"}


def test_a_lone_pellet_needs_no_milling_time(aged: Run, tmp_path: Path) -> None:
    path = aged.series.parent / "lone.toml"
    path.write_text(
        '[series]\nname = "lone"\n[eis]\ndiameter_mm = 8\nthickness_mm = 1\n'
        'circuit = "p(R1,CPE1)-p(R2,CPE2)-CPE3"\n'
        '[[sample]]\nid = "a"\neis = { file = "new.csv", temperature = 25 }\n'
    )
    run_eis(path, tmp_path, figures=False)
    rows = read_rows(tmp_path / "tables" / "conductivity.csv")
    expected = 0.1 / (math.pi / 4.0 * 0.64) / sum(resistances(298.15))
    assert float(rows[2]["sigma_S_per_cm"]) == pytest.approx(expected, rel=0.01)
    assert read_rows(tmp_path / "tables" / "retention.csv") == []


def test_arrhenius_again_from_folder_and_table(run: Run, tmp_path: Path) -> None:
    stored = run_arrhenius(run.output)
    table = run_arrhenius(run.output / "tables" / "conductivity.csv", output=tmp_path)
    assert list(stored) == list(table) == ["4h"]
    one, two = stored["4h"][0], table["4h"][0]
    np.testing.assert_allclose(
        two["activation_energy"], one["activation_energy"], rtol=1e-9
    )
    # The table has one common error where the tree has two, geometry and cell.
    np.testing.assert_allclose(
        two["activation_energy_std"], one["activation_energy_std"], rtol=1e-3
    )
    rows, before = (
        read_rows(folder / "tables" / "arrhenius.csv")
        for folder in (tmp_path, run.output)
    )
    assert [row["contribution"] for row in rows] == [r["contribution"] for r in before]
    names = {path.name for path in (tmp_path / "figures" / "eis").iterdir()}
    assert names == {f"4h_arrhenius_{convention}.png" for convention in CONVENTIONS}


def test_arrhenius_says_what_it_cannot_read(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="no such file"):
        run_arrhenius(tmp_path / "conductivity.csv")
    path = tmp_path / "other.csv"
    path.write_text("temperature_K,sigma\n300,1\n")
    with pytest.raises(ReadError, match="no column 'sigma_S_per_cm'"):
        run_arrhenius(path)
    path.write_text("temperature_K,sigma_S_per_cm\n300,1e-5\n")
    with pytest.raises(FitError, match="fewer than 2 temperatures"):
        run_arrhenius(path)


def test_polarization_of_one_file(tmp_path: Path) -> None:
    path = write_dc(tmp_path / "dc.csv")
    found = run_polarization(path, output=tmp_path)
    assert found.attrs["reason"] == "no voltage: give voltage_v"
    assert math.isnan(float(found["steady_current"]))
    (row,) = read_rows(tmp_path / "tables" / "polarization.csv")
    assert row["steady"] == ""
    assert (tmp_path / "figures" / "eis" / "dc_dc.png").is_file()


def test_the_series_file_is_told_its_mistakes(run: Run, tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", simulate(300.0, seed=1))
    path = tmp_path / "series.toml"
    sample = '[[sample]]\nid = "a"\nmilling_time = 1\neis = "a.csv"\n'
    head = '[series]\nname = "a"\n'
    path.write_text(f'{head}[eis]\ncircuit = "p(R1"\n{sample}')
    with pytest.raises(SeriesFileError, match=r"eis\.circuit: .*expected a comma"):
        run_eis(path, tmp_path / "out")
    path.write_text(head + sample)
    with pytest.raises(SeriesFileError, match="no sample 'b' with impedance"):
        run_eis(path, tmp_path / "out", samples=["b"])


def one_total(
    path: Path, output: Path, *, options: EisOptions | None = None
) -> tuple[Row, list[str]]:
    """Return the total of one file without geometry, and all remarks."""
    fit_eis_files(
        [path],
        output,
        celsius=[25.0],
        options=options or EisOptions(circuit=TWO_ARCS),
        figures=False,
    )
    rows = read_rows(output / "tables" / "conductivity.csv")
    remarks = read_rows(output / "tables" / "eis_remarks.csv")
    return rows[2], [row["remark"] for row in remarks]


@pytest.fixture(scope="module")
def ohms() -> NDArray[np.complex128]:
    return simulate(298.15, seed=7)


@pytest.fixture(scope="module")
def expected(
    ohms: NDArray[np.complex128], tmp_path_factory: pytest.TempPathFactory
) -> Row:
    """Return the total of the well written file."""
    folder = tmp_path_factory.mktemp("good")
    return one_total(write_csv(folder / "good.csv", ohms), folder / "out")[0]


def test_missing_geometry_is_resistance_only_with_the_reason(expected: Row) -> None:
    truth = sum(resistances(298.15))
    assert float(expected["resistance_ohm"]) == pytest.approx(truth, rel=0.01)
    assert expected["sigma_S_per_cm"] == ""
    assert expected["remark"] == "no diameter and thickness: resistance only"


@pytest.mark.parametrize(
    ("titles", "factor", "conjugate"),
    [
        ("frequency/Hz,Z'/kohm,Z''/kohm", 1e-3, False),
        ("frequency/Hz,Re(Z)/Ohm,-Im(Z)/Ohm", 1.0, True),
        ("f,Zreal,Zimag", 1.0, False),
    ],
    ids=["kilo-ohm", "minus Z''", "plain"],
)
def test_units_and_signs_lead_to_the_same_resistance(
    titles: str,
    factor: float,
    conjugate: bool,
    ohms: NDArray[np.complex128],
    expected: Row,
    tmp_path: Path,
) -> None:
    told = np.conj(ohms) if conjugate else ohms
    path = write_csv(tmp_path / "a.csv", factor * told, titles=titles)
    row, _ = one_total(path, tmp_path / "out")
    assert float(row["resistance_ohm"]) == pytest.approx(
        float(expected["resistance_ohm"]), rel=1e-6
    )


def test_unknown_unit_is_a_row_with_its_reason(
    ohms: NDArray[np.complex128], tmp_path: Path
) -> None:
    titles = "frequency/Hz,Z'/furlong,Z''/furlong"
    path = write_csv(tmp_path / "a.csv", ohms, titles=titles)
    with pytest.raises(FitError, match="no impedance or DC file could be used"):
        one_total(path, tmp_path / "out")


def test_unsorted_frequencies_are_sorted_and_told(
    ohms: NDArray[np.complex128], expected: Row, tmp_path: Path
) -> None:
    order = np.random.default_rng(1).permutation(FREQUENCY.size)
    path = write_csv(tmp_path / "a.csv", ohms[order], frequency=FREQUENCY[order])
    row, remarks = one_total(path, tmp_path / "out")
    assert float(row["resistance_ohm"]) == pytest.approx(
        float(expected["resistance_ohm"]), rel=1e-6
    )
    assert any("out of order" in text for text in remarks)


def test_repeated_frequencies_are_told(
    ohms: NDArray[np.complex128], expected: Row, tmp_path: Path
) -> None:
    twice = np.sort(np.append(np.arange(FREQUENCY.size), 20))
    path = write_csv(tmp_path / "a.csv", ohms[twice], frequency=FREQUENCY[twice])
    row, remarks = one_total(path, tmp_path / "out")
    assert float(row["resistance_ohm"]) == pytest.approx(
        float(expected["resistance_ohm"]), rel=1e-6
    )
    assert any("repeat" in text for text in remarks)


def test_another_value_at_a_repeated_frequency_is_refused(
    ohms: NDArray[np.complex128], tmp_path: Path
) -> None:
    twice = np.sort(np.append(np.arange(FREQUENCY.size), 20))
    changed = ohms[twice].copy()
    changed[21] *= 1.1
    bad = write_csv(tmp_path / "bad.csv", changed, frequency=FREQUENCY[twice])
    good = write_csv(tmp_path / "good.csv", ohms)
    options = EisOptions(circuit=TWO_ARCS)
    tree = fit_eis_files([bad, good], tmp_path, options=options, figures=False)
    assert int(tree["n_fitted"].sum()) == 1
    rows = read_rows(tmp_path / "tables" / "eis_elements.csv")
    (row,) = [row for row in rows if row["file"] == "bad.csv"]
    assert "repeats within one sweep" in row["status"]


@pytest.mark.parametrize("text", ["", "frequency/Hz,Z'/ohm,Z''/ohm\n"])
def test_an_empty_spectrum_is_told(text: str, tmp_path: Path) -> None:
    path = tmp_path / "empty.csv"
    path.write_text(text)
    with pytest.raises(FitError, match=r"could be used; .*empty\.csv"):
        one_total(path, tmp_path / "out")


def test_noise_is_not_fitted(tmp_path: Path) -> None:
    parts = np.random.default_rng(4).normal(size=(2, FREQUENCY.size))
    noise = 1e9 * (parts[0] + 1j * parts[1])
    path = write_csv(tmp_path / "a.csv", np.asarray(noise))
    row, _ = one_total(path, tmp_path / "out")
    assert row["remark"].startswith("noise-dominated: ")
    assert row["resistance_ohm"] == ""


def test_a_measured_short_cell_is_subtracted_where_it_covers_the_band(
    ohms: NDArray[np.complex128], expected: Row, tmp_path: Path
) -> None:
    lead = np.full(FREQUENCY.size, 5e4 + 0j)
    paths = [
        write_csv(tmp_path / "whole.csv", ohms + 5e4),
        write_csv(tmp_path / "half.csv", ohms[:30], frequency=FREQUENCY[:30]),
    ]
    rows = {}
    for points in (FREQUENCY.size, 30):
        file = tmp_path / f"short{points}.csv"
        write_csv(file, lead[:points], frequency=FREQUENCY[:points])
        table = ShortCellTable.model_validate({"file": str(file)})
        short, spectrum = read_short(table)
        options = EisOptions(circuit=TWO_ARCS, short=short, short_spectrum=spectrum)
        output = tmp_path / str(points)
        fit_eis_files(paths, output, options=options, figures=False)
        rows[points] = read_rows(output / "tables" / "conductivity.csv")
    whole, half = rows[FREQUENCY.size][2], rows[30][2]
    assert float(whole["resistance_ohm"]) == pytest.approx(
        float(expected["resistance_ohm"]), rel=1e-6
    )
    assert half["resistance_ohm"] == ""
    assert half["remark"].startswith("short cell: the short cell was measured from")
    assert rows[30][5]["resistance_ohm"] != ""


def test_a_gross_outlier_has_no_weight_and_is_told(
    ohms: NDArray[np.complex128], expected: Row, tmp_path: Path
) -> None:
    spoiled = ohms.copy()
    spoiled[25] *= 1.3
    path = write_csv(tmp_path / "a.csv", spoiled)
    row, remarks = one_total(path, tmp_path / "out")
    off = float(row["resistance_ohm"]) - float(expected["resistance_ohm"])
    assert abs(off) < float(expected["resistance_std_ohm"])
    assert any(text.startswith("1 outliers by more than 5 %") for text in remarks)


def test_a_circuit_is_found_where_none_is_given(
    ohms: NDArray[np.complex128], tmp_path: Path
) -> None:
    path = write_csv(tmp_path / "a.csv", ohms)
    pellet = Pellet(diameter_mm=8.0, thickness_mm=0.85)
    tree = fit_eis_files([path], tmp_path, pellet=pellet, figures=False)
    assert tree["/samples/a/spectra/1"].attrs["model"] == "M2"
    rows = read_rows(tmp_path / "tables" / "conductivity.csv")
    for row, truth in zip(rows, resistances(298.15), strict=False):
        off = abs(float(row["resistance_ohm"]) - truth)
        assert off < FEW_SIGMAS * float(row["resistance_std_ohm"])


def test_a_circuit_too_simple_is_told(
    ohms: NDArray[np.complex128], tmp_path: Path
) -> None:
    path = write_csv(tmp_path / "a.csv", ohms)
    options = EisOptions(circuit=find_circuit("M0"))
    _, remarks = one_total(path, tmp_path / "out", options=options)
    assert any("too simple" in text for text in remarks)


def test_the_number_of_temperatures_is_checked(tmp_path: Path) -> None:
    with pytest.raises(FitError, match="2 temperatures for 3 files"):
        fit_eis_files(["a", "b", "c"], tmp_path, celsius=[1.0, 2.0])


def test_a_pellet_without_thickness_is_none_with_the_reason() -> None:
    assert make_pellet(None)[0] is None
    pellet, why = make_pellet(None, thickness_mm=1.0)
    assert pellet is None
    assert "diameter" in why


# Adeleke, EISFitpython, results/Example3/Arrhenius_Analysis_Report.txt, S/cm.
PUBLISHED = {
    "bulk": (2.857e-6, 3.721e-6, 5.256e-6, 7.453e-6, 1.049e-5, 1.523e-5, 1.860e-5),
    "grain_boundary": (
        *(2.076e-7, 3.666e-7, 6.261e-7, 1.050e-6, 1.719e-6, 2.737e-6, 4.397e-6),
    ),
    "total": (1.936e-7, 3.338e-7, 5.594e-7, 9.201e-7, 1.477e-6, 2.320e-6, 3.556e-6),
}
PUBLISHED_ENERGY = {
    "bulk": (0.5869, 0.0163),
    "grain_boundary": (0.8919, 0.0025),
    "total": (0.8555, 0.0006),
}
AGREEMENT = 0.005
"""Relative, of the conductivities: asked for by the issue; printed to 3e-4."""


@pytest.fixture(scope="module")
def pellet_run(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fit the measured pellet and return the folder of its tables."""
    output = tmp_path_factory.mktemp("pellet")
    folder = shared_data / "eis" / "EISFitpython" / "EIS_Data" / "Example-3-4"
    celsius = [140.0, 150.0, 160.0, 170.0, 180.0, 190.0, 200.0]
    fit_eis_files(
        [folder / f"s04147-{t:.0f}deg.txt" for t in celsius],
        output,
        pellet=Pellet(diameter_mm=8.0, thickness_mm=2.1),
        celsius=celsius,
        options=EisOptions(circuit=TWO_ARCS),
        figures=False,
    )
    return output / "tables"


@pytest.mark.shared
def test_published_conductivities_are_found(pellet_run: Path) -> None:
    rows = read_rows(pellet_run / "conductivity.csv")
    for name, values in PUBLISHED.items():
        found = [
            float(row["sigma_S_per_cm"]) for row in rows if row["contribution"] == name
        ]
        np.testing.assert_allclose(found, values, rtol=AGREEMENT)


@pytest.mark.shared
def test_published_activation_energies_are_found(pellet_run: Path) -> None:
    rows = read_rows(pellet_run / "arrhenius.csv")
    for name, (energy, esd) in PUBLISHED_ENERGY.items():
        (row,) = [
            row
            for row in rows
            if (row["contribution"], row["convention"], row["points"])
            == (name, "ln_sigma_T", "all")
        ]
        off = abs(float(row["activation_energy_eV"]) - energy)
        assert off <= 2.0 * math.hypot(float(row["std"]), esd)
        assert row["n_points"] == "7"


@pytest.mark.shared
def test_the_bulk_leaves_the_band_where_it_is_hot(pellet_run: Path) -> None:
    rows = read_rows(pellet_run / "conductivity.csv")
    bulk = [row for row in rows if row["contribution"] == "bulk"]
    assert [row["in_band"] for row in bulk] == ["1"] * 5 + ["0"] * 2
    for row in bulk[5:]:
        assert "apex at" in row["remark"]
        assert "band" in row["remark"]
    energies = read_rows(pellet_run / "arrhenius.csv")
    counts = {
        row["points"]: row["n_points"]
        for row in energies
        if row["contribution"] == "bulk"
    }
    assert counts == {"all": "7", "in_band": "5"}


@pytest.mark.shared
def test_one_file_of_three_formats_gives_one_resistance(
    shared_data: Path, tmp_path: Path
) -> None:
    folder = shared_data / "eis" / "hybrid_drt_LPSCl"
    stem = "PEIS_LPSCl_IonBlocking_-25C"
    found = [
        float(one_total(folder / f"{stem}{end}", tmp_path / end)[0]["resistance_ohm"])
        for end in (".mpr", ".txt", "_RelaxIS.txt")
    ]
    assert found[0] == pytest.approx(1450.0, rel=0.1)
    np.testing.assert_allclose(found[1:], found[0], rtol=1e-4)
