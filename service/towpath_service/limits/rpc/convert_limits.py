"""Converts limits and acquisitions to messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towpath.api.v1 import limit_service_pb2 as pb

from towpath_service.core.names import run_name
from towpath_service.limits.domain.limits import NANO
from towpath_service.rpc.times import set_time

if TYPE_CHECKING:
    from towpath_service.limits.domain.limits import Hold, Limit, LimitUse


def limit_message(limit: Limit, use: LimitUse) -> pb.Limit:
    """A limit with its use."""
    made = pb.Limit(
        name=str(limit.key),
        slots=limit.settings.slots,
        refill_per_second=limit.settings.refill_nano / NANO,
        disabled=limit.settings.disabled,
        description=limit.settings.description,
        held_slots=use.held,
        waiting_count=use.waiting,
        template=limit.template,
        etag=limit.etag,
    )
    set_time(made.create_time, limit.created_us)
    set_time(made.update_time, limit.updated_us)
    return made


def holder_message(hold: Hold) -> pb.Holder:
    """An acquisition as it is listed for one limit."""
    workspace_id = hold.acquisition.workspace_id
    made = pb.Holder(
        name=f"{hold.limit}/holders/{hold.acquisition.acquisition_id}",
        run=run_name(workspace_id, hold.run_id) if hold.run_id else "",
        holder=hold.holder,
        slots=hold.slots,
        waiting=hold.waiting,
        priority=hold.priority,
    )
    set_time(made.since_time, hold.since_us)
    set_time(made.expire_time, hold.expires_us)
    return made
