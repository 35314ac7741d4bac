"""Opens transports from settings: the address, TLS, and the caller's credentials."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from towpath._transport.discovery import find_server
from towpath._transport.security import is_local, refuse_plaintext_credentials, tls_of

if TYPE_CHECKING:
    from towpath._settings.declared import Settings
    from towpath._transport.base import Transport
    from towpath._transport.sources import Source


def open_grpc(settings: Settings, address: str, *, anonymous: bool = False) -> Transport:
    """Opens a transport over gRPC.

    Args:
        settings: The current settings.
        address: "host:port".
        anonymous: Send no credentials; the connection is secured all the same.

    Raises:
        ConfigurationError: The key would go over the network in plain text, or a file named in the
            settings can't be read.
    """
    # A process that reports to its outbox only, without a server, never loads gRPC.
    from towpath._transport.grpc import GrpcTransport  # noqa: PLC0415 - loads gRPC

    found = find_server(settings.home)
    announced = found is not None and found.grpc == address and found.speaks_tls
    tls = tls_of(settings, address, announced=announced)
    source = None if anonymous else source_of(settings, address)
    if tls is None and source is not None:
        refuse_plaintext_credentials(address)
    return GrpcTransport(address, tls=tls, source=source)


def open_connect(settings: Settings, web_address: str) -> Transport:
    """Opens a transport over HTTP to "http://127.0.0.1:4201"; raises as `open_grpc`."""
    from towpath._transport.connect import ConnectTransport  # noqa: PLC0415 - forked children only

    url = urlsplit(web_address)
    tls = tls_of(settings, url.netloc, announced=True) if url.scheme == "https" else None
    source = source_of(settings, url.netloc)
    if tls is None and source is not None:
        refuse_plaintext_credentials(url.netloc)
    return ConnectTransport(web_address, tls=tls, source=source)


def source_of(settings: Settings, address: str) -> Source | None:
    """Returns the source of access tokens for a server; None for calls without credentials."""
    if not settings.has_credentials:
        return None
    # The exchange of tokens needs messages of the contract, which take long to load.
    from towpath._transport import sources  # noqa: PLC0415 - loads protobuf

    if settings.run_token_file is not None:
        return sources.RunTokenSource(settings.run_token_file)
    if settings.api_key or settings.api_key_file is not None:
        return sources.ApiKeySource(settings.api_key, settings.api_key_file)
    if settings.token_file is not None:
        return sources.TokenFileSource(settings.token_file, settings.tenant)
    assert settings.sign_in_file is not None
    return sources.SignInSource(settings.sign_in_file, host_of(address))


def host_of(address: str) -> str:
    """Returns the host of "host:port"; one name for all addresses of this machine."""
    return "localhost" if is_local(address) else address.rpartition(":")[0].strip("[]")
