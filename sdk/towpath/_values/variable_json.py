"""Values of variables as JSON."""

from __future__ import annotations

import json
from typing import Any, Final

from towpath.exceptions import VariableError

MOST_BYTES: Final = 64 * 1024
"""Largest value: bytes of JSON."""


def value_as_json(name: str, value: Any) -> str:
    """Returns a variable's value as compact JSON.

    Raises:
        VariableError: It isn't JSON, or too large.
    """
    try:
        written = _written(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise VariableError(
            f"the value of the variable {name!r} isn't JSON: {error}. Give texts, numbers,"
            " booleans, None, lists and dicts"
        ) from None
    size = len(written.encode())
    if size > MOST_BYTES:
        raise VariableError(
            f"the value of the variable {name!r} has {size} bytes as JSON, and at most"
            f" {MOST_BYTES} are kept: store it in a file, and set the variable to its path"
        )
    return written


def _written(value: Any) -> str:
    written = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    if written.isascii():
        return written
    try:
        written.encode()
    except UnicodeEncodeError:  # Half of a surrogate pair, which only an escape can hold.
        return json.dumps(value, allow_nan=False, separators=(",", ":"))
    return written
