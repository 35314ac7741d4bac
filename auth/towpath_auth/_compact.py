"""Reads tokens in their compact form in the one way they can be read."""

from __future__ import annotations

import base64
import json
import re
from typing import Any, Final, cast

from towpath_auth._errors import CredentialRefused

COMPACT: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
"""A signed token: three parts, without padding."""


def decoded(part: str) -> bytes:
    """The bytes of one part, which has one spelling only.

    Raises:
        CredentialRefused: For padding bits that say something.
        ValueError: For what is not base64url.
    """
    content = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    # The last character has bits to spare: with others there, it would be the same bytes again.
    if base64.urlsafe_b64encode(content).rstrip(b"=") != part.encode():
        raise CredentialRefused
    return content


def json_object(content: bytes) -> dict[str, Any]:
    """The JSON object in the bytes, each of whose members is there once.

    Raises:
        CredentialRefused: For another value, a member twice, NaN or Infinity.
        ValueError: For what is not JSON.
        RecursionError: For JSON nested too deeply.
    """
    found: Any = json.loads(content, object_pairs_hook=_once_each, parse_constant=_no_number)
    if not isinstance(found, dict):
        raise CredentialRefused
    return cast("dict[str, Any]", found)


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    # Readers differ in which of two members they take.
    if len(found) != len(pairs):
        raise CredentialRefused
    return found


def _no_number(_: str) -> Any:
    raise CredentialRefused


def json_list(value: Any) -> list[object] | None:
    """The value, if it is a list."""
    return cast("list[object]", value) if isinstance(value, list) else None
