"""Where submitted tasks run: in the submitting thread, in threads, or in processes."""

from __future__ import annotations

from towpath._runners.base import TaskRunner
from towpath._runners.inline import InlineTaskRunner
from towpath._runners.processes.runner import ProcessPoolTaskRunner
from towpath._runners.threads import ThreadPoolTaskRunner

__all__ = ["InlineTaskRunner", "ProcessPoolTaskRunner", "TaskRunner", "ThreadPoolTaskRunner"]
