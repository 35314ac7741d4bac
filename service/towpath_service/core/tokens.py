"""Opaque tokens that mark where a list or a watch continues; used by queries, watches and paging.

A token is bound to the query that it belongs to; another query refuses it. It carries no secret and
grants nothing: a forged token returns only data that the caller's own credentials permit.
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
    """A token that marks a place in the results of a query."""
    content = json.dumps(place, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_check(question, content) + content).decode().rstrip("=")


def read_place(
    token: str, question: tuple[str, ...], *kinds: type, reason: str = "INVALID_PAGE_TOKEN"
) -> list[int | str]:
    """The place that a token marks.

    Args:
        token: The token as sent; it may be forged.
        question: The query that it must belong to.
        kinds: Types of the parts of a place, `int` or `str` each.
        reason: Reason of the error.

    Raises:
        ServiceError: With the given reason, when the token is damaged, of another query, or marks
            no valid place: a number beyond 64 bits, or a text with NUL.
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
    """The place of a token whose place is a count or a position, 0 or more.

    Raises:
        ServiceError: As `read_place`.
    """
    (number,) = read_place(token, question, int, reason=reason)
    if int(number) < 0:
        raise ServiceError(reason=reason, message="the token marks no place: begin without one")
    return int(number)


def _place(token: str, question: tuple[str, ...]) -> list[Any]:
    """The parts of a token; empty when it is damaged or of another query."""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), b"-_", validate=True)
        check, content = raw[:_CHECK_BYTES], raw[_CHECK_BYTES:]
        return list(json.loads(content)) if check == _check(question, content) else []
    except (ValueError, TypeError, RecursionError):
        return []


def _is_a(value: object, kind: type) -> bool:
    # Not isinstance: in Python, a JSON `true` is an int as well.
    if type(value) is not kind:
        return False
    if isinstance(value, int):
        return -_NUMBERS <= value < _NUMBERS
    return isinstance(value, str) and _is_storable(value)


def _is_storable(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def make_consistency_token(tenant_id: str, workspace_id: str, position: int) -> str:
    """A token that covers a workspace's commits up to a position."""
    return make_token(("Consistency", tenant_id, workspace_id), (position,))


def read_consistency_token(token: str, tenant_id: str, workspace_id: str) -> int:
    """The position that a read must include; 0 for no token.

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
            "must be unchanged from an ack of this workspace, or empty",
        ) from None


def make_etag(*fields: str) -> str:
    """An etag of fields, which changes when one of them changes."""
    digest = hashlib.blake2b(digest_size=_CHECK_BYTES)
    for value in fields:
        digest.update(f"{len(value)}\0{value}".encode())
    return base64.urlsafe_b64encode(digest.digest()).decode()


def _check(question: tuple[str, ...], content: bytes) -> bytes:
    digest = hashlib.blake2b(content, digest_size=_CHECK_BYTES)
    for part in question:
        digest.update(f"\0{len(part)}\0{part}".encode())
    return digest.digest()
