"""Every setting, declared once: a field of `Settings`, with its declaration as metadata.

Files, variables, `towpath config`, `towpath doctor` and the reference of settings read the
declarations; code that runs reads the fields.
"""

from __future__ import annotations

import difflib
from dataclasses import MISSING, dataclass, field, fields
from typing import TYPE_CHECKING, Final, Literal

from towpath._settings.declaration import METADATA_KEY, Setting, Value, setting
from towpath._settings.of_runs import RunSettings
from towpath._settings.readers import (
    one_of,
    read_address,
    read_api_key,
    read_count,
    read_file,
    read_flag,
    read_home,
    read_pool,
    read_seconds,
    read_tenant,
    read_trace_url,
    read_web_address,
    read_worker,
    read_workspace,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

ENVIRONMENT_PREFIX: Final = "TOWPATH_"
STAND_IN_PREFIX: Final = "TOWPATH_SECRET_"
"""Prefix of variables that replace secrets of the service; they are no settings."""
PROFILE_VARIABLE: Final = "TOWPATH_PROFILE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(RunSettings):
    """The settings of this process; the help of its declaration explains each attribute."""

    home: Path = field(
        metadata=setting(
            "home",
            "TOWPATH_HOME",
            read_home,
            "Folder of the outboxes, the local database and, when set, of config.toml.",
            page="guides/command-line.md",
            scope="process",
        )
    )
    server_address: str = field(
        default="",
        metadata=setting(
            "server.address",
            "TOWPATH_SERVER_ADDRESS",
            read_address,
            "host:port of the service's gRPC port; empty: the server on the home, if one runs.",
            page="guides/command-line.md",
            scope="profile",
        ),
    )
    server_web_address: str = field(
        default="",
        metadata=setting(
            "server.web_address",
            "TOWPATH_SERVER_WEB_ADDRESS",
            read_web_address,
            "URL of the service's web port, which forked processes report to; empty: the host of"
            " the gRPC port, at the next port.",
            page="guides/delivery.md",
            scope="profile",
        ),
    )
    api_key: str = field(
        default="",
        repr=False,
        metadata=setting(
            "server.api_key",
            "TOWPATH_API_KEY",
            read_api_key,
            "API key to call the service with.",
            page="guides/identity.md",
            scope="profile",
            secret=True,
        ),
    )
    api_key_file: Path | None = field(
        default=None,
        metadata=setting(
            "server.api_key_file",
            "TOWPATH_API_KEY_FILE",
            read_file,
            "File that holds the API key, read anew whenever a token is needed.",
            page="guides/identity.md",
            scope="profile",
        ),
    )
    token_file: Path | None = field(
        default=None,
        metadata=setting(
            "server.token_file",
            "TOWPATH_TOKEN_FILE",
            read_file,
            "File with a token of Kubernetes, or of another issuer that the tenant trusts.",
            page="guides/identity.md",
            scope="profile",
        ),
    )
    run_token_file: Path | None = field(
        default=None,
        metadata=setting(
            "server.run_token_file",
            "TOWPATH_RUN_TOKEN_FILE",
            read_file,
            "File with the access token of a worker's run, which the worker replaces.",
            page="guides/workers.md",
            scope="process",
        ),
    )
    tenant: str = field(
        default="",
        metadata=setting(
            "server.tenant",
            "TOWPATH_TENANT",
            read_tenant,
            "Tenant to sign in to, or that trusts the token of the file; empty: the first one.",
            page="guides/identity.md",
            scope="profile",
        ),
    )
    sign_in_file: Path | None = field(
        default=None,
        metadata=setting(
            "server.sign_in_file",
            "TOWPATH_SIGN_IN_FILE",
            read_file,
            "File of a login; `towpath login` makes it.",
            page="guides/identity.md",
            scope="profile",
        ),
    )
    server_tls: Literal["auto", "on", "off"] = field(
        default="auto",
        metadata=setting(
            "server.tls",
            "TOWPATH_SERVER_TLS",
            one_of("auto", "on", "off"),
            "Speak TLS: auto (with a key, beyond this machine), on or off.",
            page="guides/tls.md",
            scope="profile",
        ),
    )
    server_ca_file: Path | None = field(
        default=None,
        metadata=setting(
            "server.ca_file",
            "TOWPATH_SERVER_CA_FILE",
            read_file,
            "Authorities the service's certificate may come from, PEM; else public ones.",
            page="guides/tls.md",
            scope="profile",
        ),
    )
    server_client_cert: Path | None = field(
        default=None,
        metadata=setting(
            "server.client_cert",
            "TOWPATH_SERVER_CLIENT_CERT",
            read_file,
            "Certificate of your own, where the service asks for one, PEM.",
            page="guides/tls.md",
            scope="profile",
        ),
    )
    server_client_key: Path | None = field(
        default=None,
        metadata=setting(
            "server.client_key",
            "TOWPATH_SERVER_CLIENT_KEY",
            read_file,
            "Private key of server.client_cert, PEM.",
            page="guides/tls.md",
            scope="profile",
        ),
    )
    workspace: str = field(
        default="default",
        metadata=setting(
            "workspace",
            "TOWPATH_WORKSPACE",
            read_workspace,
            "Id of the workspace that runs are in.",
            page="guides/identity.md",
        ),
    )
    require_server: bool = field(
        default=False,
        metadata=setting(
            "server.require",
            "TOWPATH_REQUIRE_SERVER",
            read_flag,
            "Fail a flow at once when no server can be reached.",
            page="guides/delivery.md",
        ),
    )
    outbox_fsync: Literal["never", "flush", "always"] = field(
        default="flush",
        metadata=setting(
            "outbox.fsync",
            "TOWPATH_OUTBOX_FSYNC",
            one_of("never", "flush", "always"),
            "When the outbox is forced to the disk: never, flush (at the end) or always.",
            page="guides/delivery.md",
        ),
    )
    flush_timeout_seconds: float = field(
        default=10.0,
        metadata=setting(
            "flush_timeout_seconds",
            "TOWPATH_FLUSH_TIMEOUT_SECONDS",
            read_seconds,
            "Longest wait, in seconds, at the end of a process for unsent reports.",
            page="guides/delivery.md",
        ),
    )
    log_level: str = field(
        default="INFO",
        metadata=setting(
            "log.level",
            "TOWPATH_LOG_LEVEL",
            one_of("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"),
            "Least serious level of log lines kept and shown.",
            page="guides/flows-and-tasks.md",
        ),
    )
    display: Literal["auto", "live", "plain", "quiet"] = field(
        default="auto",
        metadata=setting(
            "display",
            "TOWPATH_DISPLAY",
            one_of("auto", "live", "plain", "quiet"),
            "How a running flow shows itself in the terminal: auto, live, plain or quiet.",
            page="guides/display.md",
        ),
    )
    limits_on_unreachable: Literal["wait", "proceed"] = field(
        default="wait",
        metadata=setting(
            "limits.on_unreachable",
            "TOWPATH_LIMITS_ON_UNREACHABLE",
            one_of("wait", "proceed"),
            "What code does that needs slots of a limit while the service is away: wait, or proceed"
            " without them.",
            page="guides/limits.md",
        ),
    )
    deploy_pool: str = field(
        default="",
        metadata=setting(
            "deploy.pool",
            "TOWPATH_DEPLOY_POOL",
            read_pool,
            "Work pool of deployments that name none.",
            page="guides/deployments.md",
        ),
    )
    image_tool: Literal["auto", "docker", "podman", "buildah"] = field(
        default="auto",
        metadata=setting(
            "deploy.image_tool",
            "TOWPATH_DEPLOY_IMAGE_TOOL",
            one_of("auto", "docker", "podman", "buildah"),
            "Program that builds images: docker, podman, buildah, or auto for the first there is.",
            page="guides/deployments.md",
        ),
    )
    pause_on_shutdown: bool = field(
        default=False,
        metadata=setting(
            "serve.pause_on_shutdown",
            "TOWPATH_SERVE_PAUSE_ON_SHUTDOWN",
            read_flag,
            "Pause what a script serves when the script ends.",
            page="guides/serve.md",
        ),
    )
    worker_pool: str = field(
        default="",
        metadata=setting(
            "worker.pool",
            "TOWPATH_WORKER_POOL",
            read_pool,
            "Work pool that `towpath worker start` serves.",
            page="guides/workers.md",
        ),
    )
    worker_name: str = field(
        default="",
        metadata=setting(
            "worker.name",
            "TOWPATH_WORKER_NAME",
            read_worker,
            "Id of the worker; empty for one that follows from the machine and the pool.",
            page="guides/workers.md",
        ),
    )
    worker_limit: int = field(
        default=8,
        metadata=setting(
            "worker.limit",
            "TOWPATH_WORKER_LIMIT",
            read_count,
            "Most runs that a worker executes at a time.",
            page="guides/workers.md",
        ),
    )
    worker_grace_seconds: float = field(
        default=30.0,
        metadata=setting(
            "worker.grace_seconds",
            "TOWPATH_WORKER_GRACE_SECONDS",
            read_seconds,
            "Time that runs have to end after their worker is asked to stop.",
            page="guides/workers.md",
        ),
    )
    join_caller_trace: bool = field(
        default=False,
        metadata=setting(
            "telemetry.join_caller",
            "TOWPATH_TELEMETRY_JOIN_CALLER",
            read_flag,
            "Make a flow part of the trace it is called in, not a trace of its own with a link.",
            page="observability.md",
        ),
    )
    trace_url: str = field(
        default="",
        metadata=setting(
            "telemetry.trace_url",
            "TOWPATH_TELEMETRY_TRACE_URL",
            read_trace_url,
            "URL of a trace in your viewer, with {trace_id} in it; run inspect shows it.",
            page="observability.md",
        ),
    )

    @property
    def has_credentials(self) -> bool:
        """Whether a setting gives credentials."""
        return bool(
            self.run_token_file
            or self.api_key
            or self.api_key_file
            or self.token_file
            or self.sign_in_file
        )


def _declared() -> tuple[Setting, ...]:
    found: list[Setting] = []
    for each in fields(Settings):
        name, variable, read, help_text, page, scope, secret = each.metadata[METADATA_KEY]
        found.append(
            Setting(
                name=name,
                attribute=each.name,
                variable=variable,
                read=read,
                default=None if each.default is MISSING else each.default,
                scope=scope,
                secret=secret,
                help=help_text,
                page=page,
            )
        )
    return tuple(found)


SETTINGS: Final = _declared()

TOLERATED: Final = frozenset(
    {
        *("display", "log.level", "log.prints", "outbox.fsync", "flush_timeout_seconds"),
        *("flow.retries", "flow.retry_delay_seconds", "task.retries", "task.retry_delay_seconds"),
        *("task.runner", "task.max_workers", "results.persist", "results.cache"),
        *("telemetry.join_caller", "telemetry.trace_url", "limits.on_unreachable"),
        *("deploy.pool", "deploy.image_tool", "serve.pause_on_shutdown"),
        *("worker.pool", "worker.name", "worker.limit", "worker.grace_seconds"),
    }
)
"""Settings of which a wrong value stops no run: the default does, which is said once.

The others decide where reports go, and as whom: a default could send them elsewhere.
"""

CREDENTIALS: Final = (
    *("server.api_key", "server.api_key_file"),
    *("server.token_file", "server.sign_in_file", "server.run_token_file"),
)
"""Settings that give credentials: only those of the strongest layer count."""

BY_NAME: Final = {setting.name: setting for setting in SETTINGS}
VARIABLES: Final = (PROFILE_VARIABLE, *(setting.variable for setting in SETTINGS))


def suggestion(wrong: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """Returns the known name most similar to a wrong one; empty when none is similar enough."""
    close = difflib.get_close_matches(wrong, list(known), 1, cutoff)
    return close[0] if close else ""


def masked(setting: Setting, value: Value) -> str:
    """Returns a value's text for display, masked if it is secret."""
    if setting.secret and value:
        return "********"
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
