"""Rollback after the process has died: once, exactly what was staged, in reverse."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from towpath._transactions.journal import Journal, folder_of, left_behind, stages_in
from towpath.transactions import transaction

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """
import sys
from pathlib import Path
from towpath import flow, task
from towpath._definitions.leased import run_leased
from towpath._engine.flow_run_start import RunLease
from towpath.transactions import get_transaction, transaction

folder, attempt = Path(sys.argv[1]), int(sys.argv[2])

def note(text):
    with (folder / "notes").open("a") as file:
        file.write(f"{attempt} {text}\\n")

def wait_to_be_killed():
    print("ready", flush=True)
    sys.stdin.read()

@task(task_run_name="{name}")
def upload(name):
    get_transaction().set("name", name)
    note(f"upload {name}")

@upload.on_rollback
def remove(txn):
    note(f"remove {txn.get('name')} of {txn.get('batch')}")
    if txn.get("name") == "b":
        if attempt == 2:
            wait_to_be_killed()
        raise ConnectionError("b is gone already")

@upload.on_rollback
def forget(txn):
    note(f"forget {txn.get('name')}")

@flow
def etl():
    with transaction() as txn:
        txn.set("batch", 7)
        upload("a")
        with transaction(commit_mode="EAGER"):
            upload("kept")
        with transaction():
            upload("b")
        upload.submit("c").wait()
        if attempt > 1:
            return
        try:
            with transaction():
                upload("undone")
                raise KeyError
        except KeyError:
            wait_to_be_killed()

lease = RunLease(run_id="01900000-0000-7000-8000-000000000001", attempt=attempt)
print(run_leased(etl, {}, lease).state.name)
"""


def attempt(script: Path, number: int, *, killed: bool) -> str:
    """Runs an attempt of a flow run, and kills it as it asks for that."""
    with subprocess.Popen(
        [sys.executable, str(script), str(script.parent), str(number)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        if not killed:
            return process.communicate("")[0].strip()
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGKILL)
        return process.communicate()[0]


def test_the_next_attempt_rolls_back_what_a_killed_one_has_staged(
    tmp_path: Path, home: Path
) -> None:
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    attempt(script, 1, killed=True)
    attempt(script, 2, killed=True)
    assert attempt(script, 3, killed=False) == "Completed"
    assert attempt(script, 4, killed=False) == "Completed"
    uploads = ["upload a", "upload kept", "upload b", "upload c"]
    notes = (tmp_path / "notes").read_text().splitlines()
    assert notes == [
        *(f"1 {each}" for each in (*uploads, "upload undone")),
        *("1 forget undone", "1 remove undone of 7"),
        # A hook that was killed is called again, those that have ended are not.
        *("2 forget c", "2 remove c of 7", "2 forget b", "2 remove b of 7"),
        *("3 remove b of 7", "3 forget a", "3 remove a of 7"),
        *(f"3 {each}" for each in uploads),
        *(f"4 {each}" for each in uploads),
    ]
    assert not list(folder_of(home).iterdir())


undone: list[Any] = []


def undo(txn: Any) -> None:
    undone.append(txn.get("n", default=None))


class Cleaner:
    """An object whose methods are hooks."""

    def __init__(self, name: str) -> None:
        self.name = name

    def clean(self, txn: Any) -> None:
        undone.append((self.name, txn.key))


class Stubborn:
    """A hook that can't be pickled."""

    def __call__(self, txn: Any) -> None:
        raise NotImplementedError

    def __reduce__(self) -> Any:
        raise TypeError("not to be pickled")


def die_within(key: str, *hooks: Any, value: Any = None) -> None:
    """Stages hooks in a transaction, in a process that then ends without any word."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    try:
        outer = transaction(key=key)
        outer.__enter__()
        for number, hook in enumerate(hooks):
            with transaction() as txn:
                txn.set("n", number if value is None else value)
                txn.stage(number, on_rollback_hooks=[hook])
    finally:
        os._exit(9)


@pytest.fixture(autouse=True)
def nothing_undone(home: Path) -> None:
    del home
    undone.clear()


def test_the_next_transaction_with_the_key_rolls_back_what_a_dead_process_has_staged() -> None:
    die_within("monday", undo, Cleaner("sweep").clean, undo)
    with transaction(key="tuesday"):
        assert undone == []
    with transaction(key="monday") as txn:
        assert undone == [2, ("sweep", "monday"), 0]
        assert not txn.is_committed()
    with transaction(key="monday") as txn:
        assert txn.is_committed()
    assert len(undone) == 3


def test_a_transaction_of_a_living_process_is_left_alone(home: Path) -> None:
    with transaction(key="monday") as txn:
        txn.stage(1, on_rollback_hooks=[undo])
        with transaction(key="monday", overwrite=True):
            assert list(left_behind(home, key="monday")) == []
        child = os.fork()
        if not child:
            # A forked child that leaves the block is none of the transaction's processes.
            txn.__exit__(None, None, None)
            os._exit(0 if len(list(folder_of(home).iterdir())) == 1 else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert len(list(folder_of(home).iterdir())) == 1
    assert undone == []
    assert not list(folder_of(home).iterdir())


def test_hooks_that_are_gone_are_told_and_the_others_called(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    die_within("monday", undo, Stubborn(), undo)
    with transaction(key="monday"):
        assert undone == [2, 0]
    assert "undo by hand what it undoes" in caplog.text
    assert not list(folder_of(home).iterdir())


def test_a_value_that_cant_be_kept_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with transaction() as outer, transaction() as txn:
        txn.set("n", Stubborn())
        txn.stage(1, on_rollback_hooks=[undo, Stubborn()])
        assert "hooks of a transaction don't get the value 'n'" in caplog.text
        assert "the rollback hook" in caplog.text
    assert outer.is_committed()


def test_a_line_that_was_cut_off_ends_a_journal(home: Path) -> None:
    journal = Journal(home, "run", "")
    journal.stage("one", [undo], dict)
    journal.stage("two", [undo, undo], dict)
    journal.done([(2, range(1))])
    (path,) = folder_of(home).iterdir()
    data = path.read_bytes()
    names = [[stage.name for stage in stages_in(data[:size])] for size in range(len(data) + 1)]
    whole = [data.index(b"\n"), data.index(b"\n", data.index(b"\n") + 1)]
    assert names == [
        ["one", "two"] if size >= whole[1] else ["one"] if size >= whole[0] else []
        for size in range(len(data) + 1)
    ]
    assert [stage.done for stage in stages_in(data)] == [set(), {0}]
    damaged = data.replace(b'"two"', b'"owt"')
    assert [stage.name for stage in stages_in(damaged)] == ["one"]
    journal.done([(1, range(1)), (2, range(1, 2))])
    assert not list(folder_of(home).iterdir())


def test_a_home_that_takes_no_files_is_told_and_the_transaction_goes_on(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    home.mkdir()
    folder_of(home).write_text("a file in the place of the folder")
    with transaction() as txn:
        txn.stage(1, on_rollback_hooks=[undo])
        txn.rollback()
    assert undone == [None]
    assert "the journal of a transaction can't be written" in caplog.text
