"""From the Raman files of a series to stored results, and what may go wrong."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import xarray as xr

from structkit.errors import FitError, ReadError, SeriesFileError, StructkitError
from structkit.io.manifest import read_series
from structkit.io.spectra import read_spectra
from structkit.pipeline.raman import (
    assign_files,
    assign_series,
    run_raman,
    store_readings,
)
from structkit.pipeline.raman_spectra import (
    choose_hypotheses,
    is_of_the_study,
    join_spots,
    make_template,
    prepare_series_spectra,
)
from structkit.raman.library import load_bands
from structkit.raman.prepare import PreparationOptions, prepare_spectra
from structkit.raman.search import UNASSIGNED
from structkit.schema import INTENSITY, RAMAN_SHIFT, make_spectra
from structkit.schema.raman_results import validate_raman_results
from structkit.store import read_tree
from structkit.synthetic.raman_detector import RamanOptions
from structkit.synthetic.raman_files import write_raman_series

FEW_SIGMAS = 4.0
"""One in ten thousand is further off; three spots say little about their scatter."""
OWN_BANDS = """\
[[species]]
name = "salt"
[[band]]
name = "strong"
species = "salt"
wavenumber = {wavenumber}
fwhm = 12.0
"""


class Run(NamedTuple):
    series: Path
    output: Path
    tree: xr.DataTree
    truth: xr.Dataset


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Fit a synthetic series of one milled sample, educt and reference beside it."""
    folder = tmp_path_factory.mktemp("series")
    series = write_raman_series(
        folder, seed=3, times_h=(4.0,), options=RamanOptions(n_spots=3)
    )
    tree = run_raman(series, folder / "out")
    truth = xr.load_dataset(folder / "raman_truth.nc", engine="h5netcdf")
    return Run(series, folder / "out", tree, truth)


@pytest.fixture
def rewritten(run: Run, tmp_path: Path) -> Callable[..., Path]:
    """Return a copy of the series with words of its file replaced."""

    def rewrite(*changes: tuple[str, str]) -> Path:
        folder = tmp_path / "copy"
        shutil.copytree(run.series.parent / "raman", folder / "raman")
        text = run.series.read_text(encoding="utf-8")
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        path = folder / "series.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return rewrite


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def own_series(folder: Path, *, wavenumber: float, low: float, high: float) -> Path:
    """Write a series of one sample, one band at 378, with bands of its own."""
    shift = np.arange(100.0, 700.0, 1.0)
    rng = np.random.default_rng(3)
    light = 300.0 + 900.0 * np.exp(-0.5 * ((shift - 378.0) / 5.0) ** 2)
    rows = zip(shift, rng.poisson(light), strict=True)
    folder.mkdir(parents=True, exist_ok=True)
    text = "".join(f"{x:g}\t{y:g}\n" for x, y in rows)
    (folder / "a.txt").write_text(text)
    (folder / "own.toml").write_text(OWN_BANDS.format(wavenumber=wavenumber))
    series = folder / "series.toml"
    series.write_text(
        f'[series]\nname = "own"\n[raman]\nrange = [{low}, {high}]\n'
        'bands = "own.toml"\nspecies = ["salt"]\n'
        '[[sample]]\nid = "a"\nmilling_time = 1.0\nraman = "a.txt"\n'
    )
    return series


def test_files_of_the_contract(run: Run) -> None:
    files = {str(path.relative_to(run.output)) for path in run.output.rglob("*")}
    names = ("bands", "metrics", "hypotheses", "remarks")
    wanted = {f"tables/raman_{name}.csv" for name in names} | {"raman.nc"}
    assert wanted <= files
    assert not [name for name in files if name.endswith(".part")]
    stored = read_tree(run.output / "raman.nc")
    validate_raman_results(stored)
    assert stored.attrs["reduction"] == "none"
    assert list(stored["sample"].to_numpy()) == ["unmilled", "NTC", "4h"]


def test_no_diffraction_is_needed(run: Run) -> None:
    assert read_series(run.series).xrd is None


def test_every_sample_has_its_metrics_and_readings(run: Run) -> None:
    metrics = read_rows(run.output / "tables" / "raman_metrics.csv")
    rows = {(row["sample"], row["metric"]): row for row in metrics}
    assert len(rows) == len(metrics)
    assert ("4h", "S_ax") in rows
    assert rows["unmilled", "r_ax"]["value"] == ""
    assert rows["unmilled", "r_ax"]["resolved"] == "0"
    r_ax = rows["4h", "r_ax"]
    # Two spots of few counts: what the data leave open is said, whichever it is.
    assert r_ax["resolved"] == "1" or r_ax["remark"].startswith("not resolved: ")
    true = float(run.truth["r_ax"].sel(sample="4h"))
    assert abs(float(r_ax["value"]) - true) < FEW_SIGMAS * float(r_ax["std"])
    ranks = read_rows(run.output / "tables" / "raman_hypotheses.csv")
    best = {row["sample"]: row["hypothesis"] for row in reversed(ranks)}
    assert best["unmilled"].startswith("TaCl5")
    assert best["4h"].startswith("NTC + NTOC glass")


