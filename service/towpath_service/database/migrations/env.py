"""Runs migrations over the connection that the caller hands in, or prints them."""

from __future__ import annotations

from typing import Any

from alembic import context

from towpath_service.database.tables import metadata

connection = context.config.attributes["connection"]
on_step: Any = context.config.attributes.get("on_step")


def _applied(*_: object, **__: object) -> None:
    if on_step is not None:
        on_step()


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
        on_version_apply=_applied,
    )
with context.begin_transaction():
    context.run_migrations()
