"""Runs the example pipeline in a process of its own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tests.forkserver.processes import TOWPATH, ran
from tests.forkserver.server import CODE

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping

PIPELINE = Path(__file__).with_name("pipeline.py")
DEADLINE_SECONDS = 240


def environment_of(home: Path, more: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without anything of OpenTelemetry's or Towpath's, and more."""
    ours = ("OTEL_", "TOWPATH_", "TRACEPARENT")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**kept, "TOWPATH_HOME": str(home), "TOWPATH_DISPLAY": "quiet", **more}


def run_pipeline(
    flow: str, home: Path, more: Mapping[str, str], *, code: str = ""
) -> subprocess.CompletedProcess[str]:
    """Runs a flow of the example to its end, or other code.

    Args:
        flow: Its name in the example.
        home: Towpath's home.
        more: What is added to the environment.
        code: Python to run instead of the example, in an interpreter of its own.
    """
    what, argument = (CODE, code) if code else (str(PIPELINE), flow)
    return ran(
        what,
        [argument],
        environment=environment_of(home, more),
        folder=".",
        timeout=DEADLINE_SECONDS,
        imports=None if code else TOWPATH,
    )
