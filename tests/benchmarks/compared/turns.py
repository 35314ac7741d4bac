"""A turn of one side: its import, its idle server, its pipelines, each in a process of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.benchmarks.compared.sides import HERE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.benchmarks.compared.sides import Side

IDLE_SECONDS: Final = 5.0
IMPORT: Final = (
    "import time; began = time.perf_counter(); from {package} import flow, task;"
    " print(time.perf_counter() - began)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """One run of a pipeline."""

    pipeline: str
    tasks: int
    seconds: float
    """From the flow's call to its return."""
    lag: float
    """Seconds from its return until its task runs are all recorded."""

    @property
    def rate(self) -> float:
        """Tasks a second."""
        return self.tasks / self.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What one turn of a side showed."""

    import_seconds: float
    idle_megabytes: float
    timed: Sequence[Timed]


def take_turn(side: Side, sizes: Sequence[int], idle_seconds: float = IDLE_SECONDS) -> Turn:
    """Starts a side's server on an empty database, measures, and stops it.

    Args:
        side: Whose turn it is.
        sizes: Numbers of tasks to run each pipeline with.
        idle_seconds: How long the server is left alone before its memory is read.
    """
    with tempfile.TemporaryDirectory() as folder:
        script = lay_out(side.package, Path(folder) / "pipelines")
        with side.running(Path(folder) / "home") as running:
            time.sleep(idle_seconds)
            idle = running.megabytes()
            given = {"env": running.environment, "text": True}
            run_import = [side.python, "-c", IMPORT.format(package=side.package)]
            imported = float(subprocess.check_output(run_import, **given))
            run_script = [side.python, script, *map(str, sizes)]
            printed = subprocess.check_output(run_script, **given)
        timed = [Timed(**json.loads(line)) for line in printed.splitlines()]
        return Turn(import_seconds=imported, idle_megabytes=idle, timed=timed)


def lay_out(package: str, folder: Path) -> Path:
    """Writes a side's scripts to a folder; the one to run, with sizes as arguments."""
    folder.mkdir(parents=True)
    pipelines = (HERE / "pipelines.py").read_text(encoding="utf-8")
    translated = pipelines.replace("from towpath", f"from {package}")
    (folder / "pipelines.py").write_text(translated, encoding="utf-8")
    shutil.copy(HERE / "timing.py", folder)
    return Path(shutil.copy(HERE / f"in_{package}.py", folder))
