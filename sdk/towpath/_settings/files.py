"""The files that hold settings: the user's config.toml, and a project's towpath.toml."""

from __future__ import annotations

import json
import os
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import platformdirs

from towpath.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

CONFIG_NAME: Final = "config.toml"
PROJECT_NAME: Final = "towpath.toml"
_PYPROJECT: Final = "pyproject.toml"
DEFAULT_PROFILE: Final = "default"


@dataclass(slots=True, kw_only=True)
class ConfigFile:
    """The user's file: profiles of settings by dotted name, and which of them is in use."""

    path: Path
    profile: str = ""
    """The profile in use; empty when the file names none."""
    profiles: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    unknown: list[str] = field(default_factory=list[str])
    """Top-level keys without a meaning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectFile:
    """A project's settings by dotted name."""

    path: Path
    values: dict[str, Any]


def config_path(home: str | None) -> Path:
    """Returns the path of the user's file: within the home if one is set, as in trials."""
    if home:
        return Path(home).expanduser().absolute() / CONFIG_NAME
    return Path(platformdirs.user_config_dir("towpath")) / CONFIG_NAME


def read_config(path: Path) -> ConfigFile:
    """Reads the user's file; returns an empty one when there is none.

    Raises:
        ConfigurationError: It isn't TOML, or hasn't the layout of a config.toml.
    """
    content = _read_toml(path)
    if content is None:
        return ConfigFile(path=path)
    profile, profiles = content.pop("profile", ""), content.pop("profiles", {})
    if not isinstance(profile, str):
        raise ConfigurationError(f"{path}: profile must be the name of a profile")
    if not isinstance(profiles, dict) or not all(
        isinstance(values, dict) for values in cast("dict[str, Any]", profiles).values()
    ):
        raise ConfigurationError(f"{path}: settings belong in tables [profiles.NAME]")
    tables = cast("dict[str, dict[str, Any]]", profiles)
    return ConfigFile(
        path=path,
        profile=profile,
        profiles={name: flat(values) for name, values in tables.items()},
        unknown=list(content),
    )


def write_config(config: ConfigFile) -> None:
    """Writes the user's file anew, readable by its owner only.

    Raises:
        ConfigurationError: It can't be written.
    """
    lines = [f"profile = {_toml(config.profile)}"] if config.profile else []
    for name, values in config.profiles.items():
        lines += ["", f"[profiles.{_key(name)}]"]
        lines += [f"{key} = {_toml(value)}" for key, value in values.items()]
    written = config.path.with_name(f".{config.path.name}.{os.getpid()}")
    try:
        config.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write("\n".join(lines).lstrip() + "\n")
        written.replace(config.path)
    except OSError as error:
        written.unlink(missing_ok=True)
        raise ConfigurationError(
            f"{config.path} can't be written: {error.strerror}. Free the way to it, or set"
            " TOWPATH_HOME"
        ) from error


def find_project(start: Path) -> ProjectFile | None:
    """Finds the nearest project file from a folder up to the root of its repository.

    Outside a repository only the folder itself counts: folders above it may be other users'.

    Raises:
        ConfigurationError: A file on the way isn't TOML.
    """
    root = next((at for at in (start, *start.parents) if _is_repository(at)), start)
    for folder in (start, *start.parents):
        for name in (PROJECT_NAME, _PYPROJECT):
            found = read_project(folder / name)
            if found is not None:
                return found
        if folder == root:
            return None
    return None


def read_project(path: Path) -> ProjectFile | None:
    """Reads a project's file, or its part of a pyproject.toml; returns None when there is none.

    Raises:
        ConfigurationError: It isn't TOML.
    """
    table = _pyproject_table(path) if path.name == _PYPROJECT else _read_toml(path)
    return None if table is None else ProjectFile(path=path, values=flat(table))


def flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flattens nested tables into one, by dotted name."""
    values: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            values |= flat(cast("dict[str, Any]", value), f"{prefix}{key}.")
        else:
            values[f"{prefix}{key}"] = value
    return values


def _is_repository(folder: Path) -> bool:
    try:
        return (folder / ".git").exists()
    except OSError:  # Folders further up may be closed to this user.
        return False


def _pyproject_table(path: Path) -> dict[str, Any] | None:
    # Most of these files say nothing about Towpath, and parsing one takes milliseconds.
    if b"towpath" not in (_read(path) or b""):
        return None
    tools = (_read_toml(path) or {}).get("tool", {})
    table = cast("dict[str, Any]", tools).get("towpath") if isinstance(tools, dict) else None
    return cast("dict[str, Any]", table) if isinstance(table, dict) else None


def _read_toml(path: Path) -> dict[str, Any] | None:
    content = _read(path)
    if content is None:
        return None
    try:
        return tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} can't be read as TOML: {error}") from error


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if not os.access(path.parent, os.X_OK):
            return None  # The user can't read the home; flows report that.
        raise ConfigurationError(f"{path} can't be read: {error.strerror}") from error


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _toml(name)


def _toml(value: object) -> str:
    plain = str(value) if isinstance(value, Path) else value
    # JSON's texts are TOML's, but for DEL, which TOML wants escaped too.
    return json.dumps(plain, ensure_ascii=False).replace("\x7f", "\\u007f")
