"""Deployments of one tenant, on SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, delete, func, select, tuple_, update

from towpath_service.database.sql.statements import insert_new
from towpath_service.runs.storage.tables import flow
from towpath_service.work.domain.deployments import Deployment, DeploymentContent
from towpath_service.work.domain.names import DeploymentName
from towpath_service.work.storage.locking import locked
from towpath_service.work.storage.tables import (
    deployment,
    deployment_revision,
    run_key,
    schedule,
    schedule_slot,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection, Select, Table

    from towpath_service.work.domain.names import FlowName
    from towpath_service.work.ports.resources import Lock


class SqlDeployments:
    """The deployments of one tenant."""

    def __init__(self, connection: Connection, tenant_id: str) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    def get(self, name: DeploymentName, *, lock: Lock = "") -> Deployment | None:
        """A deployment as it is now; None when there is none."""
        if lock:
            # The content is read after the lock is granted: it sees what the other has committed.
            bare = select(deployment.c.revision).where(*self._named(deployment, name))
            self._connection.execute(locked(bare, lock))
        row = self._connection.execute(
            with_content().where(*self._named(deployment, name))
        ).one_or_none()
        return None if row is None else to_deployment(row)

    def content(self, name: DeploymentName, revision: int) -> DeploymentContent | None:
        """The content of a revision; None when there is none."""
        columns = deployment_revision.c
        text = self._connection.execute(
            select(columns.content).where(
                *self._named(deployment_revision, name), columns.revision == revision
            )
        ).scalar()
        return None if text is None else DeploymentContent.from_json(text)

    def page(
        self,
        workspace_id: str,
        after: tuple[str, ...],
        limit: int,
        *,
        flow_id: str = "",
        pool_id: str = "",
    ) -> list[Deployment]:
        """A page of deployments by flow and id; see `Deployments`."""
        columns = deployment.c
        place = tuple_(columns.flow_id, columns.deployment_id)
        found = with_content().where(
            columns.tenant_id == self._tenant_id, columns.workspace_id == workspace_id
        )
        if after:
            found = found.where(place > after)
        if flow_id:
            found = found.where(columns.flow_id == flow_id)
        if pool_id:
            found = found.where(columns.pool_id == pool_id)
        ordered = found.order_by(columns.flow_id, columns.deployment_id).limit(limit)
        return list(map(to_deployment, self._connection.execute(ordered)))

    def count(self) -> int:
        """The number of deployments of the tenant."""
        mine = deployment.c.tenant_id == self._tenant_id
        counted = select(func.count()).select_from(deployment).where(mine)
        return int(self._connection.execute(counted).scalar_one())

    def add(self, made: Deployment) -> bool:
        """Makes a deployment with its first revision; False when its id is taken."""
        if not insert_new(self._connection, deployment, **self._key(made), **_changing(made)):
            return False
        self._add_revision(made)
        return True

    def change(self, now: Deployment) -> None:
        """Adds the next revision of a deployment, which the transaction has locked."""
        self._connection.execute(
            update(deployment).where(*self._named(deployment, now.name)).values(**_changing(now))
        )
        self._add_revision(now)

    def remove(self, name: DeploymentName) -> None:
        """Removes a deployment with its revisions, schedules, slots and keys of runs."""
        for table in (run_key, schedule_slot, schedule, deployment_revision, deployment):
            self._connection.execute(delete(table).where(*self._named(table, name)))

    def add_flow(self, name: FlowName, display_name: str, now_us: int) -> None:
        """Makes a flow unless it is there."""
        insert_new(
            self._connection,
            flow,
            tenant_id=self._tenant_id,
            **name._asdict(),
            display_name=display_name or name.flow_id,
            created_us=now_us,
        )

    def _add_revision(self, made: Deployment) -> None:
        inserted = insert_new(
            self._connection,
            deployment_revision,
            **self._key(made),
            revision=made.revision,
            content=made.content.to_json(),
            actor=made.owner,
            created_us=made.updated_us,
        )
        assert inserted, made.name

    def _key(self, made: Deployment) -> dict[str, str]:
        return {"tenant_id": self._tenant_id, **made.name._asdict()}

    def _named(self, table: Table, name: DeploymentName) -> tuple[Any, ...]:
        return of_deployment(table, self._tenant_id, name)


def of_deployment(table: Table, tenant_id: str, name: DeploymentName) -> tuple[Any, ...]:
    """The conditions of the rows of a deployment."""
    columns = table.c
    return (
        columns.tenant_id == tenant_id,
        columns.workspace_id == name.workspace_id,
        columns.flow_id == name.flow_id,
        columns.deployment_id == name.deployment_id,
    )


def with_content() -> Select[Any]:
    """Deployments, each with its content as it is now."""
    of, revision = deployment.c, deployment_revision.c
    same = [
        of[name] == revision[name]
        for name in ("tenant_id", "workspace_id", "flow_id", "deployment_id", "revision")
    ]
    return select(deployment, revision.content).join(deployment_revision, and_(*same))


def _changing(item: Deployment) -> dict[str, Any]:
    content = item.content
    return {
        "pool_id": content.pool_id,
        "queue_id": content.queue_id,
        "paused": content.paused,
        "concurrency_limit": content.concurrency_limit,
        "collision_strategy": int(content.collision_strategy),
        "revision": item.revision,
        "owner": item.owner,
        "created_us": item.created_us,
        "updated_us": item.updated_us,
    }


def to_deployment(row: Any) -> Deployment:
    """The deployment of a row of `with_content`."""
    return Deployment(
        name=DeploymentName(row.workspace_id, row.flow_id, row.deployment_id),
        content=DeploymentContent.from_json(row.content),
        revision=row.revision,
        owner=row.owner,
        created_us=row.created_us,
        updated_us=row.updated_us,
    )
