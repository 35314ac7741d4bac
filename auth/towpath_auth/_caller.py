"""The authenticated caller of an rpc."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from towpath_auth._access import ALL_ACCESS, Access

if TYPE_CHECKING:
    from collections.abc import Mapping

    from towpath_auth._claims import AccessClaims, RunGrant

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

    credential_ends_at: float | None = None
    """When the credential behind the token ends, likewise."""

    tenant: str = ""
    """Resource name of the tenant, for people; empty without identity."""

    tenant_display_name: str = ""
    """Name to show of the tenant."""

    run: RunGrant | None = None
    """The one run it may report, for callers that are a run."""

    workspaces: Mapping[str, str] | None = field(default=None, repr=False)
    """Names to show of its tenant's workspaces, by id; None when any name will do."""

    quotas: Mapping[str, int] = field(default_factory=dict[str, int], repr=False)
    """Limits of its tenant that differ from the installation's."""

    claims: AccessClaims | None = field(default=None, repr=False)
    """What its token says; None without identity."""

    address: str = ""
    """Where it calls from, as the transport tells."""


LOCAL_CALLER: Final = Caller(tenant_id=LOCAL_TENANT_ID, principal="users/local")
"""The one implicit principal of a service that listens on loopback only."""

ANONYMOUS: Final = Caller(tenant_id="", principal="", access=Access(), workspaces={})
"""Whoever calls what anybody may call."""
