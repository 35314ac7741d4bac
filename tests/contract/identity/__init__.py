"""Tenants, keys, tokens, roles and the audit log on each database."""
