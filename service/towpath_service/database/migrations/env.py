"""Runs migrations over the connection that the caller hands in, or prints them."""

from __future__ import annotations

from alembic import context

from towpath_service.identity.storage import tables as identity_schema
from towpath_service.storage import secret_schema

# Whose tables those of ALL_TABLES are, too.
assert secret_schema.secret.metadata is identity_schema.ALL_TABLES

connection = context.config.attributes["connection"]
if context.is_offline_mode():
    context.configure(
        dialect_name=connection.dialect.name,
        target_metadata=identity_schema.ALL_TABLES,
        transactional_ddl=True,
        literal_binds=True,
    )
else:
    context.configure(
        connection=connection,
        target_metadata=identity_schema.ALL_TABLES,
        transactional_ddl=True,
        render_as_batch=True,
    )
with context.begin_transaction():
    context.run_migrations()
