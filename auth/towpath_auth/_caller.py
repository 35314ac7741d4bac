"""The authenticated caller of an rpc."""

from __future__ import annotations

from dataclasses import dataclass

LOCAL_TENANT_ID = "00000000-0000-7000-8000-000000000001"
LOCAL_WORKSPACE_ID = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who calls, as established once at the edge.

    The tenant comes from here and nowhere else: no request names one.
    """

    tenant_id: str
    """UUID of the tenant whose data the call may touch."""

    principal: str
    """Resource name of the principal, for example "users/local"."""


LOCAL_CALLER = Caller(tenant_id=LOCAL_TENANT_ID, principal="users/local")
"""The one implicit principal of a service that listens on loopback only."""
