"""Ids of flows, made from their names: unique for each name, and never changed."""

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
    """Returns the id of a flow: at most 63 lower-case letters, digits and dashes of ASCII.

    An underscore becomes a dash, a dash becomes two. For names with other characters, and for
    longer ones, the id is a readable part, three dashes, and a hash of the exact name.
    """
    if _SAYS_ALL.fullmatch(name):
        flow_id = name.replace("-", "--").replace("_", "-")
        if len(flow_id) <= _LONGEST:
            return flow_id
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
    room = _LONGEST - _DIGITS - len("---")
    return f"{_readable(name)[:room].strip('-') or 'flow'}---{digest}"


def _readable(name: str) -> str:
    """Returns the words of a name in ASCII, without accents."""
    # A fixed version of Unicode: ids may not change with Python's.
    parts = unicodedata.ucd_3_2_0.normalize("NFKD", name)
    plain = parts.encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")
