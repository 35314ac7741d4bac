"""Converts schedules and their slots between messages and values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from towpath.api.v1 import deployment_pb2 as pb

from towpath_service.core.errors import invalid
from towpath_service.core.names import run_name
from towpath_service.rpc.times import set_span, set_time, span_us, to_us
from towpath_service.work.domain.rules import CronRule, IntervalRule, RecurrenceRule, Rule
from towpath_service.work.domain.schedules import ScheduleContent
from towpath_service.work.domain.slot_policy import DAY_US, CatchUp, Overlap
from towpath_service.work.rpc.convert_deployments import fill_parameters, parameters_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from towpath_service.work.domain.schedules import Schedule, Slot

SCHEDULE_FIELDS: Final = {
    "cron": "rule",
    "interval": "rule",
    "recurrence": "rule",
    "label": "label",
    "parameters": "parameters",
    "paused": "paused",
    "overlap_policy": "overlap",
    "catch_up_policy": "catch_up",
    "catch_up_window": "catch_up_window_us",
    "jitter": "jitter_us",
    "start_deadline": "start_deadline_us",
    "start_time": "begin_us",
    "end_time": "end_us",
}
"""Attributes of `ScheduleContent` by the contract's fields."""
_NOT_USED: Final = IntervalRule(interval_us=DAY_US)


def to_schedule_content(
    message: pb.Schedule, field: str = "schedule", *, with_rule: bool = True
) -> ScheduleContent:
    """The content in a schedule's message.

    Args:
        message: The message.
        field: The field that it was given in, for the error.
        with_rule: Whether its rule is used; else it may have none.

    Raises:
        ServiceError: INVALID_REQUEST, with the field.
    """
    window_us = _span(message, "catch_up_window")
    return ScheduleContent(
        rule=_rule(message, field) if with_rule else _NOT_USED,
        label=message.label,
        parameters=parameters_text(message.parameters, f"{field}.parameters"),
        paused=message.paused,
        overlap=Overlap(message.overlap_policy or Overlap.ALLOW),
        catch_up=CatchUp(message.catch_up_policy or CatchUp.LATEST),
        catch_up_window_us=DAY_US if window_us is None else window_us,
        jitter_us=_span(message, "jitter") or 0,
        start_deadline_us=_span(message, "start_deadline"),
        begin_us=_time(message, "start_time"),
        end_us=_time(message, "end_time"),
    )


def schedule_message(
    schedule: Schedule, next_us: Iterable[int], last_us: int | None
) -> pb.Schedule:
    """A schedule.

    Args:
        schedule: The schedule.
        next_us: Its next times.
        last_us: The last due time that was decided; None before the first.
    """
    content = schedule.content
    overlap: Any = int(content.overlap)
    catch_up: Any = int(content.catch_up)
    message = pb.Schedule(
        name=str(schedule.name),
        label=content.label,
        paused=content.paused,
        overlap_policy=overlap,
        catch_up_policy=catch_up,
        etag=schedule.etag,
    )
    _fill_rule(message, content.rule)
    fill_parameters(message.parameters, content.parameters)
    set_span(message.catch_up_window, content.catch_up_window_us)
    if content.jitter_us:
        set_span(message.jitter, content.jitter_us)
    if content.start_deadline_us is not None:
        set_span(message.start_deadline, content.start_deadline_us)
    for target, moment_us in (("start_time", content.begin_us), ("end_time", content.end_us)):
        if moment_us is not None:
            set_time(getattr(message, target), moment_us)
    for moment_us in next_us:
        set_time(message.next_times.add(), moment_us)
    if last_us is not None:
        set_time(message.last_time, last_us)
    set_time(message.create_time, schedule.created_us)
    set_time(message.update_time, schedule.updated_us)
    return message


def slot_message(slot: Slot, workspace_id: str) -> pb.ScheduleSlot:
    """A due time with its decision."""
    outcome: Any = int(slot.outcome)
    message = pb.ScheduleSlot(
        outcome=outcome,
        run="" if slot.run_id is None else run_name(workspace_id, slot.run_id),
        count=slot.count,
        message=slot.message,
    )
    set_time(message.due_time, slot.slot_us)
    set_time(message.decide_time, slot.decided_us)
    return message


def _rule(message: pb.Schedule, field: str) -> Rule:
    match message.WhichOneof("rule"):
        case "cron":
            cron = message.cron
            return CronRule(
                expression=cron.expression,
                time_zone=cron.time_zone or "UTC",
                day_or=cron.day_or if cron.HasField("day_or") else True,
            )
        case "interval":
            interval = message.interval
            anchor_us = (
                to_us(interval.anchor_time, "interval.anchor_time")
                if interval.HasField("anchor_time")
                else 0
            )
            return IntervalRule(
                interval_us=span_us(interval.interval, "interval.interval"), anchor_us=anchor_us
            )
        case "recurrence":
            recurrence = message.recurrence
            return RecurrenceRule(rrule=recurrence.rrule, time_zone=recurrence.time_zone)
        case _:
            raise invalid(field, "must have exactly one rule: cron, interval or recurrence")


def _fill_rule(message: pb.Schedule, rule: Rule) -> None:
    match rule:
        case CronRule():
            message.cron.expression = rule.expression
            message.cron.time_zone = rule.time_zone
            message.cron.day_or = rule.day_or
        case IntervalRule():
            set_span(message.interval.interval, rule.interval_us)
            if rule.anchor_us:
                set_time(message.interval.anchor_time, rule.anchor_us)
        case RecurrenceRule():
            message.recurrence.rrule = rule.rrule
            message.recurrence.time_zone = rule.time_zone


def _span(message: pb.Schedule, name: Any) -> int | None:
    return span_us(getattr(message, name), f"schedule.{name}") if message.HasField(name) else None


def _time(message: pb.Schedule, name: Any) -> int | None:
    return to_us(getattr(message, name), f"schedule.{name}") if message.HasField(name) else None
