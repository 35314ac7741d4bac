"""What telemetry costs: `poe bench telemetry`.

Method: first tasks, called and submitted, in a process that wants no traces, in one that has
OpenTelemetry's API loaded without a provider, and in one with a provider that exports batches over
gRPC; the same process is started anew for each round, the three in turn. Then ingestion: three
servers on SQLite, one without telemetry, one that measures, one that also traces 10 of 100 runs,
are sent the same kind of load in turn. The collector takes everything and reads nothing. Medians;
all share the machine's cores.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc

from tests.benchmarks.command import Benchmark, positive
from tests.benchmarks.ingest import send_all
from tests.benchmarks.producer import build_all
from tests.scenarios.servers import Server
from tests.telemetry.running import environment_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping

SHARE = 0.1
MEASURED = ("called", "called, own thread", "submitted", "submitted, own thread")


def _run(options: argparse.Namespace) -> None:
    with _sink() as endpoint:
        exporting = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
            "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        }
        _tasks(options, exporting)
        _ingestion(options, exporting)


def _tasks(options: argparse.Namespace, exporting: Mapping[str, str]) -> None:
    modes: dict[str, dict[str, str]] = {
        "off": {},
        "API alone": {"LOAD_API": "1"},
        "export": dict(exporting),
    }
    took: dict[str, list[list[float]]] = {mode: [] for mode in modes}
    for _ in range(options.rounds):
        for mode, variables in modes.items():
            with tempfile.TemporaryDirectory() as home:
                ended = subprocess.run(
                    [sys.executable, "-m", "tests.benchmarks.traced", str(options.tasks)],
                    env=environment_of(Path(home), variables),
                    stdout=subprocess.PIPE,
                    check=True,
                )
            took[mode].append(json.loads(ended.stdout))
    for number, what in enumerate(MEASURED):
        us = {mode: statistics.median(row[number] for row in rows) for mode, rows in took.items()}
        more = us["export"] - us["off"]
        print(
            f"{what:22} off {us['off']:6.1f} us a task, API alone {us['API alone']:6.1f}"
            f" ({us['off'] / us['API alone']:.3f} of it), export {us['export']:6.1f} (+{more:.0f})"
        )


def _ingestion(options: argparse.Namespace, exporting: Mapping[str, str]) -> None:
    traces = {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": str(SHARE)}
    modes: dict[str, tuple[dict[str, str], tuple[str, ...], float]] = {
        "none": ({}, (), 0.0),
        "metrics": ({}, ("--metrics",), 0.0),
        "traces": ({**exporting, **traces, "OTEL_METRICS_EXPORTER": "none"}, (), SHARE),
    }
    rates: dict[str, list[float]] = {mode: [] for mode in modes}
    with ExitStack() as stack:
        servers = {
            mode: stack.enter_context(_server(variables, arguments))
            for mode, (variables, arguments, _) in modes.items()
        }
        for mode, server in servers.items():
            send_all(server, build_all(1, 2000, 1000, "together", traced=modes[mode][2]))
        for turn in range(options.rounds):
            for mode in _rotated(list(modes), turn):
                loads = build_all(2, options.updates // 2, 1000, "together", traced=modes[mode][2])
                began = time.perf_counter()
                send_all(servers[mode], loads)
                rates[mode].append(options.updates / (time.perf_counter() - began))
    plain = statistics.median(rates["none"])
    for mode, measured in rates.items():
        rate = statistics.median(measured)
        print(f"ingestion, {mode:8} {rate:7.0f} updates/s, {rate / plain:.2f} of none")


def _rotated(items: list[str], by: int) -> list[str]:
    return items[by % len(items) :] + items[: by % len(items)]


@contextmanager
def _server(variables: Mapping[str, str], options: tuple[str, ...]) -> Iterator[Server]:
    with tempfile.TemporaryDirectory() as folder:
        server = Server(home=Path(folder), options=options)
        before = dict(os.environ)
        os.environ.update(variables)
        try:
            server.start()
        finally:
            os.environ.clear()
            os.environ.update(before)
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def _sink() -> Iterator[str]:
    """A collector that takes everything and reads nothing."""

    class Anything(grpc.GenericRpcHandler):
        def service(self, _: Any) -> Any:
            return grpc.unary_unary_rpc_method_handler(lambda _request, _context: b"")

    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((Anything(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop(0).wait()


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--tasks", type=positive, default=5000, help="a round, called and submitted"
    )
    parser.add_argument("--updates", type=positive, default=60_000, help="a round, to each server")
    parser.add_argument("--rounds", type=positive, default=5)


BENCHMARK = Benchmark(
    summary="what telemetry costs a task and the service's ingestion",
    method=(
        "the same tasks without telemetry, with OpenTelemetry's API alone and with export in"
        " batches; then the same load for servers without telemetry, with metrics and with traces"
        " of 10 of 100 runs, in turn; medians."
    ),
    add_options=_add_options,
    run=_run,
)
