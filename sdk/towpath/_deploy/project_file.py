"""Project files: `towpath.yaml`, and `prefect.yaml` where there is no other."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, Final

import yaml

from towpath._deploy.entries import Entry, EntryError
from towpath._deploy.file_schedules import schedules_in
from towpath._deploy.images import DockerImage
from towpath._deploy.plans import WrittenDeployment
from towpath._deploy.steps import pull_of
from towpath.exceptions import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

FILES: Final = ("towpath.yaml", "prefect.yaml")
"""Project files, the preferred one first."""

_PLACE: Final = re.compile(r"\{\{\s*(.*?)\s*\}\}")
_SECRET: Final = re.compile(r"(?:prefect\.blocks\.secret|secrets)\.([A-Za-z0-9_-]+)")
_STEP: Final = re.compile(r"[\w-]+\.directory")
_VARIABLE: Final = re.compile(r"(?:prefect\.)?variables\.([a-z0-9_-]+)")
_TOP: Final = (
    *("name", "prefect-version", "towpath-version", "build", "push", "pull", "work_pool"),
    *("definitions", "deployments"),
)


def find_project_file(folder: Path) -> Path | None:
    """Returns the project file of a folder; None without one."""
    return next((folder / name for name in FILES if (folder / name).is_file()), None)


def read_project_file(path: Path) -> Sequence[WrittenDeployment]:
    """Reads the deployments of a project file.

    Raises:
        DefinitionError: It can't be read, or an entry is wrong; the message names file and line.
    """
    try:
        content = yaml.load(path.read_text("utf-8"), _Loader)  # noqa: S506 - a SafeLoader
        return _deployments(path, content)
    except OSError as error:
        raise DefinitionError(f"{path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DefinitionError(_yaml_problem(path, error)) from None
    except EntryError as error:
        raise DefinitionError(f"{path}:{error.line}: {error}") from None


def _deployments(path: Path, content: Any) -> Sequence[WrittenDeployment]:
    if not isinstance(content, Entry):
        raise EntryError("the file has no deployments: it begins with `deployments:`", 1)
    content.only(_TOP)
    root = path.resolve().parent
    shared: Any = content.get("pull")
    pool: Any = content.get("work_pool")
    found = [_deployment(path, root, each, shared, pool) for each in content.entries("deployments")]
    names = [(each.entrypoint, each.name) for each in found]
    for each, name in zip(found, names, strict=True):
        if names.count(name) > 1:
            raise EntryError(f"two deployments are named {each.name!r}", _line_of(each))
    return found


def _line_of(deployment: WrittenDeployment) -> int:
    return int(deployment.place.rpartition(":")[2])


_OPTIONS: Final[Mapping[str, tuple[type[Any], ...]]] = {
    "version": (str, int, float),
    "tags": (list,),
    "description": (str,),
    "parameters": (Entry,),
    "enforce_parameter_schema": (bool,),
    "paused": (bool,),
    "labels": (Entry,),
    "crash_retries": (int,),
    "on_lost_contact": (str,),
    "timeout": (int, float),
    "start_deadline": (int, float),
    "priority": (int,),
    "secrets": (list,),
}
"""Options that a deployment's entry has by the names of `flow.to_deployment`, and their types."""
_KEYS: Final = (
    *("name", "entrypoint", "flow_name", "schedule", "schedules", "work_pool", "pull", "build"),
    *("push", "image", "concurrency_limit", "collision_strategy", "triggers", "sla", *_OPTIONS),
)


def _deployment(
    path: Path, root: Path, entry: Entry, shared_pull: Any, shared_pool: Any
) -> WrittenDeployment:
    entry.only(_KEYS)
    for unsupported in ("triggers", "sla"):
        if entry.get(unsupported):
            raise EntryError(f"{unsupported} of a deployment are not supported", entry.line)
    pool = entry.part("work_pool") or _shared(shared_pool)
    pool.only(("name", "work_queue_name", "job_variables"))
    values = {
        name: _plain(entry.value(name, *kinds))
        for name, kinds in _OPTIONS.items()
        if entry.get(name) is not None
    }
    if "version" in values:
        values["version"] = str(values["version"])
    values |= _limit(entry) | _image(entry)
    if pool.get("job_variables"):
        values["job_variables"] = _plain(pool.value("job_variables", Entry))
    return WrittenDeployment(
        name=entry.text("name", required=True),
        entrypoint=entry.text("entrypoint", required=True),
        place=f"{path}:{entry.line}",
        pull=pull_of(entry.get("pull") if "pull" in entry else shared_pull, root, entry.line),
        schedules=schedules_in(entry),
        pool=pool.text("name"),
        queue=pool.text("work_queue_name"),
        flow_name=entry.text("flow_name"),
        values=values,
    )


