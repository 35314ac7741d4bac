"""How far the clock of a worker is off."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("worker", sa.Column("clock_offset_us", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("worker", "clock_offset_us")
