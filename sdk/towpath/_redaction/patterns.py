"""Texts that look like credentials: API keys of Towpath, and signed tokens."""

from __future__ import annotations

import re
from typing import Final

from towpath._redaction.clean import clean

REDACTED: Final = "***"

KEY: Final = r"twp[usrd]_[0-9A-Za-z]{16}_[0-9A-Za-z]{49}"
"""As `towpath_auth` makes them, which this side of the house doesn't import.

Anything may stand around one: `\\n` of a repr, `m` of a colour, `%3D` of a URL, `API_KEY_`.
"""

_PART: Final = "[A-Za-z0-9_-]"
# Looks once at each word that may hold the beginning of a token, however often `eyJ` is in it.
_TOKEN: Final = (
    rf"(?<!{_PART})(?={_PART}+\.eyJ{_PART}{{8,}}\.{_PART}{{8}})"
    rf"(?P<before>{_PART}*?)eyJ{_PART}{{8,}}\.eyJ{_PART}{{8,}}\.{_PART}{{8,}}"
)
_KEY: Final = re.compile(KEY)
_TOKENS: Final = re.compile(_TOKEN)


def scrubbed(text: str) -> str:
    """A text without credentials, as a report can carry it: see `clean`."""
    return clean(without_credentials(text))


def without_credentials(text: str) -> str:
    """A text without credentials, otherwise as it is."""
    # Nearly every text has neither, and looking for these costs next to nothing.
    if "twp" in text:
        text = _KEY.sub(REDACTED, text)
    if "eyJ" in text:
        text = _TOKENS.sub(rf"\g<before>{REDACTED}", text)
    return text
