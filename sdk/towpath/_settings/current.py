"""Resolves and caches the settings of this process, for all parts of the SDK."""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from towpath._settings.declared import VARIABLES, Settings
from towpath._settings.layers import Resolution, resolve
from towpath.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from towpath._settings.layers import Problem


@dataclass(frozen=True, slots=True)
class _Cached:
    environment: tuple[object, ...]
    files: tuple[tuple[str, object], ...]
    settings: Settings
    """With defaults for wrong values."""
    problems: tuple[Problem, ...]


_ENCODED: Final = tuple(map(os.fsencode, VARIABLES))

_flags: dict[str, str] = {}
_profile = ""
_cached: _Cached | None = None
_told: set[Problem] | None = set()
"""The problems that this process has told; None where another process tells them."""


def get_settings() -> Settings:
    """Returns the current settings of this process.

    They are read anew when the environment, the working folder or a file has changed. From the
    strongest: command line, TOWPATH_* variables, project file, profile, defaults.

    Raises:
        ConfigurationError: A setting is wrong; the message gives the place and a valid value.
    """
    current = _current()
    if current.problems:
        raise ConfigurationError(str(current.problems[0]))
    return current.settings


def settings_of_runs() -> Settings:
    """Returns the settings for runs: a wrong one stops them only where no default can be used.

    Raises:
        ConfigurationError: A setting on where reports go, or as whom, is wrong.
    """
    current = _current()
    for problem in current.problems:
        if not problem.remedy:
            raise ConfigurationError(str(problem))
        if _told is not None and problem not in _told:
            _told.add(problem)
            _tell(f"towpath: {problem}; {problem.remedy}")
    return current.settings


def leave_problems_to_parent() -> None:
    """Tells no problems here, since the process that started this one has told them."""
    global _told  # noqa: PLW0603 - a process is a worker for good
    _told = None


def _tell(text: str) -> None:
    with contextlib.suppress(OSError, ValueError, AttributeError):  # No stream, or a broken one.
        sys.stderr.write(f"{text}\n")


def _current() -> _Cached:
    global _cached  # noqa: PLW0603 - one process has one environment
    environment = _environment()
    cached = _cached
    if (
        cached is not None
        and cached.environment == environment
        and all(_fingerprint(path) == seen for path, seen in cached.files)
    ):
        return cached
    resolution = resolve_settings()
    values: dict[str, Any] = {
        found.setting.attribute: found.value for found in resolution.found.values()
    }
    settings = Settings(**values)
    paths = [resolution.config.path, *([resolution.project.path] if resolution.project else [])]
    files = tuple((str(path), _fingerprint(str(path))) for path in paths)
    _cached = _Cached(environment, files, settings, tuple(resolution.problems))
    return _cached


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
    # `os.environ` encodes each name and decodes each value in Python, and each run asks for all.
    encoded: dict[bytes, bytes] | None = getattr(os.environ, "_data", None)
    if os.supports_bytes_environ and isinstance(encoded, dict):
        return (folder, *map(encoded.get, _ENCODED))
    return (folder, *map(os.environ.get, VARIABLES))


def _fingerprint(path: str) -> object:
    try:
        seen = os.stat(path)  # noqa: PTH116 - a Path would cost more than the call
    except OSError:
        return None
    return seen.st_mtime_ns, seen.st_size, seen.st_ino
