"""``structkit simulate`` and ``structkit phases`` as a user types them."""

from __future__ import annotations

import numpy as np
import pytest

from structkit.cli.__main__ import main
from structkit.cli.options import repeat_options
from structkit.io.read import read_pattern
from structkit.store import read_dataset

MIXTURE = ["NaTaCl6", "NaCl", "Na2O", "--weights", "0.7", "0.2", "0.1"]


def test_the_command_of_the_readme(tmp_path):
    output = tmp_path / "pattern.xye"
    assert main(["simulate", *MIXTURE, "-o", str(output), "--plot"]) == 0
    table = np.loadtxt(output)
    assert table.shape == (2334, 3)
    assert table[[0, -1], 0] == pytest.approx([10.0, 79.99])
    assert table[table[:, 1].argmax(), 0] == pytest.approx(15.34, abs=0.03)
    assert (tmp_path / "pattern.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "pattern.png",
        "pattern.xye",
    ]


def test_the_written_file_reads_back(tmp_path):
    output = tmp_path / "pattern.xye"
    assert main(["simulate", *MIXTURE, "--seed", "1", "-o", str(output)]) == 0
    pattern = read_pattern(output)
    assert pattern.two_theta.size == 2334
    assert float(pattern.wavelength) == pytest.approx(1.540593, abs=1e-5)
    assert pattern.intensity.attrs["units"] == "count"
    assert int(pattern.esd_reliable) == 1


def test_netcdf_holds_the_components(tmp_path):
    output = tmp_path / "pattern.nc"
    options = ["--sizes", "30", "--microstrains", "0.001", "--seed", "3"]
    options += ["--texture", "NaCl", "0", "0", "1", "0.8"]
    options += ["--film", "25", "--hump", "20", "6", "100", "--halo", "17", "7", "50"]
    assert main(["simulate", *MIXTURE, *options, "-o", str(output)]) == 0
    pattern = read_dataset(output)
    assert pattern.weight_fraction.to_numpy() == pytest.approx([0.7, 0.2, 0.1])
    assert pattern["size"].to_numpy() == pytest.approx(300.0)
    assert pattern.march_r.to_numpy() == pytest.approx([1.0, 0.8, 1.0])
    assert pattern.component.dims == ("phase", "two_theta")
    assert float(pattern.halo.max()) > 20.0


def test_goes_to_stdout_with_other_radiation(capsys):
    arguments = ["simulate", "halite", "--radiation", "MoKa1", "--range", "5", "30"]
    assert main([*arguments, "0.05"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 + 501
    assert "wavelength 0.709317 angstrom, MoKa1" in lines[1]
    assert main(["simulate", "halite", "--radiation", "0.2413"]) == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["NaTaCl5"], "unknown phase 'NaTaCl5'; did you mean NaTaCl6"),
        (["TaCl5"], "TaCl5 has no CIF in the library: bring your own"),
        (["NaCl", "Na2O", "--weights", "1"], "--weights: 1 values for 2 phases"),
        (["NaCl", "--weights", "-1"], "NaCl: weight_fraction must not be negative"),
        (["NaCl", "--radiation", "XyKa"], "unknown tube 'XyKa'; use one of CuKa"),
        (["NaCl", "--range", "20", "10", "0.1"], "--range: give FIRST below LAST"),
        (["NaCl", "--plot"], "--plot needs -o"),
        (["NaCl", "-o", "pattern.txt"], "must end in .xye, .xy or .nc"),
        (
            ["NaCl", "--texture", "KCl", "0", "0", "1", "0.8"],
            "--texture: 'KCl' is no phase given; use NaCl",
        ),
        (["NaCl", "--texture", "NaCl", "0", "0", "1", "0"], "march_r must be positive"),
        (["NaCl", "--sizes", "0"], "NaCl: size must be positive"),
    ],
)
def test_mistakes_give_one_line_and_exit_code_2(arguments, words, capsys):
    assert main(["simulate", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert words in captured.err
    assert captured.err.count("\n") == 1


def test_absent_cif_and_unwritable_output_fail_with_code_1(tmp_path, capsys):
    assert main(["simulate", str(tmp_path / "absent.cif")]) == 1
    assert "absent.cif: No such file" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    below = tmp_path / "file" / "pattern.xye"
    assert main(["simulate", "NaCl", "-o", str(below)]) == 1
    captured = capsys.readouterr().err
    assert str(below) in captured
    assert captured.count("\n") == 1


def test_list_options_end_at_the_next_word():
    line = ["--weights", "1", "2", "NaCl", "3", "--sizes", "4", "-q"]
    expected = ["--weights", "1", "--weights", "2", "NaCl", "3", "--sizes", "4", "-q"]
    assert repeat_options(line, ["--weights", "--sizes"]) == expected


def test_phases_lists_all_and_describes_one(capsys):
    assert main(["phases"]) == 0
    table = capsys.readouterr().out
    for word in ("NaTaCl6", "computed", "corundum", "bring your own CIF", "TaOCl3"):
        assert word in table
    assert main(["phases", "halite"]) == 0
    text = capsys.readouterr().out
    assert "NaCl: NaCl, Z = 4" in text
    assert "Swanson" in text
    assert main(["phases", "corrundum"]) == 2
    assert "did you mean corundum?" in capsys.readouterr().err


def test_own_folder_comes_first(tmp_path, repository, capsys):
    text = (repository / "cifs" / "NaCl.cif").read_text()
    (tmp_path / "own.cif").write_text(text.replace("measured", "user"))
    assert main(["phases", "NaCl", "--cif-folder", str(tmp_path)]) == 0
    assert "own.cif" in capsys.readouterr().out
