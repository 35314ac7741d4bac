"""Keeps what must not be seen out of whatever is recorded or shown.

Two kinds: values of parameters that their function marks as sensitive, for as long as their root
run lasts, and whatever looks like a credential of this service, always.
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
