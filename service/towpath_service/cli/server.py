"""The group `towpath server`, and the command that starts a server."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import click
from towpath.settings import get_settings

from towpath_service.app.options import (
    DatabaseOptions,
    IdentityOptions,
    ListenerOptions,
    ProcessOptions,
    RetentionOptions,
    ServerOptions,
    TelemetryOptions,
)
from towpath_service.cli.database import db
from towpath_service.cli.database_option import parsed_database
from towpath_service.cli.identity import init_auth, recover_owner, rotate_keys, show_first_key
from towpath_service.cli.options import takes
from towpath_service.core.errors import ServiceError


@click.group()
def server() -> None:
    """Run the Towpath service."""


server.add_command(db)
server.add_command(init_auth)
server.add_command(recover_owner)
server.add_command(rotate_keys)


@server.command()
@takes(ProcessOptions, "process")
@takes(ListenerOptions, "listener")
@takes(DatabaseOptions, "database")
@takes(IdentityOptions, "identity")
@takes(RetentionOptions, "retention")
@takes(TelemetryOptions, "telemetry")
def start(
    process: ProcessOptions,
    listener: ListenerOptions,
    database: DatabaseOptions,
    identity: IdentityOptions,
    retention: RetentionOptions,
    telemetry: TelemetryOptions,
) -> None:
    """Start the server: gRPC and HTTP in one process, without set-up.

    With --role, processes on one PostgreSQL database share the work: api answers calls, judges
    silent runs and dispatches; background plans schedules and backfills and removes old records.
    Several of each may run.
    """
    from towpath_service.app.server import run_server  # noqa: PLC0415 - the whole service, 1 s

    home = get_settings().home
    options = ServerOptions(
        home=home,
        database=parsed_database(database, home),
        process=process,
        listener=listener,
        identity=identity,
        retention=retention,
        telemetry=telemetry,
    )
    if process.role != "all" and isinstance(options.database, Path):
        raise click.UsageError(
            f"--role {process.role} leaves the rest to other processes, which can't share a file:"
            " give --database postgresql://..., or leave --role out"
        )
    try:
        run_server(options, _show_addresses, show_first_key)
    except ServiceError as error:
        if error.reason == "EXPOSED":
            raise click.UsageError(error.message) from None
        raise click.ClickException(error.message) from None
    except OSError as error:
        raise _unusable_path(error, home) from None


def _show_addresses(grpc_address: str, web_address: str, database: str) -> None:
    calls = f"gRPC {grpc_address}" if grpc_address else "background"
    click.echo(
        f"Towpath {metadata.version('towpath')} - {calls} - web {web_address}"
        f" - database {database} - Ctrl-C stops"
    )


def _unusable_path(error: OSError, home: Path) -> click.ClickException:
    return click.ClickException(
        f"can't use {error.filename or home}: {error.strerror or error}. Free it, or point"
        " TOWPATH_HOME elsewhere."
    )
