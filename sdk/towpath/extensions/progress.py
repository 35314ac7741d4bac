"""Shows the progress of commands."""

from __future__ import annotations

from towpath._display.progress import Progress

__all__ = ["Progress"]
