"""Resolves and caches the settings of this process, for all parts of the SDK."""

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
    """Returns the current settings of this process.

    They are read anew when the environment, the working folder or a file has changed. From the
    strongest: command line, TOWPATH_* variables, project file, profile, defaults.

    Raises:
        ConfigurationError: A setting is wrong; the message gives the place and a valid value.
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
    """Returns the current settings with their sources, and all problems with them.

    Raises:
        ConfigurationError: A file can't be read, or the profile doesn't exist.
    """
    return resolve(flags=_flags, profile=_profile)


def use_flags(values: Mapping[str, str], *, profile: str = "") -> None:
    """Sets the settings given on the command line of this process, the strongest layer.

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
