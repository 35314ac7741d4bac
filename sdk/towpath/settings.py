"""Settings of this process, from the environment, files and defaults."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import platformdirs


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What can be set, as it is in force."""

    home: Path
    """Folder of the outboxes, the local database and stored results."""

    server_address: str = ""
    """host:port of the service's gRPC port. Empty: none configured; the one running on this
    home, if any, is found by itself."""

    server_web_address: str = ""
    """Base URL of the service's web port; empty: the gRPC host and port + 1, over http."""

    require_server: bool = False
    """Fail a flow at once when no server can be reached."""

    outbox_fsync: Literal["never", "flush", "always"] = "flush"
    """When the outbox is forced to the disk's platter."""

    flush_timeout_seconds: float = 10.0
    """Longest wait at the end of a process for what is still unsent, when a server answers."""

    log_level: str = "INFO"
    """Least serious level of log lines kept and shown."""

    display: Literal["auto", "live", "plain", "quiet"] = "auto"
    """How a running flow shows itself in the terminal."""


def get_settings() -> Settings:
    """Reads the settings in force."""
    home = os.environ.get("TOWPATH_HOME")
    return Settings(home=Path(home) if home else Path(platformdirs.user_data_dir("towpath")))
