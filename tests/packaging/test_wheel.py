from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {"towpath", "towpath_service", "towpath_auth"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    return folder


def test_the_wheel_holds_exactly_the_three_packages(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        points = next(name for name in names if name.endswith("entry_points.txt"))
        declared = archive.read(points).decode()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == PACKAGES
    assert "towpath/py.typed" in names
    migrations = "towpath_service/storage/migrations/versions/0001_the_first_tables.py"
    assert migrations in names
    assert "towpath = towpath.cli:main" in declared
    assert "towpath = towpath.testing.pytest_plugin" in declared
    assert not [name for name in names if "/tests/" in name or name.endswith(".pyc")]


def test_the_source_archive_builds_and_tests_itself(built: Path) -> None:
    (archive_path,) = built.glob("*.tar.gz")
    with tarfile.open(archive_path) as archive:
        tops = {name.split("/")[1] for name in archive.getnames() if "/" in name}
    assert {"sdk", "service", "auth", "protos", "tests", "docs", "examples"} <= tops
    assert {"pyproject.toml", "README.md", "LICENSE"} <= tops
    assert not {".git", "build", "dist"} & tops
