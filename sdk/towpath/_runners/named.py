"""Task runners by the names that the setting `task.runner` takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towpath._runners.threads import ThreadPoolTaskRunner

if TYPE_CHECKING:
    from towpath._runners.base import TaskRunner


def runner_named(name: str) -> TaskRunner:
    """Returns a new task runner: "threads", "processes" or "inline"."""
    if name == "processes":
        from towpath._runners.processes.runner import (  # noqa: PLC0415 - few flows use it
            ProcessPoolTaskRunner,
        )

        return ProcessPoolTaskRunner()
    if name == "inline":
        from towpath._runners.inline import InlineTaskRunner  # noqa: PLC0415 - few flows use it

        return InlineTaskRunner()
    return ThreadPoolTaskRunner()
