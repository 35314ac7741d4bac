"""Finds dead links, and whatever would make a reader's browser call another host.

Pages of the site are checked as built, so that a link counts as the reader gets it; pages that are
only in the repository, such as README.md, are checked as Markdown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_FENCED: Final = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_CODE: Final = re.compile(r"`[^`\n]*`")
_LINK: Final = re.compile(r"\]\(([^)\s]+)\)")
_HEADING: Final = re.compile(r"^#+ +(.*)$", re.MULTILINE)
_STYLE_URL: Final = re.compile(r"(?:url\(|@import)\s*[\"']?((?:https?:)?//[^\"')\s]+)")
_LOADED_BY_SCRIPTS: Final = ("mermaid", "glightbox", "pyodide", "md-source")
"""Classes that make the theme's scripts load a library from another host."""
_HINTS: Final = frozenset({"canonical", "alternate", "prev", "next"})
"""Relations of `link` that load nothing."""


@dataclass(slots=True)
class _Page:
    """What a page has that links concern."""

    ids: set[str] = field(default_factory=set[str])
    links: set[str] = field(default_factory=set[str])
    resources: set[str] = field(default_factory=set[str])
    classes: set[str] = field(default_factory=set[str])


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = _Page()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.page.ids |= {given[name] for name in ("id", "name") if name in given}
        self.page.classes |= set(given.get("class", "").split())
        if tag == "a":
            self.page.links |= {given[name] for name in ("href",) if name in given}
        elif tag != "link" or given.get("rel") not in _HINTS:
            loaded = [given[name] for name in ("src", "href", "data", "poster") if name in given]
            sets = [part.split()[0] for part in given.get("srcset", "").split(",") if part.strip()]
            self.page.resources |= {*loaded, *sets}


def problems_of_site(site: Path) -> list[str]:
    """Dead links and foreign resources of a built site, a line each."""
    pages = {file: _read(file) for file in sorted(site.rglob("*.html"))}
    found: list[str] = []
    for file, page in pages.items():
        name = file.relative_to(site)
        found += [f"{name}: {problem}" for problem in _problems(site, file, page, pages)]
    for style in sorted(site.rglob("*.css")):
        foreign = _STYLE_URL.findall(style.read_text(encoding="utf-8"))
        found += [f"{style.relative_to(site)}: {url} is on another host" for url in foreign]
    return found


def problems_of_pages(pages: Iterable[Path]) -> list[str]:
    """Dead links of Markdown pages to files and headings beside them, a line each."""
    found: list[str] = []
    for page in pages:
        text = _CODE.sub("", _FENCED.sub("", page.read_text(encoding="utf-8")))
        found += [
            f"{page.name}: {link} is dead"
            for link in sorted(set(_LINK.findall(text)))
            if not _is_foreign(link) and not _leads_somewhere(page, link)
        ]
    return found


def _problems(site: Path, file: Path, page: _Page, pages: dict[Path, _Page]) -> Iterator[str]:
    for resource in sorted(page.resources):
        if _is_foreign(resource):
            yield f"{resource} is on another host"
        elif not _target(site, file, resource).exists():
            yield f"{resource} is dead"
    for link in sorted(page.links):
        if _is_foreign(link) or file.name == "404.html":
            continue
        target = _target(site, file, link)
        anchor = unquote(urlsplit(link).fragment)
        if not target.is_file() or (anchor and anchor not in pages.get(target, _Page()).ids):
            yield f"{link} is dead"
    for name in sorted(page.classes.intersection(_LOADED_BY_SCRIPTS)):
        yield f"the class {name} makes the browser load a script from another host"


def _target(site: Path, file: Path, link: str) -> Path:
    path = unquote(urlsplit(link).path)
    if not path:
        return file
    target = site / path.lstrip("/") if path.startswith("/") else file.parent / path
    return (target / "index.html" if target.is_dir() else target).resolve()


def _read(file: Path) -> _Page:
    reader = _Reader()
    reader.feed(file.read_text(encoding="utf-8"))
    return reader.page


def _is_foreign(link: str) -> bool:
    parts = urlsplit(link)
    return bool(parts.netloc) or parts.scheme not in {"", "file"}


def _leads_somewhere(page: Path, link: str) -> bool:
    parts = urlsplit(link)
    target = page.parent / unquote(parts.path) if parts.path else page
    if not target.exists():
        return False
    return not parts.fragment or parts.fragment in _anchors(target)


def _anchors(page: Path) -> set[str]:
    headings = _HEADING.findall(_FENCED.sub("", page.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
