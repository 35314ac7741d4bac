"""Commands about tenants, members, keys, roles, trusts, the audit log, and signing in."""
