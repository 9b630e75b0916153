"""What the pages say must be so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from refinement.engines import ENGINES
from refinement.engines.native.options import NativeOptions
from structkit.io import (
    manifest,
    manifest_eis,
    manifest_index,
    manifest_nmr,
    manifest_raman,
)

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
