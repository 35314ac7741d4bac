"""The handler of LimitService."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from towpath.api.v1 import limit_service_pb2 as pb

from towpath_service.core.errors import invalid
from towpath_service.core.names import Scope, parse_workspace
from towpath_service.limits.domain.limits import (
    DEFAULT_HOLD_US,
    DEFAULT_PRIORITY,
    NANO,
    LimitSettings,
    LimitUse,
    Request,
)
from towpath_service.limits.domain.names import (
    AcquisitionKey,
    LimitKey,
    check_limit_id,
    parse_holder,
    parse_limit,
)
from towpath_service.limits.rpc.convert_limits import holder_message, limit_message
from towpath_service.rpc.paging import read_page
from towpath_service.rpc.times import set_span, set_time, span_us

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towpath_auth import Caller

    from towpath_service.limits.application.limiter import Limiter
    from towpath_service.limits.application.workspace_limits import WorkspaceLimits
    from towpath_service.limits.domain.limits import Hold, Limit

_LEAST_REFILL: Final = 1e-6


class LimitHandler:
    """Manages limits, and hands out their slots."""

    service: ClassVar[str] = "towpath.api.v1.LimitService"

    def __init__(self, limits: WorkspaceLimits, limiter: Limiter) -> None:
        self._limits = limits
        self._limiter = limiter

    async def set_limit(self, request: pb.SetLimitRequest, caller: Caller) -> pb.SetLimitResponse:
        """Makes a limit, or replaces the settings of one."""
        workspace_id = parse_workspace(request.parent)
        check_limit_id(request.limit_id, "limit_id", template=True)
        key = LimitKey(caller.tenant_id, workspace_id, request.limit_id)
        await self._limits.set(key, _settings(request.limit), request.limit.etag)
        return pb.SetLimitResponse(limit=limit_message(*await self._limits.get(key)))

    async def get_limit(self, request: pb.GetLimitRequest, caller: Caller) -> pb.GetLimitResponse:
        """Describes a limit."""
        key = parse_limit(caller.tenant_id, request.name)
        return pb.GetLimitResponse(limit=limit_message(*await self._limits.get(key)))

    async def list_limits(
        self, request: pb.ListLimitsRequest, caller: Caller
    ) -> pb.ListLimitsResponse:
        """Lists limits by id."""
        scope = _scope(request.parent, caller)

        async def read(after: tuple[str, ...], most: int) -> list[tuple[Limit, LimitUse]]:
            first = after[0] if after else ""
            return await self._limits.page(scope, first, most, made=request.show_keys)

        found, token = await read_page(
            read,
            lambda item: (item[0].key.limit_id,),
            caller,
            f"ListLimits/{request.parent}/{request.show_keys}",
            size=request.page_size,
            token=request.page_token,
        )
        return pb.ListLimitsResponse(
            limits=[limit_message(*item) for item in found], next_page_token=token
        )

    async def delete_limit(
        self, request: pb.DeleteLimitRequest, caller: Caller
    ) -> pb.DeleteLimitResponse:
        """Removes a limit."""
        await self._limits.delete(parse_limit(caller.tenant_id, request.name), request.etag)
        return pb.DeleteLimitResponse()

    async def acquire_slots(
        self, request: pb.AcquireSlotsRequest, caller: Caller
    ) -> pb.AcquireSlotsResponse:
        """Takes slots, or waits for them."""
        asked = _request(request, caller)
        hold_us = span_us(request.hold, "hold") if request.HasField("hold") else DEFAULT_HOLD_US
        answer = await self._limiter.acquire(
            Request(
                acquisition=asked.acquisition,
                needs=asked.needs,
                run_id=asked.run_id,
                holder=asked.holder,
                wait_us=asked.wait_us,
                ignore_missing=asked.ignore_missing,
                hold_us=hold_us,
                priority=request.priority or DEFAULT_PRIORITY,
            )
        )
        made = pb.AcquireSlotsResponse(
            acquired=answer.acquired,
            missing_limit_ids=answer.missing,
            held=[
                pb.HeldSlots(limit_id=hold.limit_id, slots=hold.slots, fence=hold.fence)
                for hold in answer.held
            ],
        )
        set_time(made.expire_time, answer.expires_us)
        set_span(made.waited, answer.waited_us)
        return made

    async def renew_slots(
        self, request: pb.RenewSlotsRequest, caller: Caller
    ) -> pb.RenewSlotsResponse:
        """Extends the time of slots."""
        lost = await self._limiter.renew(
            _acquisitions(request.parent, request.acquisition_ids, caller)
        )
        return pb.RenewSlotsResponse(lost_acquisition_ids=[key.acquisition_id for key in lost])

    async def release_slots(
        self, request: pb.ReleaseSlotsRequest, caller: Caller
    ) -> pb.ReleaseSlotsResponse:
        """Returns slots."""
        await self._limiter.release(_acquisitions(request.parent, request.acquisition_ids, caller))
        return pb.ReleaseSlotsResponse()

    async def reserve_slots(
        self, request: pb.ReserveSlotsRequest, caller: Caller
    ) -> pb.ReserveSlotsResponse:
        """Reserves slots of limits on the rate."""
        answer = await self._limiter.reserve(_request(request, caller))
        made = pb.ReserveSlotsResponse(reserved=answer.reserved, missing_limit_ids=answer.missing)
        set_span(made.delay, answer.delay_us)
        return made

    async def list_holders(
        self, request: pb.ListHoldersRequest, caller: Caller
    ) -> pb.ListHoldersResponse:
        """Lists those that hold slots of a limit, then those that wait."""
        key = parse_limit(caller.tenant_id, request.parent, "parent")

        async def read(after: tuple[str, ...], most: int) -> list[Hold]:
            place = (after[0] == "waiting", int(after[1]), after[2]) if after else None
            return await self._limits.holders(key, place, most)

        found, token = await read_page(
            read,
            _place,
            caller,
            f"ListHolders/{request.parent}",
            parts=3,
            size=request.page_size,
            token=request.page_token,
        )
        return pb.ListHoldersResponse(
            holders=[holder_message(hold) for hold in found], next_page_token=token
        )

    async def end_holder(
        self, request: pb.EndHolderRequest, caller: Caller
    ) -> pb.EndHolderResponse:
        """Takes slots from their holder."""
        await self._limits.end(*parse_holder(caller.tenant_id, request.name))
        return pb.EndHolderResponse()

    async def get_limited_tags(
        self, request: pb.GetLimitedTagsRequest, caller: Caller
    ) -> pb.GetLimitedTagsResponse:
        """Lists the tags that have a limit."""
        tags, prefixes = await self._limits.tags(_scope(request.parent, caller))
        return pb.GetLimitedTagsResponse(tags=tags, prefixes=prefixes)


def _scope(parent: str, caller: Caller) -> Scope:
    return Scope(caller.tenant_id, parse_workspace(parent))


def _settings(limit: pb.Limit) -> LimitSettings:
    refill = limit.refill_per_second
    if 0 < refill < _LEAST_REFILL:
        raise invalid("limit.refill_per_second", "must be 0, or at least 0.000001")
    if refill and not limit.slots:
        raise invalid("limit.slots", "must be at least 1 for a limit on the rate")
    return LimitSettings(
        slots=limit.slots,
        refill_nano=round(refill * NANO),
        disabled=limit.disabled,
        description=limit.description,
    )


def _request(request: pb.AcquireSlotsRequest | pb.ReserveSlotsRequest, caller: Caller) -> Request:
    scope = _scope(request.parent, caller)
    needs = {
        check_limit_id(item.limit_id, "slots.limit_id"): item.slots or 1 for item in request.slots
    }
    if len(needs) < len(request.slots):
        raise invalid("slots", "must name each limit once")
    return Request(
        acquisition=AcquisitionKey(*scope, request.acquisition_id.lower()),
        needs=needs,
        run_id=request.run_id.lower() or None,
        holder=request.holder,
        wait_us=span_us(request.wait, "wait"),
        ignore_missing=request.ignore_missing,
    )


def _acquisitions(parent: str, ids: Sequence[str], caller: Caller) -> list[AcquisitionKey]:
    scope = _scope(parent, caller)
    return [AcquisitionKey(*scope, acquisition_id) for acquisition_id in {*map(str.lower, ids)}]


def _place(hold: Hold) -> tuple[str, str, str]:
    acquisition_id = hold.acquisition.acquisition_id
    if hold.waiting:
        return "waiting", str(hold.rank_us), acquisition_id
    return "held", str(hold.since_us), acquisition_id
