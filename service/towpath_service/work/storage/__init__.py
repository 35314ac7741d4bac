"""The stores of work on SQL: tables and statements."""
