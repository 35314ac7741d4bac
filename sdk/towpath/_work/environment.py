"""The environment of a run's process."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from towpath._delivery.outbox import LEASE_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from towpath._settings.declared import Settings
    from towpath._work.leases import Lease

_INHERITED: Final = frozenset(
    (
        *("PATH", "HOME", "LANG", "TZ", "TMPDIR", "VIRTUAL_ENV"),
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "GRPC_PROXY", "NO_GRPC_PROXY"),
        *("http_proxy", "https_proxy", "all_proxy", "no_proxy", "grpc_proxy", "no_grpc_proxy"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
        "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
    )
)
# The locale, and the exporters of telemetry.
_PREFIXES: Final = ("LC_", "OTEL_")
_WORKERS_OWN: Final = frozenset({"OTEL_SERVICE_NAME"})
REFERENCE: Final = re.compile(
    r"\{\{\s*(?:secrets\.(?P<secret>[a-z0-9-]+)|(?:prefect\.)?variables\.(?P<variable>[a-z0-9_-]+))"
    r"\s*\}\}"
)
"""What stands for a value of the workspace, in parameters and environment variables."""


def inherited(environment: Mapping[str, str]) -> dict[str, str]:
    """Returns the variables of the worker's environment that its runs get, and no others."""
    return {
        name: value
        for name, value in environment.items()
        if name in _INHERITED or (name.startswith(_PREFIXES) and name not in _WORKERS_OWN)
    }


def environment_of(
    lease: Lease,
    settings: Settings,
    environment: Mapping[str, str],
    *,
    token_path: Path | None,
) -> tuple[dict[str, str], dict[str, str]]:
    """Returns a run's variables, from the weakest: worker, pool, deployment, run, Towpath's own.

    Args:
        lease: The lease that the run executes under.
        settings: The worker's settings, of which its runs get home, server and workspace.
        environment: The worker's own environment.
        token_path: File of the run's token; None without identity.

    Returns:
        The variables to start with, and those that name values of the workspace, which the run
        resolves itself.
    """
    # What a killed process has printed is there to be read, without what it has reported.
    chosen = {**inherited(environment), "PYTHONUNBUFFERED": "1", "TOWPATH_DISPLAY": "quiet"}
    for layer in lease.environments:
        chosen |= layer
    own = {**_of_settings(settings), **_of_lease(lease)}
    if token_path is not None:
        own["TOWPATH_RUN_TOKEN_FILE"] = str(token_path)
    naming = {name: value for name, value in chosen.items() if REFERENCE.search(value)}
    plain = {name: value for name, value in chosen.items() if name not in naming}
    return plain | own, {name: value for name, value in naming.items() if name not in own}


def _of_settings(settings: Settings) -> dict[str, str]:
    written = {
        "TOWPATH_HOME": settings.home,
        "TOWPATH_SERVER_ADDRESS": settings.server_address,
        "TOWPATH_SERVER_WEB_ADDRESS": settings.server_web_address,
        "TOWPATH_SERVER_TLS": settings.server_tls,
        "TOWPATH_SERVER_CA_FILE": settings.server_ca_file,
        "TOWPATH_SERVER_CLIENT_CERT": settings.server_client_cert,
        "TOWPATH_SERVER_CLIENT_KEY": settings.server_client_key,
        "TOWPATH_WORKSPACE": settings.workspace,
    }
    return {name: str(value) for name, value in written.items() if value}


def _of_lease(lease: Lease) -> dict[str, str]:
    variables = {
        LEASE_VARIABLE: lease.lease_id,
        "TOWPATH_RUN_ID": lease.run_id,
        "TOWPATH_RUN_ATTEMPT": str(lease.attempt),
        "TOWPATH_RUN_FENCE": str(lease.fence),
    }
    if lease.due:
        variables["TOWPATH_RUN_DUE"] = str(lease.due)
    if lease.traceparent:
        variables["TRACEPARENT"] = lease.traceparent
    return variables
