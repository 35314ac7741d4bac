"""Who has no OpenTelemetry, or doesn't want it, doesn't meet it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.telemetry.receiver import Receiver
from tests.telemetry.running import run_pipeline
from tests.telemetry.serving import serving

if TYPE_CHECKING:
    from pathlib import Path

# As if only the API were installed, for this process and all that it starts.
WITHOUT_SDK = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        absent = ("opentelemetry.sdk", "opentelemetry.exporter", "prometheus_client")
        if name.startswith(absent):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: (
    None if name.startswith("opentelemetry.sdk") else found(name, package)
)
"""
LOADED = """
import json, sys
from towpath import flow, task

@task
def one():
    return 1

@flow
def etl():
    return one() + one.submit().result()

etl()
print(json.dumps([name for name in sys.modules if name.startswith("opentelemetry")]))
"""
SERVER = f"""{WITHOUT_SDK}
from towpath.cli import main
sys.argv = ['towpath', *sys.argv[1:]]
main()
"""


def test_a_pipeline_that_wants_no_traces_loads_nothing_of_opentelemetry(tmp_path: Path) -> None:
    ended = run_pipeline("", tmp_path, {}, code=LOADED)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == []


@pytest.mark.parametrize("more", [{}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}])
def test_a_pipeline_without_the_sdk_runs_as_ever(tmp_path: Path, more: dict[str, str]) -> None:
    ended = run_pipeline("", tmp_path, more, code=WITHOUT_SDK + LOADED)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""


@pytest.mark.parametrize("more", [{}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}])
def test_a_server_without_the_sdk_serves(tmp_path: Path, more: dict[str, str]) -> None:
    log = tmp_path / "server.log"
    with serving(tmp_path, more, code=SERVER, log=log) as server:
        assert not run_pipeline("fine", tmp_path, {}).returncode
        assert server.get("/metrics")[0] == 404
    assert "Traceback" not in log.read_text()


def test_metrics_that_are_asked_for_and_not_installed_are_refused(tmp_path: Path) -> None:
    code = SERVER.replace("*sys.argv[1:]", "'server', 'start', '--port', '0', '--metrics'")
    ended = run_pipeline("", tmp_path, {}, code=code)
    assert ended.returncode == 1
    assert "pip install 'towpath[otel]'" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_disabled_sdk_is_left_alone(tmp_path: Path) -> None:
    with Receiver() as receiver:
        disabled = {**receiver.environment, "OTEL_SDK_DISABLED": "true"}
        ended = run_pipeline("fine", tmp_path, disabled)
        assert ended.returncode == 0, ended.stderr
        assert not receiver.calls
