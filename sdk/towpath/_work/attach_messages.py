"""What a worker and the service say to each other, between messages and values."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, cast

from towpath._work.code_sources import CodeSource
from towpath._work.job_template import ENVIRONMENT
from towpath._work.leases import Lease
from towpath._work.proof import CANNOT_START, not_started
from towpath.api.v1 import deployment_pb2, state_pb2, work_pb2, work_service_pb2

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from towpath._work.leases import OnLostContact
    from towpath._work.proof import RunEnd
    from towpath.api.v1 import common_pb2, ingest_service_pb2

Request = work_service_pb2.AttachWorkerRequest
Response = work_service_pb2.AttachWorkerResponse

ATTACH: Final = "towpath.api.v1.WorkService/AttachWorker"
_STOP_KINDS: Final = {
    "EXITED": state_pb2.STOP_KIND_EXITED,
    "KILLED": state_pb2.STOP_KIND_KILLED,
    "CONTAINER_GONE": state_pb2.STOP_KIND_CONTAINER_GONE,
    "NEVER_STARTED": state_pb2.STOP_KIND_NEVER_STARTED,
}
WORKER_FAULT: Final = "WORKER_FAULT"
"""Reason for which a run is given back when processes can't be started here."""
_MESSAGE: Final = 8000
_EVIDENCE_MESSAGE: Final = 1000


def hello(
    *,
    workspace: str,
    pool: str,
    name: str,
    instance_id: str,
    kind: str,
    slots: int,
    queues: Sequence[str],
    labels: Mapping[str, str],
    held: Mapping[str, int],
    draining: bool,
    info: ingest_service_pb2.ProducerInfo,
    now: float,
) -> Request:
    """The first message of a worker.

    Args:
        workspace: Id of its workspace.
        pool: Id of its pool.
        name: Its id.
        instance_id: UUID of this incarnation.
        kind: Kind of pool that it serves.
        slots: Most runs that it executes at once.
        queues: Ids of the queues that it serves; empty for all.
        labels: Its labels.
        held: Process of each lease that it has, by lease id; 0 for none.
        draining: Whether it takes no more runs.
        info: Description of this process.
        now: The time by this machine's clock, seconds since the Unix epoch.
    """
    message = Request()
    said = message.hello
    said.parent = f"workspaces/{workspace}/workPools/{pool}"
    said.worker_id, said.instance_id = name, instance_id
    said.kind, said.slots, said.draining = kind, slots, draining
    said.queues.extend(queues)
    said.labels.update(labels)
    said.info.CopyFrom(info)
    said.worker_time.FromNanoseconds(round(now * 1e9))
    for lease_id, pid in held.items():
        said.held.add(lease_id=lease_id, pid=pid)
    return message


def accepted(lease_ids: Iterable[str]) -> Request:
    """Leases that the worker takes on."""
    return Request(accepted=work_service_pb2.LeaseIds(lease_ids=list(lease_ids)))


def renewal(lease_ids: Iterable[str]) -> Request:
    """The renewal of all leases that the worker has."""
    return Request(renew=work_service_pb2.LeaseIds(lease_ids=list(lease_ids)))


def token_request(lease_ids: Iterable[str]) -> Request:
    """Leases whose tokens are to be renewed."""
    return Request(tokens=work_service_pb2.LeaseIds(lease_ids=list(lease_ids)))


def draining() -> Request:
    """The worker takes no more runs."""
    return Request(draining=work_service_pb2.WorkerDraining())


def started(lease_id: str, pid: int) -> Request:
    """A lease whose process has started."""
    message = Request()
    message.started.leases.add(lease_id=lease_id, pid=pid)
    return message


def ended(ends: Iterable[work_pb2.LeaseEnd]) -> Request:
    """Leases that have ended."""
    return Request(ended=work_service_pb2.EndedLeases(ends=list(ends)))


def returned(lease_id: str, message: str, reason: str = "") -> work_pb2.LeaseEnd:
    """The end of a lease that is given back unstarted."""
    outcome = work_pb2.LEASE_OUTCOME_RETURNED
    end = work_pb2.LeaseEnd(lease_id=lease_id, outcome=outcome, reason=reason)
    end.failure.message = message[:_MESSAGE]
    return end


def unstarted(lease_id: str, worker: str, error: Exception) -> work_pb2.LeaseEnd:
    """The end of a lease that a worker couldn't start.

    Args:
        lease_id: The lease.
        worker: Id of the worker.
        error: Why it couldn't. After an OSError, of a full disk, another worker may; any other one
            is the job's.
    """
    if isinstance(error, OSError):
        return returned(lease_id, f"worker {worker} can't start it: {error}", WORKER_FAULT)
    message = f"worker {worker} can't use its job: {error}"
    return lease_end(lease_id, not_started(lease_id, message), "")


