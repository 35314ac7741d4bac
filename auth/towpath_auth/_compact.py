"""Tokens in their compact form (RFC 7515): parts, JSON and signature, read in one way only.

The verifiers of own and of foreign tokens use it. Whatever is malformed is refused as an invalid
credential.
"""

from __future__ import annotations

import base64
import json
import re
from functools import cache
from typing import Any, Final, cast

import jwt

from towpath_auth._errors import CredentialRefused

_COMPACT: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
"""A signed token: three parts, without padding."""


def token_parts(token: str, *, max_bytes: int) -> tuple[dict[str, Any], bytes]:
    """Reads a token without verifying it.

    Args:
        token: The token in its compact form.
        max_bytes: The longest token that is read.

    Returns:
        The header, and the bytes of the content.

    Raises:
        CredentialRefused: The token is too long, has another form, or its header is no JSON object.
    """
    header, content, _ = (_decoded(part) for part in _split(token, max_bytes))
    return json_object(header), content


def unverified_claims(token: str, *, max_bytes: int) -> dict[str, Any]:
    """Reads the content of a token alone, without verifying it.

    Args:
        token: The token in its compact form.
        max_bytes: The longest token that is read.

    Raises:
        CredentialRefused: The token is too long, has another form, or its content is no JSON
            object.
    """
    _, content, _ = _split(token, max_bytes)
    return json_object(_decoded(content))


def signed_content(token: str, key: Any, algorithm: str) -> bytes:
    """Checks the signature of a token, and returns the bytes of its content.

    Args:
        token: The token in its compact form.
        key: The public key.
        algorithm: The one algorithm that is accepted, "EdDSA".

    Raises:
        CredentialRefused: The signature isn't of this key and algorithm.
    """
    try:
        content: bytes = _jws(algorithm).decode(token, key, algorithms=[algorithm])
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise CredentialRefused from error
    return content


def json_object(content: bytes) -> dict[str, Any]:
    """Reads a JSON object each of whose members occurs once.

    Raises:
        CredentialRefused: The bytes are no JSON or another value, nest too deeply, repeat a
            member, or hold NaN or Infinity.
    """
    try:
        found: Any = json.loads(content, object_pairs_hook=_once_each, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise CredentialRefused from error
    if not isinstance(found, dict):
        raise CredentialRefused
    return cast("dict[str, Any]", found)


def json_list(value: Any) -> list[object] | None:
    """The value, if it is a list; else None."""
    return cast("list[object]", value) if isinstance(value, list) else None


def _split(token: str, max_bytes: int) -> list[str]:
    if len(token) > max_bytes or _COMPACT.fullmatch(token) is None:
        raise CredentialRefused
    return token.split(".")


def _decoded(part: str) -> bytes:
    try:
        content = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError as error:
        raise CredentialRefused from error
    # The last character has bits to spare: with others there, it would be the same bytes again.
    if base64.urlsafe_b64encode(content).rstrip(b"=") != part.encode():
        raise CredentialRefused
    return content


@cache
def _jws(algorithm: str) -> Any:
    return jwt.PyJWS(algorithms=[algorithm])


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    # Readers differ in which of two members they take.
    if len(found) != len(pairs):
        raise CredentialRefused
    return found


def _no_number(_: str) -> Any:
    raise CredentialRefused
