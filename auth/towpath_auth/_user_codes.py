"""Codes that a person reads on one screen and types on another (RFC 8628, section 6.1).

Eight letters of twenty: no vowels, so that no code is a word, and no Y. A little over 34 bits,
which is enough for ten minutes behind a limit on wrong ones.
"""

from __future__ import annotations

import secrets
from typing import Final

_LETTERS: Final = "BCDFGHJKLMNPQRSTVWXZ"
_LENGTH: Final = 8
_GROUP: Final = 4


def new_user_code() -> str:
    """Makes a code, "WDJBMJHT"."""
    return "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))


def shown_user_code(code: str) -> str:
    """A code as it is shown, "WDJB-MJHT"."""
    return f"{code[:_GROUP]}-{code[_GROUP:]}"


def read_user_code(text: str) -> str | None:
    """The code that somebody typed, in any case and with dashes or spaces; None if it is none."""
    code = "".join(each for each in text.upper() if each not in "- ")
    return code if len(code) == _LENGTH and set(code) <= set(_LETTERS) else None
