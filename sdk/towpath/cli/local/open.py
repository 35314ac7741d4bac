"""`towpath open`."""

from __future__ import annotations

import click

from towpath._settings.current import get_settings
from towpath._transport.discovery import find_server
from towpath._transport.service import server_address
from towpath.cli.shared.errors import UNREACHABLE, CommandError
from towpath.cli.shared.session import connected


@click.command("open")
@click.argument("run", required=False)
@click.option("--url", metavar="URL", help="Address of the server's web port.")
@click.option("--print", "only_print", is_flag=True, help="Print the address; open no browser.")
def open_page(run: str | None, url: str | None, *, only_print: bool) -> None:
    """Open the web page, or the page of a run, in the browser."""
    base = (url or _web_address()).rstrip("/")
    address = base
    if run:
        with connected() as client:
            address = f"{base}/runs/{client.run(run).id}"
    click.echo(address)
    if not only_print:
        click.launch(address)


def _web_address() -> str:
    """The web address of the server that runs on this home.

    Raises:
        CommandError: None runs, or commands call another server, whose web port isn't known.
    """
    settings = get_settings()
    found = find_server(settings.home)
    address = server_address(settings)
    if found is not None and (not address or address == found.grpc):
        return found.web
    if address:
        raise CommandError(
            f"the address of the web port of {address} isn't known here",
            hint="give it with --url, such as --url https://towpath.example.com",
            code="UNAVAILABLE",
            exit_code=UNREACHABLE,
        )
    raise CommandError(
        "no server runs on this home",
        hint="start one with `towpath server start`",
        code="UNAVAILABLE",
        exit_code=UNREACHABLE,
    )
