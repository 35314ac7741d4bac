"""Whose data a transaction may touch: said when it begins, and held against all it does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

EVERY_TENANT: Final = frozenset({"*"})
"""For the service's own work: the reaper, retention, migrations. Never for a caller's."""


class WrongTenant(RuntimeError):
    """Work on behalf of one tenant touched another's data: a defect of the service.

    It is no ServiceError on purpose: callers get INTERNAL, and the log a trace.
    """


def check_tenants(allowed: Collection[str], touched: Iterable[str]) -> None:
    """Holds what is touched against what may be.

    Raises:
        WrongTenant: Something isn't among it.
    """
    if allowed is EVERY_TENANT:
        return
    for tenant_id in touched:
        if tenant_id not in allowed:
            raise WrongTenant("a transaction of one tenant was asked about another")
