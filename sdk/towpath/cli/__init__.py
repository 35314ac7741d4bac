"""The `towpath` command."""

from towpath.cli._main import main

__all__ = ["main"]
