"""The first process of a run's container: `python -m towpath._work.pod`.

It makes the run's folder from the files that its worker has mounted, and becomes the shim of the
run. So the run is a child: it gets signals as it does elsewhere, what it leaves behind is ended,
and the container's exit code and last message say how it ended.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from towpath._work import shim
from towpath._work.folders import Job, RunFolder

if TYPE_CHECKING:
    from collections.abc import Mapping

FILES_VARIABLE: Final = "TOWPATH_RUN_FILES"
"""Variable that names the folder of the mounted files."""
NOTE_VARIABLE: Final = "TOWPATH_RUN_NOTE"
"""Variable that names the file of the container's last message."""


def prepare(environment: Mapping[str, str], directory: str) -> list[str]:
    """Makes the folder of the run; returns the program that supervises it, with arguments.

    Args:
        environment: Variables of this process.
        directory: Folder to start the run in.

    Raises:
        OSError: The files aren't there, or the Towpath home can't be written to.
    """
    text = Path(environment[FILES_VARIABLE], shim.JOB).read_text(encoding="utf-8")
    job = Job.of(json.loads(text))
    home = Path(environment["TOWPATH_HOME"])
    path = RunFolder.of(home, job.lease_id).path
    command = (sys.executable, "-P", "-m", "towpath._work.entry", str(path))
    process = replace(job.process, command=command, directory=job.process.directory or directory)
    RunFolder.create(home, replace(job, process=process))
    note = environment.get(NOTE_VARIABLE, "")
    return [sys.executable, "-I", "-S", shim.PROGRAM, str(path), shim.CONTAINED, note]


def main() -> NoReturn:
    """Becomes the shim of the run."""
    command = prepare(os.environ, os.getcwd())  # noqa: PTH109 - as the shim starts it
    os.execv(command[0], command)  # noqa: S606 - no shell


if __name__ == "__main__":
    main()
