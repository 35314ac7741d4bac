"""The commands of the group `towpath server`."""

from __future__ import annotations

import asyncio
from importlib import metadata
from typing import Any, Literal

import click
from towpath.settings import get_settings

from towpath_service.cli.database import database_of, database_option, db
from towpath_service.cli.identity import (
    access_options,
    init_auth,
    recover_owner,
    rotate_keys,
    tell_first_key,
)
from towpath_service.cli.retention import keep_options
from towpath_service.core.errors import ServiceError

_PORT = click.IntRange(0, 65535)


@click.group()
def server() -> None:
    """Run the Towpath service."""


server.add_command(db)
server.add_command(init_auth)
server.add_command(recover_owner)
server.add_command(rotate_keys)


@server.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=4200, type=_PORT, show_default=True, help="Port for gRPC; 0 takes a free one."
)
@click.option(
    "--web-port",
    default=4201,
    type=_PORT,
    show_default=True,
    help="Port for HTTP; 0 takes a free one.",
)
@database_option
@keep_options
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How the server's own log looks.",
)
@click.option(
    "--metrics",
    is_flag=True,
    help="Give metrics for Prometheus at /metrics of the web port.",
)
@access_options
@click.option(
    "--insecure",
    is_flag=True,
    help="Listen beyond this machine although nobody is asked who it is, or in plain text.",
)
def start(
    host: str,
    port: int,
    web_port: int,
    database: str | None,
    *,
    keep_runs: float | None,
    keep_transitions: float | None,
    keep_logs: float | None,
    log_format: Literal["text", "json"],
    metrics: bool,
    insecure: bool,
    access: dict[str, Any],
) -> None:
    """Start the service: gRPC and HTTP, one process, no set-up."""
    # The service is heavy, and `--help` needs none of it.
    from towpath_service.app.server import serve  # noqa: PLC0415 - see above
    from towpath_service.app.settings import ServerSettings  # noqa: PLC0415 - see above
    from towpath_service.database.database_urls import location_of  # noqa: PLC0415 - see above
    from towpath_service.runs.application.retention import Keep  # noqa: PLC0415 - see above
    from towpath_service.telemetry.logs import set_up_logs  # noqa: PLC0415 - see above

    home = get_settings().home
    settings = ServerSettings(
        home=home,
        database=database_of(database, home),
        host=host.strip("[]"),
        port=port,
        web_port=web_port,
        insecure=insecure,
        **access,
        metrics=metrics,
        keep=Keep(runs=keep_runs, transitions=keep_transitions, logs=keep_logs),
    )
    set_up_logs(log_format)

    def started(grpc_address: str, web_address: str) -> None:
        click.echo(
            f"Towpath {metadata.version('towpath')} - gRPC {grpc_address} - web {web_address}"
            f" - database {location_of(settings.database)} - Ctrl-C stops"
        )

    try:
        asyncio.run(serve(settings, started, tell_first_key))
    except ServiceError as error:
        if error.reason == "EXPOSED":
            raise click.UsageError(error.message) from None
        raise click.ClickException(error.message) from None
    except OSError as error:
        raise click.ClickException(
            f"can't use {error.filename or home}: {error.strerror or error}. Free it, or point"
            " TOWPATH_HOME elsewhere."
        ) from None
