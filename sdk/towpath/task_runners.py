"""Where submitted tasks run: in the submitting thread, in threads, or in processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towpath._prefect_names.refusals import refusing
from towpath._runners.base import TaskRunner
from towpath._runners.inline import InlineTaskRunner
from towpath._runners.processes.runner import ProcessPoolTaskRunner
from towpath._runners.threads import ThreadPoolTaskRunner

__all__ = ["InlineTaskRunner", "ProcessPoolTaskRunner", "TaskRunner", "ThreadPoolTaskRunner"]

if not TYPE_CHECKING:
    __getattr__ = refusing(__name__)
