"""Settings of this process: flag, then TOWPATH_* variable, project file, profile, default."""

from __future__ import annotations

from towpath._settings.current import get_settings
from towpath._settings.declared import Settings

__all__ = ["Settings", "get_settings"]
