"""Translates filters into SQL conditions; every value is bound."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Text, and_, cast, exists, false, not_, or_

from towpath_service.core.names import is_uuid
from towpath_service.runs.domain.filters import Combination, Comparison, Filter, Not
from towpath_service.runs.domain.states import RunKind
from towpath_service.runs.storage import tables

if TYPE_CHECKING:
    from collections.abc import Mapping

_run = tables.run.c
_log = tables.log_line.c

_RUN_COLUMNS: Final[Mapping[str, Any]] = {
    "run_id": _run.run_id,
    "kind": _run.kind,
    "display_name": _run.display_name,
    "task_key": _run.task_key,
    "task_name": _run.task_name,
    "state": _run.state,
    "state_reason": _run.reason,
    "attempt": _run.attempt,
    "scheduled_time": _run.scheduled_us,
    "start_time": _run.started_us,
    "end_time": _run.ended_us,
    "create_time": _run.created_us,
    "run_duration": _run.running_us,
    "code_version": _run.code_version,
    "flow": _run.flow_id,
    "parent_run": _run.parent_run_id,
    "root_run": _run.root_run_id,
}
_LOG_COLUMNS: Final[Mapping[str, Any]] = {
    "severity": _log.severity,
    "logger": _log.logger,
    "attempt": _log.attempt,
    "occur_time": _log.occurred_us,
    "body": _log.body,
}
_OPERATORS: Final[Mapping[str, Any]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def run_condition(condition: Filter) -> Any:
    """The SQL condition of a filter over runs."""
    return _condition(condition, _run_comparison)


def log_condition(condition: Filter) -> Any:
    """The SQL condition of a filter over log lines."""
    return _condition(condition, _log_comparison)


def _condition(condition: Filter, comparison: Any) -> Any:
    match condition:
        case Comparison():
            return comparison(condition)
        case Not():
            return not_(_condition(condition.operand, comparison))
        case Combination():
            parts = [_condition(part, comparison) for part in condition.operands]
            return and_(*parts) if condition.operator == "AND" else or_(*parts)


def _log_comparison(term: Comparison) -> Any:
    return _compare(_LOG_COLUMNS[term.field], term.operator, term.value)


def _run_comparison(term: Comparison) -> Any:
    if term.field == "tags":
        return _has_tag(str(term.value))
    if term.field.startswith("labels."):
        return _has_label(term.field.removeprefix("labels."), term)
    if term.field == "short_id":
        return _run.short_id.endswith(str(term.value).lower(), autoescape=True)
    value = term.value
    if term.field in {"flow", "parent_run", "root_run"}:
        # Both resource names and bare ids are accepted.
        value = str(value).rpartition("/")[2]
    if term.field in {"run_id", "parent_run", "root_run"}:
        return _compare_id(_RUN_COLUMNS[term.field], term.operator, str(value))
    if term.field == "kind" and term.operator == "=" and value == RunKind.FLOW:
        return is_flow_run()
    return _compare(_RUN_COLUMNS[term.field], term.operator, value)


def is_flow_run() -> Any:
    """The condition for flow runs, in the exact form of the partial indexes."""
    return _run.kind == tables.FLOW


def _compare_id(column: Any, operator_: str, value: str) -> Any:
    if not value and operator_ != ":":
        # As a text, so that SQLite goes by the order of the list, not by an index of all roots.
        text = cast(column, Text)
        return text.is_(None) if operator_ == "=" else text.is_not(None)
    if operator_ in {"=", "!="} and is_uuid(value):
        return _compare(column, operator_, value)
    # PostgreSQL stores ids as UUIDs; a part of an id, or an invalid one, compares with their texts.
    return _compare(cast(column, Text), operator_, value)


def _compare(column: Any, operator_: str, value: str | int) -> Any:
    if operator_ != ":":
        compared = _OPERATORS[operator_](column, value)
        return compared if operator_ != "!=" else or_(compared, column.is_(None))
    text = str(value)
    if text.endswith("*"):
        return column.istartswith(text[:-1], autoescape=True)
    return column.icontains(text, autoescape=True)


def _has_tag(tag: str) -> Any:
    table = tables.run_tag.c
    return exists().where(*_of_the_run(table), table.tag == tag)


def _of_the_run(columns: Any) -> tuple[Any, ...]:
    """The columns of the primary key that identify a run."""
    return (
        columns.tenant_id == _run.tenant_id,
        columns.workspace_id == _run.workspace_id,
        columns.run_id == _run.run_id,
    )


def _has_label(key: str, term: Comparison) -> Any:
    if not key:
        return false()
    table = tables.run_label.c
    found = exists().where(*_of_the_run(table), table.key == key)
    if term.operator == ":" and term.value == "*":
        return found
    return found.where(_compare(table.value, term.operator, term.value))
