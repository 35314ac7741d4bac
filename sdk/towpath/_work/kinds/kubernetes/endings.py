"""How a Job stands, and how it ended, from what the API server shows of it and its pod.

Pure: objects in, a verdict out. Invariants, each of which a test names:
  - a run counts as ended only on proof: its container is terminated, its pod's phase is final, or
    the pod is gone, or was never made by a Job that has ended or is gone;
  - what the container says of itself comes before what others say, but for a lack of memory, an
    eviction, a preemption, a lost node and a deadline, which it can't know;
  - each end has a reason, and a message that says what happened and what to do.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from towpath._work.kinds.kubernetes.names import CONTAINER
from towpath._work.kinds.kubernetes.values import at, object_at, objects_at
from towpath._work.proof import RunEnd, StopProof

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from towpath._work.kinds.kubernetes.cluster import Object
    from towpath._work.kinds.kubernetes.manifest import JobLimits
    from towpath._work.proof import ProofKind

OUT_OF_MEMORY: Final = "OUT_OF_MEMORY"
EVICTED: Final = "EVICTED"
PREEMPTED: Final = "PREEMPTED"
NODE_LOST: Final = "NODE_LOST"
NODE_REFUSED: Final = "NODE_REFUSED"
JOB_DELETED: Final = "JOB_DELETED"
POD_DELETED: Final = "POD_DELETED"
POD_VANISHED: Final = "POD_VANISHED"
IMAGE_PULL: Final = "IMAGE_PULL"
UNSCHEDULABLE: Final = "UNSCHEDULABLE"
POD_START_TIMEOUT: Final = "POD_START_TIMEOUT"
START_FAILED: Final = "START_FAILED"
DEADLINE: Final = "DEADLINE"

_SIGNALS: Final = 128
_PULL_REASONS: Final = frozenset({"ErrImagePull", "ImagePullBackOff", "RegistryUnavailable"})
_HOPELESS_PULLS: Final = frozenset({"InvalidImageName", "ErrImageNeverPull"})
_START_REASONS: Final = frozenset({"StartError", "ContainerCannotRun", "RunContainerError"})
_CONFIG_REASONS: Final = frozenset({"CreateContainerConfigError", "CreateContainerError"})
_DISRUPTIONS: Final[Mapping[str, str]] = {
    "PreemptionByScheduler": PREEMPTED,
    "EvictionByEvictionAPI": EVICTED,
    "TerminationByKubelet": EVICTED,
    "DeletionByTaintManager": NODE_LOST,
    "DeletionByPodGC": NODE_LOST,
}
"""Reasons of the condition DisruptionTarget."""
_POD_REASONS: Final[Mapping[str, str]] = {
    "Evicted": EVICTED,
    "Preempting": PREEMPTED,
    "NodeLost": NODE_LOST,
    "NodeShutdown": NODE_LOST,
    "Terminated": NODE_LOST,
    "Shutdown": NODE_LOST,
    "DeadlineExceeded": DEADLINE,
    "OutOfcpu": NODE_REFUSED,
    "OutOfmemory": NODE_REFUSED,
    "OutOfpods": NODE_REFUSED,
    "UnexpectedAdmissionError": NODE_REFUSED,
    "NodeAffinity": NODE_REFUSED,
}
"""Reasons of a pod whose phase is Failed."""
_SAYS: Final[Mapping[str, str]] = {
    OUT_OF_MEMORY: "the container used more memory than its limit{limit}: raise the job variable"
    " `limits`",
    EVICTED: "its pod was evicted from node {node}{why}: raise the job variable `requests`, or give"
    " the deployment crash retries",
    PREEMPTED: "its pod made way for one of a higher priority{why}: give it a `priority_class`, or"
    " the deployment crash retries",
    NODE_LOST: "node {node} was lost or shut down{why}: give the deployment crash retries",
    NODE_REFUSED: "node {node} refused its pod{why}",
    JOB_DELETED: "its Job was deleted by somebody else than its worker",
    POD_DELETED: "its pod was deleted by somebody else than its worker",
    POD_VANISHED: "its pod is gone, and nothing tells how it ended",
    IMAGE_PULL: "the image {image} can't be pulled{why}: check the job variables `image` and"
    " `image_pull_secrets`",
    UNSCHEDULABLE: "no node takes its pod{why}: check the job variables `requests`, `node_selector`"
    " and `tolerations`, and the nodes' free room",
    POD_START_TIMEOUT: "its pod didn't start within {seconds} s{why}",
    DEADLINE: "it took longer than its deadline",
}


@dataclass(slots=True, kw_only=True)
class Seen:
    """What is known of a Job.

    Attributes:
        name: Its name.
        namespace: Its namespace.
        lease_id: The lease that it executes.
        job: The Job as it was last seen; None before.
        job_gone: Whether it is gone from the server.
        pods: Its pods as they were last seen, by uid, the oldest first.
        pods_gone: Uids of the pods that are gone from the server.
        deletes: Whether the worker has asked for the Job's deletion.
    """

    name: str
    namespace: str
    lease_id: str
    job: Object | None = None
    job_gone: bool = False
    pods: dict[str, Object] = field(default_factory=dict[str, "Object"])
    pods_gone: set[str] = field(default_factory=set[str])
    deletes: bool = False

    @property
    def pod(self) -> Object | None:
        """The pod that counts: the newest."""
        return next(reversed(self.pods.values()), None)

    @property
    def is_empty(self) -> bool:
        """Whether no pod of the Job is left on the server."""
        return self.pods.keys() <= self.pods_gone


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a Job stands.

    Attributes:
        started: Whether its container has begun.
        ended: How the run ended; None while it may execute.
        gives_up: Why it is not waited for any longer; the Job is to be deleted. None else.
        waits: Why its pod doesn't start, such as "Unschedulable: 0/3 nodes ..."; empty else.
    """

    started: bool = False
    ended: RunEnd | None = None
    gives_up: tuple[str, str] | None = None
    waits: str = ""


