"""A time of day that jumps, for chosen processes."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.postgres.debian import program

_PATCHED = Path(__file__).with_name("jumping.py")


class JumpingClock:
    """What processes take for the time of day; how much time passes they know as ever."""

    def __init__(self, folder: Path) -> None:
        """The clock is right until it is moved.

        Args:
            folder: Where it keeps how wrong it is.
        """
        self._file = folder / "clock"
        self.move(0)

    def move(self, seconds: int) -> None:
        """Makes it wrong by so much."""
        written = self._file.with_suffix(".new")
        written.write_text(f"{seconds:+d}\n")
        written.replace(self._file)

    def python(self, script: Path, *arguments: str) -> list[str]:
        """Runs a script that takes what `time.time` gives for the time of day."""
        command = [sys.executable, str(_PATCHED), str(self._file), str(script)]
        return [*command, *arguments]

    @property
    def wrapper(self) -> list[str]:
        """What stands before the command of a process that shall live by it, whole.

        libfaketime, from Debian. Its sleep of a thread fails when the clock jumps (EINVAL), which
        no system's does: for processes that wait otherwise.
        """
        return [
            "env",
            f"LD_PRELOAD={_library()}",
            f"FAKETIME_TIMESTAMP_FILE={self._file}",
            "FAKETIME_NO_CACHE=1",
            "FAKETIME_DONT_FAKE_MONOTONIC=1",
            "DONT_FAKE_MONOTONIC=1",
            "NO_FAKE_STAT=1",
        ]


def _library() -> Path:
    program("faketime", "faketime")
    found = sorted(Path("/usr/lib").glob("**/faketime/libfaketimeMT.so.1"))
    if not found:
        raise RuntimeError("the Debian package libfaketime has no libfaketimeMT.so.1")
    return found[0]
