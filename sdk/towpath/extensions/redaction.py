"""Keeps what looks like a credential of the service out of texts."""

from __future__ import annotations

from towpath._redaction.patterns import REDACTED, scrubbed

__all__ = ["REDACTED", "scrubbed"]
