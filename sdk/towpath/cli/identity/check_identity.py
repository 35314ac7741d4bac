"""What `towpath doctor` finds of who calls: by which key or login, and whether that still holds."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

from towpath._settings.declared import CREDENTIALS
from towpath.api.v1 import auth_service_pb2
from towpath.cli.local.check import TIMEOUT_SECONDS, Check
from towpath.client._connect import open_transport
from towpath.exceptions import ConfigurationError, RpcError
from towpath.settings import resolve_settings

if TYPE_CHECKING:
    from towpath.settings import Settings

_METHOD: Final = "towpath.api.v1.AuthService/GetCaller"
_NONE: Final = "`towpath login` stores a key or signs in"


def caller_check(settings: Settings) -> Check:
    """Asks the server who calls."""
    try:
        with closing(open_transport(settings)) as transport:
            answer: Any = transport.unary(
                _METHOD, auth_service_pb2.GetCallerRequest(), timeout_seconds=TIMEOUT_SECONDS
            )
    except (RpcError, ConfigurationError) as error:
        return Check(name="identity", verdict="failed", text=str(error), fix=_fix())
    if not answer.identity:
        return Check(name="identity", verdict="ok", text="this server asks nobody who they are")
    tenant = answer.tenant.removeprefix("tenants/") or answer.tenant_id
    text = f"{answer.actor.principal} of tenant {tenant}, by {_source()}"
    return Check(name="identity", verdict="ok", text=text)


def _fix() -> str:
    source = _source()
    if not source:
        return f"{_NONE}; until then what pipelines report waits, and `towpath sync` delivers it"
    return (
        f"it comes from {source}: mend or replace it there; pipelines run all the same, and"
        " what they report waits"
    )


def _source() -> str:
    """Where what proves who calls comes from, "server.api_key of the environment: ..."."""
    found = resolve_settings().found
    given = [found[name] for name in CREDENTIALS if found[name].value]
    return f"{given[0].setting.name} ({given[0].source})" if given else ""
