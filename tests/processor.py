"""What tests cost: seconds of processors, by folder, file and test.

`poe test --processor` tells them at the end, as CI does. They are what decides how long all tests
take, for they keep the processors busy; the durations of single tests are mostly waiting. Nothing
fails by them.

Counted is what this process, its children, and what its fork servers forked took while a test
ran, with the fixtures that it was the first to need. A child counts once it was waited for.
PostgreSQL and what outlives its starter aren't counted.
"""

from __future__ import annotations

import resource
import time
from collections import Counter
from typing import TYPE_CHECKING, Final

import pytest

from tests.forkserver.processes import seconds_of_forks

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping

COLLECTION: Final = "(imports and collection)"
REST: Final = "(the rest of each process)"
DEAREST_TESTS: Final = 25
DEAREST_FILES: Final = 25
_SHOWN_SECONDS: Final = 0.5


def seconds(*, children: bool) -> float:
    """What this process has taken by now.

    Args:
        children: Whether with what it has started.
    """
    if not children:
        return time.process_time()
    parts = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(part.ru_utime + part.ru_stime for part in parts) + seconds_of_forks()


def by_folder(costs: Mapping[str, float]) -> Counter[str]:
    """Seconds of the third level of folders, such as `tests/unit/sdk`.

    Args:
        costs: Seconds by node id.
    """
    return _summed(costs, lambda name: "/".join(name.partition("::")[0].split("/")[:-1][:3]))


def by_file(costs: Mapping[str, float]) -> Counter[str]:
    """Seconds of files.

    Args:
        costs: Seconds by node id.
    """
    return _summed(costs, lambda name: name.partition("::")[0])


class ProcessorTimes:
    """A plugin that counts in each process, and tells at the end of the run."""

    def __init__(self, *, distributes: bool) -> None:
        """Counts from the start of the process.

        Args:
            distributes: Whether tests run in workers of this process, which count themselves.
        """
        self._distributes = distributes
        self._costs: Counter[str] = Counter()
        self._counted = 0.0

    def pytest_collection_finish(self) -> None:
        """Counts all until here."""
        self._count(COLLECTION)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Counts a test with its fixtures."""
        self._count(REST)
        result = yield
        self._count(item.nodeid)
        return result

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None]:
        """Gives the costs of a worker to the process that reports."""
        yield
        self._count(REST)
        if (output := getattr(session.config, "workeroutput", None)) is not None:
            output["processor"] = dict(self._costs)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object) -> None:
        """Takes the costs of a worker; one that died has none."""
        output: dict[str, dict[str, float]] = getattr(node, "workeroutput", {})
        self._costs.update(output.get("processor", {}))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Tells what was dear."""
        tests = Counter({name: cost for name, cost in self._costs.items() if "::" in name})
        terminalreporter.section("seconds of processors")
        total = sum(self._costs.values())
        terminalreporter.write_line(f"{total:8.1f}  all, of which {sum(tests.values()):.1f} tests")
        for name in (COLLECTION, REST):
            terminalreporter.write_line(f"{self._costs[name]:8.1f}  {name}")
        for title, dear in (
            ("folders", by_folder(tests).most_common()),
            ("files", by_file(tests).most_common(DEAREST_FILES)),
            ("tests", tests.most_common(DEAREST_TESTS)),
        ):
            terminalreporter.write_line(f"{title}:")
            for line in _lines(dear):
                terminalreporter.write_line(line)

    def _count(self, name: str) -> None:
        now = seconds(children=not self._distributes)
        self._costs[name] += now - self._counted
        self._counted = now


def _lines(costs: Iterable[tuple[str, float]]) -> list[str]:
    return [f"{cost:8.1f}  {name}" for name, cost in costs if cost >= _SHOWN_SECONDS]


def _summed(costs: Mapping[str, float], key: Callable[[str], str]) -> Counter[str]:
    sums: Counter[str] = Counter()
    for name, cost in costs.items():
        sums[key(name)] += cost
    return sums
