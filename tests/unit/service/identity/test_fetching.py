"""What the service fetches, and what it gives up."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from towpath_service.identity.issuers import fetching
from towpath_service.identity.issuers.fetching import FetchFailed, fetch

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


@contextmanager
def dripping(first: bytes, then: bytes) -> Generator[str]:
    """Whoever answers with a beginning, and goes on by a byte or two for as long as it is heard."""
    ended = threading.Event()

    def answer(server: socket.socket) -> None:
        connected, _ = server.accept()
        with connected, suppress(OSError):
            connected.sendall(first)
            while not ended.wait(0.02):
                connected.sendall(then)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer, args=(server,), daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}"
        finally:
            ended.set()
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


def test_what_is_too_large_is_given_up() -> None:
    with (
        answering(200, b"x" * (fetching.MOST_BYTES + 1)) as url,
        pytest.raises(FetchFailed, match="larger"),
    ):
        fetch(url, private=True)


SLOWLY = {
    "nothing at all": (b"", b""),
    "the status line": (b"HTTP/1.1 2", b"0"),
    "a header": (b"HTTP/1.1 200 OK\r\nx: ", b"a"),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"a: b\r\n"),
    "a body": (b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n", b"a"),
    "a body without a length": (b"HTTP/1.1 200 OK\r\n\r\n", b"a"),
    "chunks": (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
    "the size of a chunk": (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"0"),
    # The head of a record of the handshake, of which there is more to come.
    "the handshake": (b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc", b"\x00"),
}


@pytest.mark.parametrize("what", SLOWLY)
def test_what_arrives_slowly_is_given_up_when_its_time_is_over(what: str) -> None:
    scheme = "https" if what == "the handshake" else "http"
    with (
        dripping(*SLOWLY[what]) as address,
        pytest.raises(FetchFailed, match=r"longer than 0\.3 s"),
    ):
        fetch(f"{scheme}://{address}/keys", private=True, seconds=0.3)


def test_without_time_left_nothing_is_fetched() -> None:
    with answering(200, b"{}") as url, pytest.raises(FetchFailed, match="longer"):
        fetch(url, private=True, seconds=-1)


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999/", f"https://{'x' * 70}.example/"])
def test_what_is_no_address_is_told_like_all_else(url: str) -> None:
    with pytest.raises(FetchFailed):
        fetch(url, private=True)


def test_whoever_speaks_no_tls_with_a_certificate_is_nobody() -> None:
    with answering(200, b"{}") as url, pytest.raises(FetchFailed):
        fetch(url.replace("http://", "https://"), private=True)


def test_a_host_that_is_not_there_is_told() -> None:
    with pytest.raises(FetchFailed, match=r"nowhere\.invalid"):
        fetch("https://nowhere.invalid/keys")
