"""The authenticated caller of an rpc."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from towpath_auth._access import ALL_ACCESS, Access

if TYPE_CHECKING:
    from collections.abc import Mapping

    from towpath_auth._claims import AccessClaims, RunGrant

LOCAL_TENANT_ID: Final = "00000000-0000-7000-8000-000000000001"
"""UUID of the first tenant. It is the only one without identity; with identity, its members operate
the installation."""

LOCAL_WORKSPACE_ID: Final = "default"
"""Id of the workspace that every tenant begins with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The caller of an rpc, as the service's edge established it.

    The tenant is taken from here only: no request names one.
    """

    tenant_id: str
    """UUID of the tenant whose data the call may touch."""

    principal: str
    """Resource name of the principal, for example "users/local"."""

    display_name: str = ""
    """Name of the principal for people."""

    credential_id: str = ""
    """The API key or session behind the call; empty without identity."""

    access: Access = field(default=ALL_ACCESS, repr=False)
    """The permissions of the caller."""

    expires_at: float | None = None
    """End of its token, in seconds since the Unix epoch; None for never."""

    credential_ends_at: float | None = None
    """End of the credential behind the token, in seconds since the Unix epoch; None for never."""

    tenant: str = ""
    """Resource name of the tenant, "tenants/acme"; empty without identity."""

    tenant_display_name: str = ""
    """Name of the tenant for people."""

    run: RunGrant | None = None
    """The one run that it may report, for a caller that is a run."""

    workspaces: Mapping[str, str] | None = field(default=None, repr=False)
    """Names of its tenant's workspaces for people, by id; None when every id is accepted."""

    quotas: Mapping[str, int] = field(default_factory=dict[str, int], repr=False)
    """Limits of its tenant that differ from the installation's, by quota."""

    claims: AccessClaims | None = field(default=None, repr=False)
    """The claims of its token; None without identity."""

    address: str = ""
    """Network address that it calls from, as the transport gives it."""


LOCAL_CALLER: Final = Caller(
    tenant_id=LOCAL_TENANT_ID, principal="users/local", workspaces={LOCAL_WORKSPACE_ID: ""}
)
"""The one principal of a service without identity."""

ANONYMOUS: Final = Caller(tenant_id="", principal="", access=Access(), workspaces={})
"""The caller of rpcs that need no credential."""
