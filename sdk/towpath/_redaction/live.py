"""The sensitive values of a root run and of all runs below it, while it lasts."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

from towpath._redaction.clean import clean
from towpath._redaction.forms import LEAST_CHARACTERS, forms_of, texts_in
from towpath._redaction.patterns import REDACTED, without_credentials

if TYPE_CHECKING:
    from collections.abc import Iterable

_FEW: Final = 200
"""As many texts are looked for one after the other; more by how they begin."""


class LiveSecrets:
    """What must not be seen of one root run; safe to use from any thread.

    One for the whole run, since an error travels from a task with a sensitive parameter to a flow
    that has none.
    """

    __slots__ = ("_by_start", "_few", "_lock", "_values")

    def __init__(self, values: Iterable[str | bytes] = ()) -> None:
        """Knows these values, as another process has sent them."""
        self._lock = threading.Lock()
        self._values: set[str | bytes] = set()
        self._few: tuple[str, ...] = ()
        """All forms, the longest first, as long as they are few."""
        self._by_start: dict[str, list[str]] = {}
        self.add_texts(values)

    @property
    def values(self) -> frozenset[str | bytes]:
        """What is known, in plain: for another process of the same run."""
        with self._lock:
            return frozenset(self._values)

    def unlock_in_child(self) -> None:
        """In a forked child: makes the lock anew, which another thread may have held."""
        self._lock = threading.Lock()

    def add(self, value: Any) -> None:
        """Keeps whatever is secret in a value from being seen."""
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
        """Keeps texts from being seen that another process knows."""
        with self._lock:
            new = set(values) - self._values
            if not new:
                return
            self._values |= new
            for form in {form for value in new for form in forms_of(value)}:
                start = form[:LEAST_CHARACTERS]
                # A longer one may hold a shorter one. Whoever reads meanwhile has the old list.
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
