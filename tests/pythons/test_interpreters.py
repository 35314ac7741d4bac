from __future__ import annotations

from typing import TYPE_CHECKING

from tests.pythons import __main__ as pythons
from tests.pythons import interpreters
from tests.pythons.interpreters import Interpreter, interpreter_for

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def stub(folder: Path, text: str) -> Path:
    folder.mkdir()
    python = folder / "python3.12"
    python.write_text(f"#!/bin/sh\n{text}\n")
    python.chmod(0o755)
    return python


def test_an_interpreter_that_does_not_start_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    stub(tmp_path / "shims", "echo not installed >&2; exit 127")
    stub(tmp_path / "other", "echo 3.1")
    right = stub(tmp_path / "right", "echo 3.12")
    folders = [str(tmp_path / name) for name in ("none", "shims", "other", "right")]
    monkeypatch.setenv("PATH", ":".join(folders))
    found = interpreter_for("3.12", tmp_path)
    assert found == Interpreter(version="3.12", python=str(right))


def test_a_version_that_no_system_has_can_not_be_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "3.12" not in interpreters.SUITES
    assert interpreter_for("3.12", tmp_path) is None


def test_a_version_without_an_interpreter_fails_the_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def none(*_: object) -> None:
        return None

    monkeypatch.setattr(pythons, "interpreter_for", none)
    assert pythons.main(["3.12", "3.14", "tests/unit"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["Python", "3.12", "3.14"]
    assert lines[1].endswith("no interpreter: put it on the PATH")


def test_other_users_reach_what_is_installed(monkeypatch: pytest.MonkeyPatch):
    modes: list[int] = []

    def none(_: str, scratch: Path) -> None:
        modes.append(scratch.stat().st_mode & 0o777)

    monkeypatch.setattr(pythons, "interpreter_for", none)
    assert pythons.main(["3.12"]) == 1
    assert modes == [0o755]
