"""Loads a flow from its entrypoint, "path/file.py:flow" or "package.module:flow"."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from typing import TYPE_CHECKING, Any, cast

from towpath._definitions.flow import Flow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import ModuleType


class LoadError(Exception):
    """A flow's code can't be loaded; the message names file, line and `sys.path[0]`."""


def load_flow(entrypoint: str, directory: Path) -> Flow[..., Any]:
    """Imports the code of a flow.

    The directory becomes `sys.path[0]`, and the file's own folder follows it, so that a file is
    found beside another as when it is run as a script. The file isn't `__main__`, so what its guard
    protects doesn't run.

    Args:
        entrypoint: The flow, "path/file.py:flow" or "package.module:flow".
        directory: Folder that paths and modules are relative to.

    Raises:
        LoadError: It can't be loaded.
    """
    place, colon, name = entrypoint.rpartition(":")
    if not colon or not place or not name:
        raise LoadError(
            f"the entrypoint {entrypoint!r} names no flow: write path/file.py:flow or"
            " package.module:flow"
        )
    sys.path.insert(0, str(directory))
    if place.endswith(".py"):
        file = directory / place
        module = _import(lambda: _module_of(file, directory), place, directory)
    else:
        module = _import(lambda: importlib.import_module(place), place, directory)
    return _flow_of(module, name)


def _module_of(file: Path, directory: Path) -> ModuleType:
    if not file.is_file():
        raise LoadError(f"there is no file {file}")
    if file.parent != directory:
        sys.path.insert(1, str(file.parent))
    name = _module_name(file, directory)
    if name is not None and _is_at(name, file):
        return importlib.import_module(name)
    # Another module has its name, or it has none that can be imported.
    return _executed(f"towpath_flow_{file.stem}".replace("-", "_"), file)


def _module_name(file: Path, directory: Path) -> str | None:
    """The name by which a file is imported; None for one outside of the directory."""
    try:
        parts = file.resolve().relative_to(directory.resolve()).with_suffix("").parts
    except ValueError:
        return None
    return ".".join(parts) if all(part.isidentifier() for part in parts) else None


def _is_at(name: str, file: Path) -> bool:
    spec = importlib.util.find_spec(name)
    return spec is not None and spec.origin is not None and file.samefile(spec.origin)


def _executed(name: str, file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _import(load: Callable[[], ModuleType], place: str, directory: Path) -> ModuleType:
    """Imports a module, and says of an error where it is.

    Raises:
        LoadError: The import failed, or ended the process.
    """
    try:
        module = load()
    except (LoadError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise LoadError(
            f"{_where(error, place)}: {_what(error)} (sys.path[0] is {directory})"
        ) from error
    return module


def _where(error: BaseException, place: str) -> str:
    """The file and line in the user's code at which an import failed."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    own = {__file__, importlib.__file__}
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename not in own and not frame.filename.startswith("<frozen ")
    ]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else place


def _what(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return (
            f"the import ends the process, sys.exit({error.code!r}): put what only a script does"
            ' below `if __name__ == "__main__":`'
        )
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg}"
    return f"{type(error).__name__}: {error}"


def _flow_of(module: ModuleType, name: str) -> Flow[..., Any]:
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part, None)
    if isinstance(found, Flow):
        return cast("Flow[..., Any]", found)
    file = module.__file__ or module.__name__
    if found is not None:
        raise LoadError(f"{file}: {name} is a {type(found).__name__}, no flow: put @flow above it")
    flows = ", ".join(sorted(_flows_in(module))) or "none"
    raise LoadError(f"{file} has no flow {name}; flows in it: {flows}")


def _flows_in(module: ModuleType) -> Iterator[str]:
    return (name for name, value in vars(module).items() if isinstance(value, Flow))
