"""Texts that look like credentials: API keys of Towpath, and signed tokens."""

from __future__ import annotations

import re
from typing import Final

REDACTED: Final = "***"

KEY: Final = r"\btwp[usrd]_[0-9A-Za-z]{16}_[0-9A-Za-z]{49}\b"
"""As `towpath_auth` makes them, which this side of the house doesn't import."""

_TOKEN: Final = r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"  # noqa: S105 - a pattern
_CREDENTIAL: Final = re.compile(f"{KEY}|{_TOKEN}")


def scrubbed(text: str) -> str:
    """A text without credentials."""
    # Nearly every text has neither, and looking for these costs next to nothing.
    if "twp" in text or "eyJ" in text:
        return _CREDENTIAL.sub(REDACTED, text)
    return text
