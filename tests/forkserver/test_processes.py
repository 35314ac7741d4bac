"""What a fork server starts is a process as any other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.forkserver.client import Forked
from tests.forkserver.processes import FORKS, command_line, ran, started

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.skipif(not FORKS, reason="there are no fork servers here")
LIGHT = ("json",)
SHOWS = """
import os, sys
print(os.getpid(), os.getcwd(), os.environ.get("OF_A_TEST"), sys.argv[1:], __name__)
print("said", file=sys.stderr)
"""


def _environment(**more: str) -> dict[str, str]:
    return os.environ | {"PYTHONUNBUFFERED": "1"} | more


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(code: str, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "of_a_test.py").write_text(code)
        return ran(
            "of_a_test",
            arguments,
            environment=_environment(**more),
            folder=tmp_path,
            timeout=240,
            imports=LIGHT,
        )

    return run


def test_it_has_its_own_pid_folder_variables_and_output(
    run: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    ended = run(SHOWS, "a", "b c", OF_A_TEST="one")
    pid, shown = ended.stdout.split(" ", 1)
    assert int(pid) != os.getpid()
    assert shown == f"{tmp_path} one ['a', 'b c'] __main__\n"
    assert (ended.returncode, ended.stderr) == (0, "said\n")
    again = run(SHOWS)
    assert again.stdout.split(" ", 1)[1] == f"{tmp_path} None [] __main__\n"


@pytest.mark.parametrize(
    ("code", "ends"),
    [
        ("raise SystemExit(3)", 3),
        ("raise SystemExit('no')", 1),
        ("1 / 0", 1),
        ("import os; os._exit(7)", 7),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
    ],
)
def test_its_exit_code_is_that_of_the_module(
    run: Callable[..., subprocess.CompletedProcess[str]], code: str, ends: int
) -> None:
    assert run(code).returncode == ends


def test_threads_are_waited_for_and_what_runs_at_exit_runs(
    run: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    thread = "import threading, time\nthreading.Timer(0.05, print, ('threaded',)).start()\n"
    at_exit = "import atexit\natexit.register(print, 'left')\n"
    ended = run(thread + at_exit + "raise SystemExit(3)")
    assert (ended.returncode, ended.stdout) == (3, "threaded\nleft\n")


SHOWS_MAIN = """
import __main__, sys
class Here: pass
assert getattr(__main__, "Here", None) is Here and Here.__module__ == "__main__"
of_code = (lambda: 1).__code__.co_filename
print(sys.argv, sys.path[0], vars().get("__file__"), of_code, flush=True)
1 / 0
"""


@pytest.mark.parametrize("is_code", [False, True])
def test_scripts_and_code_are_run_as_an_interpreter_runs_them(
    tmp_path: Path, is_code: bool
) -> None:
    script = tmp_path / "of_a_test.py"
    script.write_text(SHOWS_MAIN)
    forked, interpreted = (
        ran(
            "-c" if is_code else script.name,
            [SHOWS_MAIN, "a"] if is_code else ["a"],
            environment=_environment(),
            folder=tmp_path,
            timeout=240,
            imports=imports,
        )
        for imports in (LIGHT, None)
    )
    assert forked.returncode == interpreted.returncode == 1
    assert forked.stdout == interpreted.stdout
    assert forked.stdout.startswith("['")
    of_main = forked.stderr[forked.stderr.index('"<string>"' if is_code else str(script)) :]
    assert of_main.endswith("ZeroDivisionError: division by zero\n")
    assert interpreted.stderr.endswith(of_main)


def test_it_is_signalled_and_waited_for(tmp_path: Path) -> None:
    (tmp_path / "of_a_test.py").write_text("import sys, time; print('up'); time.sleep(600)")
    read, write = os.pipe()
    process = started(
        "of_a_test",
        (),
        environment=_environment(),
        folder=tmp_path,
        files=(subprocess.DEVNULL, write, write),
        imports=LIGHT,
    )
    os.close(write)
    assert isinstance(process, Forked)
    with os.fdopen(read) as output:
        assert output.readline() == "up\n"
        assert process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.01)
        process.terminate()
        assert process.wait(60) == process.poll() == process.returncode == -signal.SIGTERM
        # No other process holds its output.
        assert output.read() == ""
    process.kill()  # Nothing is left to end.


@pytest.mark.parametrize("name", ["PYTHONHASHSEED", "OTEL_PROPAGATORS"])
def test_what_is_read_at_the_start_needs_an_interpreter(tmp_path: Path, name: str) -> None:
    process = started(
        "platform",
        (),
        environment=_environment(**{name: "1"}),
        folder=tmp_path,
        files=(subprocess.DEVNULL, subprocess.DEVNULL, subprocess.DEVNULL),
        imports=LIGHT,
    )
    assert isinstance(process, subprocess.Popen)
    assert process.wait(60) == 0


def test_bytecode_is_written_unless_the_environment_forbids_it(
    run: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    code = "import sys; print(sys.dont_write_bytecode)"
    said = [run(code, PYTHONDONTWRITEBYTECODE=value).stdout for value in ("1", "")]
    assert said == ["True\n", "False\n"]


def test_other_sources_come_first(
    run: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "chosen.py").write_text("print('of the path')")
    assert run("import chosen", PYTHONPATH=str(tmp_path / "more")).stdout == "of the path\n"
    assert run("import chosen").returncode == 1


def test_a_shell_runs_it_as_it_would_run_python(tmp_path: Path) -> None:
    towpath = command_line("towpath")
    home = _environment(TOWPATH_HOME=str(tmp_path))
    version = [
        subprocess.run([*command, "--version"], env=home, capture_output=True, check=True).stdout
        for command in (towpath, [sys.executable, "-m", "towpath"])
    ]
    assert version[0] == version[1]
    wrong = subprocess.run([*towpath, "nothing"], env=home, capture_output=True, check=False)
    assert wrong.returncode == 2
    assert b"nothing" in wrong.stderr
