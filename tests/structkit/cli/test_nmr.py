from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from structkit.cli.__main__ import main
from structkit.cli.nmr import make_table
from structkit.cli.options import UsageMistakeError

HEAVY = ("xarray", "scipy", "pandas", "numba", "pydantic")
"""What ``structkit nmr --help`` must not drag in."""


def write_sites(path: Path) -> Path:
    """Write areas that make the study's numbers: 8 : 1, x = 0.06."""
    path.write_text(
        "sample,site,area,area_std\n"
        "NTC,NTOC,94.93,0.2\nNTC,NaCl,5.07,0.2\n"
        "4h,NTOC,38.4,0.1\n4h,NaCl,4.8,0.1\n4h,Na2O,56.8,0.1\n"
    )
    return path


def write_decay(folder: Path) -> Path:
    """Write a 23Na decay of two lines as an experiment."""
    time = np.arange(2048) / 1e5
    rng = np.random.default_rng(3)
    signal = np.zeros(2048, dtype=complex)
    for shift, area in ((-11.2, 1.0), (7.0, 0.2)):
        turn = 2j * np.pi * shift * 132.294 - np.pi * 300.0
        signal += area * np.exp(turn * time)
    noise = rng.standard_normal((2, 2048))
    signal = 1e6 * (signal + 0.01 * (noise[0] + 1j * noise[1]))
    values = {
        **{"NUC1": "<23Na>", "SFO1": 132.294, "BF1": 132.294, "SW_h": 1e5},
        **{"AQ_mod": 3, "BYTORDA": 0, "DTYPA": 2, "DIGMOD": 0, "GRPDLY": 0},
        **{"TD": 4096, "TE": 298.0, "NS": 8},
    }
    folder.mkdir()
    (folder / "acqus").write_text("".join(f"##${k}= {v}\n" for k, v in values.items()))
    words = np.stack([signal.real, signal.imag], axis=-1).astype("<f8")
    (folder / "fid").write_bytes(words.tobytes())
    return folder


def test_sites_on_the_command_line_are_those_of_the_series_file() -> None:
    table = make_table(["NTOC:-11.2:320", "NaCl:7"], shift_range=(-40.0, 40.0))
    assert [site.name for site in table.sites] == ["NTOC", "NaCl"]
    assert [site.fwhm_hz for site in table.sites] == [320.0, 300.0]
    assert [site.role for site in table.sites] == ["product", "chloride"]
    assert table.shift_range == (-40.0, 40.0)


@pytest.mark.parametrize(
    ("sites", "nucleus", "told"),
    [
        (["NTOC"], None, "cannot read --site 'NTOC'"),
        (["NTOC:x"], None, "NaCl:7.2:150"),
        (["A:1:-5"], None, "fwhm_hz"),
        (["A:1", "A:2"], None, "--site A: is given twice"),
        ([], "19F", "--site: is missing"),
        (["A:1"], "19Q", "19Q"),
    ],
)
def test_mistakes_in_sites_are_told(
    sites: list[str], nucleus: str | None, told: str
) -> None:
    with pytest.raises(UsageMistakeError) as caught:
        make_table(sites, nucleus=nucleus)
    assert told in str(caught.value)


def test_folder_is_fitted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, output = write_decay(tmp_path / "a"), tmp_path / "out"
    arguments = ["nmr", "fit", str(folder), "-o", str(output)]
    assert main([*arguments, "--site", "NTOC:-11:300", "--site", "NaCl:7:300"]) == 0
    told = capsys.readouterr().out
    assert "NTOC" in told
    assert "converged" in told
    assert (output / "nmr.nc").is_file()
    assert (output / "figures" / "nmr" / "a.png").is_file()
    assert main(["nmr", "composition", str(output)]) == 0
    assert "x_equation_1" in capsys.readouterr().out


def test_what_cannot_be_fitted_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    arguments = ["nmr", "fit", str(tmp_path / "empty"), "-o", str(tmp_path / "out")]
    assert main(arguments) == 1
    captured = capsys.readouterr()
    assert "is no folder of a Bruker experiment" in captured.out
    assert "nothing could be fitted" in captured.err
    assert main(["nmr", "t1", str(write_decay(tmp_path / "a"))]) == 1
    assert "holds no delays" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["fit", "a.toml", "b", "-o", "out"], "one series file alone"),
        (["fit", "a.toml", "--site", "A:1", "-o", "out"], "--site: the series file"),
        (["fit", "a", "--sample", "x", "-o", "out"], "--sample is for a series file"),
        (["t1", "a", "--window", "3", "1"], "--window must ascend"),
        (
            ["composition", "a", "--blank", "1", "1", "--blank-sample", "b"],
            "not both",
        ),
    ],
)
def test_wrong_usage_is_told(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["nmr", *arguments]) == 2
    assert told in capsys.readouterr().err


def test_composition_of_the_study_from_a_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_sites(tmp_path / "nmr_sites.csv")
    assert main(["nmr", "composition", str(path), "--blank-sample", "NTC"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    (printed,) = [row for row in lines if row[:2] == ["4h", "x_equation_1"]]
    assert printed[2].startswith("0.06")
    (census,) = [row for row in lines if row[:2] == ["4h", "na_per_ta"]]
    assert census[2].startswith("2.60")
    assert main(["nmr", "composition", str(path), "--product", "Q"]) == 1
    assert "no area of site 'Q'" in capsys.readouterr().err
    assert main(["nmr", "composition", str(tmp_path / "no")]) == 1


def test_help_is_quick() -> None:
    code = (
        "import sys; from structkit.cli.__main__ import main; "
        "main(['nmr', '--help']); "
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
