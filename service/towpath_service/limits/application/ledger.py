"""What a transaction knows of the limits that it has locked, and of acquisitions of their slots.

Whether there is room is read after the locks: what another transaction took meanwhile is seen.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from towpath_service.core.errors import ServiceError, invalid, not_found
from towpath_service.limits.domain.granting import Grants, Room, Waiter, grant
from towpath_service.limits.domain.limits import MOST_OF_TEMPLATES, PLACE_US, Hold, Limit, rank_of
from towpath_service.limits.domain.names import AcquisitionKey, LimitKey

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from towpath_service.core.names import Scope
    from towpath_service.limits.domain.limits import Request
    from towpath_service.limits.ports.limits import Limits

LOOK: Final = 32
"""Waiters of a limit that are looked at beyond those that its free slots could serve."""
MOST_LOOKED: Final = 500


class Ledger:
    """Acquisitions within a transaction: what is known, and what has changed."""

    def __init__(self, rows: Limits, now_us: int) -> None:
        """Knows nothing yet.

        Args:
            rows: The transaction.
            now_us: The present time.
        """
        self._rows = rows
        self._now_us = now_us
        self.limits: dict[LimitKey, Limit] = {}
        """The locked limits."""
        self.parts: dict[AcquisitionKey, dict[str, Hold]] = {}
        """The acquisitions that are known, each with all its parts by id of the limit."""
        self.touched: set[LimitKey] = set()
        """Limits that aren't locked, and whose waiters are to be looked at next."""
        self.unknown: set[LimitKey] = set()
        """Limits that must be locked, too, for a decision on all that wait."""
        self._new: set[AcquisitionKey] = set()
        self._changed: set[AcquisitionKey] = set()
        self._used: dict[LimitKey, int] = {}

    def lock(self, keys: Collection[LimitKey], asked: Collection[LimitKey] = ()) -> None:
        """Locks limits, and removes what holds their slots beyond its time.

        Args:
            keys: The limits.
            asked: Those that are made from a template if they don't exist.

        Raises:
            ServiceError: QUOTA_EXCEEDED.
        """
        self.limits = self._rows.limits.lock(keys)
        missing = [key for key in sorted(asked) if key not in self.limits and key.templates]
        if missing and (made := _made_from_templates(self._rows, missing, self._now_us)):
            self.limits |= self._rows.limits.lock(made)
        used = self._rows.holds.used(self.limits)
        late = [key for key, (_, ends_us) in used.items() if ends_us <= self._now_us]
        if late:
            gone = {hold.acquisition for hold in self._rows.holds.expired(late, self._now_us)}
            self.load(gone)
            self.remove(*gone)
            used = self._rows.holds.used(self.limits)
        self._used = {key: slots for key, (slots, _) in used.items()}

    def load(self, keys: Collection[AcquisitionKey]) -> None:
        """Reads acquisitions that aren't known yet."""
        unread = {key for key in keys if key not in self.parts}
        for hold in self._rows.holds.of(unread) if unread else ():
            self.parts.setdefault(hold.acquisition, {})[hold.limit_id] = hold

    def remove(self, *keys: AcquisitionKey) -> None:
        """Removes acquisitions that are known, and ignores others."""
        removed: list[Hold] = []
        for key in keys:
            parts = self.parts.pop(key, {})
            self._changed.discard(key)
            if key in self._new:
                self._new.discard(key)
            else:
                removed += parts.values()
        if not removed:
            return
        self._rows.holds.remove(removed)
        self._rows.holds.wake({hold.acquisition for hold in removed if hold.waiting})
        for hold in removed:
            if hold.limit not in self.limits:
                self.touched.add(hold.limit)
            elif not hold.waiting and hold.limit in self._used:
                self._used[hold.limit] -= hold.slots

    def expire(self, key: AcquisitionKey) -> None:
        """Removes an acquisition that is beyond its time."""
        if any(hold.expires_us <= self._now_us for hold in self.parts.get(key, {}).values()):
            self.remove(key)

    def ask(self, request: Request) -> list[str]:
        """Adds an acquisition as waiting, or keeps the place of one that is known.

        Returns:
            Ids of the limits that don't exist.

        Raises:
            ServiceError: RESOURCE_NOT_FOUND, INVALID_REQUEST.
        """
        known = self.parts.get(request.acquisition)
        if known is not None:
            self._keep(request, known)
            return []
        needs, missing = self.needs_of(request, rate=False)
        if needs:
            self.parts[request.acquisition] = {
                key.limit_id: self._part(request, key, slots, len(needs))
                for key, slots in needs.items()
            }
            self._new.add(request.acquisition)
        return missing

    def needs_of(self, request: Request, *, rate: bool) -> tuple[dict[LimitKey, int], list[str]]:
        """The slots that a request needs of enabled limits, and the ids of those that are missing.

        Args:
            request: The request.
            rate: Whether it is for limits on the rate.

        Raises:
            ServiceError: RESOURCE_NOT_FOUND, INVALID_REQUEST.
        """
        needs: dict[LimitKey, int] = {}
        missing: list[str] = []
        for key in request.limits:
            limit = self.limits.get(key)
            if limit is None:
                if not request.ignore_missing:
                    raise not_found(str(key))
                missing.append(key.limit_id)
                continue
            check_fits(limit, request.needs[key.limit_id], rate=rate)
            if not limit.settings.disabled:
                needs[key] = request.needs[key.limit_id]
        return needs, missing

    def leave(self, key: AcquisitionKey) -> None:
        """Keeps what an acquisition holds or waits for only as long as a place is kept."""
        for limit_id, hold in self.parts.get(key, {}).items():
            ends_us = min(hold.expires_us, self._now_us + PLACE_US)
            self.parts[key][limit_id] = replace(hold, expires_us=ends_us)
            self._changed.add(key)

    def serve(self) -> None:
        """Gives the free slots of the locked limits to those that wait for them."""
        more = self._load_waiting()
        for scope in {key.scope for key in self.limits}:
            made = self._grants(scope)
            self.unknown |= {LimitKey(*scope, limit_id) for limit_id in made.unknown}
            for acquisition_id in made.granted:
                self._give(AcquisitionKey(*scope, acquisition_id))
            if made.granted:
                self.touched |= {key for key in more if key.scope == scope}

    def withdraw(self, keys: Iterable[AcquisitionKey]) -> bool:
        """Takes back new acquisitions that got nothing; whether there were any.

        Those that wait behind them may get slots then.
        """
        found = [key for key in keys if key in self._new and self.waits(key)]
        for key in found:
            self.remove(key)
        return bool(found)

    def waits(self, key: AcquisitionKey) -> bool:
        """Whether an acquisition waits."""
        return any(hold.waiting for hold in self.parts.get(key, {}).values())

    def write(self) -> None:
        """Writes what has changed."""
        new = [hold for key in self._new for hold in self.parts[key].values()]
        changed = self._changed - self._new
        old = [hold for key in changed for hold in self.parts[key].values()]
        self._rows.holds.wake(key for key in changed if not self.waits(key))
        given = {hold.limit for key in self._new | self._changed for hold in self._held(key)}
        noted = [self.limits[key] for key in given if key in self.limits]
        self._rows.write(new, old, noted)

    def _held(self, key: AcquisitionKey) -> list[Hold]:
        return [hold for hold in self.parts[key].values() if not hold.waiting]

    def _keep(self, request: Request, known: Mapping[str, Hold]) -> None:
        """Keeps the place of an acquisition that calls again; raises INVALID_REQUEST."""
        for limit_id, hold in known.items():
            limit = self.limits.get(hold.limit)
            if hold.waiting and limit is not None:
                check_fits(limit, hold.slots, rate=False)
            ends_us = self._now_us + (request.wait_us + PLACE_US if hold.waiting else hold.hold_us)
            self.parts[request.acquisition][limit_id] = replace(hold, expires_us=ends_us)
        self._changed.add(request.acquisition)

    def _part(self, request: Request, key: LimitKey, slots: int, parts: int) -> Hold:
        return Hold(
            acquisition=request.acquisition,
            limit_id=key.limit_id,
            slots=slots,
            waiting=True,
            parts=parts,
            priority=request.priority,
            rank_us=rank_of(request.priority, self._now_us),
            asked_us=self._now_us,
            since_us=self._now_us,
            expires_us=self._now_us + request.wait_us + PLACE_US,
            hold_us=request.hold_us,
            run_id=request.run_id,
            holder=request.holder,
        )

    def _load_waiting(self) -> set[LimitKey]:
        """Reads those that could get the free slots; returns limits that may have more of them."""
        found: list[Hold] = []
        more: set[LimitKey] = set()
        for key, limit in self.limits.items():
            room = self._room(limit)
            if limit.is_rate or room.free <= 0:
                continue
            most = min(LOOK + room.free, MOST_LOOKED)
            first = self._rows.holds.first(key, most)
            found += first
            if len(first) == MOST_LOOKED:
                more.add(key)
        for hold in found:
            if hold.parts == 1 and hold.acquisition not in self.parts:
                self.parts[hold.acquisition] = {hold.limit_id: hold}
        self.load({hold.acquisition for hold in found})
        for hold in found:
            self.expire(hold.acquisition)
        return more

    def _room(self, limit: Limit) -> Room:
        return Room(
            slots=limit.settings.slots,
            used=self._used.get(limit.key, 0),
            unlimited=limit.settings.disabled,
        )

    def _grants(self, scope: Scope) -> Grants:
        rooms = {
            key.limit_id: self._room(limit)
            for key, limit in self.limits.items()
            if key.scope == scope and not limit.is_rate
        }
        waiters = [
            _waiter(key.acquisition_id, parts)
            for key, parts in self.parts.items()
            if key[:2] == scope and self.waits(key)
        ]
        return grant(rooms, waiters, self._now_us)

    def _give(self, key: AcquisitionKey) -> None:
        """Gives an acquisition its slots."""
        for limit_id, hold in self.parts[key].items():
            limit = self.limits[hold.limit]
            limit = replace(limit, fence=limit.fence + 1)
            self.limits[limit.key] = limit
            self._used[limit.key] = self._used.get(limit.key, 0) + hold.slots
            self.parts[key][limit_id] = replace(
                hold,
                waiting=False,
                since_us=self._now_us,
                expires_us=self._now_us + hold.hold_us,
                fence=limit.fence,
            )
        self._changed.add(key)


