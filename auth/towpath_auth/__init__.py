"""Who is calling, and on whose behalf."""

from towpath_auth._caller import LOCAL_CALLER, LOCAL_TENANT_ID, LOCAL_WORKSPACE_ID, Caller

__all__ = ["LOCAL_CALLER", "LOCAL_TENANT_ID", "LOCAL_WORKSPACE_ID", "Caller"]
