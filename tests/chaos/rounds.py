"""Rounds of a fault test: load, a fault, an end to it, and the reckoning."""

from __future__ import annotations

import random
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from towpath_service.runs.domain.states import RunState

from tests.chaos.history import forget_all, recorded_runs, unfinished
from tests.chaos.ledger import wrongs
from tests.chaos.pipeline import WIDTH
from tests.chaos.processes import Site, wait_until
from tests.chaos.producers import NAME, producing

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Sequence

    from tests.chaos.history import Database, RecordedRun
    from tests.chaos.producers import Producers
    from tests.forkserver.client import Forked

WAVES = 4
MOST_TOLD = 20
RUNS_OF_A_PIPELINE = 1 + WAVES * (1 + WIDTH + 2)


@dataclass(slots=True, kw_only=True)
class Round:
    """One round, from its seed."""

    seed: int
    database: Database
    chance: random.Random
    producers: Producers

    def sleep(self, least_seconds: float, most_seconds: float) -> None:
        """Lets load and fault go on for a while."""
        time.sleep(self.chance.uniform(least_seconds, most_seconds))

    def assert_nothing_is_lost(self) -> None:
        """Holds the database against the producers' books, in the middle of it all."""
        if found := wrongs(self.database, self.producers.ledgers):
            raise AssertionError("\n".join(found[:MOST_TOLD]))


@dataclass(slots=True, kw_only=True)
class Load:
    """What bears the faults: raw producers, and pipelines of the SDK beside them."""

    database: str
    addresses: Sequence[str]
    site: Site
    """Where the pipelines are at home, and where they find a server."""
    repeats: float = 0.2
    pipelines: int = field(default=0, init=False)

    @contextmanager
    def round(self, number: int, *, seed: int) -> Iterator[Round]:
        """A round under load; when its body is over, everybody finishes and nothing is wrong.

        What fails in it says its number and its seed. What was found right is removed, so that the
        hundredth round takes no longer than the first.
        """
        try:
            with self._pipeline(number):
                with producing(self.addresses, seed=seed, repeats=self.repeats) as producers:
                    now = Round(
                        seed=seed,
                        database=self.database,
                        chance=random.Random(seed),
                        producers=producers,
                    )
                    yield now
                now.assert_nothing_is_lost()
            assert unfinished(self.database) == [], "runs have not ended"
            forget_all(self.database)
            self.pipelines = 0
        except BaseException as error:
            error.add_note(f"in round {number}, seed {seed}")
            raise

    @contextmanager
    def _pipeline(self, number: int) -> Iterator[None]:
        process = self.site.pipeline(self.site.home / f"witness-{number}", WAVES)
        try:
            yield
            self._complete(process)
        finally:
            process.kill()
            process.wait()

    def _complete(self, process: subprocess.Popen[bytes] | Forked) -> None:
        """Waits for a pipeline to end, and for all that it reported to be there, completed."""
        self.pipelines += 1
        assert process.wait(timeout=240) == 0, "the pipeline suffered from the fault"
        synced = self.site.command("sync")
        assert synced.returncode == 0, synced.stderr
        expected = self.pipelines * RUNS_OF_A_PIPELINE
        wait_until(lambda: len(self._recorded()) >= expected, "the pipelines are recorded")
        found = Counter(run.state for run in self._recorded())
        assert found == {RunState.COMPLETED: expected}, f"the pipelines' runs are {found}"

    def _recorded(self) -> list[RecordedRun]:
        runs = recorded_runs(self.database).values()
        return [run for run in runs if not run.name.startswith(NAME)]
