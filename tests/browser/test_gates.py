"""What an open page survives: a server that restarts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.filled import create_run, fill
from tests.scenarios.servers import Server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.browser.chromium import Browser

STATE = "document.querySelector('.link-state')?.innerText"


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("restarted"))
    server.start()
    yield server
    server.stop()


def test_an_open_page_goes_on_after_its_server_has_restarted(
    browser: Browser, server: Server
) -> None:
    base = server.web_address
    fill(base)
    create_run(base, "before")
    with browser.page() as page:
        page.go(f"{base}/runs")
        page.wait(f"document.querySelector('#row-0') && {STATE} === 'Live'")
        server.stop()
        page.wait(f"{STATE} === 'Not reached'")
        assert page.run("document.querySelector('#row-0').innerText.includes('before')")
        server.start()
        create_run(base, "after")
        page.wait("document.querySelector('#row-0')?.innerText.includes('after')")
        page.wait(f"{STATE} === 'Live'")
        names = page.run("[...document.querySelectorAll('.run-name a')].map(a => a.innerText)")
        assert names == ["after", "before"]
