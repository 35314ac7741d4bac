"""Writes the reference pages, or says which of them are out of date."""

from __future__ import annotations

from website.commands import commands_page
from website.exit_codes import exit_codes_page
from website.helm_values import helm_values_page
from website.places import REFERENCE, ROOT
from website.python_api import python_pages
from website.runs import errors_page, rules_page, states_page
from website.settings import settings_page


def pages() -> dict[str, str]:
    """Every generated page by its path below docs/reference."""
    return {
        "settings.md": settings_page(),
        "commands.md": commands_page(),
        "exit-codes.md": exit_codes_page(),
        "run-states.md": states_page(),
        "decision-rules.md": rules_page(),
        "error-reasons.md": errors_page(),
        "helm-values.md": helm_values_page(),
        **{f"python/{name}": text for name, text in python_pages().items()},
    }


def write() -> None:
    """Writes every page, and removes pages that are generated no more."""
    wanted = pages()
    for file in _written():
        if file not in wanted:
            (REFERENCE / file).unlink()
    for file, text in wanted.items():
        path = REFERENCE / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def outdated() -> list[str]:
    """Paths of pages that differ from what the code says."""
    wanted = pages()
    written = _written()
    changed = {file for file in wanted | written if wanted.get(file) != written.get(file)}
    return sorted(str((REFERENCE / file).relative_to(ROOT)) for file in changed)


def _written() -> dict[str, str]:
    return {
        str(file.relative_to(REFERENCE)): file.read_text(encoding="utf-8")
        for file in REFERENCE.rglob("*.md")
        if file != REFERENCE / "index.md"
    }
