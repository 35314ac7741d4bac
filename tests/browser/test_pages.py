"""Every page, in a browser: complete, within its policy, accessible, and fit for narrow screens."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.calls import run_of
from tests.browser.pages import SETTLED, Shown, pages, show

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.browser.chromium import Browser, Page

NAMES = (
    *("home", "runs", "run-failed", "run-retried", "run-tasks", "run-graph", "run-decisions"),
    *("run-values", "run-hostile", "flows", "flow", "deployments", "deployment", "pools"),
    *("pool", "limits", "limit", "artifacts", "artifact", "variables", "secrets", "access"),
    *("device", "usage"),
    *("audit", "settings"),
)
WIDTHS = (1440, 768, 390)
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
# One part that is wider than the page makes the whole page scroll.
OVERFLOW = "document.documentElement.scrollWidth > innerWidth"


@pytest.fixture(scope="session")
def known(base: str) -> dict[str, Shown]:
    found = {shown.name: shown for shown in pages(base)}
    assert set(found) == set(NAMES)
    return found


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with browser.page() as opened:
        yield opened


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", NAMES)
def test_a_page_keeps_to_its_policy_is_accessible_and_fits_every_width(
    browser: Browser, base: str, known: dict[str, Shown], axe: str, name: str, *, dark: bool
) -> None:
    with browser.page(dark=dark) as page:
        show(page, base, known[name])
        assert page.problems == []
        assert [url for url in page.requests if not url.startswith(base)] == []
        page.run(axe)
        found = page.run(f"axe.run(document, {{runOnly: {json.dumps(RULES)}}})")
        assert [_told(one) for one in found["violations"] if one["impact"] in _SERIOUS] == []
        assert page.run("document.querySelectorAll('main h1').length") == 1
        for width in WIDTHS:
            page.resize(width, 900)
            page.run("new Promise(requestAnimationFrame)")
            assert not page.run(OVERFLOW), f"{name} overflows at {width} pixels"


_SERIOUS = {"serious", "critical"}


def _told(violation: Any) -> str:
    nodes = "; ".join(str(node["target"]) + node["failureSummary"] for node in violation["nodes"])
    return f"{violation['id']}: {nodes[:600]}"


def test_what_runs_say_stays_text(page: Page, base: str, known: dict[str, Shown]) -> None:
    for name in ("home", "runs", "flows", "run-hostile"):
        show(page, base, known[name])
        assert page.run("document.title").endswith("Towpath")
        assert page.run("document.querySelectorAll('main script, main img').length") == 0
        assert "<script>" in page.run("document.querySelector('main').innerText")
        assert "\u202e" not in page.run("document.querySelector('main').innerText")


def test_home_shows_a_run_of_a_flow_that_never_completed(page: Page, base: str) -> None:
    page.go(f"{base}/")
    page.wait("document.querySelector('#now')?.parentElement.innerText.includes('long-wait')")
    assert page.problems == []


def test_the_failure_and_the_users_line_are_shown_first(page: Page, base: str) -> None:
    page.go(f"{base}/runs/{run_of(base, 'invoices')}")
    page.wait("document.querySelector('.error .said')?.innerText.startsWith('ValueError')")
    assert "return float(line)" in page.run("document.querySelector('.error .frame').innerText")
    page.run("document.querySelector('.error button').click()")
    page.wait("document.querySelector('.detail h2')?.innerText === 'parse[1]'")
    assert "task=" in page.run("location.search")


def test_keys_lead_from_home_to_a_task_run(page: Page, base: str) -> None:
    page.go(f"{base}/")
    page.wait(SETTLED)
    for key in "gr":
        page.press(key)
    page.wait("location.pathname === '/runs' && document.querySelector('#row-0')")
    page.press("/")
    page.wait("document.activeElement.type === 'search'")
    for letter in "invoices":
        page.press(letter)
    page.wait("location.search.includes('q=invoices')")
    page.wait("document.querySelector('#row-0')?.innerText.includes('invoices')")
    page.run("document.activeElement.blur()")
    page.press("j")
    page.wait("document.querySelector('.row.at')")
    page.press("Enter")
    page.wait("location.pathname.startsWith('/runs/') && document.querySelector('.tl-head')")
    page.press("t")
    page.press("e")
    page.wait("document.querySelector('.detail h2')?.innerText === 'parse[1]'")
    page.press("Escape")
    page.wait("!document.querySelector('.detail')")
    page.press("2")
    page.wait("document.querySelector('.tasks')")
    page.press("?")
    page.wait("document.querySelector('dialog[open] .keys')")
    page.press("Escape")
    page.wait("!document.querySelector('dialog[open]')")


def test_find_opens_a_run(page: Page, base: str) -> None:
    page.go(f"{base}/settings")
    page.wait(SETTLED)
    page.press("k", ctrl=True)
    page.wait("document.querySelector('.find-input') === document.activeElement")
    for letter in "warehouse":
        page.press(letter)
    page.wait("document.querySelector('#hits')?.innerText.includes('warehouse-rebuild')")
    page.press("Enter")
    page.wait("location.pathname !== '/settings'")


def test_attempts_are_parts_of_a_bar(page: Page, base: str) -> None:
    page.go(f"{base}/runs/{run_of(base, 'orders')}?tab=tasks")
    page.wait("document.querySelector('.tasks .tag')?.innerText === '#3'")
