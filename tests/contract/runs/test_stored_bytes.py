"""What is kept of how much a tenant stores is what a look at every row counts."""

from __future__ import annotations

import random
import uuid
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text
from towpath_service.core.names import Scope
from towpath_service.database.port import SqlTransaction
from towpath_service.database.postgres_url import PostgresUrl, parse_postgres_url
from towpath_service.database.upgrade import downgrade, upgrade
from towpath_service.database.upkeep.maintenance import at_database
from towpath_service.identity.storage.limits import storage_limits
from towpath_service.runs.application.commit import Batch
from towpath_service.runs.application.submissions import Submission
from towpath_service.runs.domain.reports import (
    Amendment,
    ArtifactReport,
    Creation,
    Progress,
    StateReport,
    Unusable,
    Update,
)
from towpath_service.runs.domain.states import RunKind, RunState
from towpath_service.runs.ports.ingest import ProducerKey
from towpath_service.runs.storage.ingest import SqlIngestTransaction
from towpath_service.runs.storage.pruning import SqlPruning
from towpath_service.runs.storage.reads import SqlReads
from towpath_service.runs.storage.stored_bytes import counted, stored_of

from tests.contract.runs.lines import log_line

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

SEEDS = range(6)
STEPS = 60
NOW_US = 1_790_000_000_000_000
WORDS = ["", "x", "naïve", "\N{ROCKET}" * 7, "a longer text " * 9, "nul\0", '{"a": "\\u00e9"}']


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | PostgresUrl:
    if request.param == "sqlite":
        return tmp_path / "towpath.db"
    return parse_postgres_url(request.getfixturevalue("postgres_dsn"))


