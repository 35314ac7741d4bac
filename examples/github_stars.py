"""Counts the stars of a list of repositories, with retries.

It asks GitHub, or, with --offline or when the network is away, a small server of its own that
fails every first request, so that retries show.

    python examples/github_stars.py [--offline]
"""

from __future__ import annotations

import json
import sys

import httpx2
from stand_in import stand_in
from towpath import flow, get_run_logger, task

GITHUB = "https://api.github.com"
REPOSITORIES = ["python/cpython", "grpc/grpc", "protocolbuffers/protobuf"]


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


def reachable(base: str) -> bool:
    """Whether GitHub answers."""
    try:
        return httpx2.get(f"{base}/zen", timeout=2).status_code == httpx2.codes.OK
    except httpx2.HTTPError:
        return False


def stars_of(path: str) -> bytes:
    """What the stand-in answers for a repository."""
    return json.dumps({"stargazers_count": len(path) * 1000}).encode()


def report(base: str) -> None:
    """Runs the flow and prints what it counted."""
    for name, stars in github_stars(base, REPOSITORIES).items():
        print(f"{name:30} {stars:>8}")


def main() -> None:
    """Asks GitHub or the stand-in."""
    if "--offline" not in sys.argv and reachable(GITHUB):
        report(GITHUB)
        return
    print("GitHub is not asked: a stand-in on this machine answers")
    with stand_in(stars_of) as base:
        report(base)


if __name__ == "__main__":
    main()
