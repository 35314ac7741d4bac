from __future__ import annotations

import json
import pickle

import click
import pytest
from google.rpc import code_pb2, error_details_pb2, status_pb2
from towpath._transport.statuses import to_rpc_error
from towpath.cli import _main
from towpath.cli.shared.errors import CommandError, ending, show
from towpath.exceptions import (
    ConfigurationError,
    Conflict,
    InvalidRequest,
    NotATowpathServer,
    NotFound,
    NotSignedIn,
    ResultError,
    RpcError,
    ServerUnreachable,
)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ResultError("full"), 1),
        (RpcError("odd"), 1),
        (OSError(13, "Permission denied", "/home"), 1),
        (RuntimeError("bug"), 1),
        (click.UsageError("wrong"), 2),
        (ConfigurationError("wrong"), 2),
        (InvalidRequest("wrong"), 2),
        (NotFound("none"), 3),
        (NotSignedIn("who"), 4),
        (Conflict("running"), 5),
        (ServerUnreachable("away"), 6),
        (NotATowpathServer("odd"), 6),
        (CommandError("x", exit_code=3), 3),
    ],
)
def test_each_kind_of_error_has_its_exit_code(error: Exception, code: int) -> None:
    assert ending(error).exit_code == code


def test_an_error_is_one_line_and_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    show(ending(ServerUnreachable("nobody\nanswers")), as_json=False)
    assert capsys.readouterr().err.splitlines() == [
        "Error: nobody answers",
        "  run `towpath doctor` to find the cause",
    ]


def test_an_error_beside_json_is_an_object(capsys: pytest.CaptureFixture[str]) -> None:
    show(ending(NotFound("no run", code="NOT_FOUND")), as_json=True)
    said = json.loads(capsys.readouterr().err)
    assert said["code"] == "NOT_FOUND"
    assert said["message"] == "no run"
    assert "towpath run ls" in said["hint"]


@pytest.mark.parametrize(
    ("resource", "command"),
    [
        ("", "run ls"),
        ("workspaces/default/runs/01a208de-61b7-71d9-86a7-8f73e5dc3bdb", "run ls"),
        ("workspaces/default/secrets/token", "secret ls"),
        ("workspaces/default/variables/mark", "variable ls"),
        ("workspaces/team-a", "workspace ls"),
        ("0000000000000000", "key ls"),
        ("users/ada@example.org/apiKeys/0000000000000000", "key ls"),
        ("users/ada@example.org", "member ls"),
        ("roles/viewer of users/ada@example.org", "member ls"),
        ("serviceAccounts/ci", "service-account ls"),
        ("roles/painter", "role ls"),
        ("tenants/acme", "tenant ls"),
        ("trusts/company", "trust ls"),
        ("producer 1", ""),
    ],
)
def test_what_wasnt_found_is_followed_by_what_lists_its_kind(resource: str, command: str) -> None:
    metadata = {"resource": resource} if resource else {}
    hint = ending(NotFound("no such thing", code="NOT_FOUND", metadata=metadata)).hint
    assert hint.startswith(f"`towpath {command}` ") if command else hint == ""


def test_a_server_that_lacks_what_was_asked_for_is_at_the_right_address() -> None:
    status = status_pb2.Status(code=code_pb2.UNIMPLEMENTED, message="it asks nobody")
    info = error_details_pb2.ErrorInfo(reason="FEATURE_DISABLED")
    status.details.add().Pack(info)
    end = ending(to_rpc_error(status, "127.0.0.1:4200"))
    assert (end.exit_code, end.message, end.hint) == (5, "it asks nobody", "")


def test_whoever_isnt_known_is_sent_to_the_doctor_and_whoever_lacks_a_right_to_whoami() -> None:
    unknown = NotSignedIn("who", code="UNAUTHENTICATED")
    assert "`towpath doctor`" in ending(unknown).hint
    assert "`towpath whoami`" in ending(NotSignedIn("no", code="PERMISSION_DENIED")).hint


def test_a_command_error_survives_pickling() -> None:
    error = CommandError("x", hint="y", code="NOT_FOUND", exit_code=3)
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.hint, copy.code, copy.exit_code) == ("x", "y", "NOT_FOUND", 3)


def broken(raised: BaseException) -> click.Command:
    @click.command()
    def command() -> None:
        raise raised

    return command


def test_the_unforeseen_is_a_line_too_and_a_traceback_with_debug(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(_main.cli.commands, "broken", broken(RuntimeError("oh")))
    assert _main.run(["broken"]) == 1
    assert "unexpected error: RuntimeError: oh" in capsys.readouterr().err
    with pytest.raises(RuntimeError):
        _main.run(["--debug", "broken"])


def test_ctrl_c_is_130(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(_main.cli.commands, "broken", broken(KeyboardInterrupt()))
    assert _main.run(["broken"]) == 130


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["rn"], "Did you mean 'run'?"),
        (["run", "lss"], "Did you mean 'ls'?"),
        (
            ["run", "frobnicate"],
            "Commands: cancel, delete, explain, inspect, logs, ls,",
        ),
        (["config", "sett"], "Did you mean 'set'?"),
        (["run", "ls", "--stat", "FAILED"], "--state"),
        (["run", "ls", "--limit", "0"], "--limit"),
        (["run", "ls", "--state", "FAILLED"], "did you mean FAILED?"),
        (["key", "create", "--expires", "0"], "must be more than 0"),
    ],
)
def test_what_was_mistyped_is_guessed(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _main.run(arguments) == 2
    said = capsys.readouterr()
    assert says in said.err
    assert said.out == ""


@pytest.mark.parametrize("arguments", [["run", "list"], ["run", "get"], ["flow", "list"]])
def test_aliases_are_the_commands_they_stand_for(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert _main.run([*arguments, "--help"]) == 0
    assert "Usage: towpath" in capsys.readouterr().out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_completion(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _main.run(["completion", shell]) == 0
    assert f"_TOWPATH_COMPLETE={shell}_complete" in capsys.readouterr().out


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert _main.run(["--help"]) == 0
    shown = capsys.readouterr().out
    for name in ("run", "flow", "sync", "config", "profile", "doctor", "server", "version"):
        assert f"\n  {name} " in shown
