"""The windows are those of the study."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from structkit.errors import SchemaError
from structkit.raman import windows
from structkit.raman.windows import Window

OF_THE_STUDY = {
    "P33": [windows.OUT_OF_PLANE_BEND],
    "P34": [windows.IN_PLANE_BEND],
    "P35": [windows.T2G_BEND, windows.A1G_STRETCH],
    "P36": [windows.STRETCH],
    "P38": [windows.BRIDGE],
}


@pytest.mark.shared
def test_windows_are_those_of_the_study(shared_data: Path) -> None:
    path = shared_data.parent / "reference" / "paper_values.csv"
    with path.open(encoding="utf-8") as file:
        rows = {row["id"]: row["value"] for row in csv.DictReader(file)}
    for key, expected in OF_THE_STUDY.items():
        ranges = re.findall(r"(\d+)-(\d+)", rows[key])
        assert [(float(a), float(b)) for a, b in ranges] == [
            window.limits for window in expected
        ]
    assert float(rows["P37"].removeprefix("~")) == windows.STUDY_AXIAL_LINE
    listed = [window for each in OF_THE_STUDY.values() for window in each]
    assert set(listed) == set(windows.STUDY_WINDOWS)


def test_the_indices_windows_hold_the_line_once() -> None:
    assert windows.AXIAL.holds(windows.STUDY_AXIAL_LINE)
    assert not windows.EQUATORIAL.holds(windows.STUDY_AXIAL_LINE)
    assert windows.STRETCHES.holds(windows.STUDY_AXIAL_LINE)


def test_ends_belong_to_a_window() -> None:
    found = windows.BRIDGE.holds([699.9, 700.0, 800.0, 900.0, 900.1])
    assert found.tolist() == [False, True, True, True, False]
    with pytest.raises(SchemaError, match="must ascend"):
        Window(name="a", low=2.0, high=1.0, source="b")
