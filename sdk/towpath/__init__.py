"""Towpath: decorate functions, run them anywhere, lose nothing."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from towpath._prefect_names.refusals import install, refuse

if TYPE_CHECKING:
    from towpath._definitions.flow import Flow, flow
    from towpath._definitions.task import Task
    from towpath._definitions.task_decorator import task
    from towpath._deploy.deploying import deploy
    from towpath._deploy.pausing import pause_flow_run, resume_flow_run, suspend_flow_run
    from towpath._deploy.serving import aserve, serve
    from towpath._engine.run_logging import get_run_logger
    from towpath._runs.context import tags
    from towpath._values.secret import Secret
    from towpath.annotations import Sensitive, allow_failure, quote, unmapped
    from towpath.states import State

__all__ = [
    "Flow",
    "Secret",
    "Sensitive",
    "State",
    "Task",
    "allow_failure",
    "aserve",
    "deploy",
    "flow",
    "get_run_logger",
    "pause_flow_run",
    "quote",
    "resume_flow_run",
    "serve",
    "suspend_flow_run",
    "tags",
    "task",
    "unmapped",
]

_HOMES: Final = {
    "Flow": "towpath._definitions.flow",
    "Secret": "towpath._values.secret",
    "Sensitive": "towpath.annotations",
    "State": "towpath.states",
    "Task": "towpath._definitions.task",
    "allow_failure": "towpath.annotations",
    "aserve": "towpath._deploy.serving",
    "deploy": "towpath._deploy.deploying",
    "flow": "towpath._definitions.flow",
    "get_run_logger": "towpath._engine.run_logging",
    "pause_flow_run": "towpath._deploy.pausing",
    "quote": "towpath.annotations",
    "resume_flow_run": "towpath._deploy.pausing",
    "serve": "towpath._deploy.serving",
    "suspend_flow_run": "towpath._deploy.pausing",
    "tags": "towpath._runs.context",
    "task": "towpath._definitions.task_decorator",
    "unmapped": "towpath.annotations",
}

install()


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        refuse(__name__, name, sys._getframe(1))  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - documented
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value
