"""A fast check of common updates, before the generic validator; used by ingestion.

The generic validator interprets the contract's rules, and takes twice as long as all other work on
an update in the handler. `is_plain` has the rules of the common fields built in, and True is always
correct; the validator checks all other updates. A test generates updates from the contract's
descriptors and compares the two.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from towpath_service.core.names import SLUG
from towpath_service.runs.domain.states import RunKind, RunState

if TYPE_CHECKING:
    from towpath.api.v1.common_pb2 import Payload, TraceContext
    from towpath.api.v1.ingest_service_pb2 import RunCreation, Update
    from towpath.api.v1.state_pb2 import TransitionReport

_is_uuid = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch
_FLOW_ID: Final = re.compile(SLUG)
_REASON: Final = re.compile(r"[A-Z][A-Z0-9_]{0,61}[A-Z0-9]")
_STATES: Final = frozenset(map(int, RunState))
_KINDS: Final = frozenset(map(int, RunKind))
_NAME: Final = 255
_MESSAGE: Final = 8192
_CONTENT_TYPE: Final = 127
_URI: Final = 2048
_TRACEPARENT: Final = 55
_TRACESTATE: Final = 512


def is_plain(update: Update) -> bool:
    """Whether an update certainly obeys every rule of the contract; False if uncertain."""
    if not (
        _is_uuid(update.run_id)
        and update.HasField("occur_time")
        and (not update.HasField("trace_context") or _is_plain_context(update.trace_context))
    ):
        return False
    kind = update.WhichOneof("change")
    if kind == "transition":
        return _is_plain_report(update.transition)
    return kind == "create" and _is_plain_creation(update.create)


def _is_plain_report(report: TransitionReport) -> bool:
    return (
        report.state in _STATES
        and report.attempt >= 0
        and report.fence >= 0
        and _is_reason(report.reason)
        and len(report.message) <= _MESSAGE
        and not report.HasField("failure")
        and not report.HasField("pause")
        and (not report.HasField("result") or _is_plain_payload(report.result))
    )


def _is_plain_creation(create: RunCreation) -> bool:
    return (
        create.kind in _KINDS
        and create.task_index >= 0
        and _is_flow_id(create.flow_id)
        and _is_known_run(create.parent_run_id)
        and _is_known_run(create.root_run_id)
        and not create.cached_from_run_id
        and len(create.display_name) <= _NAME
        and len(create.flow_name) <= _NAME
        and len(create.task_key) <= _NAME
        and len(create.task_name) <= _NAME
        and len(create.code_version) <= _NAME
        and len(create.cache_key) <= _NAME
        and not create.HasField("retry_policy")
        and (not create.HasField("trace_context") or _is_plain_context(create.trace_context))
        and not create.labels
        and not create.dependencies
        and not create.tags
        and (not create.HasField("initial") or _is_plain_report(create.initial))
        and (not create.HasField("parameters") or _is_plain_payload(create.parameters))
    )


def _is_plain_context(context: TraceContext) -> bool:
    return len(context.traceparent) <= _TRACEPARENT and len(context.tracestate) <= _TRACESTATE


def _is_plain_payload(payload: Payload) -> bool:
    return (
        len(payload.content_type) <= _CONTENT_TYPE
        and len(payload.uri) <= _URI
        and payload.size_bytes >= 0
        and len(payload.sha256) in {0, 32}
        and not payload.metadata
    )


# Cached, as many updates have the same few values.
@lru_cache(maxsize=1024)
def _is_known_run(run_id: str) -> bool:
    return not run_id or _is_uuid(run_id) is not None


@lru_cache(maxsize=1024)
def _is_flow_id(flow_id: str) -> bool:
    return not flow_id or _FLOW_ID.fullmatch(flow_id) is not None


@lru_cache(maxsize=1024)
def _is_reason(reason: str) -> bool:
    return not reason or _REASON.fullmatch(reason) is not None
