"""Positions up to which a workspace's changes may be removed; watches can't resume below."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

FLOORS = ("transition_floor", "log_floor", "tombstone_floor")


def upgrade() -> None:
    for floor in FLOORS:
        op.add_column(
            "workspace", sa.Column(floor, sa.BigInteger(), server_default="0", nullable=False)
        )


def downgrade() -> None:
    for floor in reversed(FLOORS):
        op.drop_column("workspace", floor)
