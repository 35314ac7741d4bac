"""How many bytes each workspace stores.

The count of what is there already takes one look at every row. What services of an earlier revision
write beside this one, while replicas are replaced one by one, isn't counted.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# Table, what a row counts as beside its texts, and these: as in `runs/storage/stored_bytes.py`.
ROWS = (
    (
        "run",
        1000,
        (
            *("display_name", "flow_name", "task_key", "task_name", "labels", "tags"),
            *("code_version", "cache_key", "traceparent", "tracestate"),
        ),
    ),
    ("transition", 250, ("reason", "message", "failure")),
    ("log_line", 300, ("logger", "body", "attributes", "failure")),
    ("refusal", 200, ("message", "metadata")),
)
DETAILS = ("parameters", "dependencies", "retry_policy", "result", "failure")


def upgrade() -> None:
    op.add_column(
        "workspace", sa.Column("stored_bytes", sa.BigInteger(), server_default="0", nullable=False)
    )
    # Each table is read once, and not once for each workspace.
    counts = [
        f"SELECT tenant_id, workspace_id, sum({_size(flat, texts)}) AS size FROM {table}"  # noqa: S608 - names above
        " GROUP BY tenant_id, workspace_id"
        for table, flat, texts in ROWS
    ]
    counts.append(
        f"SELECT run.tenant_id, run.workspace_id, sum({_size(0, DETAILS, 'detail.')}) AS size"  # noqa: S608 - names above
        " FROM run_detail AS detail JOIN run ON run.tenant_id = detail.tenant_id"
        " AND run.run_id = detail.run_id GROUP BY run.tenant_id, run.workspace_id"
    )
    together = " UNION ALL ".join(counts)
    op.execute(
        "WITH counted AS (SELECT tenant_id, workspace_id, sum(size) AS size"  # noqa: S608 - names above
        f" FROM ({together}) AS each GROUP BY tenant_id, workspace_id)"
        " UPDATE workspace SET stored_bytes = counted.size FROM counted"
        " WHERE counted.tenant_id = workspace.tenant_id"
        " AND counted.workspace_id = workspace.workspace_id"
    )


def downgrade() -> None:
    op.drop_column("workspace", "stored_bytes")


def _size(flat: int, texts: tuple[str, ...], prefix: str = "") -> str:
    each = "octet_length({})"
    if op.get_context().dialect.name == "sqlite":
        each = "length(CAST({} AS BLOB))"
    sizes = [f"coalesce({each.format(prefix + text)}, 0)" for text in texts]
    return " + ".join([str(flat), *sizes])
