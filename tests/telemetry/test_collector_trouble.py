"""A collector that is away, slow or refuses: runs and the service don't notice, people once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.scenarios.servers import free_port
from tests.telemetry.receiver import Receiver
from tests.telemetry.running import run_pipeline
from tests.telemetry.serving import serving

if TYPE_CHECKING:
    from pathlib import Path

    from tests.telemetry.serving import Serving

WARNING = "can't be sent to"
LONGEST_SECONDS = 30.0
"""Far below what exporters would wait for by themselves at the end of a process: 30 s a signal."""

MANY = """
import resource
from tests.telemetry.pipeline import many
print(many(5000))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def variables(port: int, protocol: str) -> dict[str, str]:
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "OTEL_METRIC_EXPORT_INTERVAL": "200",
    }


def check_run(home: Path, environment: dict[str, str]) -> None:
    began = time.monotonic()
    ended = run_pipeline("many", home, environment)
    assert ended.returncode == 0, ended.stderr
    assert time.monotonic() - began < LONGEST_SECONDS
    assert ended.stderr.count(WARNING) == 1, ended.stderr
    assert len(ended.stderr.splitlines()) == 1, ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_a_run_whose_collector_is_away_completes_with_one_warning(
    tmp_path: Path, protocol: str
) -> None:
    check_run(tmp_path, variables(free_port(), protocol))


def test_a_run_whose_collector_refuses_completes_with_one_warning(tmp_path: Path) -> None:
    with Receiver(refuse=True) as receiver:
        check_run(tmp_path, receiver.environment)
        assert receiver.calls


def test_a_run_whose_collector_is_slow_ends_without_it(tmp_path: Path) -> None:
    with Receiver(delay_seconds=20) as receiver:
        began = time.monotonic()
        ended = run_pipeline("many", tmp_path, receiver.environment)
        assert ended.returncode == 0, ended.stderr
        assert time.monotonic() - began < LONGEST_SECONDS
        assert "Traceback" not in ended.stderr


def test_spans_that_wait_for_a_collector_need_bounded_memory(tmp_path: Path) -> None:
    used: dict[str, int] = {}
    for name, environment in {"off": {}, "away": variables(free_port(), "grpc")}.items():
        ended = run_pipeline("", tmp_path, environment, code=MANY)
        count, megabytes = ended.stdout.split()
        assert count == "5000", ended.stderr
        used[name] = int(megabytes)
    assert used["away"] - used["off"] < 60, used


@pytest.mark.parametrize("trouble", ["away", "refusing", "slow"])
def test_a_service_whose_collector_is_in_trouble_serves_with_a_warning_a_signal(
    tmp_path: Path, trouble: str
) -> None:
    log = tmp_path / "server.log"
    with Receiver(refuse=trouble == "refusing", delay_seconds=20 * (trouble == "slow")) as receiver:
        environment = receiver.environment
        if trouble == "away":
            environment = variables(free_port(), "grpc")
        with serving(tmp_path, environment, log=log) as server:
            for _ in range(3):
                assert not run_pipeline("many", tmp_path, {}).returncode
            assert server.get("/healthz")[0] == 200
            wait_for_warnings(log, server, 0 if trouble == "slow" else 2)
    told = log.read_text()
    assert told.count(WARNING) <= 2, told
    assert "Traceback" not in told


def wait_for_warnings(log: Path, server: Serving, number: int) -> None:
    deadline = time.monotonic() + 30
    while log.read_text().count(WARNING) < number:
        assert time.monotonic() < deadline
        assert server.get("/healthz")[0] == 200
        time.sleep(0.2)
