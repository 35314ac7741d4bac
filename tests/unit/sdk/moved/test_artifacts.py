"""Artifacts: made by flows and tasks, in sync and async code."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING
from uuid import UUID

from towpath import flow, task
from towpath.artifacts import (
    acreate_image_artifact,
    acreate_link_artifact,
    acreate_markdown_artifact,
    acreate_progress_artifact,
    acreate_table_artifact,
    aupdate_progress_artifact,
    create_image_artifact,
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)

from tests.unit.sdk.moved import moves

if TYPE_CHECKING:
    from towpath.testing import Harness


@moves(
    "artifacts.create_markdown_artifact",
    "artifacts.create_table_artifact",
    "artifacts.create_link_artifact",
    "artifacts.create_image_artifact",
    "artifacts.create_progress_artifact",
    "artifacts.update_progress_artifact",
)
def test_flows_and_tasks_make_artifacts(recorded: Harness) -> None:
    @task
    def summarise() -> UUID:
        create_table_artifact(
            table=[{"customer": "acme", "rows": 3}], key="summary", description="Rows *loaded*."
        )
        create_image_artifact(image_url="https://x.example/plot.png", key="plot")
        made: UUID = create_link_artifact(
            key="irregular-data", link="https://x.example/data.csv", link_text="The data"
        )
        return made

    @flow
    def load() -> UUID:
        progress = create_progress_artifact(progress=0.0, description="Loading.")
        create_markdown_artifact(key="report", markdown="# Report\n", description="Of today.")
        assert update_progress_artifact(artifact_id=progress, progress=100.0) == progress
        return summarise()

    link = load()
    assert isinstance(link, UUID)
    progress, report = recorded.run("load").artifacts
    assert (progress.kind, progress.content) == ("progress", "100.0")
    assert (report.key, report.content, report.description) == ("report", "# Report\n", "Of today.")
    table, image, data = recorded.run("summarise").artifacts
    assert json.loads(table.content) == [{"customer": "acme", "rows": 3}]
    assert (image.kind, image.content) == ("image", "https://x.example/plot.png")
    assert (data.id, data.title, data.content) == (
        *(str(link), "The data", "https://x.example/data.csv"),
    )


@moves(
    "artifacts.acreate_markdown_artifact",
    "artifacts.acreate_table_artifact",
    "artifacts.acreate_link_artifact",
    "artifacts.acreate_image_artifact",
    "artifacts.acreate_progress_artifact",
    "artifacts.aupdate_progress_artifact",
)
def test_async_code_awaits_artifacts_by_either_name(recorded: Harness) -> None:
    @flow
    async def load() -> None:
        await acreate_markdown_artifact("a")
        await create_markdown_artifact("b")
        await acreate_table_artifact([[1]])
        await acreate_link_artifact("https://x.example")
        await acreate_image_artifact("https://x.example/p.png")
        progress = await acreate_progress_artifact(1)
        await aupdate_progress_artifact(progress, 2)
        await update_progress_artifact(progress, 3)

    asyncio.run(load())
    kinds = [(made.kind, made.content) for made in recorded.run("load").artifacts]
    assert kinds == [
        *(("markdown", "a"), ("markdown", "b"), ("table", "[[1]]")),
        *(("link", "https://x.example"), ("image", "https://x.example/p.png")),
        ("progress", "3.0"),
    ]
