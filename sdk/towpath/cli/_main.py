"""The groups of the command, each loaded when it is asked for, and how errors end."""

from __future__ import annotations

import difflib
import os
import sys
from importlib import import_module
from importlib.metadata import entry_points, version
from typing import Any, Final

import click

from towpath.exceptions import TowpathError

_GROUPS: Final = {
    "run": ("towpath.cli._runs", "See what runs did, and why."),
    "flow": ("towpath.cli._flows", "See which flows there are."),
}


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *_GROUPS, "server"})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _GROUPS:
            command: click.Command = import_module(_GROUPS[cmd_name][0]).group
            return command
        if cmd_name == "server":
            return _server_group()
        return super().get_command(ctx, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and self.get_command(ctx, args[0]) is None:
            close = difflib.get_close_matches(args[0], self.list_commands(ctx), 1)
            hint = f" Did you mean {close[0]!r}?" if close else " See `towpath --help`."
            raise click.UsageError(f"there is no command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        rows = {name: text for name, (_, text) in _GROUPS.items()}
        rows["server"] = "Run the Towpath service."
        rows |= {name: command.get_short_help_str() for name, command in self.commands.items()}
        with formatter.section("Commands"):
            formatter.write_dl(sorted(rows.items()))


def _server_group() -> click.Command | None:
    for entry_point in entry_points(group="towpath.cli", name="server"):
        try:
            command: click.Command = entry_point.load()
        except ImportError as error:
            raise click.UsageError(
                f"the service is not installed ({error}): pip install 'towpath[service]'"
            ) from None
        return command
    return None


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Towpath: runs of Python flows and tasks, tracked."""


@cli.command("version")
def show_version() -> None:
    """Print the version."""
    click.echo(version("towpath"))


@cli.command()
@click.option("--everything", is_flag=True, help="Also what was meant for another server.")
def sync(*, everything: bool) -> None:
    """Deliver what waits in the outboxes of this home."""
    # Only this command needs the transports.
    from towpath._delivery.takeover import deliver_waiting  # noqa: PLC0415
    from towpath.client._connect import open_transport  # noqa: PLC0415
    from towpath.settings import get_settings  # noqa: PLC0415

    settings = get_settings()
    transport = open_transport(settings)
    try:
        report = deliver_waiting(settings.home, transport, everything=everything)
    finally:
        transport.close()
    click.echo(
        f"{report.updates} updates and {report.logs} log lines of {report.producers} processes"
        f" delivered to {transport.address}"
    )
    if report.rejected:
        rejected = settings.home / "outbox" / "rejected.jsonl"
        click.echo(f"{report.rejected} updates were refused: see {rejected}", err=True)
    for path in report.set_aside:
        click.echo(f"what could not be read was set aside: {path}", err=True)
    if report.skipped:
        click.echo(
            f"{report.skipped} outboxes are for another server: --everything delivers them here",
            err=True,
        )


def main() -> None:
    """Runs the command; its exit codes are documented in docs/guides/command-line.md."""
    try:
        code: Any = cli.main(standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.exceptions.Abort:
        sys.exit(130)
    except KeyboardInterrupt:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except TowpathError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(_exit_code(error))


def _exit_code(error: TowpathError) -> int:
    codes = {
        "NotFound": 3,
        "NotSignedIn": 4,
        "Conflict": 5,
        "ServerUnreachable": 6,
        "NotATowpathServer": 6,
        "InvalidRequest": 2,
    }
    return codes.get(type(error).__name__, 1)
