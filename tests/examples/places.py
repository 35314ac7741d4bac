"""Where examples are run: a home of Towpath's, and around it folders that have to stay empty."""

from __future__ import annotations

import json
import threading
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.forkserver.processes import ran
from tests.scenarios.servers import environment

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A folder with everything that a process may be tempted to write to."""

    root: Path

    @property
    def home(self) -> Path:
        """TOWPATH_HOME."""
        return self.root / "home"

    def run(self, what: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs a module or the script of a path to its end."""
        user = {name: str(self._folder(name)) for name in ("HOME", "TMPDIR")}
        kept = environment(self.home, PYTHONDONTWRITEBYTECODE="1", **user)
        return ran(
            what,
            arguments,
            environment={
                name: value for name, value in kept.items() if not name.startswith("XDG_")
            },
            folder=self._folder("work"),
            timeout=SECONDS,
        )

    def example(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs an example; nothing may be written but below the Towpath home."""
        before = _files(EXAMPLES)
        result = self.run(str(EXAMPLES / name), *arguments)
        assert _files(EXAMPLES) == before
        for folder in ("HOME", "TMPDIR", "work"):
            assert list(self._folder(folder).iterdir()) == [], folder
        return result

    def listed(self, *filters: str) -> list[dict[str, Any]]:
        """The runs that `towpath run ls` prints."""
        result = self.run("towpath", "run", "ls", "--all", "-o", "json", "--limit", "100", *filters)
        assert result.returncode == 0, result.stderr
        return list(json.loads(result.stdout))

    def flow_run(self) -> dict[str, Any]:
        """The only flow run."""
        (run,) = self.listed("--kind", "flow")
        return run

    def tasks(self) -> Counter[tuple[str, str, int]]:
        """How many runs there are of each task, state and attempt."""
        runs = self.listed("--kind", "task")
        return Counter((run["task"], run["state"], run["attempt"]) for run in runs)

    def _folder(self, name: str) -> Path:
        folder = self.root / name
        folder.mkdir(exist_ok=True)
        return folder


@contextmanager
def serving(body: bytes) -> Iterator[str]:
    """A server that answers everything so; yields its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def _files(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
