"""Two tenants with the same names, ids and keys of everything: neither senses the other.

What one tenant is answered, whatever the other does meanwhile, is what it is answered on an
installation of its own.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from towpath_service.database.postgres_url import parse_postgres_url

from tests.budgets import examples
from tests.contract.identity.two_tenants import (
    ASKING,
    CANARY,
    KINDS,
    NOT_DONE,
    PARENT,
    RUNS,
    Actor,
    Step,
    machine_of,
)
from tests.in_process.place import LET_IN_SECONDS, Place, all_methods, metadata, open_place
from tests.postgres.roles import owned_by_no_superuser

if TYPE_CHECKING:
    from tests.postgres.server import Databases

# Each example takes a second or two: a failing one isn't made smaller.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
_steps = st.lists(
    st.builds(
        Step,
        mine=st.booleans(),
        kind=st.sampled_from(KINDS),
        number=st.integers(min_value=0, max_value=len(RUNS) - 1),
    ),
    max_size=20,
)


def test_every_rpc_is_among_what_the_two_do() -> None:
    done = {method for method, _ in ASKING.values()}
    done |= {"IngestService/RecordUpdates", "LogService/WriteLogs"}
    left = [
        method
        for method in all_methods()
        if method not in done | NOT_DONE.keys() and method.split("/")[0] not in NOT_DONE
    ]
    assert left == []


async def _played(database: Any, steps: list[Step], *, alone: bool) -> list[str]:
    """What one of two is answered; alone, the other does nothing."""
    async with open_place(database) as place:
        _, token = await place.tenant("other")
        mine = Actor(place, place.owner, await machine_of(place, place.owner), "mine")
        other = Actor(place, token, await machine_of(place, token), CANARY)
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


@settings(
    max_examples=examples(12),
    deadline=None,
    phases=PHASES,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(_steps)
def test_neither_of_two_senses_the_other_on_sqlite(steps: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_both([Path(folder) / "a.db", Path(folder) / "b.db"], steps))


def test_neither_of_two_senses_the_other_on_postgres(postgres: Databases, template: str) -> None:
    @settings(
        max_examples=examples(6),
        deadline=None,
        phases=PHASES,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
    @given(_steps)
    def hold(steps: list[Step]) -> None:
        dsns = [asyncio.run(postgres.create(template)) for _ in range(2)]
        try:
            with owned_by_no_superuser(dsns[0]) as first, owned_by_no_superuser(dsns[1]) as second:
                asyncio.run(_both([parse_postgres_url(first), parse_postgres_url(second)], steps))
        finally:
            for dsn in dsns:
                asyncio.run(postgres.drop(dsn))

    hold()


async def test_each_step_is_answered_as_without_the_other(place: Place) -> None:
    """All of them once, by both, the other one first: whoever comes second meets nothing."""
    _, token = await place.tenant("other")
    mine = Actor(place, place.owner, await machine_of(place, place.owner), "mine")
    other = Actor(place, token, await machine_of(place, token), CANARY)
    refused: dict[str, str] = {}
    for kind in sorted(KINDS, key=lambda kind: kind.startswith(("no ", "drop", "delete", "take"))):
        await other.act(Step(mine=False, kind=kind, number=0))
        answer = await mine.act(Step(mine=True, kind=kind, number=0))
        assert CANARY not in answer, kind
        if answer.split(" ")[0].isupper():
            refused[kind] = answer
    # Each for its own reason: the run had ended or not, the user and its roles had gone before.
    # No worker attached.
    of_workers = {"show worker", "drain", "pause worker", "resume worker", "no worker"}
    of_ended_runs = {"cancel", "pause", "resume", "retry", "send input"}
    assert refused.keys() <= {"delete", "no role", "take"} | of_ended_runs | of_workers, refused


async def test_a_watch_shows_nothing_of_what_another_tenant_does_meanwhile(place: Place) -> None:
    _, token = await place.tenant("other")
    other = Actor(place, token, token, CANARY)
    mine = Actor(place, place.owner, place.owner, "mine")
    endpoint = place.endpoint("RunService/WatchRuns")
    request = place.request("RunService/WatchRuns", parent=PARENT)
    answers = place.service.dispatcher.server_stream(endpoint, request, metadata(place.owner))
    synced = await anext(answers)
    assert synced.synced
    assert not synced.events
    for kind in ("create", "rename", "complete", "delete"):
        await other.act(Step(mine=False, kind=kind, number=0))
    waiting = asyncio.ensure_future(anext(answers))
    done, _ = await asyncio.wait([waiting], timeout=LET_IN_SECONDS)
    assert not done
    await mine.act(Step(mine=True, kind="create", number=0))
    told = await waiting
    assert [event.run.display_name for event in told.events] == ["mine"]
    await answers.aclose()


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
    for engine in place.service.stores.database.engines:
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
