"""JSON objects within requests, which are kept as text."""

from __future__ import annotations

import json
from typing import Any, Final, TypeGuard

from towpath_service.core.errors import ServiceError, invalid

MAX_DEPTH: Final = 64
"""Most levels of a JSON value: enough for any schema, and no danger to a reader's stack."""


def parse_object(text: str, field: str, *, most_bytes: int) -> dict[str, Any]:
    """Reads a JSON object.

    Args:
        text: Its text; empty for an empty object.
        field: The field that it was given in, for the error.
        most_bytes: Largest text: bytes of UTF-8.

    Raises:
        ServiceError: INVALID_REQUEST: it is no JSON object, or deeper than 64 levels;
            PAYLOAD_TOO_LARGE.
    """
    if not text:
        return {}
    size = len(text.encode())
    if size > most_bytes:
        raise ServiceError(
            reason="PAYLOAD_TOO_LARGE",
            message=f"{field}: {size} bytes, at most {most_bytes} are allowed",
            metadata={"limit_bytes": str(most_bytes), "actual_bytes": str(size)},
        )
    try:
        found: object = _DECODER.decode(text)
    except (ValueError, RecursionError):
        raise invalid(field, "must be valid JSON") from None
    if not is_object(found):
        raise invalid(field, "must be a JSON object")
    if _is_deeper(found, MAX_DEPTH):
        raise invalid(field, f"must have at most {MAX_DEPTH} levels")
    return found


def is_object(value: object) -> TypeGuard[dict[str, Any]]:
    """Whether a JSON value is an object."""
    return isinstance(value, dict)


def is_array(value: object) -> TypeGuard[list[Any]]:
    """Whether a JSON value is an array."""
    return isinstance(value, list)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _is_deeper(value: Any, levels: int) -> bool:
    if is_object(value):
        return levels == 0 or any(_is_deeper(item, levels - 1) for item in value.values())
    if is_array(value):
        return levels == 0 or any(_is_deeper(item, levels - 1) for item in value)
    return False


# Made once: `json.loads` makes one for each text.
_DECODER: Final = json.JSONDecoder(parse_constant=_refuse_constant)
