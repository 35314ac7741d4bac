"""Reads artifacts of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, exists, literal, or_, select, tuple_
from sqlalchemy.types import BigInteger

from towpath_service.runs.domain.runs import Artifact
from towpath_service.runs.storage import tables
from towpath_service.runs.storage.one_tenant import of_one_tenant
from towpath_service.runs.storage.rows import in_scope
from towpath_service.runs.storage.tenant_reads import TenantReads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towpath_service.core.names import Scope
    from towpath_service.runs.ports.reads import ArtifactQuery

_artifact: Final[Any] = tables.artifact.c
_COLUMNS: Final = [
    column for column in tables.artifact.c if column.name not in {"tenant_id", "workspace_id"}
]


@of_one_tenant
class SqlArtifactReads(TenantReads):
    """The artifacts of one tenant's runs."""

    def artifact(self, scope: Scope, artifact_id: str) -> Artifact | None:
        """Reads an artifact; None when there is none."""
        named = (in_scope(_artifact, scope), _artifact.artifact_id == artifact_id)
        found = self._connection.execute(select(*_COLUMNS).where(*named))
        row = found.mappings().one_or_none()
        return None if row is None else Artifact(**row)

    def artifacts(self, scope: Scope, query: ArtifactQuery) -> Sequence[Artifact]:
        """Reads a page of artifacts, newest first, without their contents."""
        # The contents of a page may take 128 MB.
        columns = [column for column in _COLUMNS if column.name != "content"]
        place = tuple_(_artifact.created_us, _artifact.artifact_id)
        statement = select(*columns, literal("{}").label("content")).where(
            in_scope(_artifact, scope)
        )
        if query.run_id:
            of_run = or_(_artifact.run_id == query.run_id, _artifact.root_run_id == query.run_id)
            statement = statement.where(of_run)
        if query.key:
            statement = statement.where(_artifact.key == query.key)
        if query.latest_only:
            statement = statement.where(_is_latest(scope))
        if query.after is not None:
            after = tuple_(
                literal(query.after[0], BigInteger),
                literal(query.after[1], _artifact.artifact_id.type),
            )
            statement = statement.where(place < after)
        ordered = statement.order_by(_artifact.created_us.desc(), _artifact.artifact_id.desc())
        rows = self._connection.execute(ordered.limit(query.limit))
        return [Artifact(**row) for row in rows.mappings()]


def _is_latest(scope: Scope) -> Any:
    """Whether no artifact has a later version of the key."""
    later = tables.artifact.alias("later")
    found = exists().where(
        and_(
            in_scope(later.c, scope),
            later.c.key == _artifact.key,
            later.c.version > _artifact.version,
        )
    )
    return or_(_artifact.key == "", ~found)
