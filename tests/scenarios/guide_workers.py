"""Workers of guides and examples, started in the shell that types their commands."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.scenarios.servers import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.scenarios.guides import Terminal


@contextmanager
def worker(terminal: Terminal, command: str) -> Iterator[None]:
    """Runs a worker of the guide, once it is attached and until Ctrl-C."""
    terminal.typed.append(command)
    file = terminal.home / "worker.log"
    with file.open("ab") as log:
        process = subprocess.Popen(
            # An interpreter of its own, which gets the signal.
            [
                *("bash", "-c"),
                f"exec env {command.replace('towpath ', f'{sys.executable} -m towpath ', 1)}",
            ],
            env=terminal._environment(),
            cwd=terminal.home,
            stdout=log,
            stderr=log,
        )

    def is_attached() -> bool:
        assert process.poll() is None, file.read_text()
        return "is attached to pool local" in file.read_text()

    try:
        wait_until(is_attached, "it is attached")
        yield
        process.terminate()
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
