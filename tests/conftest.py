"""Fixtures and skips that every test may use."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

os.environ["MPLBACKEND"] = "Agg"

REPOSITORY = Path(__file__).resolve().parent.parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SHARED_DATA = REPOSITORY.parent / "shared" / "data"


@pytest.fixture(scope="session")
def repository() -> Path:
    """Return the folder that holds ``pyproject.toml``."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of measured data; its tests carry the marker ``shared``."""
    if not SHARED_DATA.is_dir():
        pytest.skip("no ../shared/data beside this checkout")
    return SHARED_DATA


@pytest.hookimpl(trylast=True)  # after -m and -k have taken items away
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what this machine lacks, and say so."""
    look = {
        "browser": tell_browser_absent,
        "shared": tell_shared_absent,
        "gsas2": tell_gsas2_absent,
    }
    for marker, tell_absent in look.items():
        marked = [item for item in items if item.get_closest_marker(marker)]
        reason = tell_absent() if marked else ""
        for item in marked if reason else ():
            item.add_marker(pytest.mark.skip(reason=reason))


def find_browser() -> str:
    """Return the path of a Chromium of this machine; empty where there is none."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), "")


@pytest.fixture(scope="session")
def browser_path() -> str:
    """Return the browser that tests with the marker ``browser`` start."""
    return find_browser()


def tell_browser_absent() -> str:
    """Return why no page can be opened; empty where one can."""
    if find_spec("playwright") is None:
        return "no playwright here: pip install structkit[dev]"
    return "" if find_browser() else f"none of {', '.join(BROWSERS)} on the path"


def tell_shared_absent() -> str:
    """Return why there are no measured data; empty where there are."""
    return "" if SHARED_DATA.is_dir() else "no ../shared/data here"


def tell_gsas2_absent() -> str:
    """Return why there is no GSAS-II that works, trying it; empty where there is."""
    from refinement.engines.gsas2.discovery import choose_gsas2

    found, info = choose_gsas2()
    return "" if found is not None else info.remedy
