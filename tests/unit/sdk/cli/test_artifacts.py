"""`towpath artifact`, against a service, with the commands of the guide."""

from __future__ import annotations

import json
import re
import shlex
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from towpath._delivery.reports import ArtifactReport, Content
from towpath.cli.runs import artifacts
from towpath.exceptions import NotFound

from tests.contract.client.filling import Producer
from tests.unit.sdk.client.identified import Callers, open_callers
from website.places import DOCS

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from towpath.client import Client

GUIDE = (DOCS / "guides" / "artifacts.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^towpath artifact (.*?) *(?:#.*)?$", GUIDE, re.MULTILINE)
ID = "01900000-0000-7000-8000-00000000000"
TABLES = {
    "rows": '[{"customer": "acme", "n": 3}, {"n": null, "x": [1]}]',
    "columns": '{"customer": ["acme"], "n": [3, 4]}',
    "lists": '[["acme", 3], ["initech"]]',
    "empty": "[]",
}


@pytest.fixture(scope="module")
def callers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callers]:
    with open_callers(tmp_path_factory.mktemp("artifacts") / "towpath.db") as opened:
        yield opened


@pytest.fixture(scope="module")
def run_id(callers: Callers) -> str:
    """A run with artifacts of each kind."""
    producer = Producer(callers.owner.transport)
    run_id = producer.run("nightly")
    texts = {("report", 1): "# first", ("report", 2): "", **{(k, 1): t for k, t in TABLES.items()}}
    for number, ((key, _), text) in enumerate(texts.items()):
        kind = 2 if key in TABLES else 1
        content = Content(data=(text or "# \x1b[31msecond\nline").encode())
        producer.make(artifact(run_id, f"{ID}{number}", kind, content, key))
    producer.make(artifact(run_id, f"{ID}8", 3, Content(uri="https://x.example/data")))
    producer.make(artifact(run_id, f"{ID}9", 5, Content(data=b"62.5")))
    return run_id


def artifact(run_id: str, id_: str, kind: int, content: Content, key: str = "") -> ArtifactReport:
    return ArtifactReport(
        run_id=run_id,
        artifact_id=id_,
        kind=kind,
        time=time.time(),
        content=content,
        key=key,
        description="What was\nloaded.",
    )


@pytest.fixture(autouse=True)
def client(callers: Callers, run_id: str, monkeypatch: pytest.MonkeyPatch) -> Client:
    """The client that the commands call with."""

    @contextmanager
    def connected() -> Generator[Client]:
        yield callers.owner

    monkeypatch.setattr(artifacts, "connected", connected)
    return callers.owner


def run(*arguments: str) -> str:
    result = CliRunner().invoke(artifacts.group, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_the_commands_of_the_guide_work(run_id: str) -> None:
    assert len(COMMANDS) == 7
    for command in COMMANDS:
        words = shlex.split(command.replace("RUN", run_id).replace("ARTIFACT", f"{ID}9"))
        assert run(*words)
    assert run("ls", "--key", "report", "-o", "name").split() == [f"{ID}1", f"{ID}0"]
    assert run("ls", "--key", "report", "--latest", "-o", "name").split() == [f"{ID}1"]
    assert len(json.loads(run("ls", run_id, "-o", "json"))) == 8


def test_an_artifact_is_shown_by_id_and_by_key() -> None:
    assert run("show", f"{ID}0").endswith("\n# first\n")
    shown = run("show", "report")
    assert "report, version 2" in shown
    assert "\x1b" not in shown
    assert shown.endswith("second\nline\n")
    assert run("show", f"{ID}8").endswith("\nhttps://x.example/data\n")
    assert run("show", f"{ID}9").endswith("\n62.5 %\n")
    found = json.loads(run("show", "rows", "-o", "json"))
    assert (found["content"], found["version"], found["kind"]) == (TABLES["rows"], 1, "table")


@pytest.mark.parametrize(
    ("key", "lines"),
    [
        ("rows", [["customer", "n", "x"], ["acme", "3", "-"], ["-", "-", "[1]"]]),
        ("columns", [["customer", "n"], ["acme", "3"], ["-", "4"]]),
        ("lists", [["0", "1"], ["acme", "3"], ["initech", "-"]]),
    ],
)
def test_a_table_is_shown_in_each_of_its_forms(key: str, lines: list[list[str]]) -> None:
    shown = run("show", key).partition("\n\n")[2]
    assert [line.split() for line in shown.splitlines()] == lines


def test_what_is_not_there_is_said() -> None:
    run("show", "empty")
    with pytest.raises(NotFound, match="'nothing'"):
        run("show", "nothing")
    with pytest.raises(NotFound):
        run("show", f"{ID}7"[:-1] + "f")
