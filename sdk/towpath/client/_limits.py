"""Limits of a workspace on what happens at once, or per second, and those that hold their slots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from towpath.api.v1 import limit_service_pb2 as pb
from towpath.client._calls import PAGE, Subject
from towpath.client._convert import last_segment, to_time

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A limit."""

    name: str
    """Its name, "db"; "tag:db" limits tasks with the tag "db"; "customer:*" is a template."""
    workspace: str
    """Id of its workspace."""
    slots: int
    """Slots in all; of a limit on the rate, how many may come at once after a pause."""
    refill_per_second: float
    """Slots that come free per second; 0 for a limit on what happens at once."""
    disabled: bool
    """Whether it lets everything through."""
    description: str
    held: int
    """Slots held now."""
    waiting: int
    """Acquisitions that wait now."""
    template: str
    """Name of the template that it was made from; empty for none."""
    created: datetime
    changed: datetime
    """When its settings last changed."""
    etag: str
    """Version of its settings; see `Limits.set`."""

    @property
    def resource_name(self) -> str:
        """The resource name, "workspaces/{workspace}/limits/{name}"."""
        return f"workspaces/{self.workspace}/limits/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitHolder:
    """An acquisition that holds slots of a limit, or waits for them."""

    id: str
    """Id of the acquisition, a UUID."""
    run: str
    """Id of the run; empty for none."""
    holder: str
    """What it says of itself: the task, the host, the process."""
    slots: int
    waiting: bool
    """Whether it still waits."""
    priority: int
    since: datetime
    """When it took its slots, or began to wait."""
    expires: datetime
    """When its slots, or its place, end unless it is heard from."""


class Limits(Subject):
    """Sets, lists and deletes the limits of the client's workspace, and ends acquisitions.

    Runs acquire slots with `towpath.concurrency`. Every method raises
    `towpath.exceptions.RpcError`, or one of its kinds, when the service can't be reached or
    refuses.
    """

    def set(
        self,
        name: str,
        slots: int,
        *,
        refill_per_second: float = 0.0,
        disabled: bool = False,
        description: str = "",
        etag: str = "",
    ) -> Limit:
        """Creates a limit, or replaces the settings of one.

        Args:
            name: Its name.
            slots: Slots in all; 0 lets nothing through.
            refill_per_second: Slots that come free per second, for a limit on the rate.
            disabled: Let everything through.
            description: Description, at most 1024 characters.
            etag: The etag that the limit must still have; empty for any.

        Returns:
            The limit as it is now.

        Raises:
            Conflict: The limit has another etag.
        """
        settings = pb.Limit(
            slots=slots,
            refill_per_second=refill_per_second,
            disabled=disabled,
            description=description,
            etag=etag,
        )
        request = pb.SetLimitRequest(parent=self._parent, limit_id=name, limit=settings)
        answer = self._calls.unary("LimitService/SetLimit", request, pb.SetLimitResponse)
        return _convert_limit(answer.limit)

    def get(self, name: str) -> Limit:
        """Returns a limit.

        Args:
            name: Its name.

        Raises:
            NotFound: No limit has this name.
        """
        request = pb.GetLimitRequest(name=self._name(name))
        answer = self._calls.unary("LimitService/GetLimit", request, pb.GetLimitResponse)
        return _convert_limit(answer.limit)

    def list(self, *, keys: bool = False) -> Iterator[Limit]:
        """Lists the limits of the workspace by name.

        Args:
            keys: List also the limits that were made from templates.

        Returns:
            The limits, fetched page by page.
        """
        request = pb.ListLimitsRequest(parent=self._parent, page_size=PAGE, show_keys=keys)
        for page in self._calls.pages("LimitService/ListLimits", request, pb.ListLimitsResponse):
            yield from map(_convert_limit, page.limits)

    def delete(self, name: str, *, etag: str = "") -> None:
        """Deletes a limit; its slots end, and what waits for it goes on without it.

        Args:
            name: Its name.
            etag: The etag that the limit must still have; empty for any.

        Raises:
            NotFound: No limit has this name.
            Conflict: The limit has another etag.
        """
        request = pb.DeleteLimitRequest(name=self._name(name), etag=etag)
        self._calls.unary("LimitService/DeleteLimit", request, pb.DeleteLimitResponse)

    def holders(self, name: str) -> Iterator[LimitHolder]:
        """Lists those that hold slots of a limit, by age, then those that wait, in order.

        Args:
            name: Name of the limit.

        Raises:
            NotFound: No limit has this name.
        """
        request = pb.ListHoldersRequest(parent=self._name(name), page_size=PAGE)
        for page in self._calls.pages("LimitService/ListHolders", request, pb.ListHoldersResponse):
            yield from map(_convert_holder, page.holders)

    def release(self, name: str, acquisition_id: str) -> None:
        """Takes the slots of an acquisition from its holder, or its place.

        Args:
            name: Name of the limit.
            acquisition_id: Id of the acquisition.

        Raises:
            NotFound: The limit has no such acquisition.
        """
        request = pb.EndHolderRequest(name=f"{self._name(name)}/holders/{acquisition_id}")
        self._calls.unary("LimitService/EndHolder", request, pb.EndHolderResponse)

    def _name(self, name: str) -> str:
        return f"{self._parent}/limits/{name}"


def _convert_limit(message: pb.Limit) -> Limit:
    _, workspace, _, name = message.name.split("/")
    return Limit(
        name=name,
        workspace=workspace,
        slots=message.slots,
        refill_per_second=message.refill_per_second,
        disabled=message.disabled,
        description=message.description,
        held=message.held_slots,
        waiting=message.waiting_count,
        template=message.template,
        created=to_time(message.create_time),
        changed=to_time(message.update_time),
        etag=message.etag,
    )


def _convert_holder(message: pb.Holder) -> LimitHolder:
    return LimitHolder(
        id=last_segment(message.name),
        run=last_segment(message.run),
        holder=message.holder,
        slots=message.slots,
        waiting=message.waiting,
        priority=message.priority,
        since=to_time(message.since_time),
        expires=to_time(message.expire_time),
    )
