"""Runs migrations over the connection that the caller hands in."""

from __future__ import annotations

from alembic import context

from towpath_service.storage import schema

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=schema.metadata,
    transactional_ddl=True,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
