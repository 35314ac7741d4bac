"""Commands that show what to change after a crash, for explanations."""

from __future__ import annotations

from typing import Final

_OF_DEPLOYMENT: Final = "towpath deployment inspect {deployment}"
_OF_POOL: Final = "towpath pool inspect {pool}"
_REMEDIES: Final = {
    "OUT_OF_MEMORY": _OF_DEPLOYMENT,
    "IMAGE_PULL": _OF_DEPLOYMENT,
    "UNSCHEDULABLE": _OF_DEPLOYMENT,
    "EVICTED": _OF_DEPLOYMENT,
    "PREEMPTED": _OF_DEPLOYMENT,
    "NODE_LOST": _OF_DEPLOYMENT,
    "NODE_REFUSED": _OF_DEPLOYMENT,
    "POD_START_TIMEOUT": _OF_POOL,
}
"""Commands that show what to change, by the reason of a run that has crashed."""


def remedy_of(reason: str, deployment: str, pool_id: str) -> str:
    """Returns the command for a crash; empty where none of the deployment or pool helps.

    Args:
        reason: Reason of the state.
        deployment: The deployment, "etl/nightly"; empty for a run without.
        pool_id: Pool of the deployment.
    """
    command = _REMEDIES.get(reason, "") if deployment else ""
    return command.format(deployment=deployment, pool=pool_id)
