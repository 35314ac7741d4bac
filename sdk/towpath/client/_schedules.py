"""Schedules of deployments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from google.protobuf.field_mask_pb2 import FieldMask

from towpath.api.v1 import deployment_pb2, deployment_service_pb2
from towpath.client._calls import PAGE, Subject
from towpath.client._convert import (
    deployment_name,
    last_segment,
    to_optional_time,
    to_time,
)
from towpath.client._convert_schedules import to_message, to_schedule

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from towpath.schedules import Schedule

SlotOutcome = Literal["run", "skipped_overlap", "missed", "skipped_paused", "refused"]
"""What was decided about a due time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleInfo:
    """A schedule of a deployment."""

    id: str
    """Its id within the deployment."""
    deployment: str
    """Its deployment, "flow/deployment"."""
    workspace: str
    """Id of its workspace."""
    schedule: Schedule
    """Its rule, policies and arguments."""
    label: str
    paused: bool
    """Whether it creates no runs."""
    starts: datetime | None
    """No runs before; None for no such time."""
    ends: datetime | None
    """No runs at this time or later; None for no such time."""
    next_times: tuple[datetime, ...]
    """Its next times, at most 5; at most one in lists."""
    last_time: datetime | None
    """Last due time that was decided; None before the first, and in lists."""
    created: datetime
    changed: datetime
    etag: str
    """Version of the schedule."""

    @property
    def resource_name(self) -> str:
        """The resource name, "workspaces/{workspace}/flows/{flow}/deployments/…/schedules/{id}"."""
        return f"{deployment_name(self.workspace, self.deployment)}/schedules/{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleSlot:
    """A due time of a schedule, and what was decided about it."""

    due: datetime
    """The due time; of a stretch of missed times, the last."""
    outcome: SlotOutcome
    run_id: str
    """Id of the run that was created; empty if none was."""
    count: int
    """Number of due times that this stands for."""
    message: str
    """Why, for people; may be empty."""
    decided: datetime