def judge(seen: Seen, limits: JobLimits, waited_seconds: float, pulled_seconds: float) -> Standing:
    """Says how a Job stands.

    Args:
        seen: What is known of it.
        limits: The times of the Job.
        waited_seconds: How long its pod is awaited.
        pulled_seconds: For how long its image can't be pulled.
    """
    pod = seen.pod
    state = _container_state(pod)
    if "terminated" in state and pod is not None:
        return Standing(started=True, ended=_terminated(seen, pod, state["terminated"]))
    if pod is not None and _phase(pod) in {"Failed", "Succeeded"}:
        return Standing(started=True, ended=_failed_pod(seen, pod))
    if pod is not None and seen.is_empty:
        return Standing(started=True, ended=_gone(seen, pod))
    if pod is None and (seen.job_gone or _job_failure(seen.job) is not None):
        return Standing(ended=_gone(seen, None))
    if "running" in state:
        return Standing(started=True)
    return _waiting(seen, object_at(state, "waiting"), limits, waited_seconds, pulled_seconds)


def pull_fails(seen: Seen) -> bool:
    """Whether the image of a Job's pod can't be pulled now."""
    return at(_container_state(seen.pod), "waiting", "reason") in _PULL_REASONS


def given_up(seen: Seen, why: tuple[str, str], end: RunEnd | None) -> RunEnd:
    """The end of a run whose Job was deleted since its pod didn't start.

    Args:
        seen: What is known of the Job.
        why: Reason and message.
        end: How its pod ended, if it has begun after all.
    """
    reason, message = why
    if end is not None and end.proof.kind in {"EXITED", "KILLED"}:
        return RunEnd(proof=end.proof, reason=reason, message=message)
    return RunEnd(proof=_proof(seen, "NEVER_STARTED"), reason=reason, message=message)


def _waiting(
    seen: Seen,
    waiting: Mapping[str, Any],
    limits: JobLimits,
    waited_seconds: float,
    pulled_seconds: float,
) -> Standing:
    reason, message = str(waiting.get("reason") or ""), str(waiting.get("message") or "")
    unschedulable = _condition(seen.pod, "PodScheduled", status="False")
    waits = ": ".join(text for text in (reason, message) if text)
    if unschedulable is not None and unschedulable.get("reason") == "Unschedulable":
        reason, message = "Unschedulable", str(unschedulable.get("message") or "")
        waits = f"no node takes its pod: {message}"
    why = f" ({waits})" if waits else ""
    if reason in _HOPELESS_PULLS or (
        reason in _PULL_REASONS and pulled_seconds >= limits.image_pull_seconds
    ):
        return Standing(waits=waits, gives_up=(IMAGE_PULL, _says(IMAGE_PULL, seen, why)))
    if waited_seconds < limits.pod_start_seconds:
        return Standing(waits=waits)
    if reason == "Unschedulable":
        why = f" ({message})"
        return Standing(waits=waits, gives_up=(UNSCHEDULABLE, _says(UNSCHEDULABLE, seen, why)))
    if reason in _CONFIG_REASONS:
        text = f"its container can't be made{why}: {_look(seen)}"
        return Standing(waits=waits, gives_up=(START_FAILED, text))
    if seen.pod is None:
        why = ", and none was made: a quota or an admission rule may refuse it"
    text = _says(POD_START_TIMEOUT, seen, why, seconds=f"{limits.pod_start_seconds:g}")
    return Standing(waits=waits, gives_up=(POD_START_TIMEOUT, f"{text}: {_look(seen)}"))