def test_what_was_noticed_is_told(run: Run) -> None:
    remarks = read_rows(run.output / "tables" / "raman_remarks.csv")
    told = [row["remark"] for row in remarks if row["sample"] == "4h"]
    for words in ("cosmic", "Noise variance", "Axis read", "Range cut", "The study"):
        assert any(words in remark for remark in told), words
    files = {row["file"] for row in remarks if row["sample"] == "4h"}
    assert "4h_spot1.txt to 4h_spot3.txt (3 files)" in files


def test_a_bad_file_is_left_out_and_told(
    rewritten: Callable[..., Path], tmp_path: Path
) -> None:
    series = rewritten()
    (series.parent / "raman" / "4h_spot2.txt").write_text("no numbers here\n")
    (series.parent / "raman" / "unmilled_spot1.txt").write_text("")
    work = prepare_series_spectra(read_series(series), samples=["4h"])
    spots = {one.name: one.spectra[0].sizes["spot"] for one in work.samples}
    assert spots == {"unmilled": 2, "NTC": 3, "4h": 2}
    left_out = {
        file: remark for _, file, remark in work.remarks if "left out" in remark
    }
    assert set(left_out) == {"4h_spot2.txt", "unmilled_spot1.txt"}
    assert "is empty" in left_out["unmilled_spot1.txt"]


def test_a_sample_without_spectra_is_a_row_with_its_reason(tmp_path: Path) -> None:
    series = own_series(tmp_path, wavenumber=378.0, low=300.0, high=460.0)
    (tmp_path / "nm.txt").write_text(
        "Wavelength (nm)\tcounts\n"
        + "".join(f"{540.0 + 0.05 * k:.2f}\t{100 + k % 7}\n" for k in range(200))
    )
    with series.open("a") as stream:
        stream.write('[[sample]]\nid = "nm"\nmilling_time = 2.0\nraman = ["nm.txt"]\n')
    tree = run_raman(series, tmp_path / "out", ensemble=False)
    assert list(tree["status"].to_numpy()) == ["converged", "failed"]
    for name in ("bands", "metrics", "hypotheses"):
        rows = read_rows(tmp_path / "out" / "tables" / f"raman_{name}.csv")
        lost = [row for row in rows if row["sample"] == "nm"]
        assert lost
        assert "laser" in " ".join(lost[0].values()), name
    bands = read_rows(tmp_path / "out" / "tables" / "raman_bands.csv")
    assert bands[0]["species"] == "salt"
    assert abs(float(bands[0]["centre"]) - 378.0) < 0.5


def test_a_band_outside_the_range_is_a_reason(tmp_path: Path) -> None:
    series = own_series(tmp_path, wavenumber=3000.0, low=300.0, high=460.0)
    tree = run_raman(series, tmp_path / "out")
    assert tree["status"].to_numpy()[0] == "failed"
    reason = str(tree["reason"].to_numpy()[0])
    assert reason == "no band of salt within 300 to 460 cm-1"
    rows = read_rows(tmp_path / "out" / "tables" / "raman_remarks.csv")
    told = [row["remark"] for row in rows]
    assert "Bands left out, outside 300 to 460 cm-1: strong (3000)." in told


def test_too_few_points_are_a_reason(tmp_path: Path) -> None:
    series = own_series(tmp_path, wavenumber=378.0, low=372.0, high=383.0)
    with (tmp_path / "own.toml").open("a") as stream:
        for name, place in (("low", 375.0), ("high", 381.0)):
            stream.write(f'[[band]]\nname = "{name}"\nspecies = "salt"\n')
            stream.write(f"wavenumber = {place}\n")
    tree = run_raman(series, tmp_path / "out")
    reason = str(tree["reason"].to_numpy()[0])
    assert "12 points for" in reason
    assert "use fewer bands or a wider range" in reason


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ('"raman/silicon.txt"', '"raman/cover_glass.txt"'),
            r"raman\.calibration: .*silicon at 520\.7",
        ),
        (
            ('reduction = "none"', 'species = ["NaTaCl"]'),
            r"raman\.species: unknown species 'NaTaCl'; .*NaTaCl6",
        ),
    ],
)
def test_mistakes_of_the_series_name_their_key(
    change: tuple[str, str], message: str, rewritten: Callable[..., Path]
) -> None:
    series = rewritten(change)
    with pytest.raises(SeriesFileError, match=message):
        run_raman(series, series.parent / "out")


