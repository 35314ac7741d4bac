"""The end of a process whose run is suspended."""

from __future__ import annotations


class Suspended(BaseException):
    """Raised in a flow that has suspended itself: its process ends, and its run doesn't.

    `except Exception` in the user's code lets it pass.
    """
