"""Runs a script in a process whose time of day is wrong by what a file says.

As a script: jumping.py CLOCK SCRIPT ARGUMENT...
"""

from __future__ import annotations

import runpy
import sys
import time
from pathlib import Path

_clock = Path(sys.argv[1])
_time = time.time


def _wrong_time() -> float:
    return _time() + float(_clock.read_text())


if __name__ == "__main__":
    time.time = _wrong_time
    sys.argv = sys.argv[2:]
    runpy.run_path(sys.argv[0], run_name="__main__")
