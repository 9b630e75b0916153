"""The page of the audit shows what the audit says."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from structkit.checks.audit import audit, format_audit
from structkit.checks.claim_kind import ClaimKind
from structkit.checks.claims import KINDS, find_kind
from structkit.checks.quantity import UNITS

WIDTH = 88


@pytest.fixture(scope="module")
def page(repository: Path) -> str:
    return (repository / "docs" / "audit.md").read_text(encoding="utf-8")


def test_the_studys_table_is_the_present_one(page: str) -> None:
    (table,) = page.split("```text\n")[1:]
    assert table.removesuffix("\n```\n") == format_audit(audit(), width=WIDTH)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_kind_and_input_is_listed(page: str, kind: ClaimKind) -> None:
    (row,) = [line for line in page.splitlines() if line.startswith(f"| `{kind.name}`")]
    assert kind.summary in row
    for spec in kind.inputs:
        assert f"`{spec.name}`" in row or spec.name == "tolerance"
        assert spec.stored is None or spec.stored.table in row


def test_the_example_is_sound(page: str) -> None:
    example = tomllib.loads(page.split("```toml\n")[1].split("```")[0])
    for claim in example["claim"]:
        kind = find_kind(claim["kind"])
        for key in set(claim) - {"id", "kind", "statement"}:
            assert kind.find_input(key) is not None


def test_every_unit_is_named(page: str) -> None:
    (line,) = [part for part in page.split("\n\n") if "Units: " in part]
    named = line.replace("\n", " ").split("Units: ")[1].rstrip(".").split(", ")
    other_spellings = {"1", "decade", "C", "°C"}
    assert set(named) == set(UNITS) - other_spellings