class Life:
    """Whatever happens to one tenant's rows, as a seed has it."""

    def __init__(self, seed: int, connection: Connection) -> None:
        self.random = random.Random(seed)
        self.connection = connection
        self.tenant_id = str(uuid.uuid4())
        self.scopes = [Scope(self.tenant_id, name) for name in ("default", "team-a")]
        self.keys = [ProducerKey(*scope, str(uuid.uuid4())) for scope in self.scopes * 2]
        self.next = dict.fromkeys(self.keys, 1)
        self.lines = 0
        self.runs: dict[str, Scope] = {}
        self.artifacts = [str(uuid.uuid4()) for _ in range(12)]
        transaction = SqlTransaction(connection, {self.tenant_id})
        self.ingest = SqlIngestTransaction(transaction, storage_limits)
        self.pruning = SqlPruning(transaction)
        self.reads = SqlReads(transaction, self.tenant_id)

    def word(self) -> str:
        return self.random.choice(WORDS)

    def maybe(self) -> str | None:
        return self.random.choice([None, self.word()])

    def report(self, *states: RunState) -> StateReport:
        return StateReport(
            state=self.random.choice(states),
            reason=self.word(),
            message=self.word(),
            failure=self.maybe(),
            result=self.maybe(),
        )

    def creation(self) -> Creation:
        return Creation(
            kind=RunKind.TASK,
            initial=self.report(RunState.RUNNING, RunState.PENDING),
            display_name=self.word(),
            flow_id="f",
            flow_name=self.word(),
            task_key=self.word(),
            parameters=self.maybe(),
            dependencies=self.maybe(),
            labels={"k": self.word()} if self.random.random() < 0.3 else None,
            tags=("b", "a") if self.random.random() < 0.3 else (),
            code_version=self.word(),
        )

    def change(self) -> Any:
        amendment = Amendment(
            display_name=self.word(), set_labels={"é": self.word()}, remove_labels=("k",)
        )
        artifact = ArtifactReport(
            artifact_id=self.random.choice(self.artifacts),
            key=self.random.choice(["", "k"]),
            kind=1,
            display_name=self.word(),
            description=self.word(),
            content=self.word(),
            size_bytes=1,
        )
        return self.random.choice(
            [
                artifact,
                self.report(RunState.RUNNING, RunState.COMPLETED, RunState.FAILED),
                self.report(RunState.RETRYING, RunState.RUNNING, RunState.CANCELLED),
                Progress(content=self.word()),
                amendment,
                Unusable(reason="INVALID_REQUEST", message=self.word(), metadata={"m": "é"}),
            ]
        )

    def report_some(self) -> None:
        submissions = []
        for key in self.random.sample(self.keys, 2):
            scope = Scope(key.tenant_id, key.workspace_id)
            # Some are sent again.
            first = max(1, self.next[key] - self.random.choice([0, 0, 2]))
            updates = []
            for sequence in range(first, first + self.random.randrange(1, 9)):
                known = list(self.runs)
                if not known or self.random.random() < 0.4:
                    run_id, change = str(uuid.uuid4()), self.creation()
                    self.runs[run_id] = scope
                else:
                    # It may be one of the other workspace, or deleted.
                    run_id, change = self.random.choice(known[-8:]), self.change()
                updates.append(
                    Update(sequence=sequence, run_id=run_id, occurred_us=NOW_US, change=change)
                )
            self.next[key] = max(self.next[key], updates[-1].sequence + 1)
            submissions.append(
                Submission(producer=key, actor="a", first_sequence=first, updates=updates)
            )
        Batch(self.ingest, NOW_US).commit(submissions)

    def write_lines(self) -> None:
        key, first = self.random.choice(self.keys), max(1, self.lines - 2)
        self.lines += self.random.randrange(1, 9)
        run_ids = [*self.runs, str(uuid.uuid4())]
        lines = [
            replace(
                log_line(self.random.choice(run_ids), sequence=sequence),
                body=self.word(),
                failure=self.maybe(),
            )
            for sequence in range(first, self.lines + 1)
        ]
        self.ingest.write_logs(key, lines, NOW_US)

    def delete(self) -> None:
        for scope in self.scopes:
            mine = [run_id for run_id, where in self.runs.items() if where == scope]
            self.reads.delete_runs(scope, self.random.sample(mine, min(3, len(mine))), NOW_US)

    def prune(self) -> None:
        scope = self.random.choice(self.scopes)
        kind: Any = self.random.choice(["logs", "transitions", "producers", "tombstones"])
        self.pruning.prune(kind, scope, NOW_US + 1, None, 5)

    def remove_tree(self) -> None:
        if self.runs:
            root = self.random.choice(list(self.runs))
            self.pruning.remove_tree(self.runs[root], root, NOW_US, 2)

    def step(self) -> None:
        steps = [self.report_some] * 5 + [self.write_lines] * 3
        self.random.choice([*steps, self.delete, self.prune, self.remove_tree])()


def live(seed: int, connection: Connection) -> None:
    life = Life(seed, connection)
    for _ in range(STEPS):
        life.step()
        assert stored_of(connection, life.tenant_id) == counted(connection, life.tenant_id)
    assert counted(connection, life.tenant_id) > 0


@pytest.mark.parametrize("seed", SEEDS)
async def test_the_count_that_is_kept_is_what_there_is(
    place: Path | PostgresUrl, seed: int
) -> None:
    await at_database(place, partial(upgrade, revision="head"))
    await at_database(place, partial(live, seed))


async def test_a_database_that_was_in_use_is_counted_when_it_is_upgraded(
    place: Path | PostgresUrl,
) -> None:
    def kept(connection: Connection) -> list[tuple[int, int]]:
        tenants = connection.execute(text("SELECT DISTINCT tenant_id FROM workspace")).scalars()
        return [
            (stored_of(connection, str(tenant)), counted(connection, str(tenant)))
            for tenant in tenants.all()
        ]

    await at_database(place, partial(upgrade, revision="head"))
    await at_database(place, partial(live, 1))
    await at_database(place, partial(live, 2))
    await at_database(place, partial(downgrade, revision="0006"))
    await at_database(place, partial(upgrade, revision="head"))
    found = await at_database(place, kept)
    assert len(found) == 2
    assert all(ours == counts > 0 for ours, counts in found)
