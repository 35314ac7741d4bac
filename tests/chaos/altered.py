"""A server process with what no option of the command sets.

As a script: altered.py HOME PORT WEB_PORT CHECKPOINT_PAGES SILENCE_SECONDS.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from towpath_service.app.options import ListenerOptions, ServerOptions
from towpath_service.app.server import serve
from towpath_service.database.sqlite import connections
from towpath_service.runs.rpc.ingest_handler import StreamTimes

from tests.scenarios.servers import Server, environment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import IO


ROTATION_SECONDS = 6 * 3600.0


@dataclass(slots=True)
class AlteredServer(Server):
    """A server process that checkpoints its database, and gives producers up, after less."""

    checkpoint_pages: int = connections.CHECKPOINT_PAGES
    silence_seconds: float = 30.0
    wrapper: Sequence[str] = field(default=())
    """What stands before the command."""

    @property
    def database(self) -> Path:
        """Its SQLite file."""
        return self.home / "towpath.db"

    def _launched(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        where = (str(self.home), str(self.port), str(self.web_port))
        altered = (str(self.checkpoint_pages), str(self.silence_seconds))
        command = [*self.wrapper, sys.executable, "-m", __name__, *where, *altered]
        return subprocess.Popen(command, env=environment(self.home), stdout=log, stderr=log)


def main(home: str, port: str, web_port: str, checkpoint_pages: str, silence: str) -> None:
    """Serves until it is told to stop."""
    connections.CHECKPOINT_PAGES = int(checkpoint_pages)  # type: ignore[misc]
    options = ServerOptions(
        home=Path(home),
        database=Path(home) / "towpath.db",
        listener=ListenerOptions(port=int(port), web_port=int(web_port)),
        # A test that lasts longer than a stream is about something else than its rotation.
        times=StreamTimes(
            heartbeat_timeout_seconds=float(silence), rotation_seconds=ROTATION_SECONDS
        ),
    )
    asyncio.run(serve(options, lambda *_: None))


if __name__ == "__main__":
    main(*sys.argv[1:])
