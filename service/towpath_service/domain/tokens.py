"""Opaque tokens: where a list goes on, and where a watch does.

A token is bound to the question it belongs to; with another question it is refused. It carries no
secret and grants nothing: whoever makes one up gets the answers their own credentials allow.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from typing import Final

from towpath_service.domain.errors import ServiceError, invalid

_CHECK_BYTES: Final = 9


def make_token(question: tuple[str, ...], place: tuple[int | str, ...]) -> str:
    """A token that marks a place in the answers to a question."""
    content = json.dumps(place, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_check(question, content) + content).decode().rstrip("=")


def read_token(
    token: str, question: tuple[str, ...], *, reason: str = "INVALID_PAGE_TOKEN"
) -> list[int | str]:
    """The place that a token marks.

    Raises:
        ServiceError: Of the given reason, when the token is damaged or of another question.
    """
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    check, content = raw[:_CHECK_BYTES], raw[_CHECK_BYTES:]
    if not content or check != _check(question, content):
        raise ServiceError(
            reason=reason,
            message="the token is damaged or belongs to another query: begin without one",
        )
    place: list[int | str] = json.loads(content)
    return place


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
        place = read_token(token, ("Consistency", tenant_id, workspace_id))
    except ServiceError:
        place = []
    match place:
        case [int(position)]:
            return position
        case _:
            raise invalid(
                "consistency_token",
                "must be one that this workspace's acks gave: pass it on as it is, or none",
            )


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
