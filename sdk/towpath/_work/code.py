"""Gets the code of a run onto its machine, from where its deployment says it is.

The run's own process does it, since only that may read the secrets that open a repository.
"""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from towpath._work.fetching import CodeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from towpath._work.code_sources import CodeSource

__all__ = ["Code", "CodeError", "prepare"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """Code that is on this machine.

    Attributes:
        directory: Folder that entrypoints are relative to, and that the run works in.
        version: Commit or digest; empty for code that is here anyway.
        python: Interpreter of its own environment; None for the present one.
    """

    directory: Path
    version: str = ""
    python: Path | None = None

    @property
    def is_active(self) -> bool:
        """Whether this process has that interpreter."""
        return self.python is None or Path(sys.prefix) == self.python.parent.parent


def prepare(
    source: CodeSource, directory: str, *, home: Path, own: Path, secret: Callable[[str], str]
) -> Code:
    """Gets a run's code.

    Args:
        source: Where it is from.
        directory: Folder in which the process was started.
        home: The Towpath home, which keeps what several runs use.
        own: Folder for what only this run uses; made where it is needed.
        secret: Returns the value of a secret by its id.

    Raises:
        CodeError: It can't be had.
    """
    match source.kind:
        case "none":
            return Code(directory=Path(directory))
        case "path":
            return Code(directory=_local(source.location, directory))
        case "git":
            from towpath._work.git_source import checked_out  # noqa: PLC0415 - of no other source

            folder, commit = checked_out(source, home / "code" / "git", secret)
            return Code(directory=_within(folder, source.directory), version=commit)
        case "pip":
            from towpath._work.pip_source import installed  # noqa: PLC0415 - of no other source

            own.mkdir(exist_ok=True)
            python, digest = installed(source.requirements, home / "code" / "venv")
            return Code(directory=own, version=digest, python=python)
        case "archive":
            from towpath._work.archive_source import unpacked  # noqa: PLC0415 - loads ssl

            digest = unpacked(source, own, secret)
            return Code(directory=_within(own, source.directory), version=digest)


def _local(location: str, directory: str) -> Path:
    folder = Path(directory, location).expanduser()
    if not folder.is_dir():
        raise CodeError(f"there is no folder {folder} on {platform.node()}")
    return folder


def _within(folder: Path, directory: str) -> Path:
    """A folder in code that was fetched, which links and dots can't lead out of."""
    found = (folder / directory).resolve()
    if not found.is_relative_to(folder.resolve()):
        raise CodeError(f"the directory {directory!r} is not within the code")
    if not found.is_dir():
        raise CodeError(f"the code has no directory {directory!r}")
    return found
