"""The store of limits on SQL: tables and statements."""
