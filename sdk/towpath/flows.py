"""Flows, under the name that Prefect has for their module."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from towpath._definitions.flow import Flow, flow
from towpath._prefect_names.refusals import refusing
from towpath._work.loading import LoadError, load_flow
from towpath.exceptions import DefinitionError

__all__ = ["Flow", "flow", "load_flow_from_entrypoint"]

if not TYPE_CHECKING:
    __getattr__ = refusing(__name__)


def load_flow_from_entrypoint(entrypoint: str) -> Flow[..., Any]:
    """Loads a flow from a file or a module.

    Args:
        entrypoint: The flow, "path/file.py:flow", "package.module:flow" or "package.module.flow";
            paths are relative to the working directory.

    Raises:
        DefinitionError: It can't be loaded.
    """
    place = entrypoint if ":" in entrypoint else ":".join(entrypoint.rpartition(".")[::2])
    try:
        return load_flow(place, Path.cwd())
    except LoadError as error:
        raise DefinitionError(str(error)) from error
