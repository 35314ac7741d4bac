"""The schema's history: one Alembic tree for every database."""