def lease_end(lease_id: str, end: RunEnd, output: str) -> work_pb2.LeaseEnd:
    """The end of a lease whose process has ended.

    Args:
        lease_id: The lease.
        end: How the process ended.
        output: The last text that it wrote, in which a run that can't start says why.
    """
    proof = end.proof
    message = work_pb2.LeaseEnd(lease_id=lease_id, reason=end.reason)
    evidence = message.evidence
    evidence.kind = _STOP_KINDS[proof.kind]
    evidence.host, evidence.lease_id = proof.host, lease_id
    evidence.container = proof.container
    evidence.exit_code, evidence.signal = proof.exit_code or 0, proof.signal or 0
    evidence.pid = proof.pid or 0
    evidence.observe_time.FromMicroseconds(int(proof.observed_time * 1e6))
    evidence.message = end.message[:_EVIDENCE_MESSAGE]
    if proof.escaped_children is not None:
        evidence.escaped_children = proof.escaped_children
    if end.start_failed:
        message.outcome = work_pb2.LEASE_OUTCOME_START_FAILED
        message.reason = message.reason or "START_FAILED"
        message.failure.message = (_said_at_start(output) or end.message)[-_MESSAGE:]
    elif proof.kind == "EXITED":
        message.outcome = work_pb2.LEASE_OUTCOME_EXITED
    else:
        message.outcome = work_pb2.LEASE_OUTCOME_KILLED
    return message


def lease_of(message: work_pb2.WorkLease, lease_seconds: float) -> Lease:
    """A lease as the service granted it.

    Args:
        message: The lease.
        lease_seconds: Duration of the pool's leases.

    Raises:
        ValueError: Its template or its parameters are no JSON objects.
    """
    job = message.job
    template = _object(job.template_json)
    variables = _as_object(template.pop(ENVIRONMENT, {}))
    policy: OnLostContact = (
        "stop" if job.on_lost_contact == deployment_pb2.LOST_CONTACT_POLICY_STOP else "continue"
    )
    return Lease(
        lease_id=message.lease_id,
        run_id=message.run_id,
        attempt=message.attempt,
        fence=message.fence,
        entrypoint=job.entrypoint,
        parent_run_id=job.parent_run_id,
        root_run_id=job.root_run_id,
        from_tasks=tuple(job.from_tasks),
        from_attempt=job.from_attempt,
        code=_code(job.code_source),
        parameters=_parameters(job.parameters),
        template=template,
        environments=({str(name): str(value) for name, value in variables.items()},),
        timeout_seconds=_seconds(job.timeout) if job.HasField("timeout") else None,
        grace_seconds=_seconds(job.cancel_grace_period),
        on_lost_contact=policy,
        lease_seconds=lease_seconds,
        token=message.run_token,
        traceparent=job.trace_context.traceparent,
        due=job.scheduled_time.ToMicroseconds() / 1e6,
    )


def _code(source: deployment_pb2.CodeSource) -> CodeSource:
    kind = source.WhichOneof("source")
    if kind == "local_path":
        return CodeSource(kind="path", location=source.local_path)
    if kind == "git":
        git = source.git
        return CodeSource(
            kind="git",
            location=git.url,
            ref=git.ref,
            directory=git.directory,
            submodules=git.submodules,
            credential=git.credential_secret,
        )
    if kind == "packages":
        return CodeSource(kind="pip", requirements=tuple(source.packages.requirements))
    if kind == "archive":
        archive = source.archive
        return CodeSource(
            kind="archive",
            location=archive.uri,
            directory=archive.directory,
            sha256=archive.sha256,
        )
    return CodeSource()


def _parameters(payload: common_pb2.Payload) -> dict[str, Any]:
    return _object(payload.data.decode())


def _object(text: str) -> dict[str, Any]:
    return _as_object(json.loads(text)) if text else {}


def _as_object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("a JSON object is needed")  # noqa: TRY004 - as json.loads
    return cast("dict[str, Any]", value)


def _seconds(span: Any) -> float:
    return float(span.ToMicroseconds()) / 1e6


def _said_at_start(output: str) -> str:
    """What the run's process said of why it can't start, without the values of secrets."""
    _, _, said = output.rpartition(CANNOT_START)
    return said.strip() if CANNOT_START in output else ""
