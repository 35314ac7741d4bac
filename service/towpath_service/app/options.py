"""The options of a server, each declared once on the field that carries it.

`towpath server start` and its sister commands take them; the parts of the server read them. A part
is checked when it is made, so that no reader has to.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from towpath_service.app.ages import parse_age, show_age
from towpath_service.app.declarations import (
    Choice,
    File,
    Flag,
    Text,
    Whole,
    option,
    options_of,
)
from towpath_service.app.identity.public_url import parse_public_url
from towpath_service.core.errors import ServiceError
from towpath_service.identity.domain.principals import parse_email
from towpath_service.runs.domain.retention import Keep

if TYPE_CHECKING:
    from pathlib import Path

    from towpath_service.database.postgres_url import PostgresUrl
    from towpath_service.runs.rpc.ingest_handler import StreamTimes

_PORT: Final = Whole(0, 65535)
_AGE: Final = Text("AGE", parse_age, show_age)


def _bare_host(text: str) -> str:
    """A host without the brackets that URLs put around IPv6 addresses."""
    return text.strip("[]")


def _owner(text: str) -> str:
    try:
        return parse_email(text, "owner")
    except ServiceError as error:
        raise ValueError(error.violations[0].description) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseOptions:
    """The database that a command works on."""

    database: str | None = field(
        default=None,
        metadata=option(
            Text("FILE|URL"),
            "SQLite file, sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE.",
            page="guides/database.md",
            variable=True,
            derived_default="towpath.db in the Towpath home",
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessOptions:
    """The part of the service that a process does, and how it ends."""

    role: Literal["all", "api", "background"] = field(
        default="all",
        metadata=option(
            Choice(("all", "api", "background")),
            "Part of the service that this process does: api answers calls; background plans"
            " schedules and backfills and removes old records.",
            page="guides/kubernetes.md",
        ),
    )
    drain_wait: int = field(
        default=0,
        metadata=option(
            Whole(0, 300),
            "Seconds for which a server that was told to stop still answers, while its health"
            " checks fail.",
            page="guides/kubernetes.md",
        ),
    )

    @property
    def answers_calls(self) -> bool:
        """Whether the process serves rpcs and the web UI."""
        return self.role != "background"

    @property
    def works_in_background(self) -> bool:
        """Whether the process runs the loops that work for the whole installation."""
        return self.role != "api"


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """Files in PEM format; they are read again when they change."""

    certificate: Path
    """The server's certificate, and those that lead to its authority."""
    key: Path
    """The private key of that certificate."""
    client_authority: Path | None = None
    """Authority that must have signed the certificates of clients; None when they need none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerOptions:
    """The addresses of both ports, and their TLS files.

    Raises:
        ValueError: Options that belong together aren't given together.
    """

    host: str = field(
        default="127.0.0.1",
        metadata=option(
            Text("TEXT", _bare_host), "Address to listen on.", page="guides/command-line.md"
        ),
    )
    port: int = field(
        default=4200,
        metadata=option(_PORT, "Port for gRPC; 0 takes a free one.", page="guides/command-line.md"),
    )
    web_port: int = field(
        default=4201,
        metadata=option(_PORT, "Port for HTTP; 0 takes a free one.", page="guides/command-line.md"),
    )
    no_ui: bool = field(
        default=False,
        metadata=option(
            Flag(), "Leave out the web UI: the web port serves rpcs only.", page="guides/web.md"
        ),
    )
    tls_cert: Path | None = field(
        default=None,
        metadata=option(
            File(),
            "Certificate chain of both ports, PEM; read again when it changes.",
            page="guides/tls.md",
            variable=True,
        ),
    )
    tls_key: Path | None = field(
        default=None,
        metadata=option(
            File(), "Private key of --tls-cert, PEM.", page="guides/tls.md", variable=True
        ),
    )
    tls_client_ca: Path | None = field(
        default=None,
        metadata=option(
            File(),
            "Authority that must have signed the certificates of clients, PEM.",
            page="guides/tls.md",
            variable=True,
        ),
    )
    insecure: bool = field(
        default=False,
        metadata=option(
            Flag(),
            "Allow listening beyond this machine without identity or without TLS.",
            page="guides/tls.md",
        ),
    )

    def __post_init__(self) -> None:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("--tls-cert and --tls-key belong together: give both")
        if self.tls_client_ca is not None and self.tls_cert is None:
            raise ValueError("--tls-client-ca needs --tls-cert and --tls-key")

    @property
    def tls(self) -> TlsFiles | None:
        """The files of both ports; None for plain text."""
        if self.tls_cert is None or self.tls_key is None:
            return None
        return TlsFiles(
            certificate=self.tls_cert, key=self.tls_key, client_authority=self.tls_client_ca
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityOptions:
    """Options of identity: owner, keys, proxy and public URL."""

    auth: bool = field(
        default=False,
        metadata=option(
            Flag(), "Switch identity on: callers need keys.", page="guides/identity.md"
        ),
    )
    owner: str = field(
        default="owner@localhost",
        metadata=option(
            Text("EMAIL", _owner),
            "E-mail address of the first owner, when there is none yet.",
            page="guides/identity.md",
        ),
    )
    key_file: Path | None = field(
        default=None,
        metadata=option(
            File(),
            "File with the key that seals the service's secrets.",
            page="guides/identity.md",
            variable=True,
            derived_default="server.key in the Towpath home",
        ),
    )
    cloud: bool = field(
        default=False,
        metadata=option(
            Flag(), "Refuse to run without identity, TLS and PostgreSQL.", page="guides/cloud.md"
        ),
    )
    behind_tls_proxy: bool = field(
        default=False,
        metadata=option(
            Flag(),
            "A proxy terminates TLS for this server, and adds the caller's address to"
            " X-Forwarded-For.",
            page="guides/tls.md",
        ),
    )
    private_issuers: bool = field(
        default=False,
        metadata=option(
            Flag(),
            "Allow issuers of tokens on this machine and on private networks.",
            page="guides/identity.md",
        ),
    )
    public_url: str | None = field(
        default=None,
        metadata=option(
            Text("URL", parse_public_url),
            "URL at which clients reach the web port: the issuer of access tokens, the same for all"
            " replicas.",
            page="guides/cloud.md",
            variable=True,
        ),
    )

    @property
    def endless_keys(self) -> bool:
        """Whether the successor of an API key without an end has none either, in the first tenant.

        On a server that is open to the internet, a key that is rotated gets an end.
        """
        return not self.cloud


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionOptions:
    """Retention periods of records: seconds; None for ever."""

    keep_runs: float | None = field(
        default=Keep().runs,
        metadata=option(
            _AGE,
            "How long to keep runs, with all that belongs to them, after the end of the whole flow"
            " run; 12h, 90d or forever.",
            page="guides/database.md",
            variable=True,
        ),
    )
    keep_transitions: float | None = field(
        default=Keep().transitions,
        metadata=option(
            _AGE,
            "How long to keep the histories of ended runs; 12h, 90d or forever.",
            page="guides/database.md",
            variable=True,
        ),
    )
    keep_logs: float | None = field(
        default=Keep().logs,
        metadata=option(
            _AGE,
            "How long to keep log lines; 12h, 90d or forever.",
            page="guides/database.md",
            variable=True,
        ),
    )

    @property
    def keep(self) -> Keep:
        """The periods in the form that retention takes."""
        return Keep(runs=self.keep_runs, transitions=self.keep_transitions, logs=self.keep_logs)


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryOptions:
    """The server's log format and metrics."""

    log_format: Literal["text", "json"] = field(
        default="text",
        metadata=option(
            Choice(("text", "json")), "Format of the server's own log.", page="observability.md"
        ),
    )
    metrics: bool = field(
        default=False,
        metadata=option(
            Flag(),
            "Serve metrics for Prometheus at /metrics of the web port.",
            page="observability.md",
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """All options of one server process."""

    home: Path
    """The Towpath home, whose outboxes it delivers and whose processes find it there."""
    database: Path | PostgresUrl
    """The database."""
    process: ProcessOptions = field(default_factory=ProcessOptions)
    listener: ListenerOptions = field(default_factory=ListenerOptions)
    identity: IdentityOptions = field(default_factory=IdentityOptions)
    retention: RetentionOptions = field(default_factory=RetentionOptions)
    telemetry: TelemetryOptions = field(default_factory=TelemetryOptions)
    times: StreamTimes | None = None
    """Lifetimes of streams and timeouts of producers; None for the default. No command sets it."""

    @property
    def over_tls(self) -> bool:
        """Whether clients speak TLS, with this server or with a proxy before it."""
        return self.listener.tls is not None or self.identity.behind_tls_proxy


SERVER_OPTIONS: Final = tuple(
    declared
    for part in (
        ProcessOptions,
        ListenerOptions,
        DatabaseOptions,
        IdentityOptions,
        RetentionOptions,
        TelemetryOptions,
    )
    for declared in options_of(part)
)
"""The declarations of all options of `towpath server start`, for the reference."""
