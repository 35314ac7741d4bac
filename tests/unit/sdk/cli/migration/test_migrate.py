"""`towpath migrate-from-prefect`: what it prints and writes, and its exit codes."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest
from towpath.cli._main import run

if TYPE_CHECKING:
    from pathlib import Path

FLOW = "from prefect import flow\n"
MOVED = "from towpath import flow\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("a.py", "b/c.py", ".venv/d.py", "env/lib/e.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(FLOW)
    (tmp_path / "env" / "pyvenv.cfg").touch()
    (tmp_path / "plain.py").write_text("x = 1\n")
    (tmp_path / "notes.txt").write_text(FLOW)
    return tmp_path


def test_the_change_is_shown_and_nothing_is_written(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["migrate-from-prefect", str(tree)]) == 0
    shown = capsys.readouterr()
    assert shown.out.count("\n-from prefect import flow\n+from towpath import flow\n") == 2
    assert shown.err == "2 files would change, 0 left to do by hand\n"
    assert (tree / "a.py").read_text() == FLOW


def test_files_are_written_once(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tree / "a.py").chmod(0o750)
    assert run(["migrate-from-prefect", "--write", str(tree)]) == 0
    assert capsys.readouterr() == ("", "2 files changed, 0 left to do by hand\n")
    assert (tree / "a.py").read_text() == (tree / "b" / "c.py").read_text() == MOVED
    assert (tree / "a.py").stat().st_mode & 0o777 == 0o750
    left_alone = (".venv/d.py", "env/lib/e.py", "notes.txt")
    assert [(tree / each).read_text() for each in left_alone] == [FLOW] * 3
    assert sorted(each.name for each in tree.iterdir() if each.is_file()) == [
        "a.py",
        "notes.txt",
        "plain.py",
    ]
    assert run(["migrate-from-prefect", "--write", str(tree)]) == 0
    assert capsys.readouterr().err == "0 files changed, 0 left to do by hand\n"


def test_a_link_stays_a_link_and_a_file_is_taken_once(tree: Path) -> None:
    (tree / "link.py").symlink_to(tree / "a.py")
    assert run(["migrate-from-prefect", "--write", str(tree), str(tree / "a.py")]) == 0
    assert (tree / "link.py").is_symlink()
    assert (tree / "a.py").read_text() == MOVED


def test_what_is_left_is_told_and_the_command_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.py"
    file.write_text("from prefect import get_client\n")
    assert run(["migrate-from-prefect", str(file)]) == 1
    assert capsys.readouterr().err == (
        f"{file}:1: prefect.get_client isn't there: call the service with"
        " towpath.client.connect()\n0 files would change, 1 left to do by hand\n"
    )


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"import prefect\ndef (:\n", "line 2: it isn't Python"),
        (b"import prefect\nx = '\xe9'\n", "its text isn't utf-8: declare its encoding"),
        (b"# coding: nothing\nimport prefect\n", "it isn't Python"),
        (b"import prefect\x00\n", "it isn't Python"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_and_the_others_are_moved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, error: str
) -> None:
    (tmp_path / "a.py").write_bytes(content)
    (tmp_path / "b.py").write_text(FLOW)
    assert run(["migrate-from-prefect", "--write", str(tmp_path)]) == 1
    assert f"{tmp_path / 'a.py'}: " in (said := capsys.readouterr().err)
    assert error in said
    assert (tmp_path / "a.py").read_bytes() == content
    assert (tmp_path / "b.py").read_text() == MOVED


def test_a_notebook_is_left_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.ipynb").write_text('{"cells": ["from prefect import flow"]}')
    (tmp_path / "b.ipynb").write_text('{"cells": []}')
    assert run(["migrate-from-prefect", str(tmp_path)]) == 1
    assert capsys.readouterr().err == (
        f"{tmp_path / 'a.ipynb'}: notebooks aren't rewritten: change its imports\n"
        "0 files would change, 1 left to do by hand\n"
    )


def test_a_path_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["migrate-from-prefect", str(tmp_path / "nothing")]) == 3
    assert "there is no such file or folder" in capsys.readouterr().err
    assert run(["migrate-from-prefect"]) == 2


def test_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.py"
    file.write_text("from prefect import flow, get_client")
    assert run(["migrate-from-prefect", str(file), "-o", "json"]) == 1
    (told,) = json.loads(capsys.readouterr().out)["files"]
    assert told["path"] == str(file)
    assert told["changed"]
    assert told["diff"].endswith("+from prefect import get_client\n\\ No newline at end of file\n")
    assert [(each["line"], each["name"]) for each in told["findings"]] == [
        (1, "prefect.get_client")
    ]


def test_libcst_is_an_extra(
    tree: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("libcst", "towpath.cli.migration.tree"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "libcst", None)
    assert run(["migrate-from-prefect", str(tree)]) == 1
    assert "pip install 'towpath[migrate]'" in capsys.readouterr().err
