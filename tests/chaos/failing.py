"""Processes with failpoints: `python -m tests.chaos.failing POINTS DIRECTORY MODULE ARGUMENTS`."""

from __future__ import annotations

import os
import runpy
import stat
import sys
from pathlib import Path

from tests.chaos.failpoints import SERVER, WORKER, Failpoints

ROOT = Path(__file__).resolve().parents[2]
_SHIM_SCRIPT = """\
import importlib.util, sys
sys.path[:0] = [{root!r}]
from pathlib import Path
from tests.chaos.failpoints import SHIM, Failpoints
spec = importlib.util.spec_from_file_location("towpath._work.shim", {shim!r})
shim = importlib.util.module_from_spec(spec)
sys.modules["towpath._work.shim"] = shim
spec.loader.exec_module(shim)
Failpoints(Path({folder!r})).install(*SHIM)
shim.main()
"""
_RUN_SCRIPT = """\
import sys
sys.path += [{root!r}]
from pathlib import Path
from tests.chaos.failpoints import RUN, Failpoints
from towpath._work import entry
Failpoints(Path({folder!r})).install(*RUN)
sys.exit(entry.execute(entry.RunFolder(Path(sys.argv[1]))))
"""


def python_of_runs(folder: Path) -> Path:
    """An interpreter for runs that gives them failpoints, as a template's `python`."""
    script, program = folder / "run.py", folder / "python"
    script.write_text(_RUN_SCRIPT.format(root=str(ROOT), folder=str(folder)))
    # A worker calls it with `-P -m MODULE FOLDER`.
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -P {script} "$4"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


def main(folder: Path, directory: str, module: str, *arguments: str) -> None:
    """Runs a module in a directory, with the failpoints of a folder."""
    os.chdir(directory)
    points = Failpoints(folder)
    if module == "towpath_service":
        points.install(*SERVER)
    else:
        from towpath._work import shim  # noqa: PLC0415 - a server has no worker

        points.install(*WORKER)
        script = folder / f"shim-{os.getpid()}.py"
        script.write_text(
            _SHIM_SCRIPT.format(root=str(ROOT), shim=shim.__file__, folder=str(folder))
        )
        shim.PROGRAM = str(script)
    sys.argv[:] = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
