"""The thread that shows all root flow runs of this process."""

from __future__ import annotations

import atexit
import contextlib
import threading
import time
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from towpath._display.model import Told, Tree
    from towpath._display.observer import Observer

FRAME_SECONDS: Final = 0.1


class View(Protocol):
    """Shows trees; one thread at a time calls its methods, except `prepare`."""

    prompt: bool
    """Whether urgent notes are shown at once, not with the next frame."""

    def page(self) -> Told | None:
        """Returns the listener to a new root flow run's states; None when the trees are enough."""
        ...

    def prepare(self) -> None:
        """Does slow work, such as imports, before the first frame."""
        ...

    def show(self, trees: Sequence[Tree], now: float) -> None:
        """Shows the present state of all trees."""
        ...

    def end(self, tree: Tree, others: Sequence[Tree]) -> None:
        """Shows the end of a root flow run."""
        ...

    def close(self) -> None:
        """Restores the terminal, for good or until the next frame."""
        ...

    def let_go(self) -> None:
        """Gives up the terminal in a forked child, since it stays the parent's."""
        ...


class Hub:
    """Collects the notes of observers in a thread of its own, and shows them in a view."""

    def __init__(self, view: Callable[[threading.RLock], View]) -> None:
        # Re-entrant: a signal handler of the user's may print while its thread prints.
        self._lock = threading.RLock()
        self._view = view(self._lock)
        self._observers: list[Observer] = []
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._idle = False
        self._closed = False

    def page(self) -> Told | None:
        """Returns the view's listener to the states of a new root flow run."""
        return self._view.page()

    def begin(self, observer: Observer) -> None:
        """Shows a root flow run from now on."""
        if self._closed:
            observer.stop()
            return
        self._observers.append(observer)
        if self._view.prompt:
            with self._lock, contextlib.suppress(OSError, ValueError):
                observer.take_notes()
        if self._thread is None:
            self._start()
        elif self._idle:
            self._wake.set()

    def hurry(self) -> None:
        """Shows the notes at once if the view shows urgent ones."""
        if self._view.prompt and not self._wake.is_set():
            self._wake.set()

    def end(self, observer: Observer) -> None:
        """Shows the end of a root flow run before its caller goes on."""
        with self._lock:
            if observer not in self._observers:
                return
            with contextlib.suppress(OSError, ValueError):
                observer.take_notes()
            self._observers.remove(observer)
            observer.stop()
            with contextlib.suppress(OSError, ValueError):
                self._view.end(observer.tree, [other.tree for other in self._observers])

    def close(self) -> None:
        """Stops showing runs; runs under way continue."""
        if self._closed:
            return
        self._closed = True
        self._wake.set()
        with self._lock:
            for observer in self._observers:
                observer.stop()
            self._observers.clear()
            with contextlib.suppress(OSError, ValueError):
                self._view.close()

    def let_go(self) -> None:
        """Stops showing runs in a forked child, and leaves the terminal to the parent."""
        self._lock = threading.RLock()
        self._closed = True
        for observer in self._observers:
            observer.stop()
        self._view.let_go()

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="towpath-display", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            # The interpreter is shutting down: flows that run now are not shown.
            self.close()
        else:
            atexit.register(self.close)

    def _run(self) -> None:
        while not self._closed:
            self._idle = not self._observers
            self._wake.wait(None if self._idle and not self._observers else FRAME_SECONDS)
            self._idle = False
            self._wake.clear()
            try:
                self._frame()
            except Exception:  # noqa: BLE001 - what shows a flow must not disturb it
                self.close()

    def _frame(self) -> None:
        now = time.time()
        if any(observer.tree.ran(now) > FRAME_SECONDS for observer in self._observers):
            self._view.prepare()
        with self._lock:
            for observer in self._observers:
                observer.take_notes()
            trees = [observer.tree for observer in self._observers]
            if trees:
                self._view.show(trees, now)
