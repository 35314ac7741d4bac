"""Reads which secrets a run may use; given to the store of secrets, which knows no deployments."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, select

from towpath_service.database.port import sql_of
from towpath_service.work.storage.tables import deployment_revision, run_origin

if TYPE_CHECKING:
    from collections.abc import Collection

    from towpath_service.core.transactions import Transaction


def secrets_of_run(
    transaction: Transaction, tenant_id: str, workspace_id: str, run_id: str
) -> Collection[str] | None:
    """Ids of the secrets that the deployment of a run names, in the revision of the run.

    Returns:
        The ids, none if the deployment is gone; None for a run without a deployment.
    """
    origin, revision = run_origin.c, deployment_revision.c
    of_run = and_(
        revision.tenant_id == origin.tenant_id,
        revision.workspace_id == origin.workspace_id,
        revision.flow_id == origin.flow_id,
        revision.deployment_id == origin.deployment_id,
        revision.revision == origin.deployment_revision,
    )
    row = (
        sql_of(transaction)
        .connection.execute(
            select(origin.run_id, revision.content)
            .join_from(run_origin, deployment_revision, of_run, isouter=True)
            .where(
                origin.tenant_id == tenant_id,
                origin.workspace_id == workspace_id,
                origin.run_id == run_id,
            )
        )
        .one_or_none()
    )
    if row is None:
        return None
    content: dict[str, Any] = json.loads(row.content or "{}")
    return frozenset(content.get("secrets", ()))
