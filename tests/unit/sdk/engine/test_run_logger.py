from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from towpath._engine import run_logging
from towpath._runs.context import current_run

if TYPE_CHECKING:
    import pytest


def test_runs_on_several_threads_get_one_handler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two that ask at once for the first time would otherwise have each line recorded twice."""
    logger = logging.getLogger(run_logging.RUN_LOGGER)
    monkeypatch.setattr(logger, "handlers", [])
    both, settings = threading.Barrier(2), run_logging.get_settings()

    def met() -> Any:
        both.wait(10)
        return settings

    monkeypatch.setattr(run_logging, "get_settings", met)

    def asked() -> None:
        current_run.set(object())  # type: ignore[arg-type]
        run_logging.get_run_logger()

    with ThreadPoolExecutor(2) as threads:
        for done in [threads.submit(asked) for _ in range(2)]:
            done.result()
    assert len(logger.handlers) == 1
