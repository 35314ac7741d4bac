"""A server that the demo has filled, and a browser; both for all tests of a process."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.chromium import Browser, chromium
from tests.browser.filled import fill
from tests.postgres.debian import program
from tests.scenarios.servers import Server, environment

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
UI = ROOT / "service/ui"
AXE = UI / "node_modules/axe-core/axe.min.js"


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server with runs of every kind."""
    home = tmp_path_factory.mktemp("home")
    server = Server(home)
    server.start()
    try:
        subprocess.run(
            [sys.executable, "-m", "tests.browser.demo"],
            cwd=ROOT,
            env=environment(home),
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        fill(server.web_address)
        with _waiting(home):
            yield server.web_address
    finally:
        server.stop()


@contextmanager
def _waiting(home: Path) -> Iterator[None]:
    """A run that lasts as long as the context."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.browser.demo", "wait"],
        cwd=ROOT,
        env=environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"waiting\n"
        yield
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium(program("chromium", "chromium")) as opened:
        yield opened


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe, which the packages of the UI bring."""
    if not AXE.is_file():
        subprocess.run([sys.executable, str(UI / "build.py"), "install"], check=True)
    return AXE.read_text(encoding="utf-8")
