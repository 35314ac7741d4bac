"""Converts schedules between messages and the values of `towpath.schedules`."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from towpath.api.v1 import common_pb2
from towpath.api.v1 import deployment_pb2 as pb
from towpath.client._convert import from_span, to_time
from towpath.schedules import Cron, Interval, RRule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from towpath.schedules import Schedule


def to_message(schedule: Schedule) -> pb.Schedule:
    """The message of a schedule, without a name; an active one leaves open whether it is paused."""
    message = pb.Schedule(
        overlap_policy=pb.OverlapPolicy.Value(f"OVERLAP_POLICY_{schedule.overlap.upper()}"),
        catch_up_policy=pb.CatchUpPolicy.Value(f"CATCH_UP_POLICY_{schedule.catch_up.upper()}"),
        catch_up_window=from_span(_span(schedule.catch_up_window)),
        jitter=from_span(_span(schedule.jitter) or None),
        start_deadline=from_span(_span(schedule.start_deadline)),
        parameters=to_payload(schedule.parameters),
    )
    if not schedule.active:
        message.paused = True
    match schedule:
        case Cron():
            message.cron.expression = schedule.cron
            message.cron.time_zone = schedule.timezone
            message.cron.day_or = schedule.day_or
        case Interval():
            message.interval.interval.FromTimedelta(_span(schedule.interval) or timedelta())
            if schedule.anchor_date is not None:
                message.interval.anchor_time.FromDatetime(_anchor(schedule))
        case RRule():
            message.recurrence.rrule = schedule.rrule
            message.recurrence.time_zone = schedule.timezone
        case _:
            raise TypeError(f"{type(schedule).__name__} is no Cron, Interval or RRule")
    return message


def to_schedule(message: pb.Schedule) -> Schedule:
    """The schedule of a message."""
    policies: dict[str, Any] = {
        "slug": message.name.rpartition("/")[2],
        "active": not message.paused,
        "parameters": from_payload(message.parameters),
        "overlap": pb.OverlapPolicy.Name(message.overlap_policy)[15:].lower(),
        "catch_up": pb.CatchUpPolicy.Name(message.catch_up_policy)[16:].lower(),
        "catch_up_window": message.catch_up_window.ToTimedelta(),
        "jitter": message.jitter.ToTimedelta(),
    }
    if message.HasField("start_deadline"):
        policies["start_deadline"] = message.start_deadline.ToTimedelta()
    match message.WhichOneof("rule"):
        case "cron":
            cron = message.cron
            zone = cron.time_zone or "UTC"
            return Cron(cron.expression, timezone=zone, day_or=cron.day_or, **policies)
        case "interval":
            interval = message.interval
            if interval.HasField("anchor_time"):
                policies["anchor_date"] = to_time(interval.anchor_time)
            return Interval(interval.interval.ToTimedelta(), **policies)
        case _:
            rule = message.recurrence
            return RRule(rule.rrule, timezone=rule.time_zone or "UTC", **policies)


def to_payload(parameters: Mapping[str, Any]) -> common_pb2.Payload | None:
    """Arguments as the contract has them; None for none."""
    if not parameters:
        return None
    data = json.dumps(parameters, ensure_ascii=False).encode()
    return common_pb2.Payload(content_type="application/json", data=data)


def from_payload(payload: common_pb2.Payload) -> dict[str, Any]:
    """The arguments of a message."""
    arguments: dict[str, Any] = json.loads(payload.data or b"{}")
    return arguments


def _span(span: timedelta | float | None) -> timedelta | None:
    """A span, which a schedule keeps as a timedelta."""
    return span if span is None or isinstance(span, timedelta) else timedelta(seconds=span)


def _anchor(schedule: Interval) -> datetime:
    anchor = schedule.anchor_date
    assert anchor is not None
    if anchor.tzinfo is None:
        anchor = anchor.replace(tzinfo=ZoneInfo(schedule.timezone))
    return anchor.astimezone(UTC)
