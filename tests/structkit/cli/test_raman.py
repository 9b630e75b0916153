from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import xarray as xr

from structkit.cli.__main__ import main
from structkit.cli.raman import format_left, format_metrics

BANDS = """\
[[species]]
name = "salt"
[[band]]
name = "strong"
species = "salt"
wavenumber = 378.0
fwhm = 12.0
"""
HEAVY = ("xarray", "scipy", "pandas", "numba", "pydantic")
"""What ``structkit raman --help`` must not drag in."""


def make_tree(*, fitted: bool = True) -> xr.DataTree:
    """Return the root of two samples: one fitted, one not."""
    places = ("sample", "metric")
    return xr.DataTree(
        xr.Dataset(
            {
                "status": ("sample", ["converged" if fitted else "failed", "failed"]),
                "reason": ("sample", ["", "no such file"]),
                "n_spots": ("sample", [8 if fitted else 0, 0]),
                "metric_value": (places, [[0.123, 0.4], [np.nan, np.nan]]),
                "metric_value_std": (places, [[0.004, 0.1], [np.nan, np.nan]]),
                "metric_resolved": (places, [[1, 0], [0, 0]]),
                "delta_bic": (("sample", "hypothesis"), [[3.0, 0.0], [np.nan, np.nan]]),
            },
            coords={
                "sample": ["2h", "4h"],
                "metric": ["r_ax", "r_O"],
                "hypothesis": ["NTC", "NTOC glass"],
                "milling_time": ("sample", [2.0, 4.0]),
            },
            attrs={"reduction": "photon"},
        )
    )


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Stand in for the pipeline and keep what it was asked."""
    made: list[dict[str, Any]] = []

    def run_raman(series_file: Path, output: Path, **options: Any) -> xr.DataTree:
        made.append({"series_file": series_file, "output": output, **options})
        return make_tree(fitted=series_file.name != "failing.toml")

    fake = ModuleType("structkit.pipeline.raman")
    fake.run_raman = run_raman  # type: ignore[attr-defined]
    fake.RESULT_FILE = "raman.nc"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "structkit.pipeline.raman", fake)
    return made


@pytest.fixture
def spectrum(tmp_path: Path) -> Path:
    """Write a spectrum of one band at 378 and the file of that band."""
    shift = np.arange(200.0, 600.0, 1.0)
    light = 300.0 + 900.0 * np.exp(-0.5 * ((shift - 378.0) / 5.0) ** 2)
    counts = np.random.default_rng(5).poisson(light)
    rows = zip(shift, counts, strict=True)
    path = tmp_path / "a.txt"
    path.write_text("".join(f"{x:g}\t{y:d}\n" for x, y in rows))
    (tmp_path / "own.toml").write_text(BANDS)
    return path


def test_fit_is_one_call_then_a_short_table(
    calls: list[dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    options = ["--sample", "2h", "--sample", "4h", "--no-ensemble"]
    assert main(["raman", "fit", "series.toml", "-o", str(output), *options]) == 0
    assert calls == [
        {
            "series_file": Path("series.toml"),
            "output": output,
            "samples": ("2h", "4h"),
            "ensemble": False,
        }
    ]
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == [
        *"sample t/h spots r_ax r_O best reading status".split()
    ]
    assert lines[1].split() == [*"2h 2 8 0.123(4) n.r. NTOC glass converged".split()]
    assert lines[2].split() == ["4h", "4", "0", "n.r.", "n.r.", "-", "failed"]
    assert lines[3] == "4h: no such file"
    assert "reduction 'photon'" in lines[5]
    assert str(output / "tables") in lines[-1]


def test_when_no_sample_could_be_fitted_the_program_fails(
    calls: list[dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["raman", "fit", "failing.toml", "-o", str(tmp_path / "out")]) == 1
    shown = capsys.readouterr().err
    assert shown == (
        "structkit: error: no sample could be fitted; the table says why\n"
    )
    assert len(calls) == 1


def test_a_loss_is_called_what_it_is() -> None:
    text = format_metrics(make_tree())
    assert "consistent with" in text
    assert "no proof" in text
    assert "never compare" in text


def test_fit_checks_its_folder_first(
    calls: list[dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "taken").write_text("")
    assert main(["raman", "fit", "s.toml", "-o", str(tmp_path / "taken")]) == 1
    assert "is a file; give a folder" in capsys.readouterr().err
    assert not calls


def test_assign_ranks_a_file_by_the_users_bands(
    spectrum: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = spectrum.parent
    options = ["--bands", str(folder / "own.toml"), "--range", "350", "410"]
    options += ["-o", str(folder / "out")]
    assert main(["raman", "assign", str(spectrum), *options]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == str(spectrum)
    assert lines[1].split()[:3] == ["hypothesis", "delta", "BIC"]
    assert lines[2].split()[:2] == ["salt", "0.0"]
    assert "- Axis not calibrated: its offset is unknown." in lines
    written = (folder / "out" / "tables" / "raman_hypotheses.csv").read_text()
    head, first, *_ = written.splitlines()
    assert head == "sample,hypothesis,delta_bic,n_parameters,discriminating_bands"
    assert first.startswith(f"{spectrum},salt,0.0,")


def test_assign_goes_on_beside_a_file_that_cannot_be_read(
    spectrum: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nanometres = spectrum.with_name("nm.txt")
    rows = "".join(f"{540.0 + 0.05 * k:.2f}\t{100 + k % 7}\n" for k in range(200))
    nanometres.write_text(f"Wavelength (nm)\tcounts\n{rows}")
    options = ["--bands", str(spectrum.with_name("own.toml")), "--range", "350", "410"]
    files = [str(nanometres), str(spectrum)]
    assert main(["raman", "assign", *files, *options]) == 0
    shown = capsys.readouterr()
    assert shown.out.splitlines()[0] == str(spectrum)
    assert shown.err.startswith(f"structkit: error: {nanometres}: the axis is in nm")
    assert "give laser_nm" in shown.err
    assert main(["raman", "assign", str(nanometres), *options]) == 1
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["s.toml", "--laser-nm", "532"], "--laser-nm: the series file says this"),
        (["s.toml", "a.txt"], "give one series file alone"),
        (["a.txt", "--sample", "2h"], "--sample is for a series file"),
        (["a.txt", "--range", "1"], "requires 2 arguments"),
        ([], "Missing argument"),
    ],
)
def test_wrong_usage_is_two(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["raman", "assign", *arguments]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("what", ["fit", "assign"])
def test_an_absent_series_file_is_one_line(
    what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "nothing.toml"
    arguments = ["raman", what, str(path), "-o", str(tmp_path / "out")]
    assert main(arguments) == 1
    shown = capsys.readouterr().err
    assert shown == f"structkit: error: no series file {path}; check the path\n"


def test_mistakes_in_the_bands_are_told_with_their_key(
    spectrum: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bands = spectrum.with_name("own.toml")
    bands.write_text('[[band]]\nname = "x"\nspecies = "TaCl5"\nwavenumber = "high"\n')
    assert main(["raman", "assign", str(spectrum), "--bands", str(bands)]) == 1
    shown = capsys.readouterr().err
    assert "band[0].wavenumber" in shown
    assert "Traceback" not in shown


def test_bands_are_listed_with_grade_and_source(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["raman", "bands", "--species", "405 line", "--species", "TaCl5"]) == 0
    shown = capsys.readouterr().out
    header, first, *rest = shown.splitlines()
    assert header.split() == ["species", "band", "cm-1", "grade", "source"]
    assert "405 +- 15" in first
    assert " study " in first
    assert "10.1039/d5sc05307b" in first
    assert any("Ta2Cl10 bridge" in row and " memory " in row for row in rest)
    assert "memory -\nremembered" in shown
    assert "cover glass" not in shown


def test_an_unknown_species_is_suggested(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["raman", "bands", "--species", "TaCl"]) == 1
    assert "unknown species 'TaCl'" in capsys.readouterr().err


def test_columns_of_words_stand_to_the_left() -> None:
    text = format_left(["a", "b"], [["long word", "x"], ["c", "yy"]])
    assert text == "a          b\nlong word  x\nc          yy"


def test_help_is_quick() -> None:
    code = (
        "import sys; from structkit.cli.__main__ import main; "
        "main(['raman', '--help']); main(['raman', 'assign', '--help']); "
        "print(*{m.split('.')[0] for m in sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "Rank what the spectra can be read as" in done.stdout
    assert "--verbose" in done.stdout
    assert not set(done.stdout.splitlines()[-1].split()) & set(HEAVY)
