"""Opaque tokens: where a list goes on, and where a watch does.

A token is bound to the question it belongs to; with another question it is refused. It carries no
secret and grants nothing: whoever makes one up gets the answers their own credentials allow.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any, Final

from towpath_service.core.errors import ServiceError, invalid

_CHECK_BYTES: Final = 9
_NUMBERS: Final = 1 << 63


def make_token(question: tuple[str, ...], place: tuple[int | str, ...]) -> str:
    """A token that marks a place in the answers to a question."""
    content = json.dumps(place, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_check(question, content) + content).decode().rstrip("=")


def read_place(
    token: str, question: tuple[str, ...], *kinds: type, reason: str = "INVALID_PAGE_TOKEN"
) -> list[int | str]:
    """The place that a token marks.

    Args:
        token: What was sent as one: anybody can make a token that looks right.
        question: What it must belong to.
        kinds: What a place in the answers is made of, `int` or `str` each.
        reason: Of the refusal.

    Raises:
        ServiceError: Of the given reason, when the token is damaged, of another question, or marks
            what is no place: numbers are those that databases hold, texts have no NUL.
    """
    place = _place(token, question)
    if len(place) != len(kinds) or not all(map(_is_a, place, kinds)):
        raise ServiceError(
            reason=reason,
            message="the token is damaged or belongs to another query: begin without one",
        )
    return place


def read_number(
    token: str, question: tuple[str, ...], *, reason: str = "INVALID_PAGE_TOKEN"
) -> int:
    """The place that a token marks where that is a count or a position, 0 or more.

    Raises:
        ServiceError: As `read_place`.
    """
    (number,) = read_place(token, question, int, reason=reason)
    if int(number) < 0:
        raise ServiceError(reason=reason, message="the token marks no place: begin without one")
    return int(number)


def _place(token: str, question: tuple[str, ...]) -> list[Any]:
    """What is in a token; nothing when it is damaged or of another question."""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), b"-_", validate=True)
        check, content = raw[:_CHECK_BYTES], raw[_CHECK_BYTES:]
        return list(json.loads(content)) if check == _check(question, content) else []
    except (ValueError, TypeError, RecursionError):
        return []


def _is_a(value: object, kind: type) -> bool:
    # Not isinstance: to JSON, true is no number.
    if type(value) is not kind:
        return False
    if isinstance(value, int):
        return -_NUMBERS <= value < _NUMBERS
    return isinstance(value, str) and _is_storable(value)


def _is_storable(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def make_consistency_token(tenant_id: str, workspace_id: str, position: int) -> str:
    """A token for what a workspace had committed up to a position."""
    return make_token(("Consistency", tenant_id, workspace_id), (position,))


def read_consistency_token(token: str, tenant_id: str, workspace_id: str) -> int:
    """The position that an answer must show; 0 for no token.

    Raises:
        ServiceError: INVALID_REQUEST, when the token is damaged or of another workspace.
    """
    if not token:
        return 0
    try:
        return read_number(token, ("Consistency", tenant_id, workspace_id))
    except ServiceError:
        raise invalid(
            "consistency_token",
            "must be one that this workspace's acks gave: pass it on as it is, or none",
        ) from None


def make_etag(*fields: str) -> str:
    """A version of fields: the same while they are, another once one changes."""
    digest = hashlib.blake2b(digest_size=_CHECK_BYTES)
    for value in fields:
        digest.update(f"{len(value)}\0{value}".encode())
    return base64.urlsafe_b64encode(digest.digest()).decode()


def _check(question: tuple[str, ...], content: bytes) -> bytes:
    digest = hashlib.blake2b(content, digest_size=_CHECK_BYTES)
    for part in question:
        digest.update(f"\0{len(part)}\0{part}".encode())
    return digest.digest()
