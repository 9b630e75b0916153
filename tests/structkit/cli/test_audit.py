"""``structkit audit``: exit codes, tables, and one line for a mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from structkit.cli.__main__ import main

CLAIM = """\
[[claim]]
kind = "oxide_content"
statement = "x is 0.06"
value = "0.0625(10)"
equals = "0.06"
"""


def test_study_is_printed_and_stored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", "-o", str(tmp_path / "out")]) == 0
    shown = capsys.readouterr()
    assert "C01a" in shown.out
    assert "40.09 (38.3 to 42.05)" in shown.out
    assert shown.err == ""
    table = (tmp_path / "out" / "tables" / "audit.csv").read_text()
    assert table.startswith("claim,verdict,arithmetic,source,statement\n")
    assert "\nC12b,contradicted," in table


def test_file_of_claims(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "claims.toml"
    path.write_text(CLAIM)
    assert main(["audit", str(path)]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("1  supported     x is 0.06\n")
    assert shown.endswith("1 supported, 0 not resolved, 0 contradicted\n")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[claim", "is not valid TOML"),
        (CLAIM.replace("value =", "valu ="), "claim[0].valu: unknown key"),
        (CLAIM.replace("0.0625(10)", "lots"), "no [value.lots]"),
    ],
)
def test_mistakes_fail_without_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    path = tmp_path / "claims.toml"
    path.write_text(text)
    assert main(["audit", str(path), "-o", str(tmp_path / "out")]) == 1
    shown = capsys.readouterr()
    assert shown.err.startswith(f"structkit: error: {path}")
    assert message in shown.err
    assert shown.out == ""
    assert not (tmp_path / "out").exists()


def test_absent_file_and_bad_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", str(tmp_path / "absent.toml")]) == 1
    assert "no file of claims" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert main(["audit", "-o", str(tmp_path / "file")]) == 1
    assert "is a file" in capsys.readouterr().err
    assert main(["audit", "--fast"]) == 2