class Schedules(Subject):
    """Creates, lists, pauses, previews and deletes the schedules of the client's workspace.

    A deployment is named "flow/deployment". Every method raises `towpath.exceptions.RpcError`, or
    one of its kinds, when the service can't be reached or refuses.
    """

    def create(self, deployment: str, id_: str, schedule: Schedule) -> ScheduleInfo:
        """Creates a schedule.

        Args:
            deployment: Its deployment, "flow/deployment".
            id_: Id of the new schedule: 1 to 63 of a-z, 0-9 and -.
            schedule: Its rule, policies and arguments.

        Returns:
            The schedule as created.

        Raises:
            NotFound: There is no such deployment.
            Conflict: A schedule of the deployment has this id.
            InvalidRequest: The rule is wrong, or the arguments don't fit.
        """
        request = deployment_service_pb2.CreateScheduleRequest(
            parent=deployment_name(self.workspace, deployment),
            schedule_id=id_,
            schedule=to_message(schedule),
        )
        answer = self._calls.unary(
            "DeploymentService/CreateSchedule",
            request,
            deployment_service_pb2.CreateScheduleResponse,
        )
        return convert_schedule(answer.schedule)

    def get(self, deployment: str, id_: str) -> ScheduleInfo:
        """Returns a schedule.

        Args:
            deployment: Its deployment, "flow/deployment".
            id_: Id of the schedule.

        Raises:
            NotFound: The deployment has no such schedule.
        """
        request = deployment_service_pb2.GetScheduleRequest(name=self._name(deployment, id_))
        answer = self._calls.unary(
            "DeploymentService/GetSchedule", request, deployment_service_pb2.GetScheduleResponse
        )
        return convert_schedule(answer.schedule)

    def list(self, deployment: str = "-/-") -> Iterator[ScheduleInfo]:
        """Lists the schedules of a deployment, or of all.

        Args:
            deployment: The deployment, "flow/deployment"; "-/-" for all of the workspace.

        Returns:
            The schedules, fetched page by page.
        """
        parent = deployment_name(self.workspace, deployment)
        request = deployment_service_pb2.ListSchedulesRequest(parent=parent, page_size=PAGE)
        for page in self._calls.pages(
            "DeploymentService/ListSchedules",
            request,
            deployment_service_pb2.ListSchedulesResponse,
        ):
            yield from map(convert_schedule, page.schedules)

    def set_paused(self, deployment: str, id_: str, *, paused: bool) -> ScheduleInfo:
        """Pauses or resumes a schedule; times while it is paused are never caught up.

        Args:
            deployment: Its deployment, "flow/deployment".
            id_: Id of the schedule.
            paused: Whether it creates no runs.

        Returns:
            The schedule as it is now.

        Raises:
            NotFound: The deployment has no such schedule.
        """
        request = deployment_service_pb2.UpdateScheduleRequest(
            schedule=deployment_pb2.Schedule(name=self._name(deployment, id_), paused=paused),
            update_mask=FieldMask(paths=["paused"]),
        )
        answer = self._calls.unary(
            "DeploymentService/UpdateSchedule",
            request,
            deployment_service_pb2.UpdateScheduleResponse,
        )
        return convert_schedule(answer.schedule)

    def preview(
        self,
        schedule: Schedule,
        *,
        after: datetime | None = None,
        count: int = 10,
        resource_name: str = "",
    ) -> Sequence[datetime]:
        """Works out the times at which a schedule would run.

        Args:
            schedule: The schedule.
            after: Only times after this; None for now.
            count: Most times, at most 1000.
            resource_name: Resource name of the schedule, which its jitter depends on.

        Returns:
            The times, in order and in UTC; fewer when the schedule ends.

        Raises:
            InvalidRequest: The rule is wrong.
        """
        request = deployment_service_pb2.PreviewScheduleRequest(
            parent=self._parent, schedule=to_message(schedule), count=count
        )
        request.schedule.name = resource_name
        if after is not None:
            request.after_time.FromDatetime(after)
        answer = self._calls.unary(
            "DeploymentService/PreviewSchedule",
            request,
            deployment_service_pb2.PreviewScheduleResponse,
        )
        return [to_time(moment) for moment in answer.times]

    def slots(self, deployment: str, id_: str) -> Iterator[ScheduleSlot]:
        """Lists the due times of a schedule with what was decided about each, newest first.

        Args:
            deployment: Its deployment, "flow/deployment".
            id_: Id of the schedule.

        Returns:
            The due times, fetched page by page.

        Raises:
            NotFound: The deployment has no such schedule.
        """
        request = deployment_service_pb2.ListScheduleSlotsRequest(
            parent=self._name(deployment, id_), page_size=PAGE
        )
        for page in self._calls.pages(
            "DeploymentService/ListScheduleSlots",
            request,
            deployment_service_pb2.ListScheduleSlotsResponse,
        ):
            yield from map(_convert_slot, page.slots)

    def delete(self, deployment: str, id_: str) -> None:
        """Deletes a schedule; its runs stay.

        Args:
            deployment: Its deployment, "flow/deployment".
            id_: Id of the schedule.

        Raises:
            NotFound: The deployment has no such schedule.
        """
        request = deployment_service_pb2.DeleteScheduleRequest(name=self._name(deployment, id_))
        self._calls.unary(
            "DeploymentService/DeleteSchedule",
            request,
            deployment_service_pb2.DeleteScheduleResponse,
        )

    def _name(self, deployment: str, id_: str) -> str:
        return f"{deployment_name(self.workspace, deployment)}/schedules/{id_}"


def convert_schedule(message: deployment_pb2.Schedule) -> ScheduleInfo:
    """The schedule of a message."""
    _, workspace, _, flow, _, deployment, _, id_ = message.name.split("/")
    return ScheduleInfo(
        id=id_,
        deployment=f"{flow}/{deployment}",
        workspace=workspace,
        schedule=to_schedule(message),
        label=message.label,
        paused=message.paused,
        starts=to_optional_time(message, "start_time"),
        ends=to_optional_time(message, "end_time"),
        next_times=tuple(to_time(moment) for moment in message.next_times),
        last_time=to_optional_time(message, "last_time"),
        created=to_time(message.create_time),
        changed=to_time(message.update_time),
        etag=message.etag,
    )


def _convert_slot(message: deployment_pb2.ScheduleSlot) -> ScheduleSlot:
    outcome = deployment_pb2.SlotOutcome.Name(message.outcome)
    return ScheduleSlot(
        due=to_time(message.due_time),
        outcome=cast("SlotOutcome", outcome.removeprefix("SLOT_OUTCOME_").lower()),
        run_id=last_segment(message.run),
        count=message.count,
        message=message.message,
        decided=to_time(message.decide_time),
    )
