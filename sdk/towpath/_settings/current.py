"""Settings of this process: flag, then TOWPATH_* variable, project file, profile, default."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from towpath._settings.declared import VARIABLES, Settings
from towpath._settings.layers import Resolution, resolve
from towpath.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


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
