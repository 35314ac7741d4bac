"""Settings of this process, from flags, TOWPATH_* variables, project file, profile and defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towpath._prefect_names.refusals import refusing
from towpath._settings.current import get_settings
from towpath._settings.declared import Settings

__all__ = ["Settings", "get_settings"]

if not TYPE_CHECKING:
    __getattr__ = refusing(__name__)
