"""Limits on SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, delete, exists, func, or_, select, update

from towpath_service.core.tenancy import check_tenants
from towpath_service.database.sql.bulk import update_rows
from towpath_service.database.sql.keys import among, portions
from towpath_service.database.sql.statements import insert_new
from towpath_service.limits.domain.limits import Limit, LimitSettings
from towpath_service.limits.domain.names import LimitKey
from towpath_service.limits.storage.tables import concurrency_limit, limit_hold

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from towpath_service.core.names import Scope
    from towpath_service.database.port import SqlTransaction
    from towpath_service.database.sql.one_statement import Executor

_limit: Final[Any] = concurrency_limit.c
_KEY: Final = (_limit.tenant_id, _limit.workspace_id, _limit.limit_id)
_FOUND: Final = select(concurrency_limit).where(among(*_KEY)).order_by(*_KEY)
_NOTED: Final = ("tenant_id", "workspace_id", "limit_id", "fence", "tat_us")


class SqlLimitRows:
    """Limits within a transaction."""

    def __init__(self, transaction: SqlTransaction) -> None:
        self._connection = transaction.connection
        self._transaction = transaction

    def find(self, keys: Collection[LimitKey], *, keep: bool = False) -> dict[LimitKey, Limit]:
        """Those of some limits that exist; see `LimitRows`."""
        return self._found(keys, _FOUND.with_for_update(read=True) if keep else _FOUND)

    def lock(self, keys: Collection[LimitKey]) -> dict[LimitKey, Limit]:
        """Locks limits in their order until the transaction ends; returns those that exist."""
        return self._found(keys, _FOUND.with_for_update())

    def add(self, limit: Limit) -> bool:
        """Makes a limit; False when there is one of its id."""
        check_tenants(self._transaction.tenants, [limit.key.tenant_id])
        return insert_new(
            self._connection,
            concurrency_limit,
            **limit.key._asdict(),
            **_settings(limit),
            template=limit.template,
            fence=limit.fence,
            tat_us=limit.tat_us,
            created_us=limit.created_us,
        )

    def change(self, limit: Limit) -> None:
        """Replaces the settings of a limit, which the transaction has locked."""
        self._connection.execute(
            update(concurrency_limit)
            .where(*_is(limit.key))
            .values(**_settings(limit), template=limit.template)
        )

    def note(self, limits: Sequence[Limit], executor: Executor | None = None) -> None:
        """Stores `fence` and `tat_us` of limits, which the transaction has locked."""
        rows = [(*limit.key, limit.fence, limit.tat_us) for limit in limits]
        update_rows(executor or self._connection, concurrency_limit, _NOTED, rows)

    def remove(self, keys: Collection[LimitKey]) -> None:
        """Removes limits, which the transaction has locked."""
        for portion in portions(keys):
            self._connection.execute(delete(concurrency_limit).where(among(*_KEY)), portion)

    def made_from(self, template: LimitKey) -> list[LimitKey]:
        """The limits that were made from a template."""
        found = select(*_KEY).where(*_in(template.scope), _limit.template == template.limit_id)
        return [LimitKey(*row) for row in self._connection.execute(found)]

    def unused(self, before_us: int, most: int) -> list[LimitKey]:
        """Locks limits of templates, with no slot in use since a time; those of any tenant."""
        old = (
            select(*_KEY)
            .where(_limit.template != "", _limit.updated_us < before_us, _limit.tat_us < before_us)
            .order_by(*_KEY)
            .limit(most)
            .with_for_update(skip_locked=True)
        )
        locked = [LimitKey(*row) for row in self._connection.execute(old)]
        # Read after the locks: a slot that was taken meanwhile is seen.
        hold: Any = limit_hold.c
        used = exists().where(
            and_(*(getattr(hold, name) == getattr(_limit, name) for name in LimitKey._fields))
        )
        free = select(*_KEY).where(among(*_KEY), ~used)
        return [
            LimitKey(*row)
            for portion in portions(locked)
            for row in self._connection.execute(free, portion)
        ]

    def count(self, tenant_id: str, *, made: bool) -> int:
        """The number of limits of a tenant: those made from templates, or the others."""
        counted = (
            select(func.count())
            .select_from(concurrency_limit)
            .where(_limit.tenant_id == tenant_id, (_limit.template != "") == made)
        )
        return int(self._connection.execute(counted).scalar_one())

    def page(self, scope: Scope, after: str, most: int, *, made: bool) -> list[Limit]:
        """Limits of a workspace by id; see `LimitRows`."""
        found = select(concurrency_limit).where(*_in(scope), _limit.limit_id > after)
        if not made:
            found = found.where(_limit.template == "")
        rows = self._connection.execute(found.order_by(_limit.limit_id).limit(most))
        return list(map(_to_limit, rows))

    def ids_from(self, scope: Scope, prefix: str, most: int) -> list[str]:
        """Ids that begin with a prefix, of enabled limits not made from templates, by id."""
        end = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        found = (
            select(_limit.limit_id)
            .where(
                *_in(scope),
                or_(and_(_limit.limit_id >= prefix, _limit.limit_id < end)),
                _limit.template == "",
                ~_limit.disabled,
            )
            .order_by(_limit.limit_id)
            .limit(most)
        )
        return list(self._connection.execute(found).scalars())

    def _found(self, keys: Collection[LimitKey], statement: Any) -> dict[LimitKey, Limit]:
        check_tenants(self._transaction.tenants, {key.tenant_id for key in keys})
        rows = [
            _to_limit(row)
            for portion in portions(keys)
            for row in self._connection.execute(statement, portion)
        ]
        return {limit.key: limit for limit in rows}


def _is(key: LimitKey) -> tuple[Any, ...]:
    return (*_in(key.scope), _limit.limit_id == key.limit_id)


def _in(scope: Scope) -> tuple[Any, ...]:
    return (_limit.tenant_id == scope.tenant_id, _limit.workspace_id == scope.workspace_id)


def _settings(limit: Limit) -> dict[str, Any]:
    return {
        "slots": limit.settings.slots,
        "refill_nano": limit.settings.refill_nano,
        "disabled": limit.settings.disabled,
        "description": limit.settings.description,
        "revision": limit.revision,
        "updated_us": limit.updated_us,
    }


def _to_limit(row: Any) -> Limit:
    return Limit(
        key=LimitKey(row.tenant_id, row.workspace_id, row.limit_id),
        settings=LimitSettings(
            slots=row.slots,
            refill_nano=row.refill_nano,
            disabled=row.disabled,
            description=row.description,
        ),
        template=row.template,
        fence=row.fence,
        tat_us=row.tat_us,
        revision=row.revision,
        created_us=row.created_us,
        updated_us=row.updated_us,
    )
