"""Updates as a producer builds them, for tests of what the service answers."""

from __future__ import annotations

import uuid
from typing import Any

from towpath.api.v1 import ingest_service_pb2 as pb

WORKSPACE = "workspaces/default"
RUNNING, COMPLETED = 3, 7


def new_id() -> str:
    return str(uuid.uuid4())


def creation(run_id: str, **fields: Any) -> pb.Update:
    """That a task run began."""
    update = pb.Update(run_id=run_id)
    update.occur_time.FromSeconds(1_800_000_000)
    update.create.kind = 2  # type: ignore[assignment]
    update.create.display_name = "extract"
    update.create.initial.state = RUNNING  # type: ignore[assignment]
    for name, value in fields.items():
        setattr(update.create, name, value)
    return update


def transition(run_id: str, state: int = COMPLETED) -> pb.Update:
    """That a run entered a state."""
    update = pb.Update(run_id=run_id)
    update.occur_time.FromSeconds(1_800_000_001)
    update.transition.state = state  # type: ignore[assignment]
    return update


def rename(run_id: str, name: str) -> pb.Update:
    """That a run changed its name."""
    update = pb.Update(run_id=run_id)
    update.occur_time.FromSeconds(1_800_000_002)
    update.amend.display_name = name
    return update


def artifact(run_id: str, artifact_id: str, text: str, key: str = "report") -> pb.Update:
    """That a run made an artifact of Markdown."""
    update = pb.Update(run_id=run_id)
    update.occur_time.FromSeconds(1_800_000_003)
    update.artifact.artifact_id = artifact_id
    update.artifact.kind = 1  # type: ignore[assignment]
    update.artifact.key = key
    update.artifact.content.data = text.encode()
    return update


def batch(first: int, *updates: pb.Update) -> pb.UpdateBatch:
    """Updates numbered from the first on."""
    return pb.UpdateBatch(first_sequence=first, updates=updates)


def recording(producer_id: str, first: int, *updates: pb.Update) -> pb.RecordUpdatesRequest:
    """The unary call that reports updates."""
    return pb.RecordUpdatesRequest(
        workspace=WORKSPACE, producer_id=producer_id, batch=batch(first, *updates)
    )


def opening(producer_id: str, acked: int = 0) -> pb.StreamUpdatesRequest:
    """The first message of a stream."""
    return pb.StreamUpdatesRequest(
        open=pb.OpenStream(workspace=WORKSPACE, producer_id=producer_id, last_acked_sequence=acked)
    )


def sending(first: int, *updates: pb.Update) -> pb.StreamUpdatesRequest:
    """A batch on a stream."""
    return pb.StreamUpdatesRequest(batch=batch(first, *updates))
