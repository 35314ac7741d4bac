from __future__ import annotations

import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.packaging.declared import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path, str], Path]:
    def built(sources: Path, target: str) -> Path:
        folder = tmp_path_factory.mktemp("dist")
        ended = subprocess.run(
            [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)],
            cwd=sources,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        (archive,) = folder.iterdir()
        return archive

    return built


@pytest.fixture(scope="session")
def wheel(build: Callable[[Path, str], Path]) -> Path:
    return build(ROOT, "wheel")


@pytest.fixture(scope="session")
def source_archive(build: Callable[[Path, str], Path]) -> Path:
    return build(ROOT, "sdist")


@pytest.fixture(scope="session")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel unpacked, as pip would."""
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder
