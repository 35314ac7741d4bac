"""Ids of flows: made of names, different for different names, and the same for good."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import Final

_LONGEST: Final = 63
_DIGITS: Final = 16
_SAYS_ALL: Final = re.compile(r"[a-z0-9]+(?:[_-][a-z0-9]+)*")
"""Names of lower-case letters and digits with single underscores or dashes between them."""


def flow_id_of(name: str) -> str:
    """The id of a flow: at most 63 lower-case letters, digits and dashes of ASCII.

    An underscore becomes a dash, a dash becomes two. From other names, and from longer ones, the
    id takes what can be read; three dashes and a hash of the exact name follow.
    """
    if _SAYS_ALL.fullmatch(name):
        told = name.replace("-", "--").replace("_", "-")
        if len(told) <= _LONGEST:
            return told
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
    room = _LONGEST - _DIGITS - len("---")
    return f"{_readable(name)[:room].strip('-') or 'flow'}---{digest}"


def _readable(name: str) -> str:
    """The words of a name in ASCII, without accents."""
    # A fixed version of Unicode: ids may not change with Python's.
    parts = unicodedata.ucd_3_2_0.normalize("NFKD", name)
    plain = parts.encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")
