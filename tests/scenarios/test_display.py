"""A script with a flow, in a terminal and without one."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import struct
import subprocess
import sys
import termios
from typing import TYPE_CHECKING

import pytest

from tests.scenarios.commands import environment

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.subject("display")

SCRIPT = """
import logging, sys, threading, time
logging.basicConfig(format="%(levelname)s %(message)s", level=logging.INFO)
from towpath import flow, task

@task
def load(part):
    for step in range(30):
        print(f"part {part} step {step} of thirty")
        logging.getLogger("mine").info("logged %d.%d", part, step)
        time.sleep(0.01)
    if part == 2:
        raise ValueError("part 2 is not readable")

@task
def combine(parts):
    pass

@flow
def nightly():
    combine.submit([load.submit(part) for part in range(3)]).wait()
    print("no line's end", end="")
    time.sleep(0.3)
    print(", now it is", flush=True)
    print("last", file=sys.stderr)

nightly()
"""
WAITING = """
from towpath import flow
import time

@flow
def endless():
    time.sleep(0.5)
    print("ready", flush=True)
    time.sleep(60)

endless()
"""
QUICK = """
import sys
from towpath import flow

@flow
def quick():
    pass

quick()
print("rich:", "rich" in sys.modules)
"""
FORKING = """
import os
from towpath import flow

@flow
def child():
    pass

@flow
def parent():
    pid = os.fork()
    if not pid:
        child()
        os._exit(0)
    os.waitpid(pid, 0)

parent()
"""
TWO = """
import threading, time
from towpath import flow

@flow(flow_run_name="{name}")
def named(name, seconds):
    time.sleep(seconds)

threads = [threading.Thread(target=named, args=a) for a in [("one", 0.9), ("two", 1.3)]]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""
PROBE = "import sys; print('hooks:', any('write' in vars(s) for s in (sys.stdout, sys.stderr)))"


class Terminal:
    """A script in a terminal of 80 by 24."""

    def __init__(self, home: Path, code: str, **variables: str) -> None:
        self.home = home
        self._controller, terminal = os.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.before = termios.tcgetattr(terminal)
        variables = {"TERM": "xterm-256color", "TOWPATH_DISPLAY": "live", **variables}
        self.process = subprocess.Popen(
            [sys.executable, "-c", code],
            env=environment(home, **variables),
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
        )
        self._terminal = terminal
        self.shown = ""

    def read_until(self, text: str) -> None:
        while text not in self.shown:
            self.shown += os.read(self._controller, 65536).decode(errors="replace")

    def end(self) -> int:
        self.after = termios.tcgetattr(self._terminal)
        os.close(self._terminal)
        while True:
            try:
                self.shown += os.read(self._controller, 65536).decode(errors="replace")
            except OSError:  # Its other end is closed: the script has ended.
                break
        os.close(self._controller)
        return self.process.wait(30)

    @property
    def screen(self) -> list[str]:
        """What is left once all that was drawn and cleared again is gone."""
        lines, row, column = [""], 0, 0
        shown = re.sub(r"\x1b\[[0-9;]*m", "", self.shown)
        for token in re.findall(r"\x1b\[[?0-9;]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", shown):
            if token == "\r":
                column = 0
            elif token == "\n":
                row += 1
                lines += [""] * (row + 1 - len(lines))
            elif token == "\x1b[J":
                lines[row] = lines[row][:column]
                del lines[row + 1 :]
            elif token.startswith("\x1b["):
                if token.endswith("A"):
                    row -= int(token[2:-1])
            else:
                lines[row] = lines[row][:column].ljust(column) + token
                column += len(token)
        return lines


def test_prints_and_logs_come_whole_above_the_tree(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, SCRIPT)
    assert terminal.end() == 1
    assert "\x1b[J" in terminal.shown
    screen = terminal.screen
    for part in range(3):
        steps = [line for line in screen if line.startswith(f"part {part} ")]
        assert steps == [f"part {part} step {step} of thirty" for step in range(30)]
        logged = [line for line in screen if line.startswith(f"INFO logged {part}.")]
        assert logged == [f"INFO logged {part}.{step}" for step in range(30)]
    assert "no line's end, now it is" in screen
    assert "last" in screen


def test_a_summary_is_left_and_the_failure_told_once(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, SCRIPT)
    terminal.end()
    after = terminal.screen[terminal.screen.index("last") + 1 :]
    assert re.match(
        r"✗ nightly · \w{8}  failed after [\d.]+s: 2 completed, 1 failed, 1 not run", after[0]
    )
    assert after[1:3] == [
        "  ✗ load[2] failed: ValueError: part 2 is not readable",
        "  - not run since load[2] failed: combine",
    ]
    # A traceback shows the line of the script, too, from Python 3.13 on.
    assert sum("ValueError: part 2 is not readable" in line for line in after) == 1
    assert not any("●" in line for line in after)


def test_an_interrupted_flow_gives_the_terminal_back(tmp_path: Path) -> None:
    code = f"try:\n{re.sub('^', '    ', WAITING, flags=re.MULTILINE)}\nfinally:\n    {PROBE}\n"
    terminal = Terminal(tmp_path, code)
    terminal.read_until("ready")
    terminal.process.send_signal(signal.SIGINT)
    terminal.read_until("hooks: False")
    terminal.end()
    assert terminal.after == terminal.before
    assert any("endless" in line and "cancelled" in line for line in terminal.screen)
    assert terminal.shown.count("\x1b[?2026h") == terminal.shown.count("\x1b[?2026l") > 0


def test_no_color_has_plain_lines(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, SCRIPT, NO_COLOR="1", TOWPATH_DISPLAY="auto")
    assert terminal.end() == 1
    assert "\x1b" not in terminal.shown


def test_without_a_terminal_lines_tell_of_what_matters(tmp_path: Path) -> None:
    result = script(tmp_path, SCRIPT, TOWPATH_DISPLAY="plain")
    told = re.findall(r"^\d\d:\d\d:\d\d  (.*)$", result.stderr, flags=re.MULTILINE)
    assert told[0] == "nightly  began"
    assert "load[2]  failed: ValueError: part 2 is not readable" in told
    assert re.match(r"nightly · \w{8}  failed after", told[-1])
    assert "\x1b" not in result.stderr


def test_a_quiet_flow_says_nothing_of_itself(tmp_path: Path) -> None:
    result = script(tmp_path, QUICK, TOWPATH_DISPLAY="quiet")
    assert (result.stdout, result.stderr) == ("rich: False\n", "")


def test_a_quick_flow_does_not_load_rich(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, QUICK)
    assert terminal.end() == 0
    assert "rich: False" in terminal.screen
    assert re.match(r"✓ quick · \w{8}  completed after 0\.\ds", terminal.screen[0])


def test_forked_children_show_nothing(tmp_path: Path) -> None:
    result = script(tmp_path, FORKING, TOWPATH_DISPLAY="plain")
    assert result.returncode == 0, result.stderr
    assert len(re.findall(r"began", result.stderr)) == 1


def test_two_flows_at_once_share_the_tree(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, TWO)
    assert terminal.end() == 0
    drawn = re.sub(r"\x1b\[[0-9;]*m", "", terminal.shown).split("\x1b[?2026h")
    assert any("● one" in frame and "● two" in frame for frame in drawn)
    assert [line[:5] for line in terminal.screen if line] == ["✓ one", "✓ two"]


def script(home: Path, code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env=environment(home, **variables),
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
