"""The generated pages of docs/reference."""

from __future__ import annotations

import click
from towpath.cli._main import cli

from tests.unit.sdk.cli.test_documented_commands import all_commands
from tests.unit.sdk.test_public_names import NAMES
from website import references
from website.contract import enum_values
from website.places import PUBLIC_MODULES, REFERENCE


def test_no_page_is_out_of_date() -> None:
    assert references.outdated() == []


def test_every_command_has_a_section() -> None:
    page = (REFERENCE / "commands.md").read_text(encoding="utf-8")
    sections = {line.removeprefix("## ") for line in page.splitlines() if line.startswith("## ")}
    assert sections == {"towpath", *all_commands()}
    assert isinstance(cli, click.Group)


def test_every_exit_code_has_a_meaning() -> None:
    page = (REFERENCE / "exit-codes.md").read_text(encoding="utf-8")
    codes = {line.split("`")[1] for line in page.splitlines() if line.startswith("| `")}
    assert codes == {"0", "1", "2", "3", "4", "5", "6", "7", "124", "130"}


def test_every_public_module_but_the_commands_has_a_page() -> None:
    assert set(PUBLIC_MODULES) == set(NAMES) - {"towpath.cli"}


def test_comments_of_the_contract_are_read_with_their_values() -> None:
    (skipped,) = (v for v in enum_values("state.proto", "RunState") if v.name == "SKIPPED")
    assert skipped.comment.startswith("Terminal. Deliberately not executed")
    assert "UNSPECIFIED" not in {v.name for v in enum_values("errors.proto", "ErrorReason")}
