"""One transaction over all that came at once: releases, then requests, then those that wait."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from towpath_service.core.errors import ServiceError
from towpath_service.limits.application.ledger import Ledger
from towpath_service.limits.domain import rates
from towpath_service.limits.domain.limits import PLACE_US, Hold, Request
from towpath_service.limits.domain.names import LimitKey

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from towpath_service.limits.domain.limits import Limit
    from towpath_service.limits.domain.names import AcquisitionKey
    from towpath_service.limits.ports.limits import Limits


@dataclass(frozen=True, slots=True)
class Release:
    """A release of an acquisition's slots, or of its place."""

    acquisition: AcquisitionKey


@dataclass(frozen=True, slots=True)
class Leave:
    """The end of a wait: the caller has left."""

    acquisition: AcquisitionKey


@dataclass(frozen=True, slots=True)
class Expire:
    """A reminder that an acquisition may have expired."""

    acquisition: AcquisitionKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The state of an acquisition after a commit."""

    acquired: bool
    held: Sequence[Hold] = ()
    missing: Sequence[str] = ()
    expires_us: int | None = None
    waited_us: int = 0


class MoreLimitsNeeded(Exception):
    """Acquisitions wait for limits that aren't locked, so that no fair decision can be made."""

    def __init__(self, limits: Collection[LimitKey]) -> None:
        """Takes the limits that are to be locked, too."""
        super().__init__("more limits are needed")
        self.limits = frozenset(limits)


Item = Request | Release | Leave | Expire


@dataclass(slots=True)
class Settled:
    """What a transaction has done."""

    answers: list[Answer | ServiceError] = field(default_factory=list[Answer | ServiceError])
    """An answer for each item."""
    following: set[LimitKey] = field(default_factory=set["LimitKey"])
    """Limits whose waiters are to be served by another transaction, locked together."""


def settle(
    rows: Limits,
    items: Sequence[Item],
    now_us: int,
    serve: Collection[LimitKey] = (),
    *,
    whole: bool = True,
) -> Settled:
    """Settles items in one transaction.

    Args:
        rows: The transaction.
        items: What came, in order.
        now_us: The present time.
        serve: Limits whose waiters are served beside those of the items.
        whole: Whether all that wait are decided on; else those that need further limits keep their
            place, and are served by a transaction that follows.

    Raises:
        MoreLimitsNeeded: With `whole`, further limits are needed for that.
    """
    asked = {key for item in items if isinstance(item, Request) for key in item.limits}
    others = {item.acquisition for item in items}
    ending = {item.acquisition for item in items if not isinstance(item, Request)}
    known = {hold.limit for hold in rows.holds.of(ending)} if ending else set[LimitKey]()
    ledger = Ledger(rows, now_us)
    ledger.lock(asked | known | set(serve), asked)
    ledger.load(others)
    answers = [_take(ledger, item) for item in items]
    ledger.serve()
    tried = [it.acquisition for it in items if isinstance(it, Request) and not it.wait_us]
    if ledger.withdraw(tried):
        ledger.serve()
    if ledger.unknown and whole:
        raise MoreLimitsNeeded(ledger.unknown)
    settled = Settled(following=ledger.touched | ledger.unknown)
    for item, answer in zip(items, answers, strict=True):
        if isinstance(item, Request) and isinstance(answer, list):
            settled.answers.append(_answer(ledger, item, answer, now_us))
        else:
            assert not isinstance(answer, list)
            settled.answers.append(answer)
    ledger.write()
    return settled


def _take(ledger: Ledger, item: Item) -> list[str] | Answer | ServiceError:
    """Takes an item in; the ids of missing limits for a request, whose answer comes later."""
    if isinstance(item, Release):
        ledger.remove(item.acquisition)
        return Answer(acquired=False)
    if isinstance(item, Leave | Expire):
        (ledger.leave if isinstance(item, Leave) else ledger.expire)(item.acquisition)
        return Answer(acquired=False)
    try:
        return ledger.ask(item)
    except ServiceError as error:
        ledger.remove(item.acquisition)
        return error


