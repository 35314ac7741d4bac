"""docs/guides/secrets.md, walked command by command as somebody who copies them would."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.scenarios.guides import Terminal, commands_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.subject("values")

SECTIONS = commands_of("secrets")
FIRST = {"Value: ": "correct horse", "Repeat for confirmation: ": "correct horse"}
SECOND = {"Value: ": "battery staple", "Repeat for confirmation: ": "battery staple"}


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    made = Terminal(tmp_path / "home", tmp_path / "bin")
    made.program("pass", 'test "$1 $2" = "show warehouse" && echo "a stable"')
    (made.home / "key.pem").write_text("-----BEGIN\n")
    yield made
    made.stops()


def value_of(terminal: Terminal, name: str) -> str:
    """What a run would load."""
    (terminal.home / "load.py").write_text(
        "import sys\nfrom towpath import Secret\nprint(Secret.load(sys.argv[1]).get(), end='')\n"
    )
    return terminal.runs(f"python load.py {name}")


def first_steps(terminal: Terminal) -> None:
    shown = terminal.types("towpath secret create db-password", answers=FIRST)
    assert 'Secret.load("db-password") reads it in a run' in shown
    assert "correct horse" not in shown
    terminal.types(
        "pass show warehouse | towpath secret create warehouse-password"
        ' --description "of the warehouse"'
    )
    terminal.types("towpath secret create tls-key --value-file key.pem")
    listed = terminal.types("towpath secret ls")
    assert [line.split()[:2] for line in listed.splitlines()[1:]] == [
        ["db-password", "1"],
        ["tls-key", "1"],
        ["warehouse-password", "1"],
    ]
    assert "of the warehouse" in listed
    shown = terminal.types("towpath secret inspect db-password")
    assert "set by       users/local" in shown
    assert value_of(terminal, "db-password") == "correct horse"
    shown = terminal.types("towpath secret update db-password", answers=SECOND)
    assert "has version 2 of its value" in shown
    assert value_of(terminal, "db-password") == "battery staple"
    assert value_of(terminal, "warehouse-password") == "a stable"
    assert value_of(terminal, "tls-key") == "-----BEGIN\n"
    shown = terminal.types("towpath secret rm db-password", answers={"Go on? [y/N]: ": "y"})
    assert "secret db-password deleted" in shown
    assert "there is no secret 'db-password'" in terminal.runs("python load.py db-password", ends=1)


def how_values_are_kept(terminal: Terminal) -> None:
    terminal.runs("echo correct horse | towpath secret create db-password")
    terminal.serves("towpath server start", typed=False)
    shown = terminal.types("towpath server rotate-keys --data-keys")
    assert "1 values are sealed with new data keys" in shown
    assert value_of(terminal, "db-password") == "correct horse"
    shown = terminal.types("towpath server rotate-keys --new-key-file new.key")
    assert "sealed with file:new.key: restart every server" in shown
    terminal.stops()
    terminal.serves("towpath server start --key-file new.key", typed=False)
    (terminal.home / "server.key").unlink()
    assert value_of(terminal, "db-password") == "correct horse"
    terminal.stops()
    terminal.settings["TOWPATH_SERVER_KEY_FILE"] = "new.key"
    assert value_of(terminal, "db-password") == "correct horse"
    terminal.runs("towpath server rotate-keys --data-keys")
    del terminal.settings["TOWPATH_SERVER_KEY_FILE"]
    (terminal.home / "new.key").rename(terminal.home / "server.key")
    assert value_of(terminal, "db-password") == "correct horse"


WALKS = {"Secrets": first_steps, "How values are kept": how_values_are_kept}


@pytest.mark.parametrize("section", SECTIONS)
def test_the_commands_of_a_section_do_what_it_says(section: str, terminal: Terminal) -> None:
    WALKS[section](terminal)
    assert terminal.typed == SECTIONS[section]


def test_every_section_with_commands_is_walked() -> None:
    assert WALKS.keys() == SECTIONS.keys()
