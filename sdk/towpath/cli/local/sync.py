"""`towpath sync`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from towpath.cli.shared.output import print_json, text_output
from towpath.cli.shared.session import checked_settings, note, progress

if TYPE_CHECKING:
    from pathlib import Path

    from towpath._delivery.takeover import DeliveryReport


@click.command()
@click.option("--everything", is_flag=True, help="Deliver outboxes of other servers, too.")
@text_output
def sync(output: str, *, everything: bool) -> None:
    """Deliver the reports that wait in the outboxes of this home."""
    # gRPC would slow down `--help`.
    from towpath._delivery.takeover import deliver_waiting  # noqa: PLC0415 - it loads gRPC
    from towpath.client._connect import open_client  # noqa: PLC0415 - it loads gRPC

    settings = checked_settings()
    with open_client(settings) as client, progress("delivering", unit="reports") as shown:

        def on_progress(reports: int, left: int) -> None:
            shown.advance(reports)
            shown.remark = f"{left} outboxes left" if left > 1 else "1 outbox left"

        report = deliver_waiting(
            settings.home, client.transport, everything=everything, on_progress=on_progress
        )
        address = client.transport.address
    if output == "json":
        print_json(_as_json(report, address))
        return
    click.echo(
        f"{report.updates} updates and {report.logs} log lines of {report.producers} processes"
        f" delivered to {address}"
    )
    _warn(report, settings.home)


def _as_json(report: DeliveryReport, address: str) -> dict[str, object]:
    return {
        "address": address,
        "producers": report.producers,
        "updates": report.updates,
        "logs": report.logs,
        "rejected": report.rejected,
        "skipped": report.skipped,
        "set_aside": [str(path) for path in report.set_aside],
    }


def _warn(report: DeliveryReport, home: Path) -> None:
    if report.rejected:
        rejected = home / "outbox" / "rejected.jsonl"
        note(f"{report.rejected} updates were refused: see {rejected}")
    for path in report.set_aside:
        note(f"an unreadable part was moved to {path}")
    if report.skipped:
        note(f"{report.skipped} outboxes are for another server: --everything delivers them here")
