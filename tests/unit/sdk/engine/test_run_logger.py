"""Log lines and prints of runs: which are recorded, and who else gets them."""

from __future__ import annotations

import io
import logging
import logging.config
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from towpath import flow, get_run_logger, task
from towpath._engine import run_logging
from towpath._runs.context import current_run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from towpath.task_runners import TaskRunner
    from towpath.testing import Harness

    from tests.unit.sdk.recording import RecordingReporter


def test_runs_on_several_threads_get_one_handler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two that ask at once for the first time would otherwise have each line recorded twice."""
    logger = logging.getLogger(run_logging.RUN_LOGGER)
    monkeypatch.setattr(logger, "handlers", [])
    both, add = threading.Barrier(2), logger.addHandler

    def met(handler: logging.Handler) -> None:
        both.wait(10)
        add(handler)

    monkeypatch.setattr(logger, "addHandler", met)

    def asked() -> None:
        current_run.set(object())  # type: ignore[arg-type]
        run_logging.get_run_logger()

    with ThreadPoolExecutor(2) as threads:
        for done in [threads.submit(asked) for _ in range(2)]:
            done.result()
    assert len(logger.handlers) == 1


@pytest.mark.parametrize(
    ("outer", "inner", "logged"),
    [
        (None, None, False),
        (None, True, True),
        (True, None, True),
        (True, False, False),
        (False, True, True),
        (False, None, False),
    ],
)
def test_prints_are_logged_as_the_run_says_or_else_as_the_one_around_it(
    outer: bool | None,
    inner: bool | None,
    logged: bool,
    runner: TaskRunner,
    reporter: RecordingReporter,
) -> None:
    @task(log_prints=inner)
    def prints(name: str) -> None:
        print(name)  # noqa: T201 - that is what is logged

    @flow(log_prints=inner)
    def prints_in_flow() -> None:
        print("subflow")  # noqa: T201 - the same

    @flow
    def below() -> None:
        @task
        def deep() -> None:
            prints("deep")

        deep.submit().result()

    @flow(log_prints=outer, task_runner=runner)
    def around() -> None:
        prints("called")
        prints.submit("submitted").result()
        prints_in_flow()
        below()

    around()
    said = ["called", "submitted", "subflow", "deep"]
    assert [line.body for line in reporter.lines] == (said if logged else [])


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The root logger; the configuration of logging is restored."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    loggers = [
        each for each in root.manager.loggerDict.values() if isinstance(each, logging.Logger)
    ]
    disabled = [each.disabled for each in loggers]
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)
    for logger, was in zip(loggers, disabled, strict=True):
        logger.disabled = was


@flow
def speaks() -> None:
    get_run_logger().debug("detail")
    get_run_logger().info("news of %d", 1)
    logging.getLogger("towpath.runs.mine").warning("below")
    logging.getLogger("lib").error("trouble")


LINES = ["news of 1", "below", "trouble"]


def test_lines_of_runs_reach_handlers_of_the_root_logger_once(
    root: logging.Logger, reporter: RecordingReporter
) -> None:
    file = logging.StreamHandler(io.StringIO())
    root.addHandler(file)
    speaks()
    assert file.stream.getvalue().splitlines() == LINES
    assert [line.body for line in reporter.lines] == LINES


def test_configurations_of_logging_lose_no_lines(
    root: logging.Logger, reporter: RecordingReporter
) -> None:
    speaks()
    logging.basicConfig(force=True, stream=io.StringIO())
    speaks()
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": True})
    logging.getLogger("lib").disabled = False
    logging.getLogger("towpath.runs.mine").disabled = False
    speaks()
    assert [line.body for line in reporter.lines] == LINES * 3


def test_caplog_shows_lines_of_runs(
    caplog: pytest.LogCaptureFixture, towpath_harness: Harness
) -> None:
    speaks()
    assert [record.getMessage() for record in caplog.records] == LINES
    caplog.clear()
    with caplog.at_level(logging.DEBUG, "towpath.runs"):
        speaks()
    assert caplog.records[0].getMessage() == "detail"
    speaks()
    # The setting on levels decides what is recorded.
    assert [line.body for line in towpath_harness.runs[-1].logs] == LINES
