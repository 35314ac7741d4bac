"""Patterns of credentials: API keys of Towpath, and signed tokens."""

from __future__ import annotations

import re
from typing import Final

from towpath._redaction.clean import clean

REDACTED: Final = "***"

KEY: Final = r"twp[usrd]_[0-9A-Za-z]{16}_[0-9A-Za-z]{49}"
"""Pattern of the keys that `towpath_auth` makes; the SDK doesn't import that package.

Any text may stand around a key: `\\n` of a repr, `m` of a colour, `%3D` of a URL, `API_KEY_`.
"""

_PART: Final = "[A-Za-z0-9_-]"
# Inspects each word that may begin a token once, however often it contains `eyJ`.
_TOKEN: Final = (
    rf"(?<!{_PART})(?={_PART}+\.eyJ{_PART}{{8,}}\.{_PART}{{8}})"
    rf"(?P<before>{_PART}*?)eyJ{_PART}{{8,}}\.eyJ{_PART}{{8,}}\.{_PART}{{8,}}"
)
_KEY: Final = re.compile(KEY)
_TOKENS: Final = re.compile(_TOKEN)


def scrubbed(text: str) -> str:
    """Returns a text as a report can carry it (see `clean`), with credentials replaced by `***`."""
    return clean(without_credentials(text))


def without_credentials(text: str) -> str:
    """Returns a text with all credentials replaced by `***`, otherwise unchanged."""
    # Nearly every text contains neither of these, and the check costs little.
    if "twp" in text:
        text = _KEY.sub(REDACTED, text)
    if "eyJ" in text:
        text = _TOKENS.sub(rf"\g<before>{REDACTED}", text)
    return text
