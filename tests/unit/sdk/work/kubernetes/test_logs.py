"""The log of a container, of which no line is lost or repeated."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from towpath._work.kinds.kubernetes.cluster import ClusterError
from towpath._work.kinds.kubernetes.logs import PodLog

from tests.unit.sdk.work.kubernetes.conftest import FAST

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

pytestmark = pytest.mark.subject("work")

Script = list[tuple[list[str], ClusterError | None]]


class Scripted:
    """Answers each read of the log with lines, then an error or the end."""

    def __init__(self, script: Script, on_read: Callable[[int], object] = lambda at: None) -> None:
        self.script = script
        self.reads: list[tuple[str, bool]] = []
        self.on_read = on_read

    async def log(
        self, pod: str, container: str, *, since: str, follow: bool
    ) -> AsyncIterator[str]:
        assert (pod, container) == ("p", "run")
        self.reads.append((since, follow))
        lines, error = self.script[min(len(self.reads), len(self.script)) - 1]
        for line in lines:
            yield line
        self.on_read(len(self.reads))
        if error is not None:
            raise error


def lines(*numbers: int, second: int = 0) -> list[str]:
    """Lines of one second, each with its own fraction of it."""
    return [f"2026-12-02T08:00:{second:02d}.{number:09d}Z line {number}" for number in numbers]


CUT = ClusterError(0, "cut")


async def read(script: Script, *, ends_at: int) -> tuple[str, Scripted]:
    """What is kept of a log whose container ends as a read of it ends."""
    scripted = Scripted(script, lambda at: log.note_end() if at == ends_at else None)
    log = PodLog(scripted, FAST)  # type: ignore[arg-type]
    async with asyncio.timeout(30):
        await log.follow("p")
    return log.output(1 << 20).data.decode(), scripted


async def test_lines_after_the_end_of_a_followed_log_are_read_too() -> None:
    text, scripted = await read([(lines(1, 2), None), (lines(1, 2, 3), None)], ends_at=1)
    assert text == "line 1\nline 2\nline 3\n"
    assert scripted.reads == [("", True), ("2026-12-02T08:00:00Z", False)]


async def test_a_cut_log_goes_on_after_its_last_line() -> None:
    script: Script = [(lines(1, 2), CUT), (lines(1, 2, 3), CUT), (lines(1, 2, 3, 4), None)]
    text, _ = await read(script, ends_at=3)
    assert text == "line 1\nline 2\nline 3\nline 4\n"


async def test_lines_of_one_moment_are_each_kept_once() -> None:
    same = [f"2026-12-02T08:00:00Z {name}" for name in ("a", "b", "c")]
    text, _ = await read([(same[:2], CUT), (same, None)], ends_at=2)
    assert text == "a\nb\nc\n"


async def test_a_fraction_of_fewer_digits_compares_as_a_time() -> None:
    before = ["2026-12-02T08:00:00.5Z half", "2026-12-02T08:00:00.51Z more"]
    after = [*before, "2026-12-02T08:00:00.512345678Z most", "2026-12-02T08:00:01Z next"]
    text, _ = await read([(before, CUT), (after, None)], ends_at=2)
    assert text == "half\nmore\nmost\nnext\n"


async def test_a_pod_that_is_gone_ends_the_reading() -> None:
    gone = ClusterError(404, "not found")
    text, scripted = await read([(lines(1), CUT), ([], gone)], ends_at=9)
    assert (text, len(scripted.reads)) == ("line 1\n", 2)


async def test_a_log_that_cant_be_read_at_the_end_is_left() -> None:
    _, scripted = await read([([], ClusterError(500, "broken"))], ends_at=1)
    assert len(scripted.reads) < 8


def test_the_last_bytes_are_kept() -> None:
    log = PodLog(None, FAST, limit_bytes=30)  # type: ignore[arg-type]
    for line in lines(*range(1, 9)):
        log._take(line)
    kept = log.output(14)
    assert (kept.data, kept.dropped_bytes) == (b"line 7\nline 8\n", 42)
