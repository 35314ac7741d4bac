"""What the service fetches, and what it gives up."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from towpath_service.outbound import fetching
from towpath_service.outbound.fetching import FetchFailed, fetch

if TYPE_CHECKING:
    from collections.abc import Generator


@contextmanager
def answering(status: int, body: bytes, **headers: str) -> Generator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/keys"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_document_is_fetched() -> None:
    with answering(200, b'{"keys": []}') as url:
        assert fetch(url, private=True) == b'{"keys": []}'


def test_addresses_around_the_service_are_not_called() -> None:
    with answering(200, b"{}") as url:
        for unsafe in (url, url.replace("127.0.0.1", "localhost"), "http://169.254.169.254/"):
            with pytest.raises(FetchFailed, match="not"):
                fetch(unsafe)


def test_no_redirect_is_followed() -> None:
    with (
        answering(200, b"{}") as target,
        answering(302, b"", location=target) as url,
        pytest.raises(FetchFailed, match="answers 302"),
    ):
        fetch(url, private=True)


def test_what_is_too_large_or_too_slow_is_given_up() -> None:
    with (
        answering(200, b"x" * (fetching.MOST_BYTES + 1)) as url,
        pytest.raises(FetchFailed, match="larger"),
    ):
        fetch(url, private=True)
    times = iter((0.0, 5.0, 11.0))
    with answering(200, b"x" * 40_000) as url, pytest.raises(FetchFailed, match="longer"):
        fetch(url, private=True, clock=lambda: next(times))


def test_whoever_speaks_no_tls_with_a_certificate_is_nobody() -> None:
    with answering(200, b"{}") as url, pytest.raises(FetchFailed):
        fetch(url.replace("http://", "https://"), private=True)


def test_a_host_that_is_not_there_is_told() -> None:
    with pytest.raises(FetchFailed, match=r"nowhere\.invalid"):
        fetch("https://nowhere.invalid/keys")