def _terminated(seen: Seen, pod: Object, state: Mapping[str, Any]) -> RunEnd:
    """The end of a run whose container is terminated."""
    code = int(state.get("exitCode") or 0)
    outer = _outer_reason(seen, pod)
    told = _told(seen, state)
    if state.get("reason") == "OOMKilled":
        outer = OUT_OF_MEMORY
    elif told is not None and told.reason != "SHUTDOWN" and outer != DEADLINE:
        # It ended by itself, or by its shim, before anybody else had to.
        message = told.message or _says(told.reason, seen, "")
        return RunEnd(proof=_in_pod(told.proof, pod, seen), reason=told.reason, message=message)
    if told is not None:
        proof = _in_pod(told.proof, pod, seen)
        reason = outer or told.reason
        return RunEnd(proof=proof, reason=reason, message=_says(reason, seen, _pod_says(pod)))
    if outer:
        signal = code - _SIGNALS if code > _SIGNALS else 9 * (outer == OUT_OF_MEMORY) or None
        kind: ProofKind = "EXITED" if signal is None else "KILLED"
        proof = _proof(seen, kind, pod, exit_code=code if signal is None else None, signal=signal)
        return RunEnd(proof=proof, reason=outer, message=_says(outer, seen, _pod_says(pod)))
    return _untold(seen, pod, state, code)


def _untold(seen: Seen, pod: Object, state: Mapping[str, Any], code: int) -> RunEnd:
    """The end of a container whose shim said nothing: it was killed, or never was there."""
    said = str(state.get("message") or "").strip()
    if state.get("reason") in _START_REASONS:
        message = f"its container can't be started: {said or state['reason']}"
        return RunEnd(
            proof=_proof(seen, "NEVER_STARTED", pod), reason=START_FAILED, message=message
        )
    if code > _SIGNALS:
        return RunEnd(proof=_proof(seen, "KILLED", pod, signal=code - _SIGNALS))
    if code:
        message = (
            f"its container exited with {code} before the run began: the image needs Towpath, and"
            f" Python as the job variable `python` names it{f'. It said: {said}' if said else ''}"
        )
        proof = _proof(seen, "NEVER_STARTED", pod)
        return RunEnd(proof=proof, reason=START_FAILED, message=message)
    return RunEnd(proof=_proof(seen, "EXITED", pod, exit_code=0))


def _told(seen: Seen, state: Mapping[str, Any]) -> RunEnd | None:
    """What the shim in the container says of the end, as its last message."""
    try:
        said = json.loads(str(state.get("message") or ""))
        names = StopProof.__dataclass_fields__
        proof = StopProof(**{name: said[name] for name in names if name in said})
        end = RunEnd(proof=proof, reason=said["reason"], message=said["message"])
    except (ValueError, TypeError, KeyError):
        return None
    return end if end.proof.lease_id == seen.lease_id else None


def _failed_pod(seen: Seen, pod: Object) -> RunEnd:
    """The end of a pod whose phase is final, and whose container's end isn't told."""
    reason = _outer_reason(seen, pod)
    if not reason:
        return RunEnd(
            proof=_proof(seen, "CONTAINER_GONE", pod),
            reason=POD_VANISHED,
            message=f"its pod failed{_pod_says(pod)}",
        )
    kind: ProofKind = "NEVER_STARTED" if reason == NODE_REFUSED else "CONTAINER_GONE"
    return RunEnd(
        proof=_proof(seen, kind, pod), reason=reason, message=_says(reason, seen, _pod_says(pod))
    )


def _gone(seen: Seen, pod: Object | None) -> RunEnd:
    """The end of a run whose pod is gone, or was never made."""
    kind: ProofKind = "CONTAINER_GONE" if pod is not None else "NEVER_STARTED"
    reason = _outer_reason(seen, pod)
    if not reason and not seen.deletes:
        reason = JOB_DELETED if seen.job_gone or _is_going(seen.job) else POD_VANISHED
    message = _says(reason, seen, _pod_says(pod)) if reason else ""
    return RunEnd(proof=_proof(seen, kind, pod), reason=reason, message=message)


