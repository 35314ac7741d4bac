"""The version of a function's code, which flows without a version report."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from towpath._callables import plain_function

if TYPE_CHECKING:
    from collections.abc import Callable


def version_of(function: Callable[..., Any]) -> str:
    """Returns the first 12 hexadecimal digits of the SHA-256 of a function's file; else ""."""
    code = getattr(plain_function(function), "__code__", None)
    return _hash_of(code.co_filename) if code is not None else ""


@lru_cache(maxsize=1024)
def _hash_of(path: str) -> str:
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:12]
    except OSError:
        return ""
