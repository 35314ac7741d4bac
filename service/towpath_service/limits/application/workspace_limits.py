"""Sets, shows and deletes limits, and ends acquisitions for their operators."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from towpath_service.core.errors import not_found, outdated
from towpath_service.limits.application.ledger import too_many
from towpath_service.limits.domain.limits import MOST_LIMITS, Limit, LimitUse
from towpath_service.limits.domain.names import TAG, LimitKey

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towpath_service.core.clock import Clock
    from towpath_service.core.names import Scope
    from towpath_service.limits.application.limiter import Limiter
    from towpath_service.limits.domain.limits import Hold, LimitSettings
    from towpath_service.limits.domain.names import AcquisitionKey
    from towpath_service.limits.ports.limits import Limits, LimitStore

MOST_TAGS: Final = 10_000


class WorkspaceLimits:
    """The limits of all workspaces."""

    def __init__(self, store: LimitStore, limiter: Limiter, clock: Clock) -> None:
        self._store = store
        self._limiter = limiter
        self._clock = clock

    async def set(self, key: LimitKey, settings: LimitSettings, etag: str) -> Limit:
        """Makes a limit, or replaces the settings of one; those that wait may get slots by it.

        Raises:
            ServiceError: ETAG_MISMATCH, RESOURCE_NOT_FOUND with an etag, QUOTA_EXCEEDED.
        """
        now_us = self._clock.now_us()
        limit, served = await self._store.write(
            {key.tenant_id}, lambda rows: _set(rows, key, settings, etag, now_us)
        )
        await self._limiter.serve(served)
        return limit

    async def get(self, key: LimitKey) -> tuple[Limit, LimitUse]:
        """A limit with its use; raises RESOURCE_NOT_FOUND."""

        def work(rows: Limits) -> tuple[Limit, LimitUse]:
            limit = rows.limits.find([key]).get(key)
            if limit is None:
                raise not_found(str(key))
            return limit, rows.holds.uses([key]).get(key, LimitUse())

        return await self._store.read({key.tenant_id}, work)

    async def page(
        self, scope: Scope, after: str, most: int, *, made: bool
    ) -> list[tuple[Limit, LimitUse]]:
        """Limits of a workspace by id, with their use; see `ports.limits.LimitRows.page`."""

        def work(rows: Limits) -> list[tuple[Limit, LimitUse]]:
            found = rows.limits.page(scope, after, most, made=made)
            uses = rows.holds.uses([limit.key for limit in found])
            return [(limit, uses.get(limit.key, LimitUse())) for limit in found]

        return await self._store.read({scope.tenant_id}, work)

    async def delete(self, key: LimitKey, etag: str) -> None:
        """Deletes a limit with its acquisitions; raises RESOURCE_NOT_FOUND or ETAG_MISMATCH."""

        def work(rows: Limits) -> set[LimitKey]:
            limit, made = _locked(rows, key)
            if limit is None:
                raise not_found(str(key))
            _check(limit, etag)
            others = _clear(rows, {key, *made})
            rows.limits.remove({key, *made})
            return others - {key, *made}

        await self._limiter.serve(await self._store.write({key.tenant_id}, work))

    async def holders(
        self, key: LimitKey, after: tuple[bool, int, str] | None, most: int
    ) -> list[Hold]:
        """A page of those that hold slots of a limit or wait; raises RESOURCE_NOT_FOUND."""

        def work(rows: Limits) -> list[Hold]:
            if key not in rows.limits.find([key]):
                raise not_found(str(key))
            return rows.holds.holders(key, after, most)

        return await self._store.read({key.tenant_id}, work)

    async def end(self, key: LimitKey, acquisition: AcquisitionKey) -> None:
        """Ends an acquisition, in all its limits; raises RESOURCE_NOT_FOUND."""

        def work(rows: Limits) -> bool:
            return any(hold.limit == key for hold in rows.holds.of([acquisition]))

        if not await self._store.read({key.tenant_id}, work):
            raise not_found(f"{key}/holders/{acquisition.acquisition_id}")
        await self._limiter.release([acquisition])

    async def tags(self, scope: Scope) -> tuple[Sequence[str], Sequence[str]]:
        """The tags that have a limit, and the prefixes of tags that a template limits."""
        ids = await self._store.read(
            {scope.tenant_id}, lambda rows: rows.limits.ids_from(scope, TAG, MOST_TAGS)
        )
        names = [limit_id.removeprefix(TAG) for limit_id in ids]
        return (
            [name for name in names if not name.endswith("*")],
            [name.removesuffix("*") for name in names if name.endswith("*")],
        )


def _locked(rows: Limits, key: LimitKey) -> tuple[Limit | None, list[LimitKey]]:
    """Locks a limit, and those made from it if it is a template."""
    found = rows.limits.lock([key]).get(key)
    made = rows.limits.made_from(key) if key.is_template else []
    if made:
        rows.limits.lock(made)
    return found, made


def _set(
    rows: Limits, key: LimitKey, settings: LimitSettings, etag: str, now_us: int
) -> tuple[Limit, set[LimitKey]]:
    limit, made = _locked(rows, key)
    if limit is None:
        if etag:
            raise not_found(str(key))
        if rows.limits.count(key.tenant_id, made=False) >= MOST_LIMITS:
            raise too_many("limits_per_tenant", MOST_LIMITS)
        new = Limit(key=key, settings=settings, created_us=now_us, updated_us=now_us)
        if rows.limits.add(new):
            return new, set()
        limit, made = _locked(rows, key)
        assert limit is not None
    _check(limit, etag)
    # One that was made from a template is one of its own from now on.
    changed = replace(_changed(limit, settings, now_us), template="")
    others: set[LimitKey] = set()
    if changed.is_rate != limit.is_rate:
        others = _clear(rows, {key, *made})
    rows.limits.change(changed)
    for one in rows.limits.find(made).values():
        rows.limits.change(_changed(one, settings, now_us))
    return changed, {key, *made} | others


def _changed(limit: Limit, settings: LimitSettings, now_us: int) -> Limit:
    return replace(limit, settings=settings, revision=limit.revision + 1, updated_us=now_us)


def _clear(rows: Limits, keys: set[LimitKey]) -> set[LimitKey]:
    """Removes the acquisitions of limits; the other limits that they were of."""
    removed = rows.holds.remove_of(keys)
    acquisitions = {hold.acquisition for hold in removed}
    rows.holds.wake(acquisitions)
    return {hold.limit for hold in rows.holds.of(acquisitions)} if acquisitions else set()


def _check(limit: Limit, etag: str) -> None:
    if etag and etag != limit.etag:
        raise outdated(str(limit.key))