def test_bands_of_the_user_are_checked(tmp_path: Path) -> None:
    series = own_series(tmp_path, wavenumber=378.0, low=300.0, high=460.0)
    (tmp_path / "own.toml").write_text('[[band]]\nname = "x"\nwavenumbr = 1\n')
    with pytest.raises(SeriesFileError, match=r"(?s)raman\.bands: .*wavenumbr"):
        run_raman(series, tmp_path / "out")


def test_unknown_samples_and_series_without_spectra_are_refused(
    run: Run, tmp_path: Path
) -> None:
    with pytest.raises(SeriesFileError, match="no sample '3h' with Raman"):
        run_raman(run.series, tmp_path / "out", samples=["3h"])
    (tmp_path / "a.xy").write_text("1 2\n")
    path = tmp_path / "series.toml"
    path.write_text(
        '[series]\nname = "x"\n[xrd]\n[[xrd.phase]]\nname = "NaCl"\n'
        '[[sample]]\nid = "a"\nmilling_time = 0\nxrd = "a.xy"\n'
    )
    with pytest.raises(SeriesFileError, match="no sample has Raman spectra"):
        run_raman(path, tmp_path / "out")


def test_nothing_to_use_is_an_error(tmp_path: Path) -> None:
    series = own_series(tmp_path, wavenumber=378.0, low=300.0, high=460.0)
    (tmp_path / "a.txt").write_text("nothing")
    with pytest.raises(FitError, match="no Raman spectrum could be used"):
        run_raman(series, tmp_path / "out")


def test_spots_of_one_axis_are_joined() -> None:
    axis = np.arange(100.0, 200.0)
    alike = [
        make_spectra(
            axis, np.full(100, float(k)), attrs={"source_file": f"{k}.txt"}
        ).assign_coords(source=("spot", [f"{k}.txt"], {"long_name": "file"}))
        for k in (1, 2)
    ]
    other = make_spectra(axis + 0.5, np.ones(100))
    brighter = make_spectra(axis, np.ones(100), scalars={"laser_wavelength": 785.0})
    joined = join_spots([alike[0], other, alike[1], brighter])
    assert [one.sizes["spot"] for one in joined] == [2, 1, 1]
    np.testing.assert_array_equal(joined[0][INTENSITY][:, 0], [1.0, 2.0])
    assert list(joined[0]["source"].to_numpy()) == ["1.txt", "2.txt"]
    assert joined[0].attrs["source_file"] == "1.txt to 2.txt (2 files)"


def test_a_template_is_free_of_its_baseline(run: Run) -> None:
    spectra = prepare_spectra(
        read_spectra(run.series.parent / "raman" / "TaCl5_template.txt"),
        options=PreparationOptions(shift_range=(70.0, 1100.0)),
    )
    template = make_template("TaCl5", spectra, load_bands())
    shift = np.asarray(template.raman_shift)
    values = np.asarray(template.values)
    assert shift[int(np.argmax(values))] == pytest.approx(410.0, abs=4.0)
    far = values[shift > 600.0]
    assert abs(float(far.mean())) < 0.01 * values.max()
    unknown = make_template("nobody's", spectra, load_bands())
    away = float(np.abs(np.asarray(unknown.values) - values).max())
    assert away < 0.1 * values.max()


def test_a_blank_and_a_template_enter_the_fit(rewritten: Callable[..., Path]) -> None:
    row = '[[raman.template]]\nspecies = "TaCl5"\nfile = "raman/TaCl5_template.txt"\n\n'
    silicon = 'calibration = "raman/silicon.txt"'
    series = rewritten(
        ('[[sample]]\nid = "unmilled"', row + '[[sample]]\nid = "0"'),
        (silicon, f'{silicon}\nblank = "raman/cover_glass.txt"'),
    )
    work = prepare_series_spectra(read_series(series))
    assert set(work.options.templates) == {"TaCl5", "cover glass"}
    assert work.options.blank is not None
    assert "cover glass" not in work.options.rivals
    low, high = (float(work.samples[0].spectra[0][RAMAN_SHIFT][k]) for k in (0, -1))
    assert work.options.blank.covers(low, high)


def test_readings_of_the_samples_of_a_series(run: Run) -> None:
    readings = assign_series(run.series, samples=["4h"])
    assert list(readings.assignments) == ["4h"]
    best = readings.assignments["4h"].best
    assert best.hypothesis.name.startswith("NTC + NTOC glass")
    assert any("405" in said for said in readings.statements["4h"])


