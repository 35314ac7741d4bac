"""The commands of `towpath server` that are about identity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from towpath_service.cli import server

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, which commands of this process work on."""
    monkeypatch.setenv("TOWPATH_HOME", str(tmp_path))
    return tmp_path


def said(*words: str) -> Result:
    return CliRunner().invoke(server, list(words))


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("words", "end"),
    [((), "ends at 2"), (("--expires", "12h"), "ends at 2"), (("--expires", "forever"), "never")],
)
def test_the_first_key_is_shown_with_when_it_ends(words: tuple[str, ...], end: str) -> None:
    shown = said("init-auth", *words)
    assert shown.exit_code == 0
    assert shown.stdout.startswith("twpu_")
    assert end in shown.stderr
    assert "ends at 2" in said("recover-owner").stderr


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("age", ["0d", "soon"])
def test_a_first_key_that_would_be_of_no_use_isnt_made(home: Path, age: str) -> None:
    refused = said("init-auth", "--expires", age)
    assert refused.exit_code == 2
    assert "90d" in refused.output
    assert not list(home.iterdir())
