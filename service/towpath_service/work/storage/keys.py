"""Conditions on the runs of work's rows, for statements that are built once."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam

from towpath_service.database.sql.keys import CHUNK

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from towpath_service.runs.ports.ingest import RunKey


def of_runs(columns: Any) -> Any:
    """The condition that a row is of one of the parameter `runs` of the parameter `tenant`."""
    return (columns.tenant_id == bindparam("tenant")) & columns.run_id.in_(
        bindparam("runs", expanding=True)
    )


def run_portions(keys: Collection[RunKey]) -> Iterator[dict[str, Any]]:
    """The parameters of `of_runs`: sorted runs by tenant, in lists that a statement takes."""
    for tenant_id, group in groupby(sorted(keys), key=lambda key: key.tenant_id):
        run_ids = [key.run_id for key in group]
        for start in range(0, len(run_ids), CHUNK):
            yield {"tenant": tenant_id, "runs": run_ids[start : start + CHUNK]}
