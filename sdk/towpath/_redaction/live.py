"""The sensitive values of a root run and of all runs below it, for as long as it lasts."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

from towpath._redaction.clean import clean
from towpath._redaction.forms import LEAST_CHARACTERS, forms_of, texts_in
from towpath._redaction.patterns import REDACTED, without_credentials

if TYPE_CHECKING:
    from collections.abc import Iterable

_FEW: Final = 200
"""Up to this many texts are searched one by one; more are found by their first characters."""


class LiveSecrets:
    """The texts that must not be shown of one root run; safe to use from any thread.

    All runs below the root share it, since an error passes from a task with a sensitive parameter
    to a flow that has none.
    """

    __slots__ = ("_by_start", "_few", "_lock", "_values")

    def __init__(self, values: Iterable[str | bytes] = ()) -> None:
        """Begins with some values, which another process has sent."""
        self._lock = threading.Lock()
        self._values: set[str | bytes] = set()
        self._few: tuple[str, ...] = ()
        """All forms, the longest first, while they are few."""
        self._by_start: dict[str, list[str]] = {}
        self.add_texts(values)

    @property
    def values(self) -> frozenset[str | bytes]:
        """Returns the values in plain text, for another process of the same run."""
        with self._lock:
            return frozenset(self._values)

    def unlock_in_child(self) -> None:
        """Makes the lock anew in a forked child, since another thread may have held it."""
        self._lock = threading.Lock()

    def add(self, value: Any) -> None:
        """Adds all secret texts of a value."""
        self.add_texts(texts_in(value))

    def text(self, text: str) -> str:
        """A text as it may be seen, and as a report can carry it."""
        return clean(self.redacted(text))

    def redacted(self, text: str) -> str:
        """A text as it may be seen, otherwise as it is: what goes to a terminal or a file."""
        if self._by_start:
            text = self._without_values(text)
        return without_credentials(text)

    def add_texts(self, values: Iterable[str | bytes]) -> None:
        """Adds values that another process has sent."""
        with self._lock:
            new = set(values) - self._values
            if not new:
                return
            self._values |= new
            for form in {form for value in new for form in forms_of(value)}:
                start = form[:LEAST_CHARACTERS]
                # The longest come first, since they may contain shorter ones. The list is replaced,
                # not changed: another thread may be reading it.
                known = {*self._by_start.get(start, ()), form}
                self._by_start[start] = sorted(known, key=len, reverse=True)
            few = len(self._by_start) <= _FEW
            every = (form for forms in self._by_start.values() for form in forms) if few else ()
            self._few = tuple(sorted(every, key=len, reverse=True))

    def _without_values(self, text: str) -> str:
        few = self._few
        if few:
            for form in few:
                if form in text:
                    text = text.replace(form, REDACTED)
            return text
        by_start = self._by_start
        kept: list[str] = []
        at = since = 0
        while at <= len(text) - LEAST_CHARACTERS:
            candidates = by_start.get(text[at : at + LEAST_CHARACTERS], ())
            found = next((form for form in candidates if text.startswith(form, at)), "")
            if found:
                kept += (text[since:at], REDACTED)
                since = at + len(found)
            at += max(1, len(found))
        return "".join((*kept, text[since:]))
