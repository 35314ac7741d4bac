"""Resource names of work: pools, queues, workers, deployments and schedules."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from towpath_service.core.errors import invalid
from towpath_service.core.names import SLUG

EVERY: Final = "-"
"""The id that stands for every resource of a collection in the parent of a list."""


class PoolName(NamedTuple):
    """The name of a work pool."""

    workspace_id: str
    pool_id: str

    def __str__(self) -> str:
        """The resource name."""
        return f"workspaces/{self.workspace_id}/workPools/{self.pool_id}"


class QueueName(NamedTuple):
    """The name of a queue of a pool."""

    workspace_id: str
    pool_id: str
    queue_id: str

    @property
    def pool(self) -> PoolName:
        """The name of its pool."""
        return PoolName(self.workspace_id, self.pool_id)

    def __str__(self) -> str:
        """The resource name."""
        return f"{self.pool}/queues/{self.queue_id}"


class WorkerName(NamedTuple):
    """The name of a worker of a pool."""

    workspace_id: str
    pool_id: str
    worker_id: str

    @property
    def pool(self) -> PoolName:
        """The name of its pool."""
        return PoolName(self.workspace_id, self.pool_id)

    def __str__(self) -> str:
        """The resource name."""
        return f"{self.pool}/workers/{self.worker_id}"


class FlowName(NamedTuple):
    """The name of a flow."""

    workspace_id: str
    flow_id: str

    def __str__(self) -> str:
        """The resource name."""
        return f"workspaces/{self.workspace_id}/flows/{self.flow_id}"


class DeploymentName(NamedTuple):
    """The name of a deployment of a flow."""

    workspace_id: str
    flow_id: str
    deployment_id: str

    @property
    def flow(self) -> FlowName:
        """The name of its flow."""
        return FlowName(self.workspace_id, self.flow_id)

    def __str__(self) -> str:
        """The resource name."""
        return f"{self.flow}/deployments/{self.deployment_id}"


class ScheduleName(NamedTuple):
    """The name of a schedule of a deployment."""

    workspace_id: str
    flow_id: str
    deployment_id: str
    schedule_id: str

    @property
    def deployment(self) -> DeploymentName:
        """The name of its deployment."""
        return DeploymentName(self.workspace_id, self.flow_id, self.deployment_id)

    def __str__(self) -> str:
        """The resource name."""
        return f"{self.deployment}/schedules/{self.schedule_id}"


class BackfillName(NamedTuple):
    """The name of a backfill."""

    workspace_id: str
    backfill_id: str

    def __str__(self) -> str:
        """The resource name."""
        return f"workspaces/{self.workspace_id}/backfills/{self.backfill_id}"


_POOL: Final = "workspaces/{workspace}/workPools/{work_pool}"
_FLOW: Final = "workspaces/{workspace}/flows/{flow}"
_DEPLOYMENT: Final = f"{_FLOW}/deployments/{{deployment}}"


def parse_pool(name: str, field: str = "name") -> PoolName:
    """Reads the name of a pool; INVALID_REQUEST naming the field if it isn't one."""
    return PoolName(*_parts(name, _POOL, field))


def parse_queue(name: str, field: str = "name") -> QueueName:
    """Reads the name of a queue; INVALID_REQUEST naming the field if it isn't one."""
    return QueueName(*_parts(name, f"{_POOL}/queues/{{queue}}", field))


def parse_worker(name: str, field: str = "name") -> WorkerName:
    """Reads the name of a worker; INVALID_REQUEST naming the field if it isn't one."""
    return WorkerName(*_parts(name, f"{_POOL}/workers/{{worker}}", field))


def parse_flow(name: str, field: str = "parent") -> FlowName:
    """Reads the name of a flow; INVALID_REQUEST naming the field if it isn't one."""
    return FlowName(*_parts(name, _FLOW, field))


def parse_deployment(name: str, field: str = "name") -> DeploymentName:
    """Reads the name of a deployment; INVALID_REQUEST naming the field if it isn't one."""
    return DeploymentName(*_parts(name, _DEPLOYMENT, field))


def parse_schedule(name: str, field: str = "name") -> ScheduleName:
    """Reads the name of a schedule; INVALID_REQUEST naming the field if it isn't one."""
    return ScheduleName(*_parts(name, f"{_DEPLOYMENT}/schedules/{{schedule}}", field))


def parse_backfill(name: str, field: str = "name") -> BackfillName:
    """Reads the name of a backfill; INVALID_REQUEST naming the field if it isn't one."""
    return BackfillName(*_parts(name, "workspaces/{workspace}/backfills/{backfill}", field))


def check_id(text: str, field: str) -> str:
    """Returns an id that a user has chosen; INVALID_REQUEST naming the field if it isn't one."""
    if re.fullmatch(SLUG, text) is None:
        raise invalid(field, "must have 1 to 63 of a-z, 0-9 and -, no - first or last")
    return text


def _parts(name: str, form: str, field: str) -> tuple[str, ...]:
    """The ids in a name of a form such as "workspaces/{workspace}/flows/{flow}"."""
    match = re.fullmatch(re.sub(r"\{\w+\}", f"({SLUG})", form), name)
    if match is None:
        raise invalid(field, f'must be "{form}", ids of a-z, 0-9 and -')
    return match.groups()
