"""What stands on the page, for whatever stages there are."""

from __future__ import annotations

import html
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

from structkit.cli.report import command
from structkit.errors import ReadError
from structkit.plot.interactive.figure import unpack_array
from structkit.report.page import Page
from structkit.report.sections.index import scores_in_words
from structkit.report.stored import read_stored
from structkit.report.write import compose_page, write_report
from structkit.store import read_tree, write_dataset, write_tree

SCRIPT = "<script>alert(1)</script>"
IMAGE = "<img src=x onerror=alert(1)>"
MEGABYTE = 2**20
LARGEST = 6.0 * MEGABYTE


def alone(results: Path, folder: Path, *stages: str) -> Path:
    for stage in stages:
        shutil.copy(results / f"{stage}.nc", folder)
    return folder


@pytest.fixture(scope="module")
def page(results: Path) -> Page:
    return compose_page(read_stored(results))


@pytest.fixture(scope="module")
def text(results: Path) -> str:
    return write_report(results, title=f"A & {SCRIPT}").read_text(encoding="utf-8")


class Addresses(HTMLParser):
    """What the elements of a page point to."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.linked: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in {"src", "srcset", "data", "action", "poster", "background"}:
                self.loaded.append(f"{tag} {value}")
            if name == "href":
                self.linked.append(str(value))


def test_page_is_small_and_points_to_nothing_outside(text: str) -> None:
    assert len(text.encode()) < LARGEST
    found = Addresses()
    found.feed(text)
    assert found.loaded == []
    assert {one[:14] for one in found.linked if not one.startswith("#")} == {
        "data:text/csv;"
    }


def test_names_are_text(text: str) -> None:
    own = re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
    assert IMAGE not in text
    assert SCRIPT not in own
    assert html.escape(SCRIPT) in own
    assert html.escape(IMAGE) in own


def test_verdict_comes_first_with_conflict_and_limits(page: Page) -> None:
    findings = dict(page.findings)
    assert list(findings) == [
        "What the data say",
        "Amorphization index",
        "Where the data conflict",
        "What cannot be concluded",
    ]
    said = findings["What the data say"]
    assert f"Total σ in mS cm⁻¹ (25 °C): {IMAGE} 4.41(12), 4h 4.41(12)." in said
    assert f"Eₐ of σT in eV: {IMAGE} 0.340(12), 4h 0.340(12)." in said
    assert findings["Where the data conflict"] == (
        "4h: Raman is 0.3 above the rest",
        "4h: atoms do not add up",
    )
    assert findings["What cannot be concluded"] == ("Electrons were not excluded.",)


def test_two_techniques_give_both_values_and_no_consensus(page: Page) -> None:
    said = dict(page.findings)["Amorphization index"][-1]
    assert said == (
        "Two techniques: both values, no consensus number: "
        "unmilled (diffraction 0.00(3); Raman 0.02(3))."
    )
    rows = {row[0].text: row[1:] for row in page.key_table.rows}
    cell = rows["amorphization index (95 %)"][0]
    assert cell.text == "no consensus"
    assert cell.notes == ("diffraction 0.00(3)", "Raman 0.02(3)")


def test_bounds_stand_where_a_technique_gives_no_value(
    results: Path, tmp_path: Path
) -> None:
    tree = read_tree(results / "index.nc")
    scores = tree.children["scores"].to_dataset(inherit=False)
    place, number = 0, scores["modality"].to_numpy().astype(str).tolist().index("xrd")
    for name, value in (
        ("score", np.nan),
        ("score_std", np.nan),
        ("score_low", 0.02),
        ("score_high", 0.4),
    ):
        numbers = scores[name].to_numpy().copy()
        numbers[place, number] = value
        scores[name] = (scores[name].dims, numbers, scores[name].attrs)
    nodes = {"/": tree.to_dataset(inherit=False), "scores": scores}
    write_tree(xr.DataTree.from_dict(nodes), tmp_path / "index.nc")
    sample = str(tree["sample"].to_numpy()[place])
    told = scores_in_words(read_stored(tmp_path), sample)
    assert "diffraction 0.02 to 0.40, bounds only" in told


def test_key_table_has_bounds_limits_and_truth(page: Page) -> None:
    assert page.banner == (
        "Synthetic data: simulated, not measured. Truth stands beside the results."
    )
    assert page.key_table.header == ("quantity", "unmilled", IMAGE, "4h")
    rows = {row[0].text: row[1:] for row in page.key_table.rows}
    content = rows["α, amorphous weight fraction (95 %)"][2]
    assert (content.text, content.notes) == ("0.81 (0.75 to 0.87)", ("truth 0.81",))
    assert rows["NaCl, weight fraction of the sample"][2].text == "< 0.012 (95 %)"
    assert rows["NaTaCl₆, crystallite size (nm)"][0].text == "30.5(7)"
    assert rows["NMR: x (95 %)"][2].text == "0.009 (−0.060 to 0.085)"
    assert rows["T1 of the product (ms)"][2].text == "1.35(5)"


def test_a_truth_without_samples_is_not_that_of_a_control(
    results: Path, tmp_path: Path
) -> None:
    tree = read_tree(results / "nmr.nc")
    for role, notes in (("milled", ("truth 0.01",)), ("crystalline_reference", ())):
        tree.dataset = tree.to_dataset(inherit=False).assign_coords(
            role=("sample", [role])
        )
        write_tree(tree, tmp_path / "nmr.nc")
        write_dataset(xr.Dataset({"x": 0.01}), tmp_path / "nmr_truth.nc")
        table = compose_page(read_stored(tmp_path)).key_table
        cells = next(row for row in table.rows if row[0].text == "NMR: x (95 %)")
        assert cells[1].notes == notes


def test_references_come_last_and_have_no_place_on_the_milling_axis(
    results: Path, tmp_path: Path
) -> None:
    for stage in ("crystallinity", "index"):
        tree = read_tree(results / f"{stage}.nc")
        tree.dataset = tree.to_dataset(inherit=False).assign_coords(
            role=("sample", ["unmilled", "glass_reference", "milled"])
        )
        write_tree(tree, tmp_path / f"{stage}.nc")
    shutil.copy(results / "truth.nc", tmp_path)
    page = compose_page(read_stored(tmp_path))
    assert page.key_table.header == ("quantity", "unmilled", "4h", IMAGE)
    plots = {plot.key: plot for one in page.sections for plot in one.plots}
    figure = plots["amorphous"].figures[0][1]
    assert figure["layout"]["xaxis2"]["ticktext"] == [html.escape(IMAGE, quote=False)]
    for trace in figure["data"]:
        on_axis = trace.get("xaxis", "x") == "x"
        assert (1.0 in unpack_array(trace["x"])) is False
        assert on_axis or trace["marker"]["symbol"].endswith("-open")
    dashed = [one for one in figure["data"] if one["mode"] == "lines"]
    assert [unpack_array(one["x"]).tolist() for one in dashed] == [[0.0, 4.0]]


def test_weights_of_ones_own_are_a_table_with_a_warning(
    results: Path, tmp_path: Path
) -> None:
    tree = read_tree(results / "index.nc")
    names = tree["sample"].to_numpy()
    share = {"value": 0.5, "low": 0.4, "high": 0.6, "least": 0.25, "most": 0.75}
    tree["weighted"] = xr.DataTree(
        xr.Dataset(
            {name: ("sample", np.full(3, one)) for name, one in share.items()},
            {"sample": names},
        )
    )
    write_tree(tree, tmp_path / "index.nc")
    page = compose_page(read_stored(tmp_path))
    (table,) = (
        one
        for section in page.sections
        for one in section.tables
        if one.key == "table-index-weighted"
    )
    assert [cell.text for cell in table.rows[0]] == [
        "unmilled",
        "0.50 (0.40 to 0.60)",
        "0.25",
        "0.75",
    ]
    assert "disagreement" in table.remark


def test_run_tells_versions_stages_and_what_failed(
    results: Path, tmp_path: Path
) -> None:
    alone(results, tmp_path, "nmr")
    stages = {
        "nmr": {"status": "done", "seconds": 2.5, "date": "2026-01-02T03:04:05Z"},
        "eis": {"status": "failed", "reason": "no such file"},
    }
    told = {
        "software": "structkit 0.1.0",
        "started": "2026-01-02T03:00:00Z",
        "packages": {"numpy": "2.0"},
        "stages": stages,
    }
    (tmp_path / "provenance.json").write_text(json.dumps(told))
    page = compose_page(read_stored(tmp_path))
    sections = {one.key: one for one in page.sections}
    assert "eis, failed: no such file" in sections["flags"].sentences[0]
    assert "Packages: numpy 2.0." in sections["run"].sentences
    rows = [[cell.text for cell in row] for row in sections["run"].tables[0].rows]
    assert rows[0][:4] == ["nmr", "done", "2026-01-02T03:04:05Z", "2.5"]
    assert "2026-01-02" in page.subtitle


def test_conductivity_is_drawn_only_over_an_index_without_it(page: Page) -> None:
    plots = {plot.key: plot for one in page.sections for plot in one.plots}
    names = [name for name, _ in plots["index-conductivity"].figures]
    assert names == [
        "AI_lat, structure (no conductivity)",
        "AI_lat, without diffraction",
    ]


@pytest.mark.parametrize(
    ("stage", "key"),
    [
        ("raman", "raman"),
        ("eis", "impedance"),
        ("nmr", "nmr"),
        ("refine", "diffraction"),
    ],
)
def test_one_technique_gives_a_short_page_that_says_what_is_open(
    results: Path, tmp_path: Path, stage: str, key: str
) -> None:
    page = compose_page(read_stored(alone(results, tmp_path, stage)))
    assert [one.key for one in page.sections] == [key]
    open_questions = dict(page.findings)["What cannot be concluded"]
    assert "No amorphization index was formed." in open_questions
    assert any(
        text.startswith("No amorphous") or "No diffraction" in text
        for text in open_questions
    )
    text = write_report(tmp_path).read_text(encoding="utf-8")
    assert text.count('class="canvas"') == sum(
        len(plot.figures) for one in page.sections for plot in one.plots
    )


def test_a_broken_file_is_told_and_the_rest_is_shown(
    results: Path, tmp_path: Path
) -> None:
    alone(results, tmp_path, "raman")
    (tmp_path / "nmr.nc").write_text("no netCDF")
    page = compose_page(read_stored(tmp_path))
    assert [one.key for one in page.sections] == ["raman", "flags"]
    assert "nmr.nc" in page.sections[1].sentences[0]


def test_no_results_is_an_error_that_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="structkit refine"):
        write_report(tmp_path)
    with pytest.raises(ReadError, match="no such folder"):
        write_report(tmp_path / "absent")


def test_verb_tells_where_the_page_is(results: Path, tmp_path: Path) -> None:
    alone(results, tmp_path, "nmr")
    done = CliRunner().invoke(command, [str(tmp_path), "--title", "T"])
    assert done.exit_code == 0, done.output
    assert done.output.strip() == str(tmp_path / "report.html")
    assert "<h1>T</h1>" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_methods_cite_what_was_used(page: Page) -> None:
    text = " ".join(page.methods)
    assert "engine native 0.0" in text
    assert "an external standard [4]" in text
    assert "Raven" in page.citations[3]
    cited = {
        int(one)
        for one in re.findall(r"\d+", " ".join(re.findall(r"\[[\d, ]+\]", text)))
    }
    assert cited == set(range(1, len(page.citations) + 1))
