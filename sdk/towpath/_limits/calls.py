"""The calls about limits, over one connection of this process."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from towpath._forks import in_child
from towpath._transport.discovery import DATABASE, find_server
from towpath.exceptions import RpcError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from towpath._transport.base import Transport
    from towpath.api.v1 import limit_service_pb2

_SERVICE: Final = "towpath.api.v1.LimitService"
_SLACK_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Slots that are asked for."""

    needs: Mapping[str, int]
    """Slots by name of the limit."""
    strict: bool = False
    """Whether a limit that doesn't exist is an error."""
    run_id: str = ""
    holder: str = ""
    hold_seconds: float = 60.0
    priority: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Acquired:
    """The answer to a request for slots."""

    acquired: bool
    fences: Mapping[str, int]
    """Numbers of the acquisition by name of the limit; empty where none limits it."""
    missing: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """The answer to a request for slots of a limit on the rate."""

    reserved: bool
    delay_seconds: float
    missing: Sequence[str]


class LimitCalls:
    """Calls of LimitService."""

    def __init__(self, transport: Transport, workspace: str, *, embedded: bool = False) -> None:
        """Calls nothing yet.

        Args:
            transport: The connection.
            workspace: Id of the workspace.
            embedded: Whether the service runs within this process.
        """
        self.transport = transport
        self.embedded = embedded
        self._parent = f"workspaces/{workspace}"

    def acquire(self, acquisition_id: str, wanted: Wanted, wait_seconds: float) -> Acquired:
        """Asks for slots, and waits for them as long as given; raises RpcError."""
        from towpath.api.v1 import limit_service_pb2 as pb  # noqa: PLC0415 - loads protobuf

        request = pb.AcquireSlotsRequest(
            parent=self._parent,
            acquisition_id=acquisition_id,
            slots=[pb.SlotRequest(limit_id=name, slots=n) for name, n in wanted.needs.items()],
            run_id=wanted.run_id,
            holder=wanted.holder[:256],
            ignore_missing=not wanted.strict,
            priority=wanted.priority,
        )
        request.wait.FromMicroseconds(int(wait_seconds * 1e6))
        request.hold.FromMicroseconds(int(wanted.hold_seconds * 1e6))
        answer = cast(
            "limit_service_pb2.AcquireSlotsResponse",
            self._unary("AcquireSlots", request, wait_seconds),
        )
        return Acquired(
            acquired=answer.acquired,
            fences={item.limit_id: item.fence for item in answer.held},
            missing=tuple(answer.missing_limit_ids),
        )

    def reserve(self, acquisition_id: str, wanted: Wanted, wait_seconds: float) -> Reservation:
        """Reserves slots of limits on the rate; raises RpcError."""
        from towpath.api.v1 import limit_service_pb2 as pb  # noqa: PLC0415 - loads protobuf

        request = pb.ReserveSlotsRequest(
            parent=self._parent,
            acquisition_id=acquisition_id,
            slots=[pb.SlotRequest(limit_id=name, slots=n) for name, n in wanted.needs.items()],
            run_id=wanted.run_id,
            holder=wanted.holder[:256],
            ignore_missing=not wanted.strict,
        )
        request.wait.FromMicroseconds(int(wait_seconds * 1e6))
        answer = cast(
            "limit_service_pb2.ReserveSlotsResponse", self._unary("ReserveSlots", request)
        )
        return Reservation(
            reserved=answer.reserved,
            delay_seconds=answer.delay.ToMicroseconds() / 1e6,
            missing=tuple(answer.missing_limit_ids),
        )

    def renew(self, acquisition_ids: Sequence[str]) -> set[str]:
        """Extends the time of slots; returns those that have ended. Raises RpcError."""
        from towpath.api.v1 import limit_service_pb2 as pb  # noqa: PLC0415 - loads protobuf

        request = pb.RenewSlotsRequest(parent=self._parent, acquisition_ids=acquisition_ids)
        answer = cast("limit_service_pb2.RenewSlotsResponse", self._unary("RenewSlots", request))
        return set(answer.lost_acquisition_ids)

    def release(self, acquisition_ids: Sequence[str]) -> None:
        """Returns slots, or gives up places; raises RpcError."""
        from towpath.api.v1 import limit_service_pb2 as pb  # noqa: PLC0415 - loads protobuf

        request = pb.ReleaseSlotsRequest(parent=self._parent, acquisition_ids=acquisition_ids)
        self._unary("ReleaseSlots", request)

    def limited_tags(self) -> tuple[frozenset[str], tuple[str, ...]]:
        """The tags that have a limit, and the prefixes of tags that have one; raises RpcError."""
        from towpath.api.v1 import limit_service_pb2 as pb  # noqa: PLC0415 - loads protobuf

        request = pb.GetLimitedTagsRequest(parent=self._parent)
        answer = cast(
            "limit_service_pb2.GetLimitedTagsResponse", self._unary("GetLimitedTags", request)
        )
        return frozenset(answer.tags), tuple(answer.prefixes)

    def _unary(self, method: str, request: object, wait_seconds: float = 0.0) -> object:
        return self.transport.unary(
            f"{_SERVICE}/{method}",
            request,  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] - a message
            timeout_seconds=wait_seconds + _SLACK_SECONDS,
        )


_lock = threading.Lock()
_open: LimitCalls | None = None


def limit_calls() -> LimitCalls:
    """Returns the calls of this process, over a connection that the first call opens.

    Raises:
        ConfigurationError: A setting is wrong, or there is neither a server nor the service.
        RpcError: The local database can't be opened.
    """
    global _open  # noqa: PLW0603 - a process has one connection
    from towpath._settings.current import settings_of_runs  # noqa: PLC0415 - loads parsers of files

    with _lock:
        if _open is None:
            settings = settings_of_runs()
            # Entry points, where the embedded service is found, take longest to load.
            from towpath._transport.service import (  # noqa: PLC0415 - loads entry points
                open_for_code,
                server_address,
            )

            embedded = not server_address(settings)
            _open = LimitCalls(open_for_code(settings), settings.workspace, embedded=embedded)
        return _open


def may_be_limited() -> bool:
    """Tells whether there may be limits: a home without a server and a database has none."""
    from towpath._settings.current import settings_of_runs  # noqa: PLC0415 - loads parsers of files

    if _open is not None:
        return True
    settings = settings_of_runs()
    if settings.server_address or find_server(settings.home):
        return True
    return (settings.home / DATABASE).exists()


def close_calls() -> None:
    """Closes the connection of this process, if it has one."""
    global _open
    with _lock:
        calls, _open = _open, None
    # An embedded service can't end in an orderly way once Python has ended its pools of threads.
    if calls is not None and not calls.embedded:
        with suppress(RpcError):
            calls.transport.close()


def _forget_in_child() -> None:
    global _lock, _open  # noqa: PLW0603 - the parent's connection stays the parent's
    _lock = threading.Lock()
    _open = None


in_child(_forget_in_child)
