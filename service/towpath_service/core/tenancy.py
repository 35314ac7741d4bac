"""The tenants of a transaction: declared when it begins, and checked on each access."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

EVERY_TENANT: Final = frozenset({"*"})
"""For the service's own work: the reaper, retention, migrations. Never for a caller's."""


class WrongTenant(RuntimeError):
    """Work for one tenant touched another one's data: a defect of the service.

    It isn't a ServiceError on purpose: the caller gets INTERNAL, and the log a traceback.
    """


def check_tenants(allowed: Collection[str], touched: Iterable[str]) -> None:
    """Checks that the touched tenants are allowed.

    Raises:
        WrongTenant: A touched tenant isn't allowed.
    """
    if allowed is EVERY_TENANT:
        return
    for tenant_id in touched:
        if tenant_id not in allowed:
            raise WrongTenant("a transaction of one tenant was asked about another")
