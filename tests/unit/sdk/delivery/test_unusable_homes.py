"""A home that can't be used fails no flow: one warning says that nothing is recorded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from towpath._delivery import session
from towpath._delivery.unrecorded import Unrecorded
from towpath.exceptions import ConfigurationError
from towpath.settings import Settings

SCRIPT = """
import shutil, sys
from towpath import flow, get_run_logger, task

@task(persist_result=True)
def step(n):
    get_run_logger().info("line %d", n)
    return n

@flow(log_prints=True)
def whole(remove):
    print("begun")
    found = sum(future.result() for future in step.map([1, 2, 3]))
    if remove:
        shutil.rmtree(remove)
    return found + sum(future.result() for future in step.map([4, 5, 6]))

print("result", whole(sys.argv[1] if sys.argv[1:] else ""), whole(""))
"""


def pipeline(home: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "TOWPATH_HOME": home, "TOWPATH_DISPLAY": "quiet", **variables}
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def a_file(folder: Path) -> str:
    path = folder / "file"
    path.write_text("not a folder", encoding="utf-8")
    return str(path)


def below_a_file(folder: Path) -> str:
    return a_file(folder) + "/below"


def with_a_file_for_its_outbox(folder: Path) -> str:
    (folder / "outbox").write_text("not a folder", encoding="utf-8")
    return str(folder)


def read_only(folder: Path) -> str:
    """A folder that takes no files, not even root's, where there is one."""
    if Path("/sys/kernel").is_dir():
        return "/sys/towpath-home"
    folder.chmod(0o500)
    return str(folder)


@pytest.mark.parametrize(
    "make", [a_file, below_a_file, with_a_file_for_its_outbox, read_only], ids=lambda m: m.__name__
)
def test_a_home_that_cant_be_used_is_told_once_and_the_flow_runs(
    make: object, tmp_path: Path
) -> None:
    assert callable(make)
    home = make(tmp_path)
    ran = pipeline(home)
    assert ran.returncode == 0, ran.stderr
    assert "result 21 21" in ran.stdout
    assert ran.stderr.count("nothing is recorded") == 1
    assert home in ran.stderr
    assert "Set TOWPATH_HOME" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_home_that_cant_be_used_fails_a_flow_that_requires_a_server(tmp_path: Path) -> None:
    ran = pipeline(
        a_file(tmp_path), TOWPATH_REQUIRE_SERVER="true", TOWPATH_SERVER_ADDRESS="127.0.0.1:1"
    )
    assert ran.returncode == 1
    assert "result" not in ran.stdout
    assert "can't be used" in ran.stderr


def test_a_home_that_is_removed_amid_the_run_fails_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    ran = pipeline(str(home), str(home))
    assert ran.returncode == 0, ran.stderr
    assert "result 21 21" in ran.stdout
    assert "Traceback" not in ran.stderr


def test_results_that_cant_be_stored_fail_nothing(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("not a folder", encoding="utf-8")
    ran = pipeline(str(tmp_path))
    assert ran.returncode == 0, ran.stderr
    assert "result 21 21" in ran.stdout
    assert "Traceback" not in ran.stderr


def test_a_user_without_a_home_folder_gets_the_warning_and_no_folder_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings(home=Path("~/.local/share/towpath"))
    assert isinstance(session._begun(settings, forked=False), Unrecorded)
    assert "no home folder" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    strict = Settings(home=Path("~/.local/share/towpath"), require_server=True)
    with pytest.raises(ConfigurationError, match="TOWPATH_HOME"):
        session._begun(strict, forked=False)
