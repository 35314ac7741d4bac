"""Settings of this process: flag, then TOWPATH_* variable, project file, profile, default."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from towpath._settings.declared import VARIABLES
from towpath._settings.layers import Resolution, resolve
from towpath.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


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

    api_key: str = field(default="", repr=False)
    """API key to call the service with; empty for none."""

    api_key_file: Path | None = None
    """File that holds the API key; None for none."""

    token_file: Path | None = None
    """File in which the platform keeps a token that the tenant trusts; None for none."""

    tenant: str = ""
    """The tenant that trusts it, or to sign in to; empty for the first one."""

    sign_in_file: Path | None = None
    """File of a login, as `towpath login` keeps it; None for none."""

    server_tls: Literal["auto", "on", "off"] = "auto"
    """Whether to speak TLS; "auto": with a key or an authority, beyond this machine."""

    server_ca_file: Path | None = None
    """Authorities that the service's certificate may come from; None for those of the system."""

    server_client_cert: Path | None = None
    """Certificate of this client's own, where the service asks for one."""

    server_client_key: Path | None = None
    """The key of that certificate."""

    workspace: str = "default"
    """Id of the workspace that runs are in."""

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

    join_caller_trace: bool = False
    """Whether a flow is part of the trace it is called in; else a trace of its own links to it."""

    trace_url: str = ""
    """URL of a trace in a viewer, with {trace_id} in it."""

    @property
    def has_credentials(self) -> bool:
        """Whether there is anything that proves who calls."""
        return bool(self.api_key or self.api_key_file or self.token_file or self.sign_in_file)


@dataclass(frozen=True, slots=True)
class _Cached:
    environment: tuple[object, ...]
    files: tuple[tuple[Path, object], ...]
    settings: Settings


_flags: dict[str, str] = {}
_profile = ""
_cached: _Cached | None = None


def get_settings() -> Settings:
    """The settings in force; read anew when the environment, the folder or a file has changed.

    Raises:
        ConfigurationError: Something is set wrongly; the message says where, and what is right.
    """
    global _cached  # noqa: PLW0603 - one process has one environment
    environment = _environment()
    cached = _cached
    if (
        cached is not None
        and cached.environment == environment
        and all(_fingerprint(path) == seen for path, seen in cached.files)
    ):
        return cached.settings
    resolution = resolve_settings()
    if resolution.problems:
        raise ConfigurationError(resolution.problems[0])
    values: dict[str, Any] = {
        found.setting.attribute: found.value for found in resolution.found.values()
    }
    settings = Settings(**values)
    paths = [resolution.config.path, *([resolution.project.path] if resolution.project else [])]
    files = tuple((path, _fingerprint(path)) for path in paths)
    _cached = _Cached(environment, files, settings)
    return settings


def resolve_settings() -> Resolution:
    """The settings in force with their sources, and everything wrong with them.

    Raises:
        ConfigurationError: A file can't be read, or the profile isn't there.
    """
    return resolve(flags=_flags, profile=_profile)


def use_flags(values: Mapping[str, str], *, profile: str = "") -> None:
    """Sets what the command line of this process says, above everything else.

    Args:
        values: Settings by dotted name.
        profile: Profile to use; empty leaves the choice to the environment and the file.
    """
    global _profile, _cached  # noqa: PLW0603 - one process has one command line
    _flags.clear()
    _flags.update(values)
    _profile = profile
    _cached = None


def _environment() -> tuple[object, ...]:
    try:
        folder = os.getcwd()  # noqa: PTH109 - a Path would cost more than the rest
    except FileNotFoundError:
        folder = ""
    return (folder, *map(os.environ.get, VARIABLES))


def _fingerprint(path: Path) -> object:
    try:
        seen = path.stat()
    except OSError:
        return None
    return seen.st_mtime_ns, seen.st_size, seen.st_ino
