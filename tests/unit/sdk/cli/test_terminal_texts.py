"""What commands print in terminals of any encoding, of runs with any names."""

from __future__ import annotations

import io
import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest
from towpath.api.v1 import flow_service_pb2, log_service_pb2, run_pb2, run_service_pb2, state_pb2
from towpath.cli import _main
from towpath.cli.runs import flows, logs, runs, watch
from towpath.client import Client
from towpath.exceptions import NotFound

from tests.unit.sdk.cli.answering import AnsweringTransport

if TYPE_CHECKING:
    from collections.abc import Iterator

RUN_ID: Final = "0195f3a0-0000-7000-8000-000000000001"
HOSTILE: Final = "täglich ✓ \u202egpj.exe \u2066x\u2069 \x1b[2J \x9b2J \x07 日本 \U0001f600"
"""Letters, symbols, changes of direction, and sequences that would clear the screen."""
CONTROLS: Final = "\u202e\u2066\u2069\x1b\x9b\x07"
ENCODINGS: Final = ("utf-8", "latin-1", "ascii", "cp1252", "iso8859-15", "shift_jis")


def run() -> run_pb2.Run:
    made = run_pb2.Run(
        run_id=RUN_ID,
        display_name=HOSTILE,
        flow_name=HOSTILE,
        task_name=HOSTILE,
        state=state_pb2.RUN_STATE_FAILED,
        state_message=HOSTILE,
        tags=[HOSTILE],
        code_version=HOSTILE,
    )
    made.failure.type, made.failure.message = "Odd", HOSTILE
    made.failure.stack_trace = HOSTILE
    return made


def answer(method: str, request: Any) -> Any:
    if method == "ListRuns":
        return run_service_pb2.ListRunsResponse(runs=[run()])
    if method == "GetRun":
        return run_service_pb2.GetRunResponse(run=run())
    if method == "BatchGetRuns":
        return run_service_pb2.BatchGetRunsResponse(runs=[run()])
    if method == "ListFlows":
        return flow_service_pb2.ListFlowsResponse(
            flows=[flow_service_pb2.Flow(name="odd---1", display_name=HOSTILE, last_run=run())]
        )
    if method == "ListLogs":
        line = log_service_pb2.LogRecord(run_id=RUN_ID, body=HOSTILE)
        return log_service_pb2.ListLogsResponse(records=[line])
    if method == "ListRunTransitions":
        return run_service_pb2.ListRunTransitionsResponse(
            transitions=[
                state_pb2.RunTransition(to_state=state_pb2.RUN_STATE_FAILED, message=HOSTILE)
            ]
        )
    if method == "ListRunDecisions":
        return run_service_pb2.ListRunDecisionsResponse()
    raise NotFound(f"no {method} of {HOSTILE}")


@pytest.fixture(autouse=True)
def service(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def connected(*, following: bool = False) -> Iterator[Client]:
        yield Client(AnsweringTransport(answer))

    for module in (runs, flows, logs, watch):
        monkeypatch.setattr(module, "connected", connected)


def printed(
    monkeypatch: pytest.MonkeyPatch, encoding: str, *arguments: str
) -> tuple[int, str, str]:
    """The exit code of a command, and what it writes to standard output and error."""
    streams = [io.TextIOWrapper(io.BytesIO(), encoding) for _ in range(2)]
    monkeypatch.setattr(sys, "stdout", streams[0])
    monkeypatch.setattr(sys, "stderr", streams[1])
    code = _main.run(arguments)
    texts = []
    for stream in streams:
        stream.flush()
        content: bytes = stream.buffer.getvalue()  # type: ignore[attr-defined]
        # click writes UTF-8 where ASCII is asked for: such terminals are set up wrongly.
        texts.append(content.decode("utf-8" if encoding == "ascii" else encoding))
    return code, texts[0], texts[1]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(
    "command",
    [
        "--help",
        "run ls",
        "run ls -o wide",
        "run ls -o json",
        "flow ls",
        "flow ls -o json",
        f"run inspect {RUN_ID}",
        f"run inspect {RUN_ID} -o json",
        f"run logs {RUN_ID}",
        f"run logs {RUN_ID} -o json",
    ],
)
def test_commands_print_what_a_terminal_can_hold(
    command: str, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, error = printed(monkeypatch, encoding, *command.split())
    assert (code, error) == (0, "")
    assert not set(CONTROLS) & set(out)
    if encoding in {"utf-8", "latin-1", "cp1252"} and command != "--help":
        assert "täglich" in out or "t\\u00e4glich" in out


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_json_means_the_same_in_every_encoding(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, out, _ = printed(monkeypatch, encoding, "run", "ls", "-o", "json")
    assert json.loads(out)[0]["name"] == HOSTILE


@pytest.mark.parametrize("arguments", [["run", "ls", "--state", HOSTILE], ["run", HOSTILE]])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_errors_hold_no_controls_either(
    arguments: list[str], encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, error = printed(monkeypatch, encoding, *arguments)
    assert (code, out) == (2, "")
    assert error.startswith("Error: ")
    assert not set(CONTROLS) & set(error)


def test_the_way_to_replace_characters_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    printed(monkeypatch, "latin-1", "version")
    assert (sys.stdout.errors, sys.stderr.errors) == ("strict", "strict")  # type: ignore[attr-defined]
