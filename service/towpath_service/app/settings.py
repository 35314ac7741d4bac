"""What a server is started with."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from towpath_service.runs.application.retention import Keep
from towpath_service.runs.rpc.ingest_handler import StreamTimes

if TYPE_CHECKING:
    from pathlib import Path

    from towpath_service.database.postgres_url import PostgresUrl


FIRST_OWNER: Final = "owner@localhost"


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """Files in PEM format; they are read again when they change."""

    certificate: Path
    """The server's certificate, and those that lead to its authority."""
    key: Path
    client_authority: Path | None = None
    """Authority that callers' own certificates must come from; None when they need none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """Settings of one server process."""

    home: Path
    """The Towpath home whose outboxes it takes in and to whose processes it announces itself."""
    database: Path | PostgresUrl
    host: str = "127.0.0.1"
    port: int = 4200
    """For gRPC; 0 takes a free one."""
    web_port: int = 4201
    """For HTTP; 0 takes a free one."""
    insecure: bool = False
    """Listen beyond loopback although nobody is asked who they are."""
    grace_seconds: float = 5.0
    """Longest wait for calls under way when the server stops."""
    intake_seconds: float = 10.0
    """Pause between two looks for outboxes that ended processes left behind."""
    keep: Keep = field(default_factory=Keep)
    """For how long what is recorded is kept."""
    times: StreamTimes = field(default_factory=StreamTimes)
    key_file: Path | None = None
    """Where the key is that the service's secrets are sealed with; None for that of the home."""
    auth: bool = False
    """Switch identity on, if it isn't."""
    owner: str = FIRST_OWNER
    """E-mail address of the first owner, should there be none."""
    cloud: bool = False
    """Refuse to run without identity, TLS and PostgreSQL."""
    tls: TlsFiles | None = None
    """Certificate and key of both ports; None for plain text."""
    tls_proxy: bool = False
    """Whether a proxy stands before the ports that callers speak TLS with, and tells where
    they call from."""
    private_issuers: bool = False
    """Whether issuers that tenants trust may be on this machine and on private networks."""
    public_url: str | None = None
    """Where others reach the web port: the issuer of access tokens; None if that was not said."""
    metrics: bool = False
    """Whether to give metrics at /metrics of the web port."""


def seen_from_here(host: str) -> str:
    """The address by which processes of this machine reach what listens on a host."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if not address.is_unspecified:
        return host
    return "127.0.0.1" if address.version == 4 else "::1"  # noqa: PLR2004 - IP's


def is_loopback(host: str) -> bool:
    """Whether a host is this machine alone."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
