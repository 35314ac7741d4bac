"""Options and rules of the whole test run."""

from __future__ import annotations

import pytest

from tests.postgres.fixtures import (
    database,
    empty_postgres_dsn,
    held,
    held_dsn,
    postgres,
    postgres_dsn,
    template,
)

__all__ = [
    "database",
    "empty_postgres_dsn",
    "held",
    "held_dsn",
    "postgres",
    "postgres_dsn",
    "template",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", action="store_true", help="run the long forms of the fault tests")
    parser.addoption("--update-golden", action="store_true", help="write descriptions anew")
    parser.addoption("--phoenix", action="store_true", help="send a trace to Arize Phoenix, too")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """A test that was skipped proved nothing: the run has failed."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if exitstatus == 0 and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
