"""Acquisitions of slots on SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, delete, exists, func, select, tuple_, update

from towpath_service.core.bus import Topic
from towpath_service.core.tenancy import EVERY_TENANT, check_tenants
from towpath_service.database.sql.bulk import insert_rows, update_rows
from towpath_service.database.sql.keys import Keyed, among, portions
from towpath_service.limits.domain.limits import Hold, LimitUse
from towpath_service.limits.domain.names import AcquisitionKey, LimitKey
from towpath_service.limits.storage.tables import limit_hold
from towpath_service.runs.domain.states import TERMINAL_STATES
from towpath_service.runs.storage.tables import run

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from towpath_service.database.port import SqlTransaction
    from towpath_service.database.sql.one_statement import Executor

_hold: Final[Any] = limit_hold.c
_run: Final[Any] = run.c
_LIMIT: Final = (_hold.tenant_id, _hold.workspace_id, _hold.limit_id)
_ACQUISITION: Final = (_hold.tenant_id, _hold.workspace_id, _hold.acquisition_id)
_PART: Final = (*_ACQUISITION, _hold.limit_id)
_CHANGED: Final = (
    *("tenant_id", "workspace_id", "acquisition_id", "limit_id"),
    *("waiting", "since_us", "expires_us", "fence"),
)
_OF: Final = Keyed(lambda named: select(limit_hold).where(named).order_by(*_PART), *_ACQUISITION)
_USED: Final = Keyed(
    lambda named: (
        select(*_LIMIT, func.sum(_hold.slots), func.min(_hold.expires_us))
        .where(named, ~_hold.waiting)
        .group_by(*_LIMIT)
    ),
    *_LIMIT,
)


class SqlHoldRows:
    """Acquisitions within a transaction."""

    def __init__(self, transaction: SqlTransaction) -> None:
        self._connection = transaction.connection
        self._transaction = transaction

    def of(self, acquisitions: Collection[AcquisitionKey]) -> list[Hold]:
        """The parts of some acquisitions."""
        check_tenants(self._transaction.tenants, {key.tenant_id for key in acquisitions})
        return list(map(_to_hold, _OF.rows(self._connection, acquisitions)))

    def add(self, holds: Sequence[Hold], executor: Executor | None = None) -> None:
        """Adds parts of new acquisitions, by an executor or at once."""
        check_tenants(self._transaction.tenants, {hold.acquisition.tenant_id for hold in holds})
        insert_rows(executor or self._connection, limit_hold, [_to_row(hold) for hold in holds])

    def change(self, holds: Sequence[Hold], executor: Executor | None = None) -> None:
        """Replaces what changes of parts: whether they wait, their times and their fence."""
        rows = [
            (*hold.acquisition, hold.limit_id, *_changing(hold))
            for hold in sorted(holds, key=lambda hold: (hold.acquisition, hold.limit_id))
        ]
        update_rows(executor or self._connection, limit_hold, _CHANGED, rows)

    def remove(self, holds: Collection[Hold]) -> None:
        """Removes parts."""
        for portion in portions({(*hold.acquisition, hold.limit_id) for hold in holds}):
            self._connection.execute(delete(limit_hold).where(among(*_PART)), portion)

    def remove_of(self, limits: Collection[LimitKey]) -> list[Hold]:
        """Removes the parts of limits; returns them."""
        removed = self._many(select(limit_hold).where(among(*_LIMIT)), limits)
        for portion in portions(limits):
            self._connection.execute(delete(limit_hold).where(among(*_LIMIT)), portion)
        return removed

    def used(self, limits: Collection[LimitKey]) -> Mapping[LimitKey, tuple[int, int]]:
        """Slots held of limits, and the first time at which some of them end."""
        return {
            LimitKey(*row[:3]): (int(row[3]), row[4])
            for row in _USED.rows(self._connection, limits)
        }

    def expired(self, limits: Collection[LimitKey], now_us: int) -> list[Hold]:
        """The parts of limits that hold slots beyond their time."""
        over = (among(*_LIMIT), ~_hold.waiting, _hold.expires_us <= now_us)
        return self._many(select(limit_hold).where(*over), limits)

    def first(self, limit: LimitKey, most: int) -> list[Hold]:
        """The parts of a limit that wait, in order."""
        found = (
            select(limit_hold)
            .where(*_of(limit), _hold.waiting)
            .order_by(_hold.rank_us, _hold.acquisition_id)
            .limit(most)
        )
        return list(map(_to_hold, self._connection.execute(found)))

    def extend(self, acquisitions: Collection[AcquisitionKey], now_us: int) -> set[AcquisitionKey]:
        """Extends the time of held slots; returns the acquisitions that hold any."""
        check_tenants(self._transaction.tenants, {key.tenant_id for key in acquisitions})
        held: Any = update(limit_hold).where(among(*_ACQUISITION), ~_hold.waiting)
        extended = held.values(expires_us=now_us + _hold.hold_us).returning(*_ACQUISITION)
        rows: list[Any] = []
        for portion in portions(acquisitions):
            rows += self._connection.execute(extended, portion)
        return {AcquisitionKey(*row) for row in rows}

    def prolong(self, until_us: int) -> None:
        """Lets held slots last until a time at least; those of any tenant."""
        check_tenants(self._transaction.tenants, EVERY_TENANT)
        ending = (~_hold.waiting, _hold.expires_us < until_us)
        self._connection.execute(update(limit_hold).where(*ending).values(expires_us=until_us))

    def overdue(self, now_us: int, most: int) -> list[Hold]:
        """Parts beyond their time, of any tenant."""
        check_tenants(self._transaction.tenants, EVERY_TENANT)
        found = select(limit_hold).where(_hold.expires_us <= now_us).limit(most)
        return list(map(_to_hold, self._connection.execute(found)))

    def of_ended_runs(self, most: int) -> list[Hold]:
        """Parts of runs that have ended, of any tenant."""
        check_tenants(self._transaction.tenants, EVERY_TENANT)
        ended = exists().where(
            _run.tenant_id == _hold.tenant_id,
            _run.run_id == _hold.run_id,
            _run.state.in_(sorted(map(int, TERMINAL_STATES))),
        )
        found = select(limit_hold).where(_hold.run_id.is_not(None), ended).limit(most)
        return list(map(_to_hold, self._connection.execute(found)))

    def waited_for(self, most: int) -> list[LimitKey]:
        """Limits that something waits for, of any tenant."""
        check_tenants(self._transaction.tenants, EVERY_TENANT)
        found = select(*_LIMIT).where(_hold.waiting).distinct().limit(most)
        return [LimitKey(*row) for row in self._connection.execute(found)]

    def granted(self, acquisitions: Collection[AcquisitionKey]) -> set[AcquisitionKey]:
        """Those of some acquisitions that hold slots."""
        check_tenants(self._transaction.tenants, {key.tenant_id for key in acquisitions})
        found = select(*_ACQUISITION).where(among(*_ACQUISITION), ~_hold.waiting).distinct()
        return {
            AcquisitionKey(*row)
            for portion in portions(acquisitions)
            for row in self._connection.execute(found, portion)
        }

    def uses(self, limits: Collection[LimitKey]) -> Mapping[LimitKey, LimitUse]:
        """The use of limits."""
        counted = (
            select(*_LIMIT, _hold.waiting, func.sum(_hold.slots), func.count())
            .where(among(*_LIMIT))
            .group_by(*_LIMIT, _hold.waiting)
        )
        found: dict[LimitKey, dict[str, int]] = {}
        for portion in portions(limits):
            for *key, waiting, slots, count in self._connection.execute(counted, portion):
                use = {"waiting": count} if waiting else {"held": int(slots)}
                found.setdefault(LimitKey(*key), {}).update(use)
        return {key: LimitUse(**use) for key, use in found.items()}

    def holders(
        self, limit: LimitKey, after: tuple[bool, int, str] | None, most: int
    ) -> list[Hold]:
        """Parts of a limit: those that hold, by age, then those that wait, in order."""
        found: list[Hold] = []
        for waiting, place in ((False, _hold.since_us), (True, _hold.rank_us)):
            if after is not None and after[0] and not waiting:
                continue
            order = (place, _hold.acquisition_id)
            part = select(limit_hold).where(*_of(limit), _hold.waiting == waiting)
            if after is not None and after[0] == waiting:
                part = part.where(tuple_(*order) > after[1:])
            rows = self._connection.execute(part.order_by(*order).limit(most - len(found)))
            found += map(_to_hold, rows)
        return found

    def wake(self, acquisitions: Iterable[AcquisitionKey]) -> None:
        """Tells the replicas of acquisitions that no longer wait, after the commit."""
        self._transaction.topics.update(Topic("acquisition", *key) for key in acquisitions)

    def _many(self, statement: Any, keys: Collection[Any]) -> list[Hold]:
        check_tenants(self._transaction.tenants, {key[0] for key in keys})
        return [
            _to_hold(row)
            for portion in portions(keys)
            for row in self._connection.execute(statement, portion)
        ]


def _of(limit: LimitKey) -> tuple[Any, ...]:
    return (and_(*(column == value for column, value in zip(_LIMIT, limit, strict=True))),)


def _changing(hold: Hold) -> tuple[Any, ...]:
    return (hold.waiting, hold.since_us, hold.expires_us, hold.fence)


def _to_row(hold: Hold) -> tuple[Any, ...]:
    return (
        *hold.acquisition,
        hold.limit_id,
        hold.slots,
        hold.waiting,
        hold.parts,
        hold.priority,
        hold.rank_us,
        hold.asked_us,
        hold.since_us,
        hold.expires_us,
        hold.hold_us,
        hold.fence,
        hold.run_id,
        hold.holder,
    )


def _to_hold(row: Any) -> Hold:
    return Hold(
        acquisition=AcquisitionKey(row.tenant_id, row.workspace_id, row.acquisition_id),
        limit_id=row.limit_id,
        slots=row.slots,
        waiting=row.waiting,
        parts=row.parts,
        priority=row.priority,
        rank_us=row.rank_us,
        asked_us=row.asked_us,
        since_us=row.since_us,
        expires_us=row.expires_us,
        hold_us=row.hold_us,
        fence=row.fence,
        run_id=row.run_id,
        holder=row.holder,
    )
