"""`poe pythons [VERSION ...] [OPTIONS OF PYTEST]`: runs the tests with each version of Python.

Without a version it takes all that are supported. A version that can't be had fails the run, and
so do tests that fail.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.pythons.interpreters import ROOT, VERSIONS, Interpreter, interpreter_for


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of the tests with one version; `load` is the mean of the last 15 minutes."""

    version: str
    result: str
    minutes: float = 0.0
    load: float = 0.0


def main(arguments: list[str]) -> int:
    """Runs the tests and prints a table.

    Args:
        arguments: Versions first, then paths and options of pytest.

    Returns:
        0 if all tests passed with all versions, else 1.
    """
    versions = [each for each in arguments if each in VERSIONS] or list(VERSIONS)
    chosen = [each for each in arguments if each not in VERSIONS]
    with tempfile.TemporaryDirectory(prefix="towpath-pythons-") as scratch:
        # PostgreSQL runs as another user than root, and its programs are in here.
        Path(scratch).chmod(0o755)
        outcomes = [outcome_of(version, chosen, Path(scratch)) for version in versions]
    print("\n".join(table(outcomes)))
    return 0 if all(each.result == "passed" for each in outcomes) else 1


def outcome_of(version: str, chosen: list[str], scratch: Path) -> Outcome:
    """Runs the tests with one version."""
    try:
        interpreter = interpreter_for(version, scratch)
    except (OSError, RuntimeError, subprocess.CalledProcessError) as error:
        return Outcome(version=version, result=f"no interpreter: {error}")
    if interpreter is None:
        return Outcome(version=version, result="no interpreter: put it on the PATH")
    began = time.monotonic()
    result = _tested(interpreter, chosen, scratch / version)
    minutes = (time.monotonic() - began) / 60
    return Outcome(version=version, result=result, minutes=minutes, load=os.getloadavg()[2])


def _tested(interpreter: Interpreter, chosen: list[str], folder: Path) -> str:
    python = str(folder / "bin" / "python")
    installing = ["-m", "pip", "install", "-q", "-e", ".[service,examples]", "--group", "dev"]
    steps = {
        "not made: venv": [interpreter.python, "-m", "venv", str(folder)],
        "not made: pip": [python, "-m", "pip", "install", "-q", "-U", "pip"],
        "not installed": [python, *installing],
        "failed": [python, "-m", "tests", "-q", *chosen],
    }
    # As in an activated environment: tests call its programs by name.
    path = os.pathsep.join([str(folder / "bin"), os.environ["PATH"]])
    for failure, step in steps.items():
        command = [*interpreter.within, "env", f"PATH={path}", *step]
        if subprocess.run(command, check=False, cwd=ROOT).returncode:
            return failure
    return "passed"


def table(outcomes: list[Outcome]) -> list[str]:
    """The lines of the table, a version each."""
    head = f"{'Python':<8}{'minutes':>8}{'load':>7}  result"
    lines = [f"{o.version:<8}{o.minutes:>8.1f}{o.load:>7.1f}  {o.result}" for o in outcomes]
    return [head, *lines]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
