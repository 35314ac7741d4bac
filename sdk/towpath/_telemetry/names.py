"""Names of spans, links and their attributes; docs/observability.md lists them.

Those under `cicd.` and `code.` are OpenTelemetry's semantic conventions; `towpath.` are our own.
"""

from __future__ import annotations

from typing import Final

PIPELINE_NAME: Final = "cicd.pipeline.name"
PIPELINE_ACTION: Final = "cicd.pipeline.action.name"
PIPELINE_RUN_ID: Final = "cicd.pipeline.run.id"
PIPELINE_RESULT: Final = "cicd.pipeline.result"
TASK_NAME: Final = "cicd.pipeline.task.name"
TASK_RUN_ID: Final = "cicd.pipeline.task.run.id"
TASK_RESULT: Final = "cicd.pipeline.task.run.result"
ERROR_TYPE: Final = "error.type"
CODE_FUNCTION: Final = "code.function.name"
PROCESS_ID: Final = "process.pid"

RUN_ID: Final = "towpath.run.id"
RUN_NAME: Final = "towpath.run.name"
RUN_STATE: Final = "towpath.run.state"
RUN_REASON: Final = "towpath.run.reason"
ATTEMPT: Final = "towpath.attempt"
MAP_INDEX: Final = "towpath.task_run.map_index"
TAGS: Final = "towpath.tags"
WAIT_REASON: Final = "towpath.wait.reason"
WAIT_SLOT_SECONDS: Final = "towpath.wait.slot_seconds"
LINK_TYPE: Final = "towpath.link.type"
SAMPLING: Final = "towpath.sampling"

RUN: Final = "RUN"
"""The action of a run's root span, which is named by it and by the flow."""
ATTEMPT_SPAN: Final = "attempt"

ENQUEUE_SPAN: Final = "enqueue"
QUEUE_WAIT_SPAN: Final = "queue wait"
CLAIM_SPAN: Final = "claim"
START_SPAN: Final = "start"

DEPLOYMENT: Final = "towpath.deployment.name"
POOL: Final = "towpath.work.pool"
QUEUE: Final = "towpath.work.queue"
WORKER: Final = "towpath.work.worker"
CLAIMED_RUNS: Final = "towpath.claim.runs"

WAIT_DEPENDENCIES: Final = "dependencies"
WAIT_BACK_OFF: Final = "back-off"

LINK_CREATOR: Final = "creator"
LINK_PREVIOUS_ATTEMPT: Final = "previous_attempt"
LINK_UPSTREAM: Final = "upstream"
LINK_CLAIM: Final = "claim"
LINK_RUN: Final = "run"

KEPT_FAILURE: Final = "failure"
"""Reason to keep a span although the sampler had dropped its run."""

RESULTS: Final = {
    "COMPLETED": "success",
    "FAILED": "failure",
    "CRASHED": "error",
    "TIMED_OUT": "timeout",
    "CANCELLED": "cancellation",
    "SKIPPED": "skip",
}
"""Result of a run, by its final state."""

FAILURES: Final = frozenset({"FAILED", "CRASHED", "TIMED_OUT"})
"""Final states that make a span's status ERROR, and its run worth keeping."""
