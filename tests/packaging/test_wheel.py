"""What is built holds what it should, and nothing else."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.packaging.declared import PYPROJECT, ROOT, files

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGES = {
    "towpath": "sdk/towpath",
    "towpath_service": "service/towpath_service",
    "towpath_auth": "auth/towpath_auth",
}
BUILD = PYPROJECT["tool"]["hatch"]["build"]["targets"]


def names_in(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_the_three_packages_whole_and_nothing_else(wheel: Path) -> None:
    metadata = {name for name in names_in(wheel) if name.split("/")[0].endswith(".dist-info")}
    assert {name.split("/", 1)[1] for name in metadata} == {
        "METADATA",
        "RECORD",
        "WHEEL",
        "entry_points.txt",
        "licenses/LICENSE",
    }
    sources = {
        str(Path(package) / path.relative_to(ROOT / folder))
        for package, folder in PACKAGES.items()
        for path in files(ROOT / folder)
    }
    assert names_in(wheel) - metadata == sources


def test_the_wheel_has_the_marker_of_types_and_every_migration(wheel: Path) -> None:
    names = names_in(wheel)
    migrations = "towpath_service/database/migrations"
    assert "towpath/py.typed" in names
    assert f"{migrations}/env.py" in names
    assert f"{migrations}/versions/0001_the_first_tables.py" in names


def test_the_source_archive_holds_what_is_declared_and_nothing_else(source_archive: Path) -> None:
    with tarfile.open(source_archive) as archive:
        names = {member.name.split("/", 1)[1] for member in archive if member.isfile()}
    declared = [ROOT / name.removeprefix("/") for name in BUILD["sdist"]["include"]]
    found = [path for place in declared for path in ([place] if place.is_file() else files(place))]
    always = {"PKG-INFO", "pyproject.toml", ".gitignore", "service/ui/.npmrc"}
    assert names == {str(path.relative_to(ROOT)) for path in found} | always


def test_the_source_archive_builds_the_same_wheel(
    wheel: Path, source_archive: Path, build: Callable[[Path, str], Path], tmp_path: Path
) -> None:
    with tarfile.open(source_archive) as archive:
        archive.extractall(tmp_path, filter="data")
    (sources,) = tmp_path.iterdir()
    again = build(sources, "wheel")
    assert again.name == wheel.name
    assert again.read_bytes() == wheel.read_bytes()
