"""The store of runs on SQL: tables and statements."""
