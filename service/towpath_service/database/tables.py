"""The metadata that the tables of all subjects are declared in.

A table is known to the database layer (to migrations, to row-level security) once the module of its
subject that declares it has been imported. Unless marked otherwise, it belongs to tenants: it has a
`tenant_id` that leads each of its keys, and row-level security holds for it.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import MetaData

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

OF_INSTALLATION: Final = {"of_installation": True}
"""`info` of a table that belongs to the whole installation, and to no tenant."""

UNIQUE_ACROSS_TENANTS: Final = {"unique_across_tenants": True}
"""`info` of a table with a key that is read before the tenant is known.

Its values are random, or chosen by the operator, so a conflict reveals nothing to a tenant.
"""

OF_A_RUN: Final = {"of_a_run": True}
"""`info` of a table of another subject than runs whose rows, found by `tenant_id` and `run_id`, are
removed with their run."""


def marked(mark: dict[str, bool]) -> frozenset[str]:
    """Names of the tables with a mark."""
    return frozenset(
        table.name for table in metadata.tables.values() if mark.items() <= table.info.items()
    )
