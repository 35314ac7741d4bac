"""Flows loaded from repositories and folders, to be deployed from there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from towpath._definitions.code_sources import GitCode, LocalCode
from towpath._settings.current import get_settings
from towpath._values.secret import Secret
from towpath._work.code import CodeError, prepare
from towpath._work.code_sources import CodeSource as WorkerSource
from towpath._work.loading import LoadError, load_flow
from towpath.exceptions import DefinitionError

if TYPE_CHECKING:
    from towpath._definitions.code_sources import CodeSource
    from towpath._definitions.flow import Flow

_ADDRESS: Final = re.compile(r"(?:[a-z][a-z0-9+.-]*://|[\w.-]+@[\w.-]+:).+")


def flow_from_source(source: str | Path | CodeSource, entrypoint: str) -> Flow[..., Any]:
    """Loads a flow from a source; see `Flow.from_source`.

    Raises:
        DefinitionError: It can't be loaded.
    """
    code = code_of(source)
    try:
        prepared = prepare(
            _for_worker(code),
            str(Path.cwd()),
            home=get_settings().home,
            own=get_settings().home / "code" / "deploy",
            secret=lambda name: Secret.load(name).get(),
        )
        flow = load_flow(entrypoint, prepared.directory)
    except (CodeError, LoadError) as error:
        _refuse(error)
    flow.code, flow.entrypoint = code, entrypoint
    return flow


def code_of(source: str | Path | CodeSource) -> CodeSource:
    """Returns the source that a text or a path means: an address of git, or a folder."""
    if isinstance(source, str) and _ADDRESS.fullmatch(source):
        return GitCode(url=source)
    if isinstance(source, str | Path):
        return LocalCode(path=str(Path(source).expanduser().resolve()))
    return source


def _for_worker(code: CodeSource) -> WorkerSource:
    match code:
        case LocalCode():
            return WorkerSource(kind="path", location=code.path)
        case GitCode():
            return WorkerSource(
                kind="git",
                location=code.url,
                ref=code.ref,
                directory=code.directory,
                submodules=code.submodules,
                credential=code.credential_secret,
            )
        case _:
            raise DefinitionError(
                "flows are loaded from a git repository or a folder here; deploy others with"
                " `towpath deploy --no-check`"
            )


def _refuse(error: Exception) -> NoReturn:
    raise DefinitionError(str(error)) from error
