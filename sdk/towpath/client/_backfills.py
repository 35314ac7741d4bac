"""Backfills: runs of a deployment for due times of the past."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any, Literal, cast
from uuid import uuid4

from towpath.api.v1 import backfill_service_pb2 as pb
from towpath.client._calls import PAGE, Subject
from towpath.client._convert import (
    deployment_name,
    last_segment,
    to_optional_time,
    to_time,
)
from towpath.client._convert_schedules import from_payload, to_payload

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

BackfillState = Literal["active", "done", "cancelled"]
"""Progress of a backfill: "done" has created all its runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backfill:
    """Runs of a deployment for a range of time."""

    id: str
    """Its id; empty if it was only worked out."""
    deployment: str
    """Its deployment, "flow/deployment"."""
    schedule: str
    """Id of the schedule whose rule gives the due times."""
    start: datetime
    """First time, inclusive."""
    end: datetime
    """Last time, exclusive."""
    max_active: int
    """Most unfinished runs at once."""
    parameters: Mapping[str, Any]
    """Arguments, merged over those of the deployment and the schedule."""
    total: int
    """Due times in all."""
    created: int
    """Runs created so far."""
    active: int
    """Runs created that are unfinished."""
    state: BackfillState
    creator: str
    """Principal that created it."""
    created_at: datetime
    ended_at: datetime | None
    """When its last run was created, or it was cancelled; None until then."""

    @property
    def ended(self) -> bool:
        """Whether it creates no more runs, and all its runs have ended."""
        return self.state != "active" and not self.active


class Backfills(Subject):
    """Creates, lists and cancels the backfills of the client's workspace.

    Every method raises `towpath.exceptions.RpcError`, or one of its kinds, when the service can't
    be reached or refuses.
    """

    def create(
        self,
        deployment: str,
        start: datetime,
        end: datetime,
        *,
        schedule: str = "",
        max_active: int = 1,
        parameters: Mapping[str, Any] | None = None,
    ) -> Backfill:
        """Creates a backfill.

        Pauses of the deployment and its schedules don't hold it.

        Args:
            deployment: The deployment, "flow/deployment".
            start: First time, inclusive; aware.
            end: Last time, exclusive; aware.
            schedule: Id of the schedule whose rule gives the due times; empty for the only one.
            max_active: Most unfinished runs at once.
            parameters: Arguments, merged over those of the deployment and the schedule.

        Returns:
            The backfill as created.

        Raises:
            NotFound: There is no such deployment or schedule.
            InvalidRequest: The range has no due time or more than 10,000, or the arguments don't
                fit.
        """
        request = self._request(deployment, start, end, schedule, max_active, parameters)
        answer = self._calls.unary(
            "BackfillService/CreateBackfill", request, pb.CreateBackfillResponse
        )
        return convert_backfill(answer.backfill)

    def work_out(
        self,
        deployment: str,
        start: datetime,
        end: datetime,
        *,
        schedule: str = "",
        parameters: Mapping[str, Any] | None = None,
    ) -> tuple[Backfill, Sequence[datetime]]:
        """Works out a backfill, and creates nothing.

        Args:
            deployment: The deployment, "flow/deployment".
            start: First time, inclusive; aware.
            end: Last time, exclusive; aware.
            schedule: Id of the schedule whose rule gives the due times; empty for the only one.
            parameters: Arguments, merged over those of the deployment and the schedule.

        Returns:
            The backfill that it would be, and its due times in UTC, at most 1,000.

        Raises:
            NotFound: There is no such deployment or schedule.
            InvalidRequest: As `create`.
        """
        request = self._request(deployment, start, end, schedule, 1, parameters)
        request.dry_run = True
        answer = self._calls.unary(
            "BackfillService/CreateBackfill", request, pb.CreateBackfillResponse
        )
        return convert_backfill(answer.backfill), [to_time(moment) for moment in answer.times]

    def get(self, id_: str) -> Backfill:
        """Returns a backfill.

        Args:
            id_: Its id.

        Raises:
            NotFound: There is no such backfill.
        """
        answer = self._calls.unary(
            "BackfillService/GetBackfill",
            pb.GetBackfillRequest(name=self._name(id_)),
            pb.GetBackfillResponse,
        )
        return convert_backfill(answer.backfill)

    def list(self) -> Iterator[Backfill]:
        """Lists backfills, newest first, fetched page by page."""
        request = pb.ListBackfillsRequest(parent=self._parent, page_size=PAGE)
        for page in self._calls.pages(
            "BackfillService/ListBackfills", request, pb.ListBackfillsResponse
        ):
            yield from map(convert_backfill, page.backfills)

    def cancel(self, id_: str) -> Backfill:
        """Has a backfill create no more runs, and cancels those that wait; others continue.

        Args:
            id_: Its id.

        Returns:
            The backfill as it is now.

        Raises:
            NotFound: There is no such backfill.
        """
        answer = self._calls.unary(
            "BackfillService/CancelBackfill",
            pb.CancelBackfillRequest(name=self._name(id_)),
            pb.CancelBackfillResponse,
        )
        return convert_backfill(answer.backfill)

    def _name(self, id_: str) -> str:
        return f"{self._parent}/backfills/{id_}"

    def _request(
        self,
        deployment: str,
        start: datetime,
        end: datetime,
        schedule: str,
        max_active: int,
        parameters: Mapping[str, Any] | None,
    ) -> pb.CreateBackfillRequest:
        message = pb.Backfill(
            deployment=deployment_name(self.workspace, deployment),
            schedule_id=schedule,
            max_active=max_active,
            parameters=to_payload(parameters or {}),
        )
        message.start_time.FromDatetime(start.astimezone(UTC))
        message.end_time.FromDatetime(end.astimezone(UTC))
        return pb.CreateBackfillRequest(
            parent=self._parent, backfill=message, request_id=str(uuid4())
        )


def convert_backfill(message: pb.Backfill) -> Backfill:
    """The backfill of a message."""
    _, _, _, flow, _, deployment = message.deployment.split("/")
    state = pb.BackfillState.Name(message.state).removeprefix("BACKFILL_STATE_").lower()
    return Backfill(
        id=last_segment(message.name),
        deployment=f"{flow}/{deployment}",
        schedule=message.schedule_id,
        start=to_time(message.start_time),
        end=to_time(message.end_time),
        max_active=message.max_active,
        parameters=from_payload(message.parameters),
        total=message.total_count,
        created=message.created_count,
        active=message.active_count,
        state=cast("BackfillState", state),
        creator=message.creator.principal,
        created_at=to_time(message.create_time),
        ended_at=to_optional_time(message, "end_creation_time"),
    )
