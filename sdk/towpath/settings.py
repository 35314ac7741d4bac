"""Settings of this process, from flags, TOWPATH_* variables, project file, profile and defaults."""

from __future__ import annotations

from towpath._settings.current import get_settings
from towpath._settings.declared import Settings

__all__ = ["Settings", "get_settings"]
