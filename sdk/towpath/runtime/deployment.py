"""The deployment of the current flow run; read an attribute each time that you need it.

The service is asked for it once for each run. Attributes are None in runs without a deployment.
"""

from __future__ import annotations

import json
import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from towpath._prefect_names.refusals import refuse
from towpath._runs.context import RunContext, current_run
from towpath._settings.current import get_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from towpath.client import Run

    id: str | None  # noqa: A001 - Prefect's name
    """Name of the deployment for commands and clients, "flow/deployment"."""
    name: str | None
    """Id of the deployment within its flow."""
    version: str | None
    """Version of the code."""
    flow_run_id: str | None
    """Id of the run of the deployment."""
    parameters: dict[str, Any]
    """The arguments that the run was created with, by parameter name."""

__all__ = ["flow_run_id", "id", "name", "parameters", "version"]


@lru_cache(maxsize=16)
def _read(run_id: str) -> Run:
    from towpath.client import connect  # noqa: PLC0415 - few runs ask for their deployment

    with connect(get_settings()) as client:
        return client.run(run_id)


_READERS: Final[dict[str, tuple[Callable[[Run], Any], Any]]] = {
    "flow_run_id": (lambda run: run.id, None),
    "id": (lambda run: run.deployment, None),
    "name": (lambda run: run.deployment.rpartition("/")[2], None),
    "parameters": (lambda run: json.loads(run.parameters or "{}"), {}),
    "version": (lambda run: run.code_version or None, None),
}


def __getattr__(attribute: str) -> Any:
    found = _READERS.get(attribute)
    if found is None:
        asks = sys._getframe(1)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - documented
        refuse(__name__, attribute, asks, there=__all__)
    read, otherwise = found
    deployed = _deployed()
    run = _read(deployed.run_id) if deployed is not None else None
    if run is None or not run.deployment:
        return {} if otherwise == {} else None
    return read(run)


def _deployed() -> RunContext | None:
    """The run around this code that a worker was given; None without one."""
    run = current_run.get()
    while run is not None and not run.fence:
        run = run.parent
    return run


def __dir__() -> list[str]:
    return list(__all__)