def test_files_are_read_by_themselves(tmp_path: Path) -> None:
    own_series(tmp_path, wavenumber=378.0, low=0.0, high=1.0)
    bands = tmp_path / "own.toml"
    paths = [tmp_path / "a.txt", tmp_path / "absent.txt"]
    readings = assign_files(paths, bands=bands, shift_range=(350.0, 410.0))
    assert list(readings.assignments) == [str(paths[0])]
    assert readings.assignments[str(paths[0])].best.hypothesis.name == "salt"
    assert "absent.txt" in readings.failures[str(paths[1])]
    assert not readings.statements[str(paths[0])]
    store_readings(readings, tmp_path / "out")
    rows = read_rows(tmp_path / "out" / "tables" / "raman_hypotheses.csv")
    assert rows[0]["hypothesis"] == "salt"
    assert rows[-1]["sample"] == str(paths[1])


def test_a_blank_is_a_column_of_every_reading_of_a_file(tmp_path: Path) -> None:
    own_series(tmp_path, wavenumber=378.0, low=0.0, high=1.0)
    shift = np.arange(300.0, 460.0, 0.6)
    glass = np.random.default_rng(3).poisson(
        2e3 + 1e4 * np.exp(-0.5 * ((shift - 360.0) / 30.0) ** 2)
    )
    path = tmp_path / "glass.txt"
    rows = list(zip(shift, glass, strict=True))
    path.write_text("".join(f"{x:g} {y:d}\n" for x, y in rows))
    readings = assign_files(
        [tmp_path / "a.txt"],
        bands=tmp_path / "own.toml",
        shift_range=(350.0, 410.0),
        blank=path,
    )
    fit = readings.assignments[str(tmp_path / "a.txt")].best.fit
    assert fit is not None
    assert [template.name for template in fit.model.templates] == ["blank"]
    with pytest.raises(ReadError, match="absent"):
        assign_files([tmp_path / "a.txt"], blank=tmp_path / "absent.txt")
    path.write_text("".join(f"{x:g} {y:d}\n" for x, y in rows[:100]))
    with pytest.raises(FitError, match=r"glass\.txt, as a blank: .* takes 200"):
        assign_files([tmp_path / "a.txt"], blank=path)


def test_a_spectrum_that_no_reading_describes_is_said_to_be_so(tmp_path: Path) -> None:
    shift = np.arange(300.0, 600.0, 0.75)
    lines = sum(
        4e4 * np.exp(-0.5 * ((shift - centre) / 2.0) ** 2)
        for centre in np.arange(310.0, 600.0, 25.0)
    )
    counts = np.random.default_rng(1).poisson(200.0 + lines)
    rows = zip(shift, counts, strict=True)
    path = tmp_path / "strange.txt"
    path.write_text("".join(f"{x:g} {y:d}\n" for x, y in rows))
    (said, *_) = assign_files([path]).statements[str(path)]
    assert said.startswith("No reading describes the spectrum")
    assert "least wrong" in said


def test_bands_that_nobody_assigned_are_told(tmp_path: Path) -> None:
    series = own_series(tmp_path, wavenumber=378.0, low=340.0, high=460.0)
    for path in (series, tmp_path / "own.toml"):
        path.write_text(path.read_text().replace('"salt"', f'"{UNASSIGNED}"'))
    told = assign_series(series).statements["a"]
    assert told == [
        "The best reading, 'unassigned', needs bands that nobody assigned, at 378 "
        "cm-1: 100 % of the area of all bands."
    ]


def test_readings_of_another_substance_are_its_own(tmp_path: Path) -> None:
    own_series(tmp_path, wavenumber=378.0, low=0.0, high=1.0)
    bands = tmp_path / "own.toml"
    library = load_bands(bands)
    alone = choose_hypotheses(library, bands, species=["salt"])
    assert [one.name for one in alone] == ["salt"]
    beside = choose_hypotheses(library, bands)
    assert [one.name for one in beside][-1] == "salt"
    assert len(beside) > 10
    assert not is_of_the_study(["salt"])


def test_mistakes_are_of_this_house(tmp_path: Path) -> None:
    with pytest.raises(StructkitError, match="absent"):
        run_raman(tmp_path / "absent.toml", tmp_path / "out")


def test_burnt_spots_are_told(tmp_path: Path) -> None:
    series = write_raman_series(
        tmp_path,
        seed=5,
        adversary="laser_crystallised",
        times_h=(6.0,),
        options=RamanOptions(n_spots=6),
    )
    tree = run_raman(series, tmp_path / "out", ensemble=False)
    truth = xr.load_dataset(tmp_path / "raman_truth.nc", engine="h5netcdf")
    burnt = truth["crystallised"].sel(sample="6h").to_numpy().astype(bool)
    rows = read_rows(tmp_path / "out" / "tables" / "raman_remarks.csv")
    told = {
        number + 1
        for number in range(burnt.size)
        for row in rows
        if row["sample"] == "6h" and row["remark"].startswith(f"Spot {number + 1}")
    }
    assert burnt.any()
    assert told
    assert told <= {int(k) + 1 for k in np.flatnonzero(burnt)}
    assert "6h" in tree.children
