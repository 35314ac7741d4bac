"""Progress of commands that may take longer than a second."""

from __future__ import annotations

import sys

import click
from towpath.extensions.progress import Progress


def progress(what: str, *, unit: str) -> Progress:
    """Shows progress on standard error, unless --quiet.

    Args:
        what: The work, such as "upgrading".
        unit: What is counted, in the plural.
    """
    context = click.get_current_context(silent=True)
    quiet = context is not None and context.find_root().params.get("quiet")
    return Progress(what, unit=unit, stream=None if quiet else sys.stderr)
