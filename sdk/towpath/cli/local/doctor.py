"""`towpath doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from towpath._display.words import printable
from towpath.cli.shared.errors import FAILED, UNREACHABLE
from towpath.cli.shared.output import print_json, text_output
from towpath.cli.shared.session import colourful

if TYPE_CHECKING:
    from towpath.cli.local.check import Check

_MARKS = {"ok": ("ok   ", "green"), "warning": ("look ", "yellow"), "failed": ("WRONG", "red")}


@click.command()
@text_output
def doctor(output: str) -> None:
    """Diagnose problems and suggest fixes.

    Exits with 6 if only the server has a problem, with 1 for any other problem.
    """
    from towpath.cli.local.checks import all_checks  # noqa: PLC0415 - gRPC would slow down `--help`

    checks: list[Check] = []
    for check in all_checks():
        checks.append(check)
        if output == "text":
            _print(check)
    if output == "json":
        print_json([_as_json(check) for check in checks])
    failed = {check.name for check in checks if check.verdict == "failed"}
    if failed:
        raise SystemExit(UNREACHABLE if failed == {"server"} else FAILED)


def _print(check: Check) -> None:
    mark, colour = _MARKS[check.verdict]
    shown = click.style(mark, fg=colour) if colourful() else mark
    click.echo(f"{shown}  {check.name:<9}  {printable(check.text)}")
    if check.fix:
        click.echo(f"{'':<18}{check.fix}")


def _as_json(check: Check) -> dict[str, Any]:
    return {
        "name": check.name,
        "verdict": check.verdict,
        "text": check.text,
        "fix": check.fix or None,
    }
