"""The settings that are defaults of the options of flows and tasks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from towpath._settings.declaration import setting
from towpath._settings.readers import (
    one_of,
    read_flag,
    read_results_url,
    read_retries,
    read_seconds,
    read_text,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """Defaults of the options of flows and tasks."""

    log_prints: bool = field(
        default=False,
        metadata=setting(
            "log.prints",
            "TOWPATH_LOG_PRINTS",
            read_flag,
            "Log what flows and tasks print that don't set log_prints.",
            page="guides/flows-and-tasks.md",
        ),
    )
    flow_retries: int = field(
        default=0,
        metadata=setting(
            "flow.retries",
            "TOWPATH_FLOW_RETRIES",
            read_retries,
            "Retries of flows that don't set their own.",
            page="guides/flows-and-tasks.md",
        ),
    )
    flow_retry_delay_seconds: float = field(
        default=0.0,
        metadata=setting(
            "flow.retry_delay_seconds",
            "TOWPATH_FLOW_RETRY_DELAY_SECONDS",
            read_seconds,
            "Delay before each retry of flows that don't set their own, in seconds.",
            page="guides/flows-and-tasks.md",
        ),
    )
    task_retries: int = field(
        default=0,
        metadata=setting(
            "task.retries",
            "TOWPATH_TASK_RETRIES",
            read_retries,
            "Retries of tasks that don't set their own.",
            page="guides/flows-and-tasks.md",
        ),
    )
    task_retry_delay_seconds: float = field(
        default=0.0,
        metadata=setting(
            "task.retry_delay_seconds",
            "TOWPATH_TASK_RETRY_DELAY_SECONDS",
            read_seconds,
            "Delay before each retry of tasks that don't set their own, in seconds.",
            page="guides/flows-and-tasks.md",
        ),
    )
    task_runner: Literal["threads", "processes", "inline"] = field(
        default="threads",
        metadata=setting(
            "task.runner",
            "TOWPATH_TASK_RUNNER",
            one_of("threads", "processes", "inline"),
            "Task runner of flows that don't set their own: threads, processes or inline.",
            page="guides/task-runners.md",
        ),
    )
    task_max_workers: int = field(
        default=0,
        metadata=setting(
            "task.max_workers",
            "TOWPATH_TASK_MAX_WORKERS",
            read_retries,
            "Most threads or processes of task runners that don't set their own; 0 for the usual"
            " number.",
            page="guides/task-runners.md",
        ),
    )
    results_persist: bool = field(
        default=False,
        metadata=setting(
            "results.persist",
            "TOWPATH_RESULTS_PERSIST",
            read_flag,
            "Keep results of flows and tasks that don't set persist_result.",
            page="guides/results-and-caching.md",
        ),
    )
    results_cache: Literal["on", "off", "refresh"] = field(
        default="on",
        metadata=setting(
            "results.cache",
            "TOWPATH_RESULTS_CACHE",
            one_of("on", "off", "refresh"),
            "Use of cached results: on, off, or refresh (compute anew and replace them).",
            page="guides/results-and-caching.md",
        ),
    )
    results_url: str = field(
        default="",
        metadata=setting(
            "results.url",
            "TOWPATH_RESULTS_URL",
            read_results_url,
            "Where results are stored: s3://, gs:// or az:// with a bucket and a prefix, file:///,"
            " or memory:///; empty for the home.",
            page="guides/results-and-caching.md",
            scope="profile",
        ),
    )
    results_signing_key: str = field(
        default="",
        metadata=setting(
            "results.signing_key",
            "TOWPATH_RESULTS_SIGNING_KEY",
            read_text,
            "Secret that signs results in object storage; then unsigned ones are not read.",
            page="guides/results-and-caching.md",
            scope="profile",
            secret=True,
        ),
    )
    results_trust_pickles: bool = field(
        default=False,
        metadata=setting(
            "results.trust_pickles",
            "TOWPATH_RESULTS_TRUST_PICKLES",
            read_flag,
            "Read unsigned pickles from object storage: all who may write there run code here.",
            page="guides/results-and-caching.md",
            scope="profile",
        ),
    )
