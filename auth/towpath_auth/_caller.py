"""The authenticated caller of an rpc."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from towpath_auth._access import ALL_ACCESS, Access

if TYPE_CHECKING:
    from towpath_auth._claims import RunGrant

LOCAL_TENANT_ID: Final = "00000000-0000-7000-8000-000000000001"
"""The tenant of a service without identity; with it, the first one, whose members operate it."""

LOCAL_WORKSPACE_ID: Final = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who calls, as established once at the edge.

    The tenant comes from here and nowhere else: no request names one.
    """

    tenant_id: str
    """UUID of the tenant whose data the call may touch."""

    principal: str
    """Resource name of the principal, for example "users/local"."""

    display_name: str = ""
    """Name to show."""

    credential_id: str = ""
    """The API key or session behind the call; empty without identity."""

    access: Access = field(default=ALL_ACCESS, repr=False)
    """What it may do."""

    expires_at: float | None = None
    """When its token expires, seconds since the Unix epoch; None for never."""

    run: RunGrant | None = None
    """The one run it may report, for callers that are a run."""

    address: str = ""
    """Where it calls from, as the transport tells."""


LOCAL_CALLER: Final = Caller(tenant_id=LOCAL_TENANT_ID, principal="users/local")
"""The one implicit principal of a service that listens on loopback only."""
