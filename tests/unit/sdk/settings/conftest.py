"""A place where no settings of this machine reach."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from towpath._settings.current import use_flags

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder: the root of an empty repository; the home is beside it."""
    for name in list(os.environ):
        if name.startswith("TOWPATH_"):
            monkeypatch.delenv(name)
    folder = tmp_path / "project"
    (folder / ".git").mkdir(parents=True)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("TOWPATH_HOME", str(tmp_path / "home"))
    yield folder
    use_flags({})


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The user's file, not there yet; its folder is."""
    path = tmp_path / "home" / "config.toml"
    path.parent.mkdir()
    return path
