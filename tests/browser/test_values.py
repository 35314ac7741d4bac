"""Limits, variables and secrets, made and changed in the page."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.browser.calls import WORKSPACE, call
from tests.browser.pages import SETTLED
from tests.browser.test_actions import DIALOG, press

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.browser.chromium import Browser, Page


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with browser.page() as opened:
        yield opened


def write(page: Page, name: str, text: str) -> None:
    """Replaces what an input of the open dialog holds."""
    page.wait(f"{DIALOG}?.querySelector('#ask-{name}')")
    page.run(f"{DIALOG}.querySelector('#ask-{name}').select()")
    page.call("Input.insertText", text=text)


def test_a_variable_is_made_changed_and_deleted(page: Page, base: str) -> None:
    page.go(f"{base}/variables")
    page.wait(SETTLED)
    press(page, "New variable")
    write(page, "id", "retries")
    write(page, "value", "<b>three</b>")
    page.wait(
        f"{DIALOG}.querySelector('.link').title === \"towpath variable set retries '<b>three</b>'\""
    )
    press(page, "Create", DIALOG)
    page.wait("document.querySelector('.table')?.innerText.includes('<b>three</b>')")
    row = "[...document.querySelectorAll('tr')].find(r => r.innerText.includes('retries'))"
    press(page, "Edit", row)
    write(page, "value", "3")
    press(page, "Save", DIALOG)
    page.wait(f"({row})?.innerText.includes('3')")
    kept = call(base, "VariableService/GetVariable", name=f"{WORKSPACE}/variables/retries")
    assert kept["variable"]["valueJson"] == "3"
    press(page, "Delete", row)
    press(page, "Delete", DIALOG)
    page.wait(f"!({row})")


def test_a_secret_is_written_and_never_shown(page: Page, base: str) -> None:
    page.go(f"{base}/secrets")
    page.wait("document.querySelector('.table')?.innerText.includes('warehouse-password')")
    assert "hidden-from-pages" not in page.run("document.documentElement.outerHTML")
    press(page, "New secret")
    write(page, "id", "api-token")
    write(page, "value", "s3cret-value")
    assert "s3cret-value" not in page.run(f"{DIALOG}.querySelector('.link').title")
    press(page, "Create", DIALOG)
    page.wait("document.querySelector('.table')?.innerText.includes('api-token')")
    assert "s3cret-value" not in page.run("document.documentElement.outerHTML")


def test_a_limit_shows_who_holds_it_and_who_waits(page: Page, base: str) -> None:
    call(base, "LimitService/SetLimit", parent=WORKSPACE, limitId="printer", limit={"slots": 1})

    def acquire(number: int, holder: str, wait: str) -> bool:
        answer = call(
            base,
            "LimitService/AcquireSlots",
            parent=WORKSPACE,
            acquisitionId=f"00000000-0000-4000-8000-00000000000{number}",
            slots=[{"limitId": "printer", "slots": 1}],
            hold="300s",
            holder=holder,
            wait=wait,
        )
        return bool(answer.get("acquired"))

    assert acquire(1, "first", "0s")
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(acquire, 2, "second", "60s")
        # The page asks again: nothing tells when the second has begun to wait.
        page.go(f"{base}/limits/printer")
        page.wait("document.querySelector('#holders')?.parentElement.innerText.includes('first')")
        waits = "document.querySelector('#waiters').parentElement.innerText.includes('second')"
        refresh = "[...document.querySelectorAll('button')].find(b => b.innerText === 'Refresh')"
        page.wait(f"{waits} || ({refresh}.click(), false)")
        press(page, "Release")
        press(page, "Release", DIALOG)
        assert second.result()
    page.wait("!document.querySelector('#holders').parentElement.innerText.includes('first')")
