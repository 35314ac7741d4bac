"""Pull steps of project files: where the code of deployments is."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from towpath._definitions.code_sources import GitCode, LocalCode
from towpath._deploy.entries import Entry, EntryError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from towpath._definitions.code_sources import CodeSource

_SECRET: Final = re.compile(r"\{\{ secrets\.([\w-]+) \}\}")
_CLONED: Final = re.compile(r"\{\{ [\w-]+\.directory \}\}/?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """Where the code of a deployment is.

    Attributes:
        code: Its source.
        notes: What users should know, since no worker does it.
    """

    code: CodeSource
    notes: tuple[str, ...] = ()


def pull_of(steps: Any, root: Path, line: int) -> Pull:
    """Returns where the code is, by pull steps.

    Args:
        steps: The steps, a list with a mapping for each; None for code in the project's folder.
        root: Folder of the project.
        line: Line to name when they are no such list.

    Raises:
        EntryError: A step is unknown or wrong.
    """
    pull = Pull(code=LocalCode(path=str(root)))
    if not steps:
        return pull
    if not isinstance(steps, list):
        raise EntryError("pull is a list of steps", line)
    given_steps: list[Any] = [*steps]
    for step in given_steps:
        if not isinstance(step, Entry) or len(step) != 1:
            raise EntryError("a step of pull is a name with options below it", line)
        [(name, options)] = step.items()
        given = options if isinstance(options, Entry) else Entry(step.line)
        take = _STEPS.get(name.rpartition(".")[2])
        if take is None:
            known = ", ".join(_STEPS)
            raise EntryError(
                f"the step {name} is not supported; the steps of pull are {known}", step.line
            )
        pull = take(pull, given)
    return pull


def _git_clone(pull: Pull, options: Entry) -> Pull:
    options.only(
        (
            *("id", "requires", "repository", "branch", "tag", "commit_sha", "directory"),
            *("include_submodules", "access_token", "credentials"),
        )
    )
    refs = [options.text(name) for name in ("branch", "tag", "commit_sha")]
    given = [ref for ref in refs if ref]
    if len(given) > 1:
        raise EntryError("give one of branch, tag and commit_sha", options.line)
    submodules = options.get("include_submodules") is not None and options.value(
        "include_submodules", bool
    )
    code = GitCode(
        url=options.text("repository", required=True),
        ref=given[0] if given else "",
        directory=options.text("directory"),
        credential_secret=_credential(options),
        submodules=submodules,
    )
    return replace(pull, code=code)


def _credential(options: Entry) -> str:
    """The id of the secret that opens a repository; never the secret itself."""
    written = options.get("access_token") or options.get("credentials")
    if written is None:
        return ""
    named = _SECRET.fullmatch(written) if isinstance(written, str) else None
    if named is None:
        raise EntryError(
            'the token of a repository is a secret: write access_token: "{{ secrets.NAME }}"',
            options.line,
        )
    return named[1]


def _set_working_directory(pull: Pull, options: Entry) -> Pull:
    options.only(("id", "requires", "directory"))
    directory = options.text("directory", required=True)
    if isinstance(pull.code, GitCode):
        within = _CLONED.sub("", directory, count=1)
        if Path(within).is_absolute():
            raise EntryError(f"{directory} is not within the repository", options.line)
        joined = (Path(pull.code.directory) / within).as_posix()
        return replace(pull, code=replace(pull.code, directory="" if joined == "." else joined))
    assert isinstance(pull.code, LocalCode)
    return replace(pull, code=LocalCode(path=str(Path(pull.code.path) / directory)))


def _pip_install_requirements(pull: Pull, options: Entry) -> Pull:
    options.only(
        ("id", "requires", "directory", "requirements_file", "stream_output", "extra_args")
    )
    file = options.text("requirements_file") or "requirements.txt"
    note = (
        f"workers install no packages before a run: install {file} where the worker runs, or name"
        " an interpreter that has them in the pool's job template"
    )
    return replace(pull, notes=(*pull.notes, note))


_STEPS: Final[Mapping[str, Callable[[Pull, Entry], Pull]]] = {
    "git_clone": _git_clone,
    "set_working_directory": _set_working_directory,
    "pip_install_requirements": _pip_install_requirements,
}
