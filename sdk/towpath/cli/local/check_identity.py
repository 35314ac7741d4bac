"""The check of `towpath doctor` that the server accepts the caller's credential."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from towpath._settings.current import resolve_settings
from towpath._settings.declared import CREDENTIALS
from towpath.cli.local.check import TIMEOUT_SECONDS, Check
from towpath.client._connect import open_client
from towpath.exceptions import ConfigurationError, RpcError

if TYPE_CHECKING:
    from towpath._settings.declared import Settings

_NO_CREDENTIAL: Final = (
    "`towpath login` saves a key or signs in; until then reports of pipelines wait, and `towpath"
    " sync` delivers them"
)


def identity_check(settings: Settings) -> Check:
    """Asks the server for the caller's identity."""
    try:
        with open_client(settings) as client:
            caller = client.whoami(timeout_seconds=TIMEOUT_SECONDS)
    except (RpcError, ConfigurationError) as error:
        return Check(name="identity", verdict="failed", text=str(error), fix=_fix())
    if not caller.identity:
        text = "this server doesn't authenticate callers"
        return Check(name="identity", verdict="ok", text=text)
    tenant = caller.tenant or caller.tenant_id
    text = f"{caller.principal} of tenant {tenant}, by {_source()}"
    return Check(name="identity", verdict="ok", text=text)


def _fix() -> str:
    source = _source()
    if not source:
        return _NO_CREDENTIAL
    return (
        f"the credential comes from {source}: replace it there; pipelines still run, and their"
        " reports wait"
    )


def _source() -> str:
    """Where the credential comes from, "server.api_key (environment: ...)"."""
    found = resolve_settings().found
    given = [found[name] for name in CREDENTIALS if found[name].value]
    return f"{given[0].setting.name} ({given[0].source})" if given else ""
