"""`towpath sync`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from towpath._settings.readers import read_workspace
from towpath.cli.shared.errors import FAILED
from towpath.cli.shared.output import print_json, text_output
from towpath.cli.shared.session import checked_settings, note, progress

if TYPE_CHECKING:
    from pathlib import Path

    from towpath._delivery.takeover import DeliveryReport


@click.command()
@click.option("--everything", is_flag=True, help="Deliver outboxes of other servers, too.")
@click.option(
    "--move",
    "moves",
    type=(str, str),
    multiple=True,
    metavar="OLD NEW",
    help="Deliver outboxes of workspace OLD to workspace NEW.",
)
@text_output
def sync(output: str, *, everything: bool, moves: tuple[tuple[str, str], ...]) -> None:
    """Deliver the reports that wait in the outboxes of this home.

    Each outbox is delivered by itself. Exits with 1 if one of them was refused.
    """
    # gRPC would slow down `--help`.
    from towpath._delivery.takeover import deliver_waiting  # noqa: PLC0415 - it loads gRPC
    from towpath.client._connect import open_client  # noqa: PLC0415 - it loads gRPC

    settings = checked_settings()
    wanted = {_workspace(old): _workspace(new) for old, new in moves}
    with open_client(settings) as client, progress("delivering", unit="reports") as shown:

        def on_progress(reports: int, left: int) -> None:
            shown.advance(reports)
            shown.remark = f"{left} outboxes left" if left > 1 else "1 outbox left"

        report = deliver_waiting(
            settings.home,
            client.transport,
            everything=everything,
            moves=wanted,
            on_progress=on_progress,
        )
        address = client.transport.address
    if output == "json":
        print_json(_as_json(report, address))
    else:
        click.echo(
            f"{report.updates} updates and {report.logs} log lines of {report.producers} processes"
            f" delivered to {address}"
        )
        _warn(report, settings.home)
    if report.refused:
        raise SystemExit(FAILED)


def _workspace(text: str) -> str:
    try:
        return read_workspace(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} {error}", param_hint="--move") from error


def _as_json(report: DeliveryReport, address: str) -> dict[str, object]:
    return {
        "address": address,
        "producers": report.producers,
        "updates": report.updates,
        "logs": report.logs,
        "rejected": report.rejected,
        "skipped": report.skipped,
        "set_aside": [str(path) for path in report.set_aside],
        "refused": [asdict(refusal) for refusal in report.refused],
    }


def _warn(report: DeliveryReport, home: Path) -> None:
    if report.rejected:
        rejected = home / "outbox" / "rejected.jsonl"
        note(f"{report.rejected} updates were refused: see {rejected}")
    for path in report.set_aside:
        note(f"an unreadable part was moved to {path}")
    for warning in report.warnings:
        note(warning)
    if report.skipped:
        note(f"{report.skipped} outboxes are for another server: --everything delivers them here")