def _outer_reason(seen: Seen, pod: Object | None) -> str:
    """Why others than the run ended it: the Job's deadline, or a disruption of its pod."""
    if _job_failure(seen.job) == "DeadlineExceeded":
        return DEADLINE
    if seen.deletes:
        return ""
    disrupted = _condition(pod, "DisruptionTarget", status="True")
    if disrupted is not None and disrupted.get("reason") in _DISRUPTIONS:
        return _DISRUPTIONS[str(disrupted["reason"])]
    if pod is None:
        return ""
    known = _POD_REASONS.get(str(at(pod, "status", "reason") or ""), "")
    if known or not (_is_going(pod) or seen.job_gone):
        return known
    return JOB_DELETED if _is_going(seen.job) or seen.job_gone else POD_DELETED


def _job_failure(job: Object | None) -> str | None:
    """Why a Job has failed; empty for one that completed, None for one that goes on."""
    for condition in _conditions(job):
        if condition.get("status") != "True":
            continue
        if condition.get("type") in {"Failed", "FailureTarget"}:
            return str(condition.get("reason") or "Failed")
        if condition.get("type") == "Complete":
            return ""
    return None


def _says(reason: str, seen: Seen, why: str, *, seconds: str = "") -> str:
    text = _SAYS.get(reason, "")
    node = _node(seen.pod) or "?"
    return text.format(
        node=node, why=why, seconds=seconds, image=_image(seen), limit=_memory_limit(seen)
    )


def _look(seen: Seen) -> str:
    """The command that shows more."""
    return f"`kubectl -n {seen.namespace} describe job {seen.name}`"


def _pod_says(pod: Object | None) -> str:
    status = object_at(pod, "status")
    disrupted = _condition(pod, "DisruptionTarget", status="True") or {}
    message = status.get("message") or disrupted.get("message")
    return f" ({str(message).strip()})" if message else ""


def _proof(
    seen: Seen,
    kind: ProofKind,
    pod: Object | None = None,
    *,
    exit_code: int | None = None,
    signal: int | None = None,
) -> StopProof:
    return StopProof(
        kind=kind,
        lease_id=seen.lease_id,
        host=_node(pod),
        container=f"{seen.namespace}/{_pod_name(pod) or seen.name}",
        observed_time=time.time(),
        exit_code=exit_code,
        signal=signal,
        escaped_children=0,
    )


def _in_pod(told: StopProof, pod: Object, seen: Seen) -> StopProof:
    """What the shim saw, on the node and in the container where it was."""
    return StopProof(
        kind=told.kind,
        lease_id=told.lease_id,
        host=_node(pod),
        container=f"{seen.namespace}/{_pod_name(pod)}",
        observed_time=told.observed_time,
        exit_code=told.exit_code,
        signal=told.signal,
        escaped_children=0,
    )


def _container_state(pod: Object | None) -> Object:
    for status in objects_at(pod, "status", "containerStatuses"):
        if status.get("name") == CONTAINER:
            return object_at(status, "state")
    return {}


def _conditions(item: Object | None) -> Sequence[Mapping[str, Any]]:
    return objects_at(item, "status", "conditions")


def _condition(item: Object | None, kind: str, *, status: str) -> Mapping[str, Any] | None:
    for condition in _conditions(item):
        if condition.get("type") == kind and condition.get("status") == status:
            return condition
    return None


def _phase(pod: Object) -> str:
    return str(at(pod, "status", "phase") or "")


def _is_going(item: Object | None) -> bool:
    return bool(item and item["metadata"].get("deletionTimestamp"))


def _node(pod: Object | None) -> str:
    return str(at(pod, "spec", "nodeName") or "")


def _pod_name(pod: Object | None) -> str:
    return str(pod["metadata"]["name"]) if pod else ""


def _container(seen: Seen) -> Object:
    """The container of a run, as its Job has it."""
    holder = seen.pod or at(seen.job, "spec", "template")
    for container in objects_at(holder, "spec", "containers"):
        if container.get("name") == CONTAINER:
            return container
    return {}


def _image(seen: Seen) -> str:
    return str(_container(seen).get("image") or "?")


def _memory_limit(seen: Seen) -> str:
    limit = at(_container(seen), "resources", "limits", "memory")
    return f" {limit}" if limit else ""
