"""The port through which reads of runs show what runs of deployments were created from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from towpath_service.core.names import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOrigin:
    """What a run was created from, and who executes it."""

    deployment: str
    """Resource name."""
    deployment_revision: int
    schedule: str
    """Resource name; empty for a run that no schedule created."""
    slot_us: int | None
    creator: str
    """Principal that it was created for; of a schedule, the deployment's owner."""
    trigger: int
    """Numbered as in the contract."""
    queue: str
    """Resource name of the queue that it waits or waited in."""
    priority: int
    worker: str
    """Resource name of the worker that has leased it; empty for none."""


class RunOrigins(Protocol):
    """Reads the origins of runs."""

    async def __call__(self, scope: Scope, run_ids: Collection[str], /) -> Mapping[str, RunOrigin]:
        """Origins by run id; a run without a deployment is left out."""
        ...


async def no_origins(scope: Scope, run_ids: Collection[str], /) -> Mapping[str, RunOrigin]:
    """The origins in a service without deployments: none."""
    del scope, run_ids
    return {}
