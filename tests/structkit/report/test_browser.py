"""The page in a browser: nothing loaded, nothing run that is a name, plots, sorting."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from structkit.report.write import write_report

pytestmark = pytest.mark.browser

SCRIPT = "<script>alert(1)</script>"
IMAGE = "<img src=x onerror=alert(1)>"
WAIT_MS = 60_000
LOCAL = ("file:", "data:", "blob:")
DRAWN = "node => node.querySelectorAll('.main-svg .trace, .main-svg .scatter').length"
UNDRAWN = """() => [...document.querySelectorAll('.panel:not([hidden]) .canvas')]
  .filter(node => !node.querySelector('.main-svg')).length === 0"""


class Visit:
    """A page, and what went wrong on it."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.dialogs: list[str] = []
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("dialog", self._dismiss)
        page.route("**/*", self._filter)

    def _hear(self, message: Any) -> None:
        if message.type in {"error", "warning"}:
            self.errors.append(message.text)

    def _dismiss(self, dialog: Any) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def _filter(self, route: Any) -> None:
        if route.request.url.startswith(LOCAL):
            route.continue_()
        else:
            self.requests.append(route.request.url)
            route.abort()


@pytest.fixture(scope="module")
def browser(browser_path: str) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        started = driver.chromium.launch(
            executable_path=browser_path, args=["--no-sandbox"]
        )
        yield started
        started.close()


@pytest.fixture(scope="module")
def address(results: Path) -> str:
    return write_report(results).as_uri()


def visit(browser: Any, address: str, *, width: int) -> Visit:
    made = Visit(browser.new_page(viewport={"width": width, "height": 900}))
    made.page.goto(address)
    made.page.wait_for_function(UNDRAWN, timeout=WAIT_MS)
    return made


@pytest.fixture(scope="module")
def desktop(browser: Any, address: str) -> Iterator[Visit]:
    made = visit(browser, address, width=1280)
    yield made
    made.page.close()


def test_nothing_is_asked_from_outside_and_no_error_is_told(desktop: Visit) -> None:
    assert desktop.requests == []
    assert desktop.errors == []


def test_plots_are_drawn_with_their_data(desktop: Visit) -> None:
    canvases = desktop.page.query_selector_all(".panel:not([hidden]) .canvas")
    assert len(canvases) >= 12
    for canvas in canvases:
        assert canvas.evaluate(DRAWN) > 0


def test_names_are_shown_and_never_run(desktop: Visit) -> None:
    assert desktop.dialogs == []
    body = desktop.page.inner_text("body")
    assert IMAGE in body
    assert SCRIPT in body
    labels = desktop.page.eval_on_selector_all(
        ".main-svg text", "nodes => nodes.map(node => node.textContent)"
    )
    assert any(IMAGE in text for text in labels)
    assert desktop.page.query_selector("svg img, svg a, main img") is None


def test_tables_sort_numbers_as_numbers_and_tell_it(desktop: Visit) -> None:
    page = desktop.page
    table = page.locator("#table-amorphous")
    table.evaluate("node => { node.closest('details').open = true; }")
    times = "node => [...node.tBodies[0].rows].map(row => row.cells[1].textContent)"
    assert table.evaluate(times) == ["10", "9", "100"]
    button = table.locator("th button").nth(1)
    button.click()
    assert table.evaluate(times) == ["9", "10", "100"]
    head = table.locator("th").nth(1)
    assert head.get_attribute("aria-sort") == "ascending"
    button.press("Enter")
    assert table.evaluate(times) == ["100", "10", "9"]
    assert head.get_attribute("aria-sort") == "descending"


def test_another_sample_is_drawn_when_it_is_chosen(desktop: Visit) -> None:
    page = desktop.page
    page.select_option("select[data-for=rietveld]", label="4h")
    page.wait_for_function(UNDRAWN, timeout=WAIT_MS)
    shown = page.query_selector_all("#rietveld .panel:not([hidden])")
    assert [one.inner_text().strip()[:2] for one in shown] != []
    assert len(shown) == 1
    assert shown[0].query_selector(".canvas").evaluate(DRAWN) > 0


def test_print_draws_what_was_folded_away(desktop: Visit) -> None:
    all_drawn = (
        "[...document.querySelectorAll('.canvas')]"
        ".every(node => node.querySelector('.main-svg'))"
    )
    assert not desktop.page.evaluate(all_drawn)
    assert desktop.page.pdf(format="A4").startswith(b"%PDF")
    assert desktop.page.evaluate(all_drawn)
    assert desktop.errors == []


def test_a_telephone_need_not_scroll_sideways(browser: Any, address: str) -> None:
    made = visit(browser, address, width=390)
    wide = made.page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 390
    assert made.errors == []
    assert made.requests == []
    made.page.close()
