"""What the jobs of leased runs are worked out from, on SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, select

from towpath_service.database.sql.keys import among, portions
from towpath_service.runs.ports.ingest import RunKey
from towpath_service.runs.storage.tables import run, run_detail
from towpath_service.work.ports.dispatching import JobRow
from towpath_service.work.storage import tables

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from towpath_service.database.sql.one_statement import OneStatement

_origin: Final[Any] = tables.run_origin.c
_run: Final[Any] = run.c

_POOL: Final = ("tenant_id", "workspace_id", "pool_id")
_DEPLOYMENT: Final = ("tenant_id", "workspace_id", "flow_id", "deployment_id")

_JOBS: Final = (
    select(
        *(_origin.tenant_id, _run.run_id, _origin.deployment_revision),
        tables.deployment_revision.c.content,
        *(tables.work_pool.c.kind, tables.work_pool.c.job_template),
        *(tables.work_pool.c.grace_us, _origin.job_overrides),
        *(_run.flow_name, _run.display_name, run_detail.c.parameters, run_detail.c.timeout_us),
        *(_run.tags, _run.scheduled_us, _run.parent_run_id, _run.root_run_id),
        *(_run.traceparent, _run.tracestate, _origin.replay),
    )
    .join(run, and_(_run.tenant_id == _origin.tenant_id, _run.run_id == _origin.run_id))
    .join(
        tables.work_pool,
        and_(*(tables.work_pool.c[name] == _origin[name] for name in _POOL)),
    )
    .outerjoin(
        run_detail,
        and_(run_detail.c.tenant_id == _run.tenant_id, run_detail.c.run_id == _run.run_id),
    )
    .outerjoin(
        tables.deployment_revision,
        and_(
            tables.deployment_revision.c.revision == _origin.deployment_revision,
            *(tables.deployment_revision.c[name] == _origin[name] for name in _DEPLOYMENT),
        ),
    )
    .where(among(_origin.tenant_id, _origin.run_id))
)
# The same on PostgreSQL. OFFSET keeps each row a look-up by its primary key. Without it, the
# planner joins by whatever it takes for small, and it knows nothing of tables that have just grown:
# a hundred jobs among 6,400 runs took eight seconds.
_JOBS_SQL: Final = """
SELECT origin.tenant_id::text, origin.run_id::text, origin.deployment_revision, revision.content,
  pool.kind, pool.job_template, pool.grace_us, origin.job_overrides, its.flow_name,
  its.display_name, detail.parameters, detail.timeout_us, its.tags, its.scheduled_us,
  its.parent_run_id::text, its.root_run_id::text, its.traceparent, its.tracestate, origin.replay
FROM unnest($1::uuid[], $2::uuid[]) AS asked (tenant, run)
CROSS JOIN LATERAL (
  SELECT * FROM run_origin WHERE tenant_id = asked.tenant AND run_id = asked.run OFFSET 0
) AS origin
CROSS JOIN LATERAL (
  SELECT * FROM run WHERE tenant_id = asked.tenant AND run_id = asked.run OFFSET 0
) AS its
CROSS JOIN LATERAL (
  SELECT * FROM work_pool WHERE tenant_id = asked.tenant AND workspace_id = origin.workspace_id
    AND pool_id = origin.pool_id OFFSET 0
) AS pool
LEFT JOIN LATERAL (
  SELECT * FROM run_detail WHERE tenant_id = asked.tenant AND run_id = asked.run OFFSET 0
) AS detail ON true
LEFT JOIN LATERAL (
  SELECT * FROM deployment_revision WHERE tenant_id = asked.tenant
    AND workspace_id = origin.workspace_id AND flow_id = origin.flow_id
    AND deployment_id = origin.deployment_id AND revision = origin.deployment_revision OFFSET 0
) AS revision ON true
"""


def read_jobs(connection: Any, keys: Collection[RunKey]) -> Iterable[Any]:
    """Reads the rows of runs' jobs."""
    if connection.dialect.name == "postgresql":
        return connection.exec_driver_sql(_JOBS_SQL, _columns(keys)) if keys else ()
    return [row for portion in portions(keys) for row in connection.execute(_JOBS, portion)]


def read_jobs_by(together: OneStatement, keys: Collection[RunKey]) -> Iterable[Any]:
    """Reads the rows of runs' jobs by the statement that makes collected changes, and runs it."""
    return together.run(_JOBS_SQL, _columns(keys))


def jobs_of(rows: Iterable[Any]) -> dict[RunKey, JobRow]:
    """The jobs of rows that were read."""
    return {RunKey(row[0], row[1]): _job(row) for row in rows}


def _columns(keys: Collection[RunKey]) -> tuple[list[str], list[str]]:
    return [key.tenant_id for key in keys], [key.run_id for key in keys]


def _job(row: Any) -> JobRow:
    _, run_id, revision, content, kind, template, grace_us, overrides, *of_run = row
    flow_name, display_name, parameters, timeout_us, tags, scheduled_us, *rest = of_run
    parent_run_id, root_run_id, traceparent, tracestate, replay = rest
    return JobRow(
        run_id=run_id,
        deployment_revision=revision,
        content=content,
        kind=kind,
        template=template,
        grace_us=grace_us,
        overrides=overrides,
        flow_name=flow_name,
        display_name=display_name,
        parameters=parameters,
        timeout_us=timeout_us,
        tags=tags,
        scheduled_us=scheduled_us,
        parent_run_id=parent_run_id,
        root_run_id=root_run_id,
        traceparent=traceparent,
        tracestate=tracestate,
        replay=replay,
    )
