"""Ctrl-C for a whole flow run: what has not begun does not begin, what runs is asked to stop."""

from __future__ import annotations

import ctypes
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from towpath.exceptions import RunCancelled

if TYPE_CHECKING:
    from collections.abc import Generator


class Interruption:
    """Whether a flow run was interrupted, and the threads that run its tasks."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._threads: set[int] = set()
        self.requested = False

    @contextmanager
    def here(self) -> Generator[None]:
        """Around a task in this thread: raises RunCancelled in it when that is requested."""
        thread = threading.get_ident()
        with self._lock:
            if self.requested:
                raise RunCancelled("not begun, since the flow was interrupted")
            self._threads.add(thread)
        try:
            yield
        finally:
            with self._lock:
                self._threads.discard(thread)

    def request(self) -> None:
        """Raises RunCancelled in the Python code of all tasks under way."""
        with self._lock:
            self.requested = True
            for thread in self._threads:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(thread), ctypes.py_object(RunCancelled)
                )
