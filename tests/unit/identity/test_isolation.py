"""Two tenants with the same names, ids and keys of everything: neither senses the other.

What one tenant is answered, whatever the other does meanwhile, is what it is answered on an
installation of its own.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from towpath_service.domain.errors import ServiceError
from towpath_service.storage.postgres_url import parse_postgres_url

from tests.unit.identity.place import Place, open_place
from tests.unit.rpc.producing import batch, creation, rename, transition

if TYPE_CHECKING:
    from tests.postgres.server import Databases

RUNS = [str(UUID(int=0xA000 + number, version=4)) for number in range(3)]
PRODUCER = str(UUID(int=0xB000, version=4))
PARENT = "workspaces/default"
CANARY = "canary-of-the-other"


Asking = tuple[str, str, dict[str, Any]]
ASKING: dict[str, Asking] = {
    "get": ("RunService/GetRun", "name", {}),
    "delete": ("RunService/DeleteRun", "name", {}),
    "graph": ("RunService/GetRunGraph", "name", {}),
    "history": ("RunService/ListRunTransitions", "parent", {}),
    "decisions": ("RunService/ListRunDecisions", "parent", {}),
    "logs": ("LogService/ListLogs", "parent", {}),
    "list": ("RunService/ListRuns", "parent", {"parent": PARENT}),
    "watch": ("RunService/WatchRuns", "parent", {"parent": PARENT}),
    "flows": ("FlowService/ListFlows", "parent", {"parent": PARENT}),
    "count": (
        "RunService/AggregateRuns",
        "parent",
        {"parent": PARENT, "time_range": {"start_time": {"seconds": 1}}},
    ),
    "producer": (
        "IngestService/GetProducer",
        "workspace",
        {"workspace": PARENT, "producer_id": PRODUCER},
    ),
}
KEEPING = ("keep", "change", "drop", "describe", "use", "secrets")
KINDS = ("create", "complete", "rename", *KEEPING, *ASKING)


class Step(NamedTuple):
    """What one of the two does."""

    mine: bool
    kind: str
    run: int


_steps = st.lists(
    st.builds(
        Step,
        mine=st.booleans(),
        kind=st.sampled_from(KINDS),
        run=st.integers(min_value=0, max_value=len(RUNS) - 1),
    ),
    max_size=14,
)


class Actor:
    """One tenant: it reports with the ids that the other reports with."""

    def __init__(self, place: Place, token: str, machine: str, name: str) -> None:
        self.place = place
        self.token = token
        self.machine = machine
        self.name = name
        self.sequence = 0

    async def act(self, step: Step) -> str:
        """Does a step, and tells what was answered: all but times and opaque tokens."""
        try:
            answer = await self._answer(step)
        except ServiceError as error:
            answer = f"{error.reason} {error.message}"
        return _without_times(str(answer))

    async def _answer(self, step: Step) -> Any:
        run_id = RUNS[step.run]
        updates = {
            "create": creation(run_id, kind=1, flow_id="nightly", display_name=self.name),
            "complete": transition(run_id),
            "rename": rename(run_id, f"{self.name} again"),
        }
        if step.kind in updates:
            return await self._report(updates[step.kind])
        if step.kind in KEEPING:
            return await self._keep(step.kind, f"s-{step.run}")
        method, field, more = ASKING[step.kind]
        fields = {field: PARENT if field in more else f"{PARENT}/runs/{run_id}", **more}
        return await self.place.first(self.token, method, **fields)

    async def _keep(self, kind: str, secret_id: str) -> Any:
        """Does something with a secret whose id the other has, too."""
        name, value = f"{PARENT}/secrets/{secret_id}", self.name.encode()
        calls: dict[str, Asking] = {
            "keep": (
                "CreateSecret",
                self.token,
                {"parent": PARENT, "secret_id": secret_id, "secret": {"value": value}},
            ),
            "change": ("UpdateSecret", self.token, {"secret": {"name": name, "value": value * 2}}),
            "drop": ("DeleteSecret", self.token, {"name": name}),
            "describe": ("GetSecret", self.token, {"name": name}),
            "secrets": ("ListSecrets", self.token, {"parent": PARENT}),
            "use": ("AccessSecret", self.machine, {"name": name}),
        }
        method, token, fields = calls[kind]
        return await self.place.call(token, f"SecretService/{method}", **fields)

    async def _report(self, update: Any) -> Any:
        self.sequence += 1
        return await self._call(
            "IngestService/RecordUpdates",
            workspace=PARENT,
            producer_id=PRODUCER,
            batch=batch(self.sequence, update),
        )

    async def _call(self, method: str, **fields: Any) -> Any:
        return await self.place.call(self.token, method, **fields)


def _without_times(answer: str) -> str:
    answer = re.sub(r"(seconds|nanos): \d+", "", answer)
    opaque = r'(consistency_token|resume_token|next_page_token|etag): "[^"]*"'
    return re.sub(opaque, "", answer)


async def _played(database: Any, steps: list[Step], *, alone: bool) -> list[str]:
    """What one of two is answered; alone, the other does nothing."""
    async with open_place(database) as place:
        _, token = await place.tenant("other")
        _, my_machine = await place.account("runner")
        _, their_machine = await place.account("runner", by=token)
        mine = Actor(place, place.owner, await place.token(my_machine), "mine")
        other = Actor(place, token, await place.token(their_machine), CANARY)
        answers: list[str] = []
        for step in steps:
            if step.mine:
                answers.append(await mine.act(step))
            elif not alone:
                await other.act(step)
        return answers


async def _both(databases: list[Any], steps: list[Step]) -> None:
    with_other = await _played(databases[0], steps, alone=False)
    alone = await _played(databases[1], steps, alone=True)
    assert with_other == alone
    assert CANARY not in "".join(with_other)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_steps)
def test_neither_of_two_senses_the_other_on_sqlite(steps: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_both([Path(folder) / "a.db", Path(folder) / "b.db"], steps))


def test_neither_of_two_senses_the_other_on_postgres(postgres: Databases, template: str) -> None:
    @settings(
        max_examples=6,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
    @given(_steps)
    def hold(steps: list[Step]) -> None:
        dsns = [asyncio.run(postgres.create(template)) for _ in range(2)]
        try:
            asyncio.run(_both(list(map(parse_postgres_url, dsns)), steps))
        finally:
            for dsn in dsns:
                asyncio.run(postgres.drop(dsn))

    hold()


async def test_an_id_of_another_tenant_is_answered_as_one_of_nobody(place: Place) -> None:
    run_id = await place.run(place.owner)
    _, other = await place.tenant()
    nobody = str(UUID(int=0xC000, version=4))
    await place.call(
        place.owner,
        "SecretService/CreateSecret",
        parent=PARENT,
        secret_id=run_id,
        secret={"value": b"x"},
    )
    for method in ("GetSecret", "DeleteSecret"):
        names = [f"{PARENT}/secrets/{id_}" for id_ in (run_id, nobody)]
        found = [await place.refusal(other, f"SecretService/{method}", name=n) for n in names]
        told = [str(error).replace(name, "NAME") for error, name in zip(found, names, strict=True)]
        assert told[0] == told[1]
        assert found[0].reason == "RESOURCE_NOT_FOUND"
    for method in ("GetRun", "DeleteRun", "GetRunGraph"):
        theirs = await place.refusal(other, f"RunService/{method}", name=f"{PARENT}/runs/{run_id}")
        none = await place.refusal(other, f"RunService/{method}", name=f"{PARENT}/runs/{nobody}")
        assert str(theirs).replace(run_id, "ID") == str(none).replace(nobody, "ID")
        assert theirs.reason == none.reason == "RESOURCE_NOT_FOUND"


async def test_the_questions_asked_for_anothers_id_are_those_asked_for_nobodys(
    place: Place,
) -> None:
    """Time tells nothing when the database is asked the same, as often."""
    from sqlalchemy import event  # noqa: PLC0415 - for this test only

    run_id = await place.run(place.owner)
    _, other = await place.tenant()
    asked: list[str] = []
    store: Any = place.service.store
    for engine in store.engines:
        event.listen(
            engine,
            "before_cursor_execute",
            lambda _c, _cursor, statement, *_: asked.append(statement),
        )
    # Who calls is looked up once.
    await place.call(other, "AuthService/GetCaller")
    counts: list[list[str]] = []
    for id_ in (run_id, str(UUID(int=0xC000, version=4))):
        asked.clear()
        await place.refusal(other, "RunService/GetRun", name=f"{PARENT}/runs/{id_}")
        counts.append(list(asked))
    assert counts[0] == counts[1]
    assert counts[0]
