"""The store of secrets on SQL: tables and statements."""
