"""The service and the server embedded in this process, if they are installed."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from towpath.exceptions import ConfigurationError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from towpath._transport.base import Transport


def open_embedded_transport(home: Path, *, in_memory: bool = False) -> Transport:
    """Opens the service on the local database.

    Raises:
        ConfigurationError: The service isn't installed.
        RpcError: The database can't be opened.
    """
    for entry_point in entry_points(group="towpath.embedded"):
        try:
            opener = entry_point.load()
        except ImportError as error:
            raise ConfigurationError(
                f"the local database needs the service ({error}): pip install 'towpath[service]'"
            ) from error
        transport: Transport = opener(home, in_memory=in_memory)
        return transport
    raise ConfigurationError("the local database needs the service: pip install 'towpath[service]'")


def open_embedded_server(home: Path) -> AbstractContextManager[tuple[str, str]]:
    """Serves the local database on ports of this machine, within this process.

    Returns:
        A context, which gives the address of the gRPC port and the URL of the web port.

    Raises:
        ConfigurationError: The service isn't installed.
        RpcError: The database can't be opened.
    """
    for entry_point in entry_points(group="towpath.server"):
        try:
            opener = entry_point.load()
        except ImportError as error:
            raise ConfigurationError(
                f"a server in this process needs the service ({error}): pip install"
                " 'towpath[service]', or name a server in TOWPATH_SERVER_ADDRESS"
            ) from error
        opened: AbstractContextManager[tuple[str, str]] = opener(home)
        return opened
    raise ConfigurationError(
        "no server runs, and one in this process needs the service: pip install 'towpath[service]',"
        " or name a server in TOWPATH_SERVER_ADDRESS"
    )