def _shared(pool: Any) -> Entry:
    return pool if isinstance(pool, Entry) else Entry(1)


def _limit(entry: Entry) -> dict[str, Any]:
    """A limit, given as a number or with what becomes of a run that meets it."""
    given = entry.get("concurrency_limit")
    if given is None:
        return {}
    if not isinstance(given, Entry):
        limit = entry.value("concurrency_limit", int)
        strategy = entry.text("collision_strategy")
    else:
        given.only(("limit", "collision_strategy"))
        limit = given.value("limit", int)
        strategy = given.text("collision_strategy")
    chosen = {"collision_strategy": strategy.lower()} if strategy else {}
    return {"concurrency_limit": limit, **chosen}


def _image(entry: Entry) -> dict[str, Any]:
    """An image, given by its name or with what is done for it."""
    given = entry.get("image")
    if given is None:
        return {}
    if not isinstance(given, Entry):
        return {"image": entry.text("image")}
    given.only(("name", "tag", "dockerfile", "build", "push"))
    recipe = given.text("dockerfile") or "auto"
    image = DockerImage(given.text("name", required=True), given.text("tag") or None, recipe)
    flags = {name: given.value(name, bool) for name in ("build", "push") if name in given}
    return {"image": image, **flags}


def _plain(value: Any) -> Any:
    """A value without the lines of its entries."""
    if isinstance(value, Entry):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        items: list[Any] = [*value]
        return [_plain(each) for each in items]
    return value


class _Loader(yaml.SafeLoader):
    """Keeps the line of each mapping, and resolves placeholders."""


def _mapping(loader: Any, node: yaml.MappingNode) -> Iterator[Entry]:
    entry = Entry(node.start_mark.line + 1)
    yield entry
    own = [str(key.value) for key, _ in node.value]
    for index, (key, _) in enumerate(node.value):
        name = own[index]
        if name in own[:index]:
            raise EntryError(f"{name} is given twice", key.start_mark.line + 1)
    loader.flatten_mapping(node)
    for key, value in node.value:
        entry[str(loader.construct_object(key, deep=True))] = loader.construct_object(
            value, deep=True
        )


def _text(loader: _Loader, node: yaml.ScalarNode) -> str:
    line = node.start_mark.line + 1
    written = str(loader.construct_scalar(node))
    return _PLACE.sub(lambda found: _resolved(found[1], line), written)


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)
_Loader.add_constructor("tag:yaml.org,2002:str", _text)
# Arguments are JSON, which has no times.
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _text)


def _resolved(place: str, line: int) -> str:
    """What stands for a placeholder: an environment variable's value, or a reference for runs."""
    if place.startswith("$"):
        if place[1:] not in os.environ:
            raise EntryError(f"the environment variable {place[1:]} is not set", line)
        return os.environ[place[1:]]
    if secret := _SECRET.fullmatch(place):
        return f"{{{{ secrets.{secret[1]} }}}}"
    if variable := _VARIABLE.fullmatch(place):
        return f"{{{{ variables.{variable[1]} }}}}"
    if _STEP.fullmatch(place):
        return f"{{{{ {place} }}}}"
    raise EntryError(
        f"the placeholder {place!r} is not supported: it is an environment variable, as in $NAME,"
        " a secret, as in secrets.NAME, or a variable, as in variables.NAME",
        line,
    )


def _yaml_problem(path: Path, error: yaml.YAMLError | UnicodeDecodeError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"{path}:{error.problem_mark.line + 1}: {error.problem}"
    return f"{path}: {error}"
