"""Suites that a service passes on SQLite and on PostgreSQL, a folder for each subject."""
