"""What pyproject.toml says."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LEFT_BY_TOOLS = {"__pycache__", "node_modules", "gen"}
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def entry_points() -> set[tuple[str, str, str]]:
    """Every entry point as (group, name, target)."""
    project = PYPROJECT["project"]
    groups = {"console_scripts": project["scripts"], **project["entry-points"]}
    return {
        (group, name, target) for group, points in groups.items() for name, target in points.items()
    }


def files(folder: Path) -> list[Path]:
    """The files below a folder, without what Python and the tools leave there."""
    return [
        path
        for path in folder.rglob("*")
        if path.is_file()
        and not any(
            part in LEFT_BY_TOOLS or part.startswith(".") for part in path.relative_to(ROOT).parts
        )
    ]
