"""Removes sensitive values and credentials from everything that is recorded or shown.

Values of parameters that a function marks as sensitive are removed while their root run lasts.
Texts that look like a credential of this service are always removed.
"""

from towpath._redaction.live import LiveSecrets
from towpath._redaction.marking import sensitive_parameters, shown_parameters
from towpath._redaction.patterns import REDACTED, scrubbed

__all__ = [
    "REDACTED",
    "LiveSecrets",
    "scrubbed",
    "sensitive_parameters",
    "shown_parameters",
]
