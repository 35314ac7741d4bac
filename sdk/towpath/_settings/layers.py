"""Resolves settings from their layers: flag, environment, project, profile, default."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import platformdirs

from towpath._settings.declared import (
    BY_NAME,
    CREDENTIALS,
    ENVIRONMENT_PREFIX,
    PROFILE_VARIABLE,
    SETTINGS,
    STAND_IN_PREFIX,
    TOLERATED,
    VARIABLES,
    masked,
    suggestion,
)
from towpath._settings.files import (
    DEFAULT_PROFILE,
    ConfigFile,
    ProjectFile,
    config_path,
    find_project,
    read_config,
)
from towpath._settings.other_variables import RUN_VARIABLES, SERVER_VARIABLES
from towpath.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from towpath._settings.declaration import Scope, Setting, Value

SourceKind = Literal["flag", "environment", "project", "profile", "default"]

_NEAR_MISS: Final = 0.85
_ALLOWED: Final[Mapping[str, frozenset[Scope]]] = {
    "flag": frozenset({"project", "profile", "process"}),
    "environment": frozenset({"project", "profile", "process"}),
    "profile": frozenset({"project", "profile"}),
    "project": frozenset({"project"}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """The settings written in one place."""

    kind: SourceKind
    place: str
    """Name of the place for people: a path, a variable, a profile."""
    values: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A setting's value and its source."""

    setting: Setting
    value: Value
    kind: SourceKind
    place: str

    @property
    def source(self) -> str:
        """Its source, for people."""
        if self.kind == "environment":
            return f"environment: {self.place}"
        return f"{self.kind}: {self.place}" if self.place else self.kind


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong in a layer."""

    text: str
    """The place, what is wrong and what is right."""
    remedy: str = ""
    """What runs do instead; empty when none can."""

    def __str__(self) -> str:
        return self.text


@dataclass(slots=True, kw_only=True)
class Resolution:
    """All resolved settings, and the problems found in their layers."""

    found: dict[str, Found] = field(default_factory=dict[str, Found])
    problems: list[Problem] = field(default_factory=list[Problem])
    config: ConfigFile
    profile: str = DEFAULT_PROFILE
    project: ProjectFile | None = None


def resolve(*, flags: Mapping[str, str], profile: str = "") -> Resolution:
    """Reads every layer.

    Args:
        flags: Settings given on the command line, by name.
        profile: Profile given on the command line; empty when none was.

    Raises:
        ConfigurationError: A file can't be read, or the profile doesn't exist.
    """
    config = user_config()
    resolution = Resolution(config=config, project=_project())
    resolution.profile = chosen_profile(config, profile)
    resolution.problems += [*map(partial(_unknown_key, config), config.unknown), *_near_misses()]
    project = resolution.project
    layers = [
        Layer(kind="flag", place="the command line", values=flags),
        Layer(kind="environment", place="", values=_environment()),
    ]
    if project is not None:
        layers.append(Layer(kind="project", place=str(project.path), values=project.values))
    layers.append(profile_layer(config, resolution.profile))
    for layer in layers:
        found, problems = read_layer(layer)
        resolution.found = found | resolution.found
        resolution.problems += problems
    _keep_strongest(resolution, layers)
    for setting in SETTINGS:
        if setting.name not in resolution.found:
            resolution.found[setting.name] = _default(setting)
    return resolution


def _keep_strongest(resolution: Resolution, layers: Iterable[Layer]) -> None:
    """Drops credentials of weaker layers: a variable replaces all credentials of a profile."""
    found = resolution.found
    given = [name for name in CREDENTIALS if name in found]
    for layer in layers:
        if any(found[name].kind == layer.kind for name in given):
            for name in given:
                if found[name].kind != layer.kind:
                    del found[name]
            return


def user_config() -> ConfigFile:
    """Reads the user's file.

    Raises:
        ConfigurationError: It can't be read.
    """
    return read_config(config_path(_variable("TOWPATH_HOME")))


def file_problems(config: ConfigFile) -> list[Problem]:
    """Returns each problem in the user's file, in any of its profiles."""
    problems = [_unknown_key(config, key) for key in config.unknown]
    for name in config.profiles:
        problems += read_layer(profile_layer(config, name))[1]
    if config.profile and config.profile not in {*config.profiles, DEFAULT_PROFILE}:
        text = f"{config.path}: there is no profile {config.profile!r} to use"
        problems.append(Problem(text))
    return problems


def chosen_profile(config: ConfigFile, flag: str = "") -> str:
    """Returns the profile in use, from flag, environment, or file; else "default".

    Raises:
        ConfigurationError: There is no such profile.
    """
    chosen = flag or _variable(PROFILE_VARIABLE) or config.profile or DEFAULT_PROFILE
    if chosen not in config.profiles and chosen != DEFAULT_PROFILE:
        close = suggestion(chosen, config.profiles)
        advice = f"did you mean {close!r}?" if close else f"`towpath profile create {chosen}`"
        raise ConfigurationError(f"there is no profile {chosen!r} in {config.path}: {advice}")
    return chosen


