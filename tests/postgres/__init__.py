"""A real PostgreSQL for tests and benchmarks."""

from __future__ import annotations

from tests.postgres.server import PostgresServer, postgres_for_tests

__all__ = ["PostgresServer", "postgres_for_tests"]
