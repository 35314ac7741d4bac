"""The tasks that retries are to run again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("run_origin", sa.Column("replay", TEXT, nullable=True))


def downgrade() -> None:
    op.drop_column("run_origin", "replay")
