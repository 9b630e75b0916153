"""What the pages say must be so."""

from __future__ import annotations

import ast
import fnmatch
import re
import shlex
import tomllib
from importlib import import_module
from pathlib import Path

import click
import pytest
from pydantic import BaseModel

from refinement.engines import ENGINES
from refinement.engines.native.options import NativeOptions
from structkit.cli.__main__ import group
from structkit.cli.page import compose_page as compose_verbs
from structkit.io import (
    manifest,
    manifest_eis,
    manifest_index,
    manifest_nmr,
    manifest_raman,
)
from structkit.pipeline.page import TABLES as STORED_TABLES
from structkit.pipeline.page import compose_page as compose_files
from structkit.pipeline.stages import LIMITS_FILE, STAGES

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
TABLES = (
    manifest.SeriesTable,
    manifest.XrdTable,
    manifest.InstrumentTable,
    manifest.StandardTable,
    manifest.PhaseTable,
    manifest.ComponentTable,
    manifest.CompositionTable,
    manifest.ExternalStandardTable,
    manifest.JointTable,
    manifest.MillTable,
    manifest.SampleTable,
    manifest_index.IndexTable,
    manifest_nmr.NmrTable,
    manifest_nmr.SiteTable,
    manifest_nmr.T1Table,
    manifest_raman.RamanTable,
    manifest_raman.TemplateTable,
    manifest_eis.EisTable,
    manifest_eis.EisFileTable,
    manifest_eis.DcFileTable,
    manifest_eis.PelletTable,
    manifest_eis.ShortCellTable,
)


@pytest.mark.parametrize("kind", NativeOptions().priors)
def test_priors_are_those_of_the_page(kind: str) -> None:
    prior = NativeOptions().priors[kind]
    row = (
        f"| `{kind}` | {prior.start:.4g} | {prior.sigma:g} | {prior.sigma_second:g} | "
        f"{prior.low:.4g} to {prior.high:.4g} |"
    )
    assert row in (ROOT / "docs" / "native_engine.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("model", TABLES, ids=lambda model: model.__name__)
def test_every_key_of_the_series_file_is_listed(model: type[BaseModel]) -> None:
    text = (ROOT / "docs" / "series_file.md").read_text(encoding="utf-8")
    names = [field.alias or name for name, field in model.model_fields.items()]
    tables = {
        "instrument",
        "internal_standard",
        "external_standard",
        "joint",
        "phase",
        "component",
        "template",
        "site",
    }
    for name in names:
        own = (
            [f"{top}.{name}]" for top in ("xrd", "raman", "nmr")]
            if name in tables
            else []
        )
        marks = [f"`{name}`", *own]
        assert any(mark in text for mark in marks), name


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_is_a_value_of_its_key(engine: str) -> None:
    text = (ROOT / "docs" / "series_file.md").read_text(encoding="utf-8")
    (row,) = [line for line in text.splitlines() if line.startswith("| `engine` ")]
    assert f'`"{engine}"`' in row
    phases = [{"name": "NaCl"}]
    table = manifest.XrdTable.model_validate({"engine": engine, "phase": phases})
    assert table.engine == engine


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def blocks(language: str) -> list[tuple[str, str]]:
    """Return the page and the text of every block of a language."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        blocks = re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)
        found.extend((page.name, block) for block in blocks)
    return found


@pytest.mark.parametrize(
    ("page", "compose"), [("verbs", compose_verbs), ("stored_files", compose_files)]
)
def test_pages_are_what_their_commands_write(page: str, compose: object) -> None:
    assert callable(compose)
    written = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    assert written == compose(), f"write docs/{page}.md anew: see its first lines"


def test_every_table_of_a_stage_is_described() -> None:
    """Tables that only a verb of its own leaves are described beside them."""
    patterns = [
        pattern.removeprefix("tables/")
        for stage in STAGES
        for pattern in (*stage.results, *stage.others, LIMITS_FILE)
        if pattern.startswith("tables/")
    ]
    names = {f"{one.name}.csv" for one in STORED_TABLES}
    for pattern in patterns:
        assert fnmatch.filter(names, pattern), pattern
    left = {n for n in names if not any(fnmatch.fnmatch(n, p) for p in patterns)}
    assert left == {"engines.csv"}


def test_every_name_of_the_reference_is_there() -> None:
    text = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    names = re.findall(r"`(structkit(?:\.[A-Za-z_0-9]+)+)`", text)
    assert names
    for name in names:
        home, _, last = name.rpartition(".")
        try:
            found = getattr(import_module(home), last)
        except ModuleNotFoundError:
            above, _, module = home.rpartition(".")
            found = getattr(getattr(import_module(above), module), last)
        assert callable(found), name


def test_python_on_the_pages_is_python() -> None:
    for page, block in blocks("python"):
        try:
            ast.parse(block)
        except SyntaxError as error:
            pytest.fail(f"{page}: {error}\n{block}")


def test_toml_on_the_pages_is_toml() -> None:
    for page, block in blocks("toml"):
        try:
            tomllib.loads(block)
        except tomllib.TOMLDecodeError as error:
            pytest.fail(f"{page}: {error}\n{block}")


def test_commands_on_the_pages_are_commands() -> None:
    lines = [
        (page, line.removeprefix("$ "))
        for page, block in blocks("")
        for line in block.splitlines()
        if line.removeprefix("$ ").startswith("structkit ")
    ]
    assert lines
    for page, line in lines:
        _, *words = shlex.split(line, comments=True)
        command: click.Command = group
        while isinstance(command, click.Group) and not words[0].startswith("-"):
            below = command.get_command(click.Context(command), words.pop(0))
            assert below is not None, (page, line)
            command = below
            if not words:
                break
        known = {
            name
            for one in command.params
            for name in (*one.opts, *one.secondary_opts)
            if name.startswith("-")
        } | {"--help", "-h", "--version"}
        options = [word for word in words if re.match(r"--?[a-z]", word)]
        assert set(options) <= known, (page, line)
