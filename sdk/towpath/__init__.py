"""Towpath: decorate functions, run them anywhere, lose nothing."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from towpath._flow import Flow, flow
    from towpath._logging import get_run_logger
    from towpath._secret import Secret
    from towpath._task import Task, task
    from towpath.annotations import Sensitive, allow_failure, quote, unmapped
    from towpath.context import tags
    from towpath.states import State

__all__ = [
    "Flow",
    "Secret",
    "Sensitive",
    "State",
    "Task",
    "allow_failure",
    "flow",
    "get_run_logger",
    "quote",
    "tags",
    "task",
    "unmapped",
]

_HOMES: Final = {
    "Flow": "towpath._flow",
    "Secret": "towpath._secret",
    "Sensitive": "towpath.annotations",
    "State": "towpath.states",
    "Task": "towpath._task",
    "allow_failure": "towpath.annotations",
    "flow": "towpath._flow",
    "get_run_logger": "towpath._logging",
    "quote": "towpath.annotations",
    "tags": "towpath.context",
    "task": "towpath._task",
    "unmapped": "towpath.annotations",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'towpath' has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value
