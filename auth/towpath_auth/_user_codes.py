"""User codes, which a person reads on one device and types on another (RFC 8628, section 6.1).

A code has eight letters of an alphabet of twenty: no vowels and no Y, so that no code is a word. It
has a little over 34 bits, which is enough for ten minutes behind a limit on wrong codes.
"""

from __future__ import annotations

import secrets
from typing import Final

_LETTERS: Final = "BCDFGHJKLMNPQRSTVWXZ"
_LENGTH: Final = 8
_GROUP: Final = 4


def new_user_code() -> str:
    """Makes a random code, such as "WDJBMJHT"."""
    return "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))


def shown_user_code(code: str) -> str:
    """Formats a code for people, "WDJB-MJHT"."""
    return f"{code[:_GROUP]}-{code[_GROUP:]}"


def read_user_code(text: str) -> str | None:
    """Reads a code as a person types it: in any case, with dashes or spaces.

    Returns:
        The code, "WDJBMJHT"; None when the text is no code.
    """
    code = "".join(each for each in text.upper() if each not in "- ")
    return code if len(code) == _LENGTH and set(code) <= set(_LETTERS) else None
