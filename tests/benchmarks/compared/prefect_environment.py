"""A virtual environment with Prefect: made once, kept in the user's cache."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import venv
from typing import TYPE_CHECKING, Final

import platformdirs

if TYPE_CHECKING:
    from pathlib import Path

# Releases that work together: with FastAPI from 0.140 on, which Prefect 3.8.8 allows, its server
# doesn't start ("Body() got an unexpected keyword argument 'min_items'").
REQUIREMENTS: Final = ("prefect==3.8.8", "fastapi<0.140")
MADE: Final = "requirements-of-the-benchmark.txt"


def prefect_python(folder: Path | None = None) -> Path:
    """The interpreter of an environment that has Prefect; makes the environment if need be.

    Args:
        folder: The environment, or where to make it; one in the user's cache when not given.

    Raises:
        SystemExit: The folder holds something else.
    """
    place = folder or _place_in_cache()
    python = place.absolute() / "bin" / "python"
    wanted = "\n".join(REQUIREMENTS)
    made = place / MADE
    if made.exists() and made.read_text(encoding="utf-8") == wanted:
        return python
    if folder is not None and place.exists() and any(place.iterdir()):
        raise SystemExit(
            f"{place} holds something else than {', '.join(REQUIREMENTS)}: name a new folder"
        )
    print(f"installing {', '.join(REQUIREMENTS)} to {place}")
    shutil.rmtree(place, ignore_errors=True)  # What was left of an installation that failed.
    venv.create(place, with_pip=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", *REQUIREMENTS], check=True)
    made.write_text(wanted, encoding="utf-8")
    return python


def _place_in_cache() -> Path:
    what = " ".join([*REQUIREMENTS, sys.version, sys.base_prefix])
    digest = hashlib.sha256(what.encode()).hexdigest()[:12]
    return platformdirs.user_cache_path("towpath-benchmarks") / f"prefect-{digest}"