def _answer(ledger: Ledger, request: Request, missing: Sequence[str], now_us: int) -> Answer:
    parts = ledger.parts.get(request.acquisition)
    if parts is None:
        # Nothing limits it, or it was tried without waiting.
        limited = any(
            key in ledger.limits and not ledger.limits[key].settings.disabled
            for key in request.limits
        )
        return Answer(acquired=not limited, missing=missing)
    return answer_of(list(parts.values()), missing, now_us)


def answer_of(parts: Sequence[Hold], missing: Sequence[str], now_us: int) -> Answer:
    """The state of an acquisition, by its parts."""
    if any(hold.waiting for hold in parts):
        waited_us = now_us - parts[0].asked_us
        return Answer(acquired=False, missing=missing, waited_us=waited_us)
    return Answer(
        acquired=True,
        held=parts,
        missing=missing,
        expires_us=min(hold.expires_us for hold in parts),
        waited_us=parts[0].since_us - parts[0].asked_us,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserved:
    """The answer to a request for slots of limits on the rate."""

    reserved: bool
    delay_us: int
    missing: Sequence[str] = ()


def reserve(
    rows: Limits, requests: Sequence[Request], now_us: int
) -> list[Reserved | ServiceError]:
    """Reserves slots of limits on the rate, for each request in order.

    Args:
        rows: The transaction.
        requests: The requests; `wait_us` is the longest delay.
        now_us: The present time.
    """
    asked = {key for request in requests for key in request.limits}
    ledger = Ledger(rows, now_us)
    ledger.lock(asked, asked)
    ledger.load({request.acquisition for request in requests})
    moved: dict[LimitKey, Limit] = {}
    made: list[Hold] = []
    answers: list[Reserved | ServiceError] = []
    for request in requests:
        try:
            answers.append(_reserve(ledger, request, now_us, moved, made))
        except ServiceError as error:
            answers.append(error)
    rows.write(made, (), list(moved.values()))
    return answers


def _reserve(
    ledger: Ledger,
    request: Request,
    now_us: int,
    moved: dict[LimitKey, Limit],
    made: list[Hold],
) -> Reserved:
    known = ledger.parts.get(request.acquisition)
    if known is not None:
        go_us = max(hold.since_us for hold in known.values())
        return Reserved(reserved=True, delay_us=max(0, go_us - now_us))
    needs, missing = ledger.needs_of(request, rate=True)
    limits = {key: ledger.limits[key] for key in needs}
    go_us = max(
        (rates.earliest_us(limit, needs[key], now_us) for key, limit in limits.items()),
        default=now_us,
    )
    if go_us - now_us > request.wait_us:
        return Reserved(reserved=False, delay_us=go_us - now_us, missing=missing)
    parts: dict[str, Hold] = {}
    for key, limit in limits.items():
        tat_us = rates.tat_after(limit, needs[key], go_us)
        ledger.limits[key] = moved[key] = replace(limit, tat_us=tat_us, fence=limit.fence + 1)
        part = _reservation(request, moved[key], needs[key], now_us, go_us)
        parts[key.limit_id] = replace(part, parts=len(needs))
    if parts:
        ledger.parts[request.acquisition] = parts
        made += parts.values()
    return Reserved(reserved=True, delay_us=go_us - now_us, missing=missing)


def _reservation(request: Request, limit: Limit, slots: int, now_us: int, go_us: int) -> Hold:
    """The record of a reservation, kept for a repeat of its request."""
    return Hold(
        acquisition=request.acquisition,
        limit_id=limit.key.limit_id,
        slots=slots,
        waiting=False,
        parts=1,
        priority=request.priority,
        rank_us=go_us,
        asked_us=now_us,
        since_us=go_us,
        expires_us=go_us + PLACE_US,
        hold_us=PLACE_US,
        fence=limit.fence,
        run_id=request.run_id,
        holder=request.holder,
    )
