"""The end of a Job: state, reason, proof and what helps, from what the API server shows."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from towpath._work.kinds.kubernetes.endings import Seen, given_up, judge, pull_fails
from towpath._work.kinds.kubernetes.manifest import JobLimits

pytestmark = pytest.mark.subject("work")

LIMITS = JobLimits(pod_start_seconds=100, image_pull_seconds=50)
LEASE = "0190aaaa-0000-7000-8000-000000000001"


def pod_of(state: Any = None, **status: Any) -> dict[str, Any]:
    """A pod on node-1 whose container is in a state."""
    statuses = [{"name": "run", "state": state}] if state is not None else []
    container = {
        "name": "run",
        "image": "flows:1",
        "resources": {"limits": {"memory": "64Mi"}},
    }
    return {
        "metadata": {"name": "tp-x", "uid": "u"},
        "spec": {"nodeName": "node-1", "containers": [container]},
        "status": {"containerStatuses": statuses, **status},
    }


def job_of(*conditions: tuple[str, str], going: bool = False) -> dict[str, Any]:
    """A Job with conditions that are true."""
    metadata: dict[str, Any] = {"name": "tp"}
    if going:
        metadata["deletionTimestamp"] = "2026-12-02T08:00:00Z"
    return {
        "metadata": metadata,
        "status": {
            "conditions": [
                {"type": kind, "status": "True", "reason": reason} for kind, reason in conditions
            ]
        },
    }


def seen_of(pod: Any = None, job: Any = None, *, gone: bool = False, **more: Any) -> Seen:
    seen = Seen(name="tp", namespace="runs", lease_id=LEASE, job=job or job_of(), **more)
    if pod is not None:
        seen.pods["u"] = pod
        if gone:
            seen.pods_gone.add("u")
    return seen


def ended(exit_code: int, reason: str = "Error", message: str = "") -> dict[str, Any]:
    return {"terminated": {"exitCode": exit_code, "reason": reason, "message": message}}


def told(kind: str = "EXITED", *, lease: str = LEASE, **more: Any) -> str:
    """The last message of a shim."""
    end = {
        "version": 1,
        "lease_id": lease,
        "kind": kind,
        "exit_code": None,
        "signal": None,
        "pid": 7,
        "host": "tp-x",
        "observed_time": 1.0,
        "escaped_children": 0,
        "reason": "",
        "message": "",
    }
    return json.dumps(end | more)


def disrupted(reason: str) -> dict[str, Any]:
    condition = {"type": "DisruptionTarget", "status": "True", "reason": reason, "message": "why"}
    return {"conditions": [condition]}


FAILED = job_of(("Failed", "BackoffLimitExceeded"))
LATE = job_of(("Failed", "DeadlineExceeded"))


@pytest.mark.parametrize(
    ("seen", "proof", "reason", "says"),
    [
        pytest.param(
            seen_of(pod_of(ended(0, "Completed", told(exit_code=0)))),
            ("EXITED", 0, None),
            *("", ""),
            id="exit 0",
        ),
        pytest.param(
            seen_of(pod_of(ended(7, message=told(exit_code=7))), FAILED),
            ("EXITED", 7, None),
            *("", ""),
            id="exit 7",
        ),
        pytest.param(
            seen_of(pod_of(ended(137, "OOMKilled"))),
            ("KILLED", None, 9),
            "OUT_OF_MEMORY",
            "more memory than its limit 64Mi",
            id="OOMKilled, the shim too",
        ),
        pytest.param(
            seen_of(pod_of(ended(137, "OOMKilled", told("KILLED", signal=9)))),
            ("KILLED", None, 9),
            "OUT_OF_MEMORY",
            "raise the job variable `limits`",
            id="OOMKilled, the shim lives",
        ),
        pytest.param(
            seen_of(pod_of(ended(137, message=told("KILLED", signal=9, reason="OUT_OF_MEMORY")))),
            ("KILLED", None, 9),
            "OUT_OF_MEMORY",
            "64Mi",
            id="the shim counted a kill of the kernel",
        ),
        pytest.param(
            seen_of(pod_of(ended(139))), ("KILLED", None, 11), "", "", id="killed by a signal"
        ),
        pytest.param(
            seen_of(pod_of(ended(128, "StartError", "exec: no such file"))),
            ("NEVER_STARTED", None, None),
            "START_FAILED",
            "can't be started: exec: no such file",
            id="StartError",
        ),
        pytest.param(
            seen_of(pod_of(ended(1, message="No module named towpath"))),
            ("NEVER_STARTED", None, None),
            "START_FAILED",
            "the image needs Towpath",
            id="image without Towpath",
        ),
        pytest.param(
            seen_of(pod_of(ended(2, message=told(exit_code=2)))),
            ("EXITED", 2, None),
            *("", ""),
            id="code that can't be loaded",
        ),
        pytest.param(
            seen_of(pod_of(phase="Failed", reason="Evicted", message="low on memory")),
            ("CONTAINER_GONE", None, None),
            "EVICTED",
            "node node-1 (low on memory): raise the job variable `requests`",
            id="Evicted",
        ),
        pytest.param(
            seen_of(
                pod_of(
                    ended(143, message=told(exit_code=7, reason="SHUTDOWN")),
                    **disrupted("EvictionByEvictionAPI"),
                )
            ),
            ("EXITED", 7, None),
            "EVICTED",
            "(why)",
            id="evicted by the API",
        ),
        pytest.param(
            seen_of(pod_of(ended(143), **disrupted("PreemptionByScheduler"))),
            ("KILLED", None, 15),
            "PREEMPTED",
            "`priority_class`",
            id="preempted",
        ),
        pytest.param(
            seen_of(pod_of({"running": {}}, **disrupted("DeletionByTaintManager")), gone=True),
            ("CONTAINER_GONE", None, None),
            "NODE_LOST",
            "node node-1 was lost",
            id="node lost",
        ),
        pytest.param(
            seen_of(pod_of(phase="Failed", reason="OutOfcpu", message="no cpu")),
            ("NEVER_STARTED", None, None),
            "NODE_REFUSED",
            "refused its pod (no cpu)",
            id="refused by the node",
        ),
        pytest.param(
            seen_of(pod_of({"running": {}}), LATE, gone=True),
            ("CONTAINER_GONE", None, None),
            "DEADLINE",
            "longer than its deadline",
            id="DeadlineExceeded, no log left",
        ),
        pytest.param(
            seen_of(None, LATE), ("NEVER_STARTED", None, None), "DEADLINE", "", id="late, no pod"
        ),
        pytest.param(
            seen_of(pod_of(ended(143, message=told(exit_code=124, reason="DEADLINE")))),
            ("EXITED", 124, None),
            "DEADLINE",
            "",
            id="the shim's deadline",
        ),
        pytest.param(
            seen_of(pod_of({"running": {}}), job_gone=True, gone=True),
            ("CONTAINER_GONE", None, None),
            "JOB_DELETED",
            "by somebody else",
            id="vanished with its Job",
        ),
        pytest.param(
            seen_of(pod_of({"running": {}}), FAILED, gone=True),
            ("CONTAINER_GONE", None, None),
            "POD_VANISHED",
            "nothing tells how it ended",
            id="vanished pod",
        ),
        pytest.param(
            seen_of(pod_of({"running": {}}), gone=True, deletes=True),
            ("CONTAINER_GONE", None, None),
            *("", ""),
            id="cancelled, gone before it told",
        ),
        pytest.param(
            seen_of(
                pod_of(ended(143, message=told("KILLED", signal=9, reason="SHUTDOWN"))),
                deletes=True,
            ),
            ("KILLED", None, 9),
            "SHUTDOWN",
            "",
            id="SIGTERM on cancel",
        ),
        pytest.param(
            seen_of(None, job_gone=True),
            ("NEVER_STARTED", None, None),
            "JOB_DELETED",
            "",
            id="deleted before its pod was made",
        ),
        pytest.param(
            seen_of(pod_of(ended(1, message=told(exit_code=0, lease="another")))),
            ("NEVER_STARTED", None, None),
            "START_FAILED",
            "",
            id="the message of another lease",
        ),
    ],
)
def test_each_end_has_its_proof_its_reason_and_what_helps(
    seen: Seen, proof: tuple[str, int | None, int | None], reason: str, says: str
) -> None:
    end = judge(seen, LIMITS, 0, 0).ended
    assert end is not None
    assert (end.proof.kind, end.proof.exit_code, end.proof.signal) == proof
    assert end.reason == reason
    assert says in end.message
    assert end.proof.lease_id == LEASE
    assert end.proof.container.startswith("runs/tp")


def waiting(reason: str, message: str = "m") -> dict[str, Any]:
    return pod_of({"waiting": {"reason": reason, "message": message}}, phase="Pending")


UNSCHEDULABLE = pod_of(
    conditions=[
        {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": "0/3 nodes are available",
        }
    ]
)


@pytest.mark.parametrize(
    ("pod", "waited", "pulled", "reason", "says"),
    [
        (waiting("ErrImagePull"), 49, 49, None, ""),
        (waiting("ImagePullBackOff"), 50, 50, "IMAGE_PULL", "flows:1 can't be pulled"),
        (waiting("InvalidImageName"), 0, 0, "IMAGE_PULL", "`image`"),
        (waiting("ErrImageNeverPull"), 0, 0, "IMAGE_PULL", "flows:1"),
        (UNSCHEDULABLE, 99, 0, None, ""),
        (UNSCHEDULABLE, 100, 0, "UNSCHEDULABLE", "0/3 nodes are available"),
        (waiting("ContainerCreating"), 99, 0, None, ""),
        (waiting("ContainerCreating"), 100, 0, "POD_START_TIMEOUT", "within 100 s"),
        (waiting("CreateContainerConfigError"), 100, 0, "START_FAILED", "can't be made"),
        (None, 100, 0, "POD_START_TIMEOUT", "`kubectl -n runs describe job tp`"),
    ],
)
def test_a_pod_that_doesnt_start_is_given_up_at_its_limit(
    pod: Any, waited: float, pulled: float, reason: str | None, says: str
) -> None:
    standing = judge(seen_of(pod), LIMITS, waited, pulled)
    assert standing.ended is None
    assert (standing.gives_up or (None, ""))[0] == reason
    assert says in (standing.gives_up or ("", ""))[1]


def test_what_a_pod_waits_for_is_told_meanwhile() -> None:
    assert judge(seen_of(UNSCHEDULABLE), LIMITS, 1, 0).waits == (
        "no node takes its pod: 0/3 nodes are available"
    )
    assert judge(seen_of(waiting("ErrImagePull", "not found")), LIMITS, 1, 0).waits == (
        "ErrImagePull: not found"
    )
    assert pull_fails(seen_of(waiting("ErrImagePull")))
    assert not pull_fails(seen_of(UNSCHEDULABLE))


def test_a_pod_that_started_as_it_was_given_up_keeps_its_proof() -> None:
    seen = seen_of(pod_of(ended(143, message=told("KILLED", signal=15))))
    end = given_up(seen, ("IMAGE_PULL", "m"), judge(seen, LIMITS, 0, 0).ended)
    assert (end.proof.kind, end.reason, end.message) == ("KILLED", "IMAGE_PULL", "m")
    never = given_up(seen_of(None), ("IMAGE_PULL", "m"), None)
    assert never.proof.kind == "NEVER_STARTED"


STATES = st.sampled_from(
    [None, {"running": {}}, {"waiting": {"reason": "ContainerCreating"}}, ended(0), ended(137)]
)


@given(
    STATES, st.booleans(), st.booleans(), st.booleans(), st.sampled_from([job_of(), FAILED, LATE])
)
def test_a_run_counts_as_ended_only_on_proof(
    state: Any, gone: bool, job_gone: bool, deletes: bool, job: Any
) -> None:
    seen = seen_of(pod_of(state), job, gone=gone, job_gone=job_gone, deletes=deletes)
    standing = judge(seen, LIMITS, 1000, 1000)
    assert (standing.ended is not None) == (gone or "terminated" in (state or {}))
