"""What the check of links finds, and that it looks everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from website.links import problems_of_pages, problems_of_site
from website.places import PAGES_OUTSIDE, ROOT

if TYPE_CHECKING:
    from pathlib import Path

OTHER = '<h1 id="there">There</h1>'
DEAD = {
    '<a href="nowhere.html">': "page.html: nowhere.html is dead",
    '<a href="other.html#gone">': "page.html: other.html#gone is dead",
    '<a href="#gone">': "page.html: #gone is dead",
    '<img src="gone.png">': "page.html: gone.png is dead",
    '<script src="https://cdn.test/a.js">': "page.html: https://cdn.test/a.js is on another host",
    '<link rel="stylesheet" href="//fonts.test/a.css">': (
        "page.html: //fonts.test/a.css is on another host"
    ),
    '<img srcset="a.png 1x, https://cdn.test/b.png 2x">': "https://cdn.test/b.png is on another",
    '<pre class="mermaid">': "page.html: the class mermaid makes the browser load a script",
}
ALIVE = (
    '<a href="other.html#there">',
    '<a href="#here" id="here">',
    '<a href="https://example.org/">',
    '<a href="mailto:ada@example.org">',
    '<link rel="canonical" href="https://example.org/page.html">',
)


@pytest.mark.parametrize("written", DEAD)
def test_what_is_dead_or_foreign_is_found(tmp_path: Path, written: str) -> None:
    (tmp_path / "other.html").write_text(OTHER)
    (tmp_path / "page.html").write_text(written)
    assert any(DEAD[written] in problem for problem in problems_of_site(tmp_path))


def test_what_leads_somewhere_is_no_problem(tmp_path: Path) -> None:
    (tmp_path / "other.html").write_text(OTHER)
    (tmp_path / "page.html").write_text("\n".join(ALIVE))
    assert problems_of_site(tmp_path) == []


def test_a_font_of_another_host_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.css").write_text("@font-face { src: url('https://fonts.test/a.woff2') }")
    assert problems_of_site(tmp_path) == ["a.css: https://fonts.test/a.woff2 is on another host"]


def test_dead_links_of_markdown_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    (tmp_path / "other.md").write_text("# The other\n\n```sh\n# no heading\n```\n")
    page.write_text("[a](other.md#the-other) [b](gone.md) [c](other.md#no-heading) `[d](no.md)`")
    assert problems_of_pages([page]) == [
        "page.md: gone.md is dead",
        "page.md: other.md#no-heading is dead",
    ]


def test_pages_beside_the_site_have_no_dead_links() -> None:
    assert problems_of_pages(ROOT / page for page in PAGES_OUTSIDE) == []