def profile_layer(config: ConfigFile, name: str) -> Layer:
    """Returns a profile's settings."""
    return Layer(
        kind="profile", place=f"{config.path}, profile {name}", values=config.profiles.get(name, {})
    )


def read_layer(layer: Layer) -> tuple[dict[str, Found], list[Problem]]:
    """Returns a layer's settings by name, and each problem in it."""
    found: dict[str, Found] = {}
    problems: list[Problem] = []
    for name, written in layer.values.items():
        setting = BY_NAME.get(name)
        place = setting.variable if setting and layer.kind == "environment" else layer.place
        if setting is None:
            meant = suggestion(name, BY_NAME)
            problems.append(Problem(f"{place}: {unknown_setting(name)}", _ignored(meant)))
        elif setting.scope not in _ALLOWED[layer.kind]:
            problems.append(Problem(f"{place}: {_misplaced(setting, layer.kind)}"))
        else:
            try:
                value = setting.read(written)
            except (ValueError, TypeError) as error:
                said = "" if setting.secret else f" is {written!r}: it"
                text = f"{place}: {name}{said} {error}"
                problems.append(Problem(text, _replaced(setting)))
            else:
                found[name] = Found(setting=setting, value=value, kind=layer.kind, place=place)
    return found, problems


def unknown_setting(name: str) -> str:
    """Returns the message for an unknown setting's name."""
    close = suggestion(name, BY_NAME)
    there = f"did you mean {close!r}?" if close else f"there are {', '.join(BY_NAME)}"
    return f"there is no setting {name!r}: {there}"


def strange_variables() -> list[str]:
    """Returns a message for each environment variable that looks like a setting and isn't one."""
    known = {*VARIABLES, *SERVER_VARIABLES, *RUN_VARIABLES, "TOWPATH_FULL_TRACEBACK"}
    return sorted(
        name
        for name in os.environ
        if name.startswith(ENVIRONMENT_PREFIX)
        and not name.startswith(STAND_IN_PREFIX)
        and name not in known
    )


def _environment() -> dict[str, Any]:
    written = {setting.name: _variable(setting.variable) for setting in SETTINGS}
    return {name: value for name, value in written.items() if value}


def _variable(name: str) -> str:
    """The text of a variable; empty for none, and for blanks."""
    # Shells and container files unset a variable by an empty text.
    return os.environ.get(name, "").strip()


def _near_misses() -> list[Problem]:
    # Kubernetes puts variables such as TOWPATH_PORT into pods beside a service of that name, so
    # only clear misspellings are refused.
    own = {each.variable.removeprefix(ENVIRONMENT_PREFIX): each.name for each in SETTINGS}
    own[PROFILE_VARIABLE.removeprefix(ENVIRONMENT_PREFIX)] = ""
    found: list[Problem] = []
    for name in strange_variables():
        # The common prefix would make all of them look similar.
        close = suggestion(name.removeprefix(ENVIRONMENT_PREFIX), own, cutoff=_NEAR_MISS)
        if close:
            text = f"{name} is no setting: did you mean {ENVIRONMENT_PREFIX}{close}?"
            found.append(Problem(text, _ignored(own[close] or PROFILE_VARIABLE)))
    return found


def _replaced(setting: Setting) -> str:
    """What runs do with a wrong value of a setting."""
    if setting.name not in TOLERATED:
        return ""
    shown = masked(setting, setting.default)
    return f"its default is used{f', {shown}' if shown else ''}"


def _ignored(meant: str) -> str:
    """What runs do with an unknown name; `meant` is the setting that it resembles, if any."""
    return "it is ignored" if not meant or meant in TOLERATED else ""


def _misplaced(setting: Setting, kind: SourceKind) -> str:
    if kind == "project":
        return (
            f"a project may not set {setting.name}, since it could send its users' credentials or"
            f" reports elsewhere: use a profile (`towpath config set {setting.name} ...`) or"
            f" {setting.variable}"
        )
    return f"{setting.name} can only be set by {setting.variable}"


def _unknown_key(config: ConfigFile, key: str) -> Problem:
    if key.partition(".")[0] in {name.partition(".")[0] for name in BY_NAME}:
        return Problem(f"{config.path}: {key} belongs under [profiles.NAME]", _ignored(key))
    close = suggestion(key, ["profile", "profiles"])
    text = f"{config.path}: there is no key {key!r}"
    return Problem(text + (f": did you mean {close!r}?" * bool(close)), _ignored(close))


def _default(setting: Setting) -> Found:
    value = setting.default
    if setting.name == "home":
        value = Path(platformdirs.user_data_dir("towpath"))
    return Found(setting=setting, value=value, kind="default", place="")


def _project() -> ProjectFile | None:
    with contextlib.suppress(FileNotFoundError):  # The folder may be gone.
        return find_project(Path.cwd())
    return None
