"""Pages are where readers look for them, and name what is there."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from tests.packaging.declared import PYPROJECT
from website.places import DOCS, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

DECISIONS = sorted((DOCS / "decisions").glob("[0-9]*.md"))
SECTIONS = (
    ["Context", "Decision", "Consequences"],
    ["Context", "Decision", "Alternatives", "Consequences"],
)
SOURCES = ("", "sdk", "sdk/towpath", "service/towpath_service", "tests", "tests/unit/sdk")
"""Folders that paths in pages begin below."""
PATH = re.compile(r"`((?:[a-z_0-9]+/)+[a-z_0-9.]+\.(?:py|proto|toml))`")
TEST_FILE = re.compile(r"\btest_\w+\.py\b")
TEST = re.compile(r"`(test_\w+)`")
DEFINITION = re.compile(r"^ *(?:async )?def (test_\w+)\(", re.MULTILINE)


def in_navigation(entry: Any) -> Iterator[str]:
    """The pages of the site's navigation."""
    match entry:
        case str():
            yield entry
        case list():
            for inner in entry:
                yield from in_navigation(inner)
        case dict():
            for inner in entry.values():
                yield from in_navigation(inner)
        case _:
            raise TypeError(entry)


def test_every_page_is_in_the_navigation_once() -> None:
    site = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))
    listed = list(in_navigation(site["project"]["nav"]))
    assert sorted(listed) == sorted(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md"))


def test_decisions_are_numbered_without_holes_and_listed() -> None:
    numbers = [int(page.name[:4]) for page in DECISIONS]
    assert numbers == list(range(1, len(DECISIONS) + 1))
    listed = (DOCS / "decisions" / "index.md").read_text(encoding="utf-8")
    for page in DECISIONS:
        title = page.read_text(encoding="utf-8").partition("\n")[0].partition(": ")[2]
        assert f"| [{page.name[:4]}]({page.name}) | {title} |" in listed


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.stem)
def test_a_decision_has_its_number_and_the_sections_of_all(page: Any) -> None:
    lines = page.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith(f"# {page.name[:4]}: ")
    sections = [line.removeprefix("## ") for line in lines if line.startswith("## ")]
    assert sections in SECTIONS


@pytest.mark.parametrize("page", ["reliability.md", "threat-model.md"])
def test_tests_that_a_page_names_are_there(page: str) -> None:
    there = {file.name for file in (ROOT / "tests").rglob("test_*.py")}
    named = set(TEST_FILE.findall((DOCS / page).read_text(encoding="utf-8")))
    assert named
    assert named <= there, named - there


def test_single_tests_that_a_page_names_are_there() -> None:
    files = (ROOT / "tests").rglob("test_*.py")
    there = {name for file in files for name in DEFINITION.findall(file.read_text("utf-8"))}
    named = set(TEST.findall((DOCS / "reliability.md").read_text(encoding="utf-8")))
    assert named
    assert named <= there, named - there


def test_source_files_that_pages_name_are_there() -> None:
    pages = [page for page in DOCS.rglob("*.md") if page.parent.name != "python"]
    named = {path for page in pages for path in PATH.findall(page.read_text(encoding="utf-8"))}
    assert named
    lost = {path for path in named if not any((ROOT / at / path).exists() for at in SOURCES)}
    assert not lost


def test_change_notes_have_types_that_there_are() -> None:
    types = {entry["directory"] for entry in PYPROJECT["tool"]["towncrier"]["type"]}
    for note in (ROOT / "changelog.d").glob("*.md"):
        assert note.name.split(".")[-2] in types
