"""`towpath sync`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from towpath.cli.shared.session import note, print_json, settings_in_force, text_output

if TYPE_CHECKING:
    from pathlib import Path

    from towpath._delivery.takeover import DeliveryReport


@click.command()
@click.option("--everything", is_flag=True, help="Also what was meant for another server.")
@text_output
def sync(output: str, *, everything: bool) -> None:
    """Deliver what waits in the outboxes of this home."""
    # The transports are slow to load, and `--help` needs none.
    from towpath._delivery.takeover import deliver_waiting  # noqa: PLC0415 - see above
    from towpath.client._connect import open_transport  # noqa: PLC0415 - see above

    settings = settings_in_force()
    transport = open_transport(settings)
    try:
        report = deliver_waiting(settings.home, transport, everything=everything)
    finally:
        transport.close()
    if output == "json":
        print_json(_as_json(report, transport.address))
        return
    click.echo(
        f"{report.updates} updates and {report.logs} log lines of {report.producers} processes"
        f" delivered to {transport.address}"
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
        note(f"what could not be read was set aside: {path}")
    if report.skipped:
        note(f"{report.skipped} outboxes are for another server: --everything delivers them here")
