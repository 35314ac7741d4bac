"""`towpath variable`, against a service, with the commands of the guide."""

from __future__ import annotations

import json
import re
import shlex
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from towpath.cli.shared.errors import CONFLICT, CommandError
from towpath.cli.values import variables
from towpath.exceptions import NotFound, VariableError

from tests.unit.sdk.client.identified import Callers, open_callers
from website.places import DOCS

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from towpath.client import Client

GUIDE = (DOCS / "guides" / "variables.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^towpath variable (.*?) *(?:#.*)?$", GUIDE, re.MULTILINE)


@pytest.fixture(scope="module")
def callers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callers]:
    with open_callers(tmp_path_factory.mktemp("variables") / "towpath.db") as opened:
        yield opened


@pytest.fixture(autouse=True)
def client(callers: Callers, monkeypatch: pytest.MonkeyPatch) -> Client:
    """The client that the commands call with."""

    @contextmanager
    def service_client() -> Generator[Client]:
        yield callers.owner

    monkeypatch.setattr(variables, "service_client", service_client)
    return callers.owner


def run(*arguments: str, exit_code: int = 0) -> str:
    result = CliRunner().invoke(variables.group, arguments, catch_exceptions=False)
    assert result.exit_code == exit_code, result.output
    return result.output


def test_the_commands_of_the_guide_work(client: Client) -> None:
    assert len(COMMANDS) == 7
    for command in COMMANDS:
        arguments = shlex.split(command)
        shown = run(*arguments, *(["--yes"] if arguments[0] == "unset" else []))
        if arguments[0] == "ls":
            assert re.search(r"region +eu-north ", shown)
        if arguments[0] == "get":
            assert json.loads(shown) == ["acme", "initech"]
    assert [(it.name, it.value, it.tags) for it in client.variables.list()] == [
        ("customers", ["acme", "initech"], ("etl",))
    ]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        *(("1", 1), ('"1"', "1"), ("eu-west", "eu-west"), ("", ""), ("null", None)),
        *(("{bad", "{bad"), ("[1, 2]", [1, 2]), ("ä", "ä")),
    ],
)
def test_a_value_is_json_or_a_text(client: Client, written: str, value: object) -> None:
    run("set", "x", written, "--overwrite")
    assert client.variables.get("x").value == value
    assert json.loads(run("get", "x", "-o", "json")) == value


def test_a_variable_that_exists_stays(client: Client) -> None:
    run("set", "kept", "1", "--tag", "a", "--tag", "b")
    with pytest.raises(CommandError) as raised:
        run("set", "kept", "2")
    assert (raised.value.exit_code, raised.value.hint) == (
        *(CONFLICT, "--overwrite replaces its value"),
    )
    run("set", "kept", "3", "--overwrite", "--etag", client.variables.get("kept").etag)
    found = client.variables.get("kept")
    assert (found.value, found.tags) == (3, ("a", "b"))


def test_a_long_value_is_shortened_in_the_table_and_whole_elsewhere() -> None:
    run("set", "long", "x" * 100, "--overwrite")
    [line] = [line for line in run("ls").splitlines() if line.startswith("long ")]
    assert re.search(r" x{57}\.\.\. ", line)
    assert run("get", "long").strip() == "x" * 100
    assert "x" * 100 in run("inspect", "long")


def test_what_can_not_be_is_refused() -> None:
    assert "give --overwrite, too" in run("set", "x", "1", "--etag", "e", exit_code=2)
    with pytest.raises(VariableError, match="isn't JSON"):
        run("set", "x", "NaN")
    with pytest.raises(NotFound):
        run("unset", "nothing", "--yes")
