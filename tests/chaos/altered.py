"""A server process with what no option of the command sets.

As a script: altered.py HOME PORT WEB_PORT CHECKPOINT_PAGES CLOCK. The clock is a file that holds by
how many seconds the server's time of day is wrong; whoever writes it moves the clock.
"""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from towpath_service.app import wiring
from towpath_service.app.server import serve
from towpath_service.app.settings import ServerSettings
from towpath_service.rpc.ingest_handler import StreamTimes
from towpath_service.storage import connections

from tests.scenarios.servers import Server

SILENCE_SECONDS = 3.0


@dataclass(slots=True)
class AlteredServer(Server):
    """A server process whose log is copied back early and whose clock can be moved."""

    checkpoint_pages: int = connections.CHECKPOINT_PAGES

    @property
    def database(self) -> Path:
        """Its SQLite file."""
        return self.home / "towpath.db"

    def move_clock(self, seconds: float) -> None:
        """Makes its time of day wrong by so much."""
        written = self.home / "clock.new"
        written.write_text(str(seconds))
        written.replace(self.home / "clock")

    def _command(self) -> list[str]:
        where = (str(self.home), str(self.port), str(self.web_port))
        options = (str(self.checkpoint_pages), str(self.home / "clock"))
        return [sys.executable, "-m", __name__, *where, *options]


class MovedClock:
    """The machine's clock, wrong by what a file says."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def now_us(self) -> int:
        """Microseconds since the Unix epoch, wrong."""
        wrong = float(self._file.read_text()) if self._file.exists() else 0.0
        return time.time_ns() // 1000 + int(wrong * 1e6)


def main(home: str, port: str, web_port: str, checkpoint_pages: str, clock: str) -> None:
    """Serves until it is told to stop."""
    connections.CHECKPOINT_PAGES = int(checkpoint_pages)  # type: ignore[misc]
    wiring.SystemClock = lambda: MovedClock(Path(clock))  # type: ignore[assignment, misc]
    settings = ServerSettings(
        home=Path(home),
        database=Path(home) / "towpath.db",
        port=int(port),
        web_port=int(web_port),
        times=StreamTimes(heartbeat_timeout_seconds=SILENCE_SECONDS),
    )
    asyncio.run(serve(settings, lambda *_: None))


if __name__ == "__main__":
    main(*sys.argv[1:])
