"""Writes the artifacts of runs; used by the write side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, select

from towpath_service.database.sql.bulk import insert_rows, update_rows
from towpath_service.runs.storage import tables
from towpath_service.runs.storage.rows import in_scope
from towpath_service.runs.storage.stored_bytes import FLAT, TEXTS, Sizes, add_stored

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Row

    from towpath_service.core.names import Scope
    from towpath_service.runs.ports.ingest import NewArtifact

_artifact: Final[Any] = tables.artifact.c
_REPLACED: Final = ("display_name", "description", "content", "size_bytes")
_CHANGED: Final = ("tenant_id", "artifact_id", *_REPLACED, "updated_us")


def write_artifacts(connection: Connection, made: Sequence[NewArtifact], now_us: int) -> None:
    """Writes new artifacts with the next version of their key, and replaces what is known.

    The transaction has locked the workspaces, so that no two artifacts get one version.
    """
    for artifact in made:
        known = _known(connection, artifact)
        if known is None:
            _insert(connection, artifact, now_us)
        elif known.root_run_id == artifact.root_run_id:
            # A tree of runs is of one workspace.
            _replace(connection, artifact, known, now_us)


def _known(connection: Connection, artifact: NewArtifact) -> Row[Any] | None:
    named = (
        _artifact.tenant_id == artifact.scope.tenant_id,
        _artifact.artifact_id == artifact.report.artifact_id,
    )
    return connection.execute(select(tables.artifact).where(*named)).one_or_none()


def _insert(connection: Connection, artifact: NewArtifact, now_us: int) -> None:
    report, scope = artifact.report, artifact.scope
    values = {
        **scope._asdict(),
        "artifact_id": report.artifact_id,
        "run_id": artifact.run_id,
        "root_run_id": artifact.root_run_id,
        "key": report.key,
        "version": _next_version(connection, scope, report.key) if report.key else 0,
        "kind": report.kind,
        **_content(artifact),
        "occurred_us": artifact.occurred_us,
        "created_us": now_us,
        "updated_us": now_us,
    }
    row = tuple(values[column.name] for column in tables.artifact.c)
    insert_rows(connection, tables.artifact, [row])
    texts = [getattr(report, name) for name in TEXTS["artifact"]]
    add_stored(connection, scope, FLAT["artifact"] + Sizes(connection.dialect).of(texts))


def _replace(connection: Connection, artifact: NewArtifact, was: Row[Any], now_us: int) -> None:
    now = _content(artifact)
    for name in ("display_name", "description"):
        now[name] = now[name] or getattr(was, name)
    row = (was.tenant_id, was.artifact_id, *now.values(), now_us)
    update_rows(connection, tables.artifact, _CHANGED, [row])
    sizes = Sizes(connection.dialect)
    texts = [name for name in _REPLACED if name in TEXTS["artifact"]]
    added = sizes.of(now[name] for name in texts) - sizes.of(getattr(was, name) for name in texts)
    add_stored(connection, artifact.scope, added)


def _next_version(connection: Connection, scope: Scope, key: str) -> int:
    latest = select(func.max(_artifact.version)).where(in_scope(_artifact, scope))
    return int(connection.execute(latest.where(_artifact.key == key)).scalar() or 0) + 1


def _content(artifact: NewArtifact) -> dict[str, Any]:
    return {name: getattr(artifact.report, name) for name in _REPLACED}
