"""Options and rules of the whole test run."""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.budgets import load_profile
from tests.compiled import share_compiled_statements
from tests.postgres.fixtures import (
    database,
    empty_postgres_dsn,
    held,
    held_dsn,
    postgres,
    postgres_dsn,
    template,
)
from tests.postgres.server import SharedServer
from tests.processor import ProcessorTimes
from tests.stuck import StuckTests
from tests.subjects import all_subjects, subjects_of

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = [
    "database",
    "empty_postgres_dsn",
    "held",
    "held_dsn",
    "postgres",
    "postgres_dsn",
    "template",
]


MEMORY: Final = Path("/dev/shm")
ROOM_BYTES: Final = 4 << 30


def _keep_files_in_memory() -> None:
    """Has temporary files in memory where there is room for them: a sync takes no time there.

    `TMPDIR` decides, where it is set.
    """
    if "TMPDIR" in os.environ or not os.access(MEMORY, os.W_OK):
        return
    if shutil.disk_usage(MEMORY).free >= ROOM_BYTES:
        os.environ["TMPDIR"] = str(MEMORY)
        tempfile.tempdir = None


_keep_files_in_memory()
share_compiled_statements()
load_profile()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", action="store_true", help="run the long forms of the fault tests")
    parser.addoption("--update-golden", action="store_true", help="write descriptions anew")
    parser.addoption("--processor", action="store_true", help="tell what takes processors' time")
    parser.addoption("--subject", help="run what one subject needs")
    parser.addoption("--phoenix", action="store_true", help="send a trace to Arize Phoenix, too")


def pytest_configure(config: pytest.Config) -> None:
    """Refuses a subject that has no tests, and watches for tests that don't end."""
    subject = config.getoption("--subject")
    if subject and subject not in (known := all_subjects()):
        raise pytest.UsageError(f"no tests of {subject!r}; subjects: {', '.join(sorted(known))}")
    config.pluginmanager.register(StuckTests(config), "stuck-tests")
    if config.getoption("--processor"):
        distributes = config.getoption("dist", "no") != "no"
        times = ProcessorTimes(distributes=distributes)
        config.pluginmanager.register(times, "processor-times")


def pytest_collection_finish() -> None:
    """Keeps thousands of tests out of each garbage collection."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Escapes what UTF-8 can't hold: workers send their reports as UTF-8."""
    report = yield
    report.sections = [(title, _escaped(text)) for title, text in report.sections]
    if report.longrepr is not None and _escaped(shown := str(report.longrepr)) != shown:
        report.longrepr = _escaped(shown)
    return report


def _escaped(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leaves the files of other subjects out, where one is named."""
    subject = config.getoption("--subject")
    if subject and collection_path.name.startswith("test_"):
        return subject not in subjects_of(collection_path) or None
    return None


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> Generator[None]:
    """Stops the PostgreSQL that workers shared, should one of them have died.

    Fails a run with skipped tests: a test that was skipped proved nothing.
    """
    factory: pytest.TempPathFactory = session.config._tmp_path_factory  # type: ignore[attr-defined]
    if "PYTEST_XDIST_WORKER" not in os.environ:
        SharedServer(factory.getbasetemp()).stop_if_left()
    yield
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if exitstatus == 0 and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