def check_fits(limit: Limit, slots: int, *, rate: bool) -> None:
    """Raises INVALID_REQUEST if slots of a limit can't come free, or not by this call."""
    name = limit.key.limit_id
    if rate and not limit.is_rate:
        raise invalid("slots", f"{name!r} limits no rate: acquire its slots (concurrency())")
    if limit.is_rate and not rate:
        raise invalid("slots", f"{name!r} limits a rate: reserve its slots (rate_limit())")
    if limit.settings.disabled or (limit.settings.slots == 0 and not rate):
        return
    if slots > limit.settings.slots:
        raise invalid(
            "slots", f"{name!r} has {limit.settings.slots} slots: {slots} never come free at once"
        )


def _made_from_templates(
    rows: Limits, missing: Collection[LimitKey], now_us: int
) -> list[LimitKey]:
    """Makes limits that don't exist from their templates; returns those that exist now.

    Raises:
        ServiceError: QUOTA_EXCEEDED.
    """
    wanted = {template for key in missing for template in key.templates}
    templates = rows.limits.find(wanted, keep=True)
    made: list[LimitKey] = []
    for key in missing:
        template = next((templates[one] for one in key.templates if one in templates), None)
        if template is not None:
            _make(rows, key, template, now_us)
            made.append(key)
    return made


def _make(rows: Limits, key: LimitKey, template: Limit, now_us: int) -> None:
    if rows.limits.count(key.tenant_id, made=True) >= MOST_OF_TEMPLATES:
        raise too_many("limits_of_templates_per_tenant", MOST_OF_TEMPLATES)
    made = Limit(
        key=key,
        settings=template.settings,
        template=template.key.limit_id,
        created_us=now_us,
        updated_us=now_us,
    )
    rows.limits.add(made)


def too_many(quota: str, most: int) -> ServiceError:
    """The error for one limit more than a tenant may have."""
    return ServiceError(
        reason="QUOTA_EXCEEDED",
        message=f"the tenant has {most} limits already: delete some first",
        metadata={"quota": quota, "limit": str(most)},
    )


def _waiter(acquisition_id: str, parts: Mapping[str, Hold]) -> Waiter:
    first = next(iter(parts.values()))
    return Waiter(
        acquisition_id=acquisition_id,
        needs={limit_id: hold.slots for limit_id, hold in parts.items()},
        rank_us=first.rank_us,
        asked_us=first.asked_us,
    )
