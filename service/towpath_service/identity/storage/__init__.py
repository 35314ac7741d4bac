"""The store of identity on SQL: tables and statements."""
