"""Settings of this process, from the environment, files and defaults."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import platformdirs

from towpath.exceptions import ConfigurationError


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


_CHOICES = {
    "outbox_fsync": ("never", "flush", "always"),
    "display": ("auto", "live", "plain", "quiet"),
}


def get_settings() -> Settings:
    """Reads the settings in force from TOWPATH_* variables.

    Raises:
        ConfigurationError: A value is not one of those allowed.
    """
    home = os.environ.get("TOWPATH_HOME")
    return Settings(
        home=Path(home).absolute() if home else Path(platformdirs.user_data_dir("towpath")),
        server_address=os.environ.get("TOWPATH_SERVER_ADDRESS", ""),
        server_web_address=os.environ.get("TOWPATH_SERVER_WEB_ADDRESS", ""),
        require_server=os.environ.get("TOWPATH_REQUIRE_SERVER", "").lower() in {"1", "true", "yes"},
        outbox_fsync=_choice("outbox_fsync", "flush"),
        flush_timeout_seconds=_seconds("TOWPATH_FLUSH_TIMEOUT_SECONDS", 10.0),
        log_level=os.environ.get("TOWPATH_LOG_LEVEL", "INFO"),
        display=_choice("display", "auto"),
    )


def _choice(name: str, default: str) -> Any:
    variable = f"TOWPATH_{name.upper()}"
    value = os.environ.get(variable, default)
    if value not in _CHOICES[name]:
        raise ConfigurationError(
            f"{variable} is {value!r}: it must be one of {', '.join(_CHOICES[name])}"
        )
    return value


def _seconds(variable: str, default: float) -> float:
    text = os.environ.get(variable)
    try:
        return float(text) if text else default
    except ValueError:
        raise ConfigurationError(
            f"{variable} is {text!r}: it must be a number of seconds"
        ) from None
