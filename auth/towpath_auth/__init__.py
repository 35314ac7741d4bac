"""Callers, roles and permissions: who calls, for which tenant, and what the caller may do.

Keys and tokens, which prove it, are in `towpath_auth.credentials`: that module imports
cryptography, which a service without identity doesn't need.
"""

from towpath_auth._access import ALL_ACCESS, Access, Grant, access_of
from towpath_auth._caller import (
    ANONYMOUS,
    LOCAL_CALLER,
    LOCAL_TENANT_ID,
    LOCAL_WORKSPACE_ID,
    Caller,
)
from towpath_auth._claims import RunGrant
from towpath_auth._errors import CredentialRefused
from towpath_auth._permissions import (
    BUILT_IN_ROLES,
    PERMISSIONS,
    PLATFORM_PERMISSIONS,
    RUN_PERMISSIONS,
    TENANT_PERMISSIONS,
    WORKSPACE_PERMISSIONS,
    Role,
)

__all__ = [
    "ALL_ACCESS",
    "ANONYMOUS",
    "BUILT_IN_ROLES",
    "LOCAL_CALLER",
    "LOCAL_TENANT_ID",
    "LOCAL_WORKSPACE_ID",
    "PERMISSIONS",
    "PLATFORM_PERMISSIONS",
    "RUN_PERMISSIONS",
    "TENANT_PERMISSIONS",
    "WORKSPACE_PERMISSIONS",
    "Access",
    "Caller",
    "CredentialRefused",
    "Grant",
    "Role",
    "RunGrant",
    "access_of",
]
