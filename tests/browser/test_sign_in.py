"""With identity, the page asks for a key, keeps it in memory, and shows what the caller may do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.test_actions import DIALOG
from tests.browser.test_actions import press as press_button
from tests.browser.test_values import write
from tests.scenarios.servers import Server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.browser.chromium import Browser, Page

FORM = "document.querySelector('.sign-in input')"


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("guarded"), options=("--auth", "--owner", "ada@x.test"))
    server.start()
    yield server
    server.stop()


def enter(page: Page, key: str) -> None:
    page.wait(FORM)
    page.run(f"{FORM}.focus()")
    page.call("Input.insertText", text=key)
    page.press("Enter")


def press(page: Page, word: str) -> None:
    page.run(f"[...document.querySelectorAll('.nav')].find(b => b.innerText === '{word}').click()")


def test_a_key_signs_in_for_as_long_as_the_tab_is_open(browser: Browser, server: Server) -> None:
    [key] = [line for line in server.log.splitlines() if line.startswith("twpu_")]
    with browser.page() as page:
        page.go(f"{server.web_address}/access", ready=".sign-in")
        enter(page, f"{key[:-1]}x")
        page.wait("document.querySelector('.sign-in [role=alert]')")
        page.run(f"{FORM}.select()")
        enter(page, key)
        page.wait("document.querySelector('.table')?.innerText.includes('ada@x.test')")
        kept = page.run("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")
        assert key not in kept
        _add_a_member_and_a_key(page)
        page.run(
            "[...document.querySelectorAll('.nav')].find(b => b.innerText === 'Audit').click()"
        )
        page.wait("document.querySelector('.table')?.innerText.includes('identity.init')")
        page.run(
            "[...document.querySelectorAll('.nav')].find(b => b.innerText === 'Sign out').click()"
        )
        page.wait(FORM)


def _add_a_member_and_a_key(page: Page) -> None:
    press_button(page, "Add member")
    write(page, "email", "grace@x.test")
    page.run(f"{DIALOG}.querySelector('#ask-role').value")
    press_button(page, "Add", DIALOG)
    page.wait("document.querySelector('.table')?.innerText.includes('grace@x.test')")
    row = "[...document.querySelectorAll('tr')].find(r => r.innerText.includes('grace@x.test'))"
    page.wait(f"({row}).querySelector('.tag')")
    press_button(page, "Remove", row)
    press_button(page, "Remove", DIALOG)
    page.wait(f"!({row})")
    press_button(page, "Your keys")
    press_button(page, "New key")
    write(page, "name", "laptop")
    press_button(page, "Create", DIALOG)
    page.wait(f"{DIALOG}?.querySelector('.once')?.innerText.includes('twpu_')")
    press_button(page, "Done", DIALOG)
    page.wait("document.querySelector('.table')?.innerText.includes('laptop')")
    row = "[...document.querySelectorAll('tr')].find(r => r.innerText.includes('laptop'))"
    assert "twpu_" not in page.run("document.documentElement.outerHTML")
    press_button(page, "Revoke", row)
    press_button(page, "Revoke", DIALOG)
    page.wait(f"({row}).innerText.includes('Revoked')")
