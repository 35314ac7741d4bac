"""Artifacts of runs: each report takes effect once, and versions are numbered without holes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from tests.in_process.producing import WORKSPACE, artifact, batch, creation, new_id, transition

if TYPE_CHECKING:
    from tests.in_process.place import Place


class Producer:
    """Reports as one process."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.id = str(uuid4())
        self.sequence = 0

    async def send(self, *updates: Any, first: int = 0) -> Any:
        """Reports updates: the next ones, or again those from a number on."""
        first = first or self.sequence + 1
        answer = await self.place.call(
            self.place.owner,
            "IngestService/RecordUpdates",
            workspace=WORKSPACE,
            producer_id=self.id,
            batch=batch(first, *updates),
        )
        self.sequence = max(self.sequence, first + len(updates) - 1)
        return answer.ack

    async def run(self, **fields: Any) -> str:
        run_id = new_id()
        await self.send(creation(run_id, **fields))
        return run_id


async def listed(place: Place, **fields: Any) -> list[Any]:
    answer = await place.call(
        place.owner, "ArtifactService/ListArtifacts", parent=WORKSPACE, **fields
    )
    return list(answer.artifacts)


async def got(place: Place, artifact_id: str) -> Any:
    name = f"{WORKSPACE}/artifacts/{artifact_id}"
    return (await place.call(place.owner, "ArtifactService/GetArtifact", name=name)).artifact


async def test_an_artifact_is_kept_with_its_run(place: Place) -> None:
    producer = Producer(place)
    root = await producer.run()
    below = await producer.run(parent_run_id=root, root_run_id=root)
    made = new_id()
    await producer.send(artifact(below, made, "# n\u00e4\n"))
    found = await got(place, made)
    assert (found.content.data.decode(), found.content.size_bytes) == ("# n\u00e4\n", 6)
    assert (found.key, found.version, found.kind) == ("report", 1, 1)
    assert (found.run, found.root_run) == (f"{WORKSPACE}/runs/{below}", f"{WORKSPACE}/runs/{root}")
    assert found.occur_time.seconds == 1_800_000_003
    for fields in ({}, {"run": found.run}, {"run": found.root_run}, {"key": "report"}):
        (shown,) = await listed(place, **fields)
        assert (shown.name, shown.content.data, shown.content.size_bytes) == (found.name, b"", 6)
    assert await listed(place, run=f"{WORKSPACE}/runs/{new_id()}") == []
    assert await listed(place, key="other") == []


async def test_an_artifact_sent_again_takes_effect_once(place: Place) -> None:
    producer = Producer(place)
    run_id = await producer.run()
    first, second = new_id(), new_id()
    updates = [artifact(run_id, first, "1"), artifact(run_id, second, "2")]
    await producer.send(*updates)
    # The ack was lost; then the outbox went to another producer after a restored backup.
    await producer.send(*updates, first=2)
    await Producer(place).send(*updates)
    versions = {it.name.rpartition("/")[2]: it.version for it in await listed(place)}
    assert versions == {first: 1, second: 2}


async def test_versions_of_a_key_are_numbered_by_commits_at_once(place: Place) -> None:
    producers = [Producer(place) for _ in range(4)]
    runs = [await producer.run() for producer in producers]
    await asyncio.gather(
        *(
            producer.send(*(artifact(run_id, new_id(), str(n)) for n in range(3)))
            for producer, run_id in zip(producers, runs, strict=True)
        )
    )
    assert sorted(it.version for it in await listed(place, key="report")) == [*range(1, 13)]
    (latest,) = await listed(place, key="report", latest_only=True)
    assert latest.version == 12


async def test_a_report_of_a_known_artifact_replaces_its_content(place: Place) -> None:
    producer = Producer(place)
    root = await producer.run()
    below = await producer.run(parent_run_id=root, root_run_id=root)
    stranger = await producer.run()
    made = new_id()
    first = artifact(root, made, "10")
    first.artifact.description = "rows"
    await producer.send(first, artifact(below, made, "20"), artifact(stranger, made, "30"))
    found = await got(place, made)
    assert (found.content.data, found.description, found.version) == (b"20", "rows", 1)
    assert (found.run, len(await listed(place))) == (f"{WORKSPACE}/runs/{root}", 1)


async def test_what_no_run_made_or_is_too_large_is_refused_and_the_rest_goes_on(
    place: Place,
) -> None:
    producer = Producer(place)
    run_id = await producer.run()
    wrong_key = artifact(run_id, new_id(), "x", key="A key")
    kept = new_id()
    ack = await producer.send(
        artifact(new_id(), new_id(), "x"),
        artifact(run_id, new_id(), "x" * 262_145),
        wrong_key,
        artifact(run_id, kept, "x" * 262_144),
    )
    assert [item.reason for item in ack.rejections] == [
        *("RUN_UNKNOWN", "PAYLOAD_TOO_LARGE", "INVALID_REQUEST"),
    ]
    assert [it.name for it in await listed(place)] == [f"{WORKSPACE}/artifacts/{kept}"]


async def test_artifacts_go_with_their_run(place: Place) -> None:
    producer = Producer(place)
    runs = [await producer.run() for _ in range(2)]
    made = [new_id() for _ in runs]
    await producer.send(*(artifact(*pair, "x", key="") for pair in zip(runs, made, strict=True)))
    await producer.send(transition(runs[0]))
    await place.call(place.owner, "RunService/DeleteRun", name=f"{WORKSPACE}/runs/{runs[0]}")
    assert [it.name for it in await listed(place)] == [f"{WORKSPACE}/artifacts/{made[1]}"]
    refusal = await place.refusal(
        place.owner,
        "ArtifactService/GetArtifact",
        name=f"{WORKSPACE}/artifacts/{made[0]}",
    )
    assert refusal.reason == "RESOURCE_NOT_FOUND"


async def test_lists_go_on_where_a_page_ended_newest_first(place: Place) -> None:
    producer = Producer(place)
    run_id = await producer.run()
    # Those of one commit have one time: their ids order them.
    made = sorted(new_id() for _ in range(5))
    await producer.send(*(artifact(run_id, id_, "x", key="") for id_ in made[:3]))
    await producer.send(*(artifact(run_id, id_, "x", key="") for id_ in made[3:]))
    found: list[str] = []
    token = ""
    for _ in range(3):
        answer = await place.call(
            place.owner,
            "ArtifactService/ListArtifacts",
            parent=WORKSPACE,
            page_size=2,
            page_token=token,
        )
        found += [it.name.rpartition("/")[2] for it in answer.artifacts]
        token = answer.next_page_token
    assert (found, token) == ([*reversed(made[3:]), *reversed(made[:3])], "")
