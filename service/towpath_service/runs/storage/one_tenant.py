"""A guard that keeps the reads of one tenant from reading another one's data."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

from towpath_service.core.tenancy import check_tenants
from towpath_service.runs.ports.reads import RunQuery

if TYPE_CHECKING:
    from collections.abc import Callable

Kind = TypeVar("Kind", bound=type)


def of_one_tenant(kind: Kind) -> Kind:
    """Makes every public method of a class check that its scope is of the class's own tenant.

    The class keeps its tenant in `tenant_id`; a method takes a scope, or a query with one, first.
    """
    for name, method in list(vars(kind).items()):
        if not name.startswith("_") and callable(method):
            setattr(kind, name, _walled(method))
    return kind


def _walled(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def walled(self: Any, asked: Any, *arguments: Any, **options: Any) -> Any:
        scope = asked.scope if isinstance(asked, RunQuery) else asked
        check_tenants((self.tenant_id,), (scope.tenant_id,))
        return method(self, asked, *arguments, **options)

    return walled
