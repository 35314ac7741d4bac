"""Row-level security: transactions touch the rows of the tenants that they have named."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TABLES = (
    *("workspace", "flow", "run_count", "run", "run_detail", "run_tag", "run_label"),
    *("transition", "producer", "refusal", "log_line", "deleted_run"),
    *("tenant", "credential_tenant", "workspace_entry", "principal", "api_key", "role"),
    *("role_binding", "audit_entry", "audit_head"),
)
# Both are worked out once a statement, not once a row.
WALL = "(SELECT towpath_every_tenant()) OR tenant_id = ANY ((SELECT towpath_tenants())::uuid[])"


def upgrade() -> None:
    if op.get_context().dialect.name != "postgresql":
        return
    op.execute(
        "CREATE FUNCTION towpath_every_tenant() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE"
        " AS $$ SELECT coalesce(current_setting('towpath.tenants', true), '') = '*' $$"
    )
    op.execute(
        "CREATE FUNCTION towpath_tenants() RETURNS uuid[] LANGUAGE sql STABLE PARALLEL SAFE"
        " AS $$ SELECT string_to_array(nullif(nullif("
        "current_setting('towpath.tenants', true), ''), '*'), ',')::uuid[] $$"
    )
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY tenant_wall ON {table} USING ({WALL}) WITH CHECK ({WALL})")


def downgrade() -> None:
    if op.get_context().dialect.name != "postgresql":
        return
    for table in TABLES:
        op.execute(f"DROP POLICY tenant_wall ON {table}")
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
    op.execute("DROP FUNCTION towpath_tenants()")
    op.execute("DROP FUNCTION towpath_every_tenant()")
