"""A subject as the composition root sees it: its foundation, handlers and loops."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from towpath_service.app.stores import Stores
    from towpath_service.core.bus import Bus
    from towpath_service.core.clock import Clock
    from towpath_service.core.draining import Draining
    from towpath_service.core.tenant_limits import TenantLimits
    from towpath_service.rpc.endpoints import Handler


@dataclass(frozen=True, slots=True, kw_only=True)
class Foundation:
    """The parts that subjects are built on."""

    stores: Stores
    """The open database, and the stores of the subjects that the service always has."""
    bus: Bus
    clock: Clock
    draining: Draining
    tenant_limits: TenantLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A subject of the service, put together."""

    handlers: Sequence[Handler] = ()
    """The handlers of its rpcs."""
    loops: Mapping[str, Callable[[], Awaitable[None]]] = field(
        default_factory=dict[str, Callable[[], Awaitable[None]]]
    )
    """Loops that serve the callers of this process, by name."""
    background: Mapping[str, Callable[[], Awaitable[None]]] = field(
        default_factory=dict[str, Callable[[], Awaitable[None]]]
    )
    """Loops that work for the whole installation, by name: any one process will do for them.

    A loop that takes silence for a loss isn't one of them: it must end with the last process that
    could be told otherwise.
    """


OpenSubject: TypeAlias = Callable[[Foundation], AbstractAsyncContextManager[Subject]]
"""Puts a subject together, for as long as the service is open."""
