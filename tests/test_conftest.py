"""Marked tests are skipped where the machine lacks what they need, and say why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from refinement.engines import EngineInfo
from refinement.engines.gsas2 import discovery
from refinement.engines.gsas2.discovery import Found

CONFTEST = Path(__file__).with_name("conftest.py")


class Item:
    """What a collected test is to the hook."""

    def __init__(self, *markers: str) -> None:
        self.markers = markers
        self.skipped = ""

    def get_closest_marker(self, name: str) -> str | None:
        return name if name in self.markers else None

    def add_marker(self, mark: pytest.MarkDecorator) -> None:
        assert mark.name == "skip"
        self.skipped = mark.kwargs["reason"]


@pytest.fixture
def hook(request: pytest.FixtureRequest) -> Any:
    plugin: Any = request.config.pluginmanager.get_plugin(str(CONFTEST))
    return plugin.pytest_collection_modifyitems


def answer(
    monkeypatch: pytest.MonkeyPatch, found: Found | None, remedy: str = ""
) -> list[int]:
    """Put an answer in place of the search; return the list of searches."""
    searches: list[int] = []

    def choose() -> tuple[Found | None, EngineInfo]:
        searches.append(1)
        available = found is not None
        return found, EngineInfo(name="gsas2", available=available, remedy=remedy)

    monkeypatch.setattr(discovery, "choose_gsas2", choose)
    return searches


def test_gsas2_is_skipped_with_the_remedy_where_none_works(
    hook: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch, None, "name one that works")
    marked, plain = Item("gsas2"), Item()
    hook([plain, marked])
    assert marked.skipped == "name one that works"
    assert plain.skipped == ""


def test_gsas2_runs_where_one_works(hook: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    searches = answer(monkeypatch, Found(python=Path("python")))
    items = [Item("gsas2"), Item("gsas2")]
    hook(items)
    assert [item.skipped for item in items] == ["", ""]
    assert len(searches) == 1


def test_nothing_is_started_where_no_test_needs_it(
    hook: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    searches = answer(monkeypatch, None, "none")
    hook([Item(), Item("slow")])
    assert not searches
