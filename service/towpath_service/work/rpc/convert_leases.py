"""Converts what workers and the service say to each other between messages and values."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.json_format import MessageToJson
from towpath.api.v1 import work_pb2, work_service_pb2

from towpath_service.core.names import flow_name
from towpath_service.rpc.times import set_offset, set_span, set_time, span_us, to_us
from towpath_service.runs.rpc.convert_runs import parse_into
from towpath_service.work.application.attaching import Hello
from towpath_service.work.application.lease_work import LeaseEnded, Said
from towpath_service.work.application.workers import Directives, Drain, Granted
from towpath_service.work.domain.dispatching import WorkerKey
from towpath_service.work.domain.leases import RENEWALS, Outcome
from towpath_service.work.domain.names import parse_pool
from towpath_service.work.domain.pools import WorkerState
from towpath_service.work.domain.stopping import Evidence, StopKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf.message import Message
    from towpath.api.v1 import state_pb2
    from towpath_auth import Caller

    from towpath_service.work.application.attaching import Attached
    from towpath_service.work.application.lease_work import Kept
    from towpath_service.work.application.workers import AttachedWorker, Grant, Sent

Response = work_service_pb2.AttachWorkerResponse

DRAIN_MESSAGE: Final = "the worker was asked to take no more runs"
_OUTCOMES: Final = {int(outcome): outcome for outcome in Outcome}
_STOPS: Final = {int(kind): kind for kind in StopKind}


def to_hello(
    caller: Caller, message: work_service_pb2.WorkerHello, attachment: str, now_us: int
) -> Hello:
    """The first message of a worker.

    Args:
        caller: The caller.
        message: The message.
        attachment: Id of the stream.
        now_us: The service's time at which it has come.

    Raises:
        ServiceError: INVALID_REQUEST: the parent is no pool's name, or a time is none.
    """
    pool = parse_pool(message.parent, "hello.parent")
    info = message.info
    started = to_us(info.start_time, "hello.info.start_time") if info.HasField("start_time") else 0
    offset_us = (
        to_us(message.worker_time, "hello.worker_time") - now_us
        if message.HasField("worker_time")
        else None
    )
    return Hello(
        key=WorkerKey(caller.tenant_id, pool.workspace_id, pool.pool_id, message.worker_id),
        instance_id=message.instance_id,
        attachment=attachment,
        started_us=started,
        kind=message.kind,
        slots=message.slots,
        queues=tuple(message.queues),
        labels=dict(message.labels),
        version=f"{info.client} {info.client_version}".strip(),
        host=info.host,
        principal=caller.principal,
        held={item.lease_id: item.pid for item in message.held},
        draining=message.draining,
        clock_offset_us=offset_us,
    )


def to_said(worker: AttachedWorker, message: work_service_pb2.AttachWorkerRequest) -> Said:
    """What a worker says of leases that it has."""
    return Said(
        worker=worker.key,
        attachment=worker.attachment,
        accepted=frozenset(message.accepted.lease_ids),
        started=tuple((item.lease_id, item.pid) for item in message.started.leases),
        renewed=frozenset(message.renew.lease_ids),
    )


def to_ends(message: work_service_pb2.EndedLeases) -> tuple[LeaseEnded, ...]:
    """Leases that have ended."""
    return tuple(
        LeaseEnded(
            lease_id=item.lease_id,
            outcome=_OUTCOMES.get(item.outcome, Outcome.EXITED),
            reason=item.reason,
            message=item.failure.message,
            failure=_json(item.failure) if item.HasField("failure") else None,
            evidence=to_evidence(item.evidence) if item.HasField("evidence") else None,
        )
        for item in message.ends
    )


def to_evidence(proof: state_pb2.StopProof) -> Evidence | None:
    """Evidence that a process has ended; None for one that says nothing."""
    kind = _STOPS.get(proof.kind)
    if kind is None:
        return None
    has_time, has_stop = proof.HasField("observe_time"), proof.HasField("stop_duration")
    return Evidence(
        kind=kind,
        exit_code=proof.exit_code,
        signal=proof.signal,
        pid=proof.pid,
        host=proof.host,
        container=proof.container,
        lease_id=proof.lease_id,
        observed_us=to_us(proof.observe_time, "evidence.observe_time") if has_time else None,
        escaped_children=proof.escaped_children if proof.HasField("escaped_children") else None,
        stop_us=span_us(proof.stop_duration, "evidence.stop_duration") if has_stop else None,
        message=proof.message,
    )


def attached_response(attached: Attached, grants: Iterable[Grant], now_us: int) -> Response:
    """The answer to a worker's hello."""
    row, terms = attached.worker, attached.pool
    name = f"workspaces/{row.key.workspace_id}/workPools/{row.key.pool_id}"
    answer = Response()
    message = answer.attached
    taking = WorkerState.PAUSED if row.paused else WorkerState.ONLINE
    state: Any = int(WorkerState.DRAINING if row.draining else taking)
    message.worker.paused = row.paused
    message.worker.name = f"{name}/workers/{row.key.worker_id}"
    message.worker.instance_id = row.instance_id
    message.worker.state = state
    message.worker.slots = row.slots
    message.worker.leased_count = len(attached.leases)
    message.worker.queues.extend(row.queues)
    message.worker.labels.update(row.labels)
    message.worker.version, message.worker.host = row.version, row.host
    message.worker.principal = row.principal
    set_offset(message.worker.clock_offset, row.clock_offset_us)
    set_time(message.worker.create_time, row.created_us)
    set_time(message.worker.seen_time, row.seen_us)
    message.work_pool.name, message.work_pool.kind = name, terms.kind
    message.work_pool.description = terms.description
    message.work_pool.job_template_json = terms.job_template
    message.work_pool.paused = terms.paused
    message.work_pool.concurrency_limit = terms.concurrency_limit
    set_span(message.work_pool.lease_duration, terms.times.lease_us)
    set_span(message.work_pool.start_timeout, terms.times.start_timeout_us)
    set_span(message.work_pool.cancel_grace_period, terms.grace_us)
    set_span(message.renew_interval, terms.times.lease_us // RENEWALS)
    message.granted.extend(lease_message(grant) for grant in grants)
    message.lost_lease_ids.extend(sorted(attached.lost))
    set_time(message.server_time, now_us)
    return answer


def sent_response(sent: Sent) -> Response:
    """A message of the service to a worker, as a response."""
    answer = Response()
    if isinstance(sent, Granted):
        answer.granted.leases.extend(lease_message(grant) for grant in sent.grants)
    elif isinstance(sent, Drain):
        answer.drain.message = DRAIN_MESSAGE
    else:
        _add_directives(answer, sent)
    return answer


def _add_directives(answer: Response, sent: Directives) -> None:
    for row in sent.rows:
        kind: Any = row.kind
        message = answer.directives.directives.add(
            lease_id=row.lease_id, kind=kind, message=row.message
        )
        if row.grace_us is not None:
            set_span(message.grace_period, row.grace_us)


def kept_response(kept: Kept) -> Response:
    """The answer to a renewal, with the leases that are lost."""
    answer = Response()
    answer.renewed.lost_lease_ids.extend(sorted(kept.lost))
    if kept.expires_us:
        set_time(answer.renewed.expire_time, kept.expires_us)
    return answer


def lease_message(grant: Grant) -> work_pb2.WorkLease:
    """A lease with its job, for its worker."""
    lease = grant.lease
    message = work_pb2.WorkLease(
        lease_id=lease.lease_id,
        fence=lease.fence,
        run_id=lease.run_id,
        attempt=lease.attempt,
        run_token=grant.token,
    )
    set_time(message.accept_deadline, lease.expires_us)
    set_time(message.expire_time, lease.expires_us)
    set_time(message.run_token_expire_time, grant.token_expires_us)
    _fill_job(message.job, grant)
    return message


def _fill_job(message: work_pb2.WorkJob, grant: Grant) -> None:
    lease, job = grant.lease, grant.job
    content: dict[str, Any] = json.loads(job.content or "{}")
    flow = flow_name(lease.scope.workspace_id, lease.flow_id)
    message.deployment = f"{flow}/deployments/{lease.deployment_id}"
    message.deployment_revision = job.deployment_revision
    message.flow_id = lease.flow_id
    message.flow_name, message.display_name = job.flow_name, job.display_name
    message.entrypoint = content.get("entrypoint", "")
    parse_into(message.code_source, content.get("code_source"))
    message.template_json = job.merged_template
    parse_into(message.parameters, job.parameters)
    timeout_us = content.get("timeout_us") if job.timeout_us is None else job.timeout_us
    set_span(message.timeout, timeout_us)
    set_span(message.cancel_grace_period, job.grace_us)
    policy: Any = content.get("on_lost_contact", 0)
    message.on_lost_contact = policy
    message.secrets.extend(content.get("secrets", ()))
    message.tags.extend(json.loads(job.tags))
    set_time(message.scheduled_time, job.scheduled_us)
    message.parent_run_id, message.root_run_id = job.parent_run_id or "", job.root_run_id
    message.trace_context.traceparent = job.traceparent
    message.trace_context.tracestate = job.tracestate
    replay: dict[str, Any] = json.loads(job.replay or "{}")
    message.from_tasks.extend(replay.get("tasks", ()))
    message.from_attempt = replay.get("attempt", 0)


def _json(message: Message) -> str:
    return MessageToJson(message, indent=None)
