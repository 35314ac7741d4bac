"""The database port with its SQLite and PostgreSQL engines, migrations and upkeep."""
