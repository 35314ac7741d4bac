"""The forms in which a value appears in texts: plain, quoted, in Base64."""

from __future__ import annotations

import base64
import dataclasses
import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LEAST_CHARACTERS: Final = 6
"""Least length of a text to remove; shorter ones occur in too many other texts."""

_MOST_ITEMS: Final = 10_000
_DEPTH: Final = 6


def texts_in(value: Any) -> Iterator[str | bytes]:
    """Yields the secret texts of a value: its own, or those of all values in it."""
    for found in _leaves(value, _DEPTH):
        if len(found) >= LEAST_CHARACTERS:
            yield found


def forms_of(value: str | bytes) -> set[str]:
    """Returns the texts that reveal a value: itself, quoted in several ways, in Base64."""
    content = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
    text = value if isinstance(value, str) else content.decode("utf-8", "backslashreplace")
    forms = {text, repr(value)[1:-1] if isinstance(value, str) else repr(value)[2:-1]}
    forms |= {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
    forms |= {quote(content, safe=""), quote(content), quote_plus(content)}
    forms |= {content.hex(), *_base64(content)}
    return {form for form in forms if len(form) >= LEAST_CHARACTERS}


def _base64(content: bytes) -> Iterator[str]:
    """Yields, for each offset, the part of a value's Base64 that bytes around it don't change."""
    for offset in range(3):
        # The first characters hold bits of the bytes before, the last ones of the bytes after.
        first = -(-offset * 8 // 6)
        last = (offset + len(content)) * 8 // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(b"\0" * offset + content).decode()[first:last]


def _leaves(value: Any, depth: int) -> Iterator[str | bytes]:
    if value is None or isinstance(value, bool) or depth == 0:
        return
    if isinstance(value, str | bytes):
        yield value
        return
    if _quietly(lambda: hasattr(value, "get_secret_value")):
        yield from _leaves(_quietly(value.get_secret_value), depth)
        return
    parts = _quietly(lambda: _parts(value))
    if parts is None:
        yield _quietly(lambda: str(value)) or ""
        return
    for part in parts[:_MOST_ITEMS]:
        yield from _leaves(part, depth - 1)


def _quietly(read: Callable[[], Any]) -> Any:
    """Reads from a user's object, whose code may raise any exception; returns None then."""
    try:
        return read()
    except Exception:  # noqa: BLE001 - see above
        return None


def _parts(value: Any) -> list[Any] | None:
    """Returns the values within a value; None for one that is represented by its own text."""
    kind: Any = value.__class__
    held: Any = value
    if issubclass(kind, dict):
        return list(held.values())
    if issubclass(kind, list | tuple | set | frozenset):
        return list(held)
    if dataclasses.is_dataclass(kind):
        return [getattr(held, each.name, None) for each in dataclasses.fields(kind)]
    # Models of pydantic, and objects whose default text is only their address.
    plain = hasattr(kind, "model_fields") or (
        kind.__str__ is object.__str__ and kind.__repr__ is object.__repr__
    )
    inner: dict[str, Any] | None = getattr(value, "__dict__", None) if plain else None
    return None if inner is None else list(inner.values())
