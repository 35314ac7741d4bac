"""What runs only when it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leaves the test against Phoenix out, which installs 650 MB, without `--phoenix`."""
    if collection_path.name == "test_phoenix.py" and not config.getoption("--phoenix"):
        return True
    return None
