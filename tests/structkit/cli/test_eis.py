from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from structkit.cli.__main__ import main
from structkit.eis.circuits import parse_circuit

CIRCUIT = parse_circuit("p(R1,CPE1)-CPE2")
FREQUENCY = np.geomspace(1.0, 1e6, 40)
HEAVY = ("xarray", "scipy", "pandas", "numba", "pydantic", "matplotlib")
"""What ``structkit eis --help`` must not drag in."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Write two spectra, 1 Mohm at 25 C and 0.25 Mohm at 50 C."""
    folder = tmp_path_factory.mktemp("files")
    paths = []
    for celsius, ohms in ((25, 1e6), (50, 2.5e5)):
        values = CIRCUIT.evaluate(FREQUENCY, [ohms, 1e-11, 0.97, 1e-7, 0.8])
        rows = [
            f"{f:.8g},{z.real:.8g},{z.imag:.8g}"
            for f, z in zip(FREQUENCY, values, strict=True)
        ]
        path = folder / f"pellet-{celsius}C.csv"
        path.write_text("\n".join(["frequency/Hz,Z'/ohm,Z''/ohm", *rows]) + "\n")
        paths.append(str(path))
    return paths


@pytest.fixture(scope="module")
def output(files: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("out")
    arguments = ["eis", "fit", *files, "-o", str(folder), "--no-figures"]
    arguments += ["--circuit", "p(R1,CPE1)-CPE2", "--temperature", "25", "50"]
    arguments += ["--diameter-mm", "8", "--thickness-mm", "0.85"]
    code = main(arguments)
    assert code == 0
    return folder


def test_files_need_no_series_file(output: Path) -> None:
    rows = (output / "tables" / "conductivity.csv").read_text().splitlines()
    totals = [float(row.split(",")[4]) for row in rows if ",total," in row]
    cell = 0.085 / (np.pi / 4.0 * 0.64)
    np.testing.assert_allclose(totals, [cell / 1e6, cell / 2.5e5], rtol=1e-3)
    assert not (output / "figures").exists()


def test_arrhenius_reads_folder_and_table(
    output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for source in (output, output / "tables" / "conductivity.csv"):
        assert main(["eis", "arrhenius", str(source), "--weights", "none"]) == 0
        text = capsys.readouterr().out
        truth = 8.617333e-5 * np.log(4.0 * 323.15 / 298.15)
        energy = truth / (1.0 / 298.15 - 1.0 / 323.15)
        assert f"{energy:.3f}"[:4] in text
        assert "k T of the mean temperature" in text


def test_without_geometry_there_are_resistances(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["eis", "fit", files[0], "-o", str(tmp_path), "--no-figures"]
    assert main(arguments) == 0
    text = capsys.readouterr().out
    assert "R 1.00" in text
    assert "the geometry is not known" in text
    assert main([*arguments, "--diameter-mm", "8", "--thickness-mm", "0.85"]) == 0
    assert "the geometry is" not in capsys.readouterr().out


def test_polarization_without_voltage_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"{t},{1e-9 + 5e-9 * np.exp(-t / 50.0):.6e}" for t in range(0, 600, 10)]
    path = tmp_path / "dc.csv"
    path.write_text("\n".join(["time/s,I/A", *rows]) + "\n")
    arguments = ["eis", "polarization", str(path)]
    assert main(arguments) == 0
    assert "no voltage" in capsys.readouterr().out
    arguments += ["--voltage", "0.1", "--diameter-mm", "8", "--thickness-mm", "0.85"]
    assert main(arguments) == 0
    text = capsys.readouterr().out
    assert "(steady)" in text
    assert "sigma_e <" in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a.toml", "--circuit", "R1"], "--circuit: the series file says this"),
        (["a.toml", "b.csv"], "give one series file alone"),
        (["a.csv", "--diameter-mm", "8"], "--diameter-mm and --thickness-mm together"),
    ],
)
def test_wrong_usage_is_one_line(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["eis", "fit", *arguments, "-o", str(tmp_path / "out")]) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert "Traceback" not in captured.err


def test_a_mistake_of_the_circuit_is_told(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["eis", "fit", files[0], "-o", str(tmp_path), "--circuit", "p(R1"]
    assert main(arguments) == 1
    assert "expected a comma" in capsys.readouterr().err


def test_help_is_light() -> None:
    code = (
        "import sys; from structkit.cli.__main__ import main; main(['eis', '--help'])"
        "; print(*{m.split('.')[0] for m in sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert not set(done.stdout.split()) & set(HEAVY)
