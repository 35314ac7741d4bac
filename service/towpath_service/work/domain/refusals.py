"""Errors about resources of work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towpath_service.core.errors import ServiceError

if TYPE_CHECKING:
    from towpath_service.work.domain.names import PoolName


def no_pool(name: PoolName) -> ServiceError:
    """The error for a pool that doesn't exist."""
    return ServiceError(
        reason="RESOURCE_NOT_FOUND",
        message=f"{name} was not found: create it with `towpath pool create {name.pool_id}`",
        metadata={"resource": str(name)},
    )


def too_many(quota: str, limit: int, where: str) -> ServiceError:
    """The error for a resource beyond a quota.

    Args:
        quota: Name of the quota, such as "schedules_per_tenant".
        limit: Most resources.
        where: What the resources belong to, such as "the tenant".
    """
    kind = quota.partition("_per_")[0]
    return ServiceError(
        reason="QUOTA_EXCEEDED",
        message=f"{where} has {limit:,} {kind.replace('_', ' ')}, the most that it may have: "
        "delete some first",
        metadata={"quota": quota, "limit": str(limit)},
    )
