"""Messages that docs/guides/troubleshooting.md explains are messages that the code has."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]
SOURCES = ("sdk/towpath", "service/towpath_service", "auth/towpath_auth")
ROW = re.compile(r"^\| `([^`]+)`", re.MULTILINE)
BREAK = re.compile(r"\.\.\.|: |'\w+'")
WORD = re.compile(r"[A-Za-z_']{2,}")
EXAMPLES = (
    *("run.read in workspaces/", "a task", "calls_per_second", "stored_bytes"),
    *("server.api_key", "server.ca_file"),
)
PYDANTICS = {"parameter 'x': Input should be ..."}


def messages() -> list[str]:
    """Those of the tables with messages."""
    page = (ROOT / "docs/guides/troubleshooting.md").read_text(encoding="utf-8")
    return ROW.findall(page.partition("## Messages")[2])


@cache
def texts() -> tuple[str, ...]:
    """Every text of the code; what is worked out in it is a gap."""
    found: list[str] = []
    for folder in SOURCES:
        for file in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.JoinedStr):
                    found.append(" … ".join(_constants(node)))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found.append(node.value)
    return tuple(found)


@pytest.mark.parametrize("message", [said for said in messages() if said not in PYDANTICS])
def test_a_message_of_the_page_is_one_of_the_code(message: str) -> None:
    pieces = [WORD.findall(piece) for piece in BREAK.split(_without_examples(message))]
    told = [words for words in pieces if len(words) > 1]
    assert told
    for words in told:
        wanted = re.compile(r"\b" + r"\b.*?\b".join(words) + r"\b", re.DOTALL)
        assert any(wanted.search(text) for text in texts()), words


def _constants(node: ast.JoinedStr) -> list[str]:
    return [str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values]


def _without_examples(message: str) -> str:
    """A message without what stands in it for something that differs each time."""
    for example in EXAMPLES:
        message = message.replace(example, " ... ")
    return message
