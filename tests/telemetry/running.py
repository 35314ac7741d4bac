"""Runs the example pipeline in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
        code: Python to run instead of the example.
    """
    command = [sys.executable, "-c", code] if code else [sys.executable, str(PIPELINE), flow]
    return subprocess.run(
        command,
        env=environment_of(home, more),
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )
