"""Identity: tenants, members, keys, tokens, roles and the audit log."""
