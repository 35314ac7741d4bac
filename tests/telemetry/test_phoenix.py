"""The trace of the example in a viewer that is not ours: `pytest tests/telemetry --phoenix`.

Arize Phoenix comes from PyPI into a virtual environment of the test's own, unless
TOWPATH_TEST_PHOENIX names its executable. Its answers show neither links nor kinds of spans: names
and parentage are what is compared.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.scenarios.servers import free_port, wait_until
from tests.telemetry.receiver import Receiver
from tests.telemetry.running import run_pipeline
from tests.telemetry.serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

START_SECONDS = 180.0
INSTALL_SECONDS = 1800


@pytest.fixture
def executable(tmp_path: Path) -> Path:
    """Phoenix's command."""
    given = os.environ.get("TOWPATH_TEST_PHOENIX", "")
    if given:
        return Path(given)
    folder = tmp_path / "phoenix-environment"
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    install = [str(folder / "bin" / "pip"), "install", "-q", "arize-phoenix"]
    subprocess.run(install, check=True, timeout=INSTALL_SECONDS)
    return folder / "bin" / "phoenix"


class Phoenix:
    """A viewer that runs."""

    def __init__(self, port: int, grpc_port: int) -> None:
        self._port = port
        self.environment = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{grpc_port}",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            "OTEL_METRICS_EXPORTER": "none",
        }

    def spans(self) -> list[Any]:
        """All spans that it has."""
        address = f"http://127.0.0.1:{self._port}/v1/projects/default/spans?limit=1000"
        try:
            with urllib.request.urlopen(address) as answer:
                return list(json.load(answer)["data"])
        except (urllib.error.URLError, ConnectionError):
            return []

    def answers(self) -> bool:
        """Whether it is up."""
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self._port}/healthz").close()
        except (urllib.error.URLError, ConnectionError):
            return False
        return True


@pytest.fixture
def phoenix(executable: Path, tmp_path: Path) -> Iterator[Phoenix]:
    """Phoenix on free ports, for as long as the test lasts."""
    port, grpc_port = free_port(), free_port()
    settings = {
        "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_PORT": str(port),
        "PHOENIX_GRPC_PORT": str(grpc_port),
        "PHOENIX_WORKING_DIR": str(tmp_path / "phoenix"),
        "PHOENIX_TELEMETRY_ENABLED": "false",
    }
    with (tmp_path / "phoenix.log").open("wb") as log:
        process = subprocess.Popen(
            [str(executable), "serve"], env={**os.environ, **settings}, stdout=log, stderr=log
        )
        try:
            viewer = Phoenix(port, grpc_port)
            wait_until(viewer.answers, "Phoenix answers", START_SECONDS)
            yield viewer
        finally:
            process.terminate()
            process.wait(30)


@pytest.mark.timeout(INSTALL_SECONDS + 600)
def test_phoenix_shows_the_same_tree_as_our_own_receiver(tmp_path: Path, phoenix: Phoenix) -> None:
    with Receiver() as receiver:
        own_home = tmp_path / "own"
        with serving(make(own_home), receiver.environment):
            run_pipeline("etl", own_home, receiver.environment)
            receiver.wait_for(lambda got: got.named("RUN etl"), "root")
        known = {span.span_id: span.name for span in receiver.spans}
        expected = branches(
            (span.name, span.parent_id, known.get(span.parent_id, "")) for span in receiver.spans
        )
    home = tmp_path / "theirs"
    with serving(make(home), phoenix.environment):
        run_pipeline("etl", home, phoenix.environment)
        wait_until(lambda: any(s["name"] == "RUN etl" for s in phoenix.spans()), "root", 60)

    def shown() -> set[tuple[str, str]]:
        spans = phoenix.spans()
        names = {span["context"]["span_id"]: span["name"] for span in spans}
        return branches(
            (span["name"], span["parent_id"], names.get(span["parent_id"] or "", ""))
            for span in spans
        )

    wait_until(lambda: shown() >= expected, "all spans are shown", 60)
    assert shown() == expected
    roots = [span for span in phoenix.spans() if span["name"] == "RUN etl"]
    assert [span["parent_id"] for span in roots] == [None]


def make(folder: Path) -> Path:
    """A folder, made."""
    folder.mkdir()
    return folder


def branches(spans: Any) -> set[tuple[str, str]]:
    """Spans of runs with what they are below; calls and statements differ from run to run."""
    found = {(name, parent) for name, _, parent in spans}
    ours = ("RUN ", "attempt", "flow ", "task ", "execute ", "GET ", "crunching")
    return {(name, parent) for name, parent in found if name.startswith(ours)}
