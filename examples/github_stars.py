"""Counts the stars of a list of repositories, with retries.

It asks GitHub, or, with --offline or when the network is away, a small server of its own that
fails every first request, so that retries show.

    python examples/github_stars.py [--offline]
"""

from __future__ import annotations

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
from towpath import flow, get_run_logger, task

REPOSITORIES = ("python/cpython", "grpc/grpc", "protocolbuffers/protobuf")


@task(retries=3, retry_delay_seconds=[0.1, 0.5, 2])
def fetch_stars(base: str, repository: str) -> int:
    """Reads one repository's number of stars."""
    answer = httpx2.get(f"{base}/repos/{repository}", timeout=5)
    answer.raise_for_status()
    stars = int(answer.json()["stargazers_count"])
    get_run_logger().info("%s has %d stars", repository, stars)
    return stars


@flow
def github_stars(base: str, repositories: list[str]) -> dict[str, int]:
    """Counts stars, all repositories at once."""
    futures = {name: fetch_stars.submit(base, name) for name in repositories}
    return {name: future.result() for name, future in futures.items()}


class _Stand(BaseHTTPRequestHandler):
    """Answers as GitHub would, but turns every first request away."""

    seen: set[str] = set()  # noqa: RUF012 - shared by all requests on purpose

    def do_GET(self) -> None:
        """Answers one request."""
        known = self.path in self.seen
        self.seen.add(self.path)
        body = json.dumps({"stargazers_count": len(self.path) * 1000}).encode()
        self.send_response(200 if known else 503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def reachable(base: str) -> bool:
    """Whether GitHub answers."""
    try:
        return httpx2.get(f"{base}/zen", timeout=2).status_code == httpx2.codes.OK
    except httpx2.HTTPError:
        return False


def main() -> None:
    """Runs the flow and prints what it counted."""
    base = "https://api.github.com"
    stand = None
    if "--offline" in sys.argv or not reachable(base):
        stand = ThreadingHTTPServer(("127.0.0.1", 0), _Stand)
        threading.Thread(target=stand.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{stand.server_port}"
        print("GitHub is not asked: a stand-in on this machine answers")
    for name, stars in github_stars(base, list(REPOSITORIES)).items():
        print(f"{name:30} {stars:>8}")
    if stand is not None:
        stand.shutdown()


if __name__ == "__main__":
    main()
