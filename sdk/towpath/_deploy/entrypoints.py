"""Places of flows: "path/file.py:flow" relative to a project, or "package.module:flow"."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from towpath.exceptions import DefinitionError

if TYPE_CHECKING:
    from types import ModuleType

    from towpath._definitions.deployments import DeployedFlow


def entrypoint_of(flow: DeployedFlow, root: Path) -> str:
    """Returns the place from which a worker can load a flow.

    Args:
        flow: The flow; one of `__main__` has the place of its script.
        root: Folder of the project. A flow of a file in it has the file's path from there, another
            one the name of its module.

    Raises:
        DefinitionError: No module has the flow, or its module can't be imported elsewhere.
    """
    if flow.entrypoint:
        return flow.entrypoint
    function = inspect.unwrap(flow.fn)
    module = sys.modules.get(getattr(function, "__module__", None) or "")
    name = _name_in(module, flow) if module is not None else ""
    if not name:
        raise DefinitionError(
            f"flow {flow.name!r} can't be deployed, since no name of a module stands for it:"
            " define it at the top of a module, and assign what with_options() returns to a name"
        )
    file = _file_of(module)
    if file is not None and file.is_relative_to(root.resolve()):
        return f"{file.relative_to(root.resolve()).as_posix()}:{name}"
    spec = getattr(module, "__spec__", None)
    if spec is not None:
        return f"{spec.name}:{name}"
    if file is not None:
        return f"{file}:{name}"
    raise DefinitionError(
        f"flow {flow.name!r} can't be deployed from an interactive session: save it to a file"
    )


def _name_in(module: ModuleType, flow: DeployedFlow) -> str:
    """The name that stands for a flow in a module; empty for none."""
    qualified = getattr(inspect.unwrap(flow.fn), "__qualname__", "")
    if _looked_up(module, qualified) is flow:
        return qualified
    return next((name for name, value in [*vars(module).items()] if value is flow), "")


def _looked_up(module: ModuleType, qualified: str) -> Any:
    found: Any = module
    for part in qualified.split("."):
        found = getattr(found, part, None)
    return found


def _file_of(module: Any) -> Path | None:
    file = getattr(module, "__file__", None)
    return Path(file).resolve() if file and Path(file).is_file() else None
