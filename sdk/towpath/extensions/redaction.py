"""Removes texts that look like credentials of the service."""

from __future__ import annotations

from towpath._redaction.patterns import REDACTED, scrubbed

__all__ = ["REDACTED", "scrubbed"]
