"""Runs migrations over the connection that the caller hands in, or prints them."""

from __future__ import annotations

from alembic import context

from towpath_service.database.tables import metadata

connection = context.config.attributes["connection"]
if context.is_offline_mode():
    context.configure(
        dialect_name=connection.dialect.name,
        target_metadata=metadata,
        transactional_ddl=True,
        literal_binds=True,
    )
else:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        transactional_ddl=True,
        render_as_batch=True,
    )
with context.begin_transaction():
    context.run_migrations()
