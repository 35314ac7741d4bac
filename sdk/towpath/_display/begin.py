"""Decides whether and how a root flow run is shown; the engine calls it when a run begins."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final, Literal

from towpath._delivery.session import Session
from towpath._display.hub import Hub
from towpath._display.live import LiveView
from towpath._display.observer import Observer
from towpath._display.plain import PlainView
from towpath._forks import in_child

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

    from towpath._delivery.reports import Reporter

Mode = Literal["live", "plain", "quiet"]

_hubs: Final[dict[Mode, Hub]] = {}
_forked = False


def observed(reporter: Reporter, display: str) -> Reporter:
    """Returns the reporter for a root flow run: the given one, or an observer around it.

    Only runs that report to the process's own session are shown. A test harness, for example, has
    its own view of them.

    Args:
        reporter: The reporter.
        display: The setting `display`.
    """
    if _forked or not isinstance(reporter, Session):
        return reporter
    mode = mode_of(display, sys.stderr, os.environ)
    if mode == "quiet":
        return reporter
    hub = _hubs.get(mode)
    if hub is None:
        hub = _hubs[mode] = Hub(LiveView if mode == "live" else PlainView)
    return Observer(reporter, hub, hub.page())


def mode_of(display: str, stream: TextIO | None, environment: Mapping[str, str]) -> Mode:
    """Returns the mode that a setting means for a standard error stream and an environment."""
    automatic = display == "auto"
    if display == "quiet" or stream is None or stream.closed or _is_worker():
        return "quiet"
    if automatic and "PYTEST_CURRENT_TEST" in environment:
        return "quiet"
    if display == "plain" or not stream.isatty() or environment.get("TERM") == "dumb":
        return "plain"
    if automatic and (environment.get("NO_COLOR") or not _redraws(environment)):
        return "plain"
    return "live"


def _redraws(environment: Mapping[str, str]) -> bool:
    """Whether the terminal knows escape sequences; old consoles of Windows don't."""
    return sys.platform != "win32" or "WT_SESSION" in environment


def _is_worker() -> bool:
    """Whether another Python process started this one as a worker."""
    processes = sys.modules.get("multiprocessing.process")
    return processes is not None and processes.parent_process() is not None


def _let_go_after_fork() -> None:
    global _forked  # noqa: PLW0603 - a process is forked or not
    _forked = True
    for hub in _hubs.values():
        hub.let_go()


in_child(_let_go_after_fork)
