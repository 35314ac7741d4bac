"""Artifacts as runs report them, from the call to the outbox and the service."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest
from towpath import Secret, flow
from towpath._values.artifacts import table_as_json
from towpath.artifacts import (
    create_image_artifact,
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from towpath.client import connect
from towpath.exceptions import ArtifactError, MissingContextError, NotFound
from towpath.settings import get_settings
from towpath.testing import harness

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ([{"a": 1, "b": float("nan")}, {"a": float("-inf")}], [{"a": 1, "b": None}, {"a": None}]),
        ({"a": (1, 2)}, {"a": [1, 2]}),
        ([[1, None], ["\u00e4", 2.5]], [[1, None], ["\u00e4", 2.5]]),
        ([{"id": UUID(int=1)}], [{"id": str(UUID(int=1))}]),
        ([{1: "x"}], [{"1": "x"}]),
        ([], []),
    ],
)
def test_a_table_is_json(table: list[object], expected: object) -> None:
    assert json.loads(table_as_json(table)) == expected  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


def test_what_can_not_be_kept_is_refused_with_what_to_do() -> None:
    wrong = {
        "list of dicts": lambda: create_table_artifact("a,b"),
        r"262145 bytes, and at most 262144.*create_link_artifact": lambda: create_markdown_artifact(
            "x" * 262_145
        ),
        "a-z, 0-9 and -": lambda: create_markdown_artifact("x", key="A key"),
        "8001 characters": lambda: create_markdown_artifact("x", description="x" * 8001),
        "2049 characters": lambda: create_image_artifact("x" * 2049),
        "from 0 to 100": lambda: create_progress_artifact(100.1),
        "not nan": lambda: update_progress_artifact(uuid4(), float("nan")),
    }

    @flow
    def makes() -> None:
        for message, call in wrong.items():
            with pytest.raises(ArtifactError, match=message) as raised:
                call()
            assert isinstance(raised.value, ValueError)

    with harness() as recording:
        makes()
    assert recording.run("makes").artifacts == []


def test_artifacts_belong_to_runs() -> None:
    with pytest.raises(MissingContextError, match="within a flow or a task"):
        create_markdown_artifact("x")


def test_secrets_stay_out_of_artifacts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWPATH_SECRET_DB", "canary-7f3d9a51c2")

    @flow
    def careless() -> None:
        value = Secret.load("db").get()
        create_markdown_artifact(f"with {value}", description=value)
        create_table_artifact([{"password": value}])
        create_link_artifact(f"https://x.example/{value}", value)

    with harness() as recording:
        careless()
    assert len(recording.run("careless").artifacts) == 3
    assert "canary" not in repr(recording.runs)


KILLED = """
import os, signal
from towpath import flow, task
from towpath.artifacts import *

@task
def step(progress):
    update_progress_artifact(progress, 75)
    create_table_artifact([{"a": 1}])

@flow
def reports():
    create_markdown_artifact("# done", key="report", description="of today")
    create_link_artifact("https://x.example/data", "the data", key="report")
    progress = create_progress_artifact(0)
    step(progress)
    os.kill(os.getpid(), signal.SIGKILL)

reports()
"""


def kept(home: Path) -> list[tuple[str, str, int, str]]:
    """The artifacts that the service of a home has: kind, key, version and content."""
    with connect(get_settings()) as client:
        found = [client.artifacts.get(item.id) for item in client.artifacts.list()]
    return sorted((item.kind, item.key, item.version, item.content) for item in found)


EXPECTED = [
    ("link", "report", 2, "https://x.example/data"),
    ("markdown", "report", 1, "# done"),
    ("progress", "", 0, "75.0"),
    ("table", "", 0, '[{"a": 1}]'),
]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TOWPATH_HOME", str(tmp_path))
    return tmp_path


def test_artifacts_of_a_killed_process_arrive_once(home: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED], check=False)
    assert killed.returncode == -signal.SIGKILL
    outbox = home / "outbox"
    shutil.copytree(outbox, home / "copy")
    assert kept(home) == EXPECTED
    # The process that delivered it was killed before it could remove the outbox.
    shutil.rmtree(outbox)
    shutil.copytree(home / "copy", outbox)
    assert kept(home) == EXPECTED
    with connect(get_settings()) as client:
        roots = {item.root_run for item in client.artifacts.list()}
        assert len(roots) == 1
        assert len(list(client.artifacts.list(run=roots.pop()))) == 4
        newest = client.artifacts.latest("report")
        assert (newest.title, newest.description) == ("the data", "")
        with pytest.raises(NotFound, match="'nothing'"):
            client.artifacts.latest("nothing")
