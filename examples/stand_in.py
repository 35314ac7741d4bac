"""A small server on this machine that answers in the network's place.

It turns every first request for a path away with 503, so that retries show.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def stand_in(answer: Callable[[str], bytes]) -> Iterator[str]:
    """Serves what a function gives for a path; yields the base URL."""
    seen: set[str] = set()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path in seen
            seen.add(self.path)
            body = answer(self.path)
            self.send_response(HTTPStatus.OK if known else HTTPStatus.SERVICE_UNAVAILABLE)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
