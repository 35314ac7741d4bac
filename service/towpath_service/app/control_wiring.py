"""The wiring of creating, cancelling, pausing, retrying and explaining runs."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from towpath_service.app.subjects import Subject
from towpath_service.core.errors import ServiceError
from towpath_service.limits.storage.waits import slot_waits
from towpath_service.runs.application.directives import Directives
from towpath_service.runs.rpc.shown_runs import ShownRuns
from towpath_service.runs.storage.pauses import SqlRunPauses
from towpath_service.work.application.cancelling import Cancelling
from towpath_service.work.application.creating import Creating
from towpath_service.work.application.explaining import Explaining
from towpath_service.work.application.held_leases import HeldLeases
from towpath_service.work.application.inputs import Inputs
from towpath_service.work.application.pausing import Pausing
from towpath_service.work.application.retrying import Retrying
from towpath_service.work.rpc.input_handler import InputHandler
from towpath_service.work.rpc.pause_handler import PauseHandler
from towpath_service.work.rpc.retry_handler import RetryHandler
from towpath_service.work.rpc.run_control_handler import RunControlHandler
from towpath_service.work.storage.control import SqlControlStore
from towpath_service.work.storage.directives import SqlDirectives
from towpath_service.work.storage.explaining import SqlFacts
from towpath_service.work.storage.run_origins import SqlRunOrigins

if TYPE_CHECKING:
    from towpath_service.app.subjects import Foundation
    from towpath_service.runs.application.queries import Queries

FORGET_SECONDS: Final = 60.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkOfRuns:
    """What the subjects of runs and identity use of work."""

    directives: Directives
    shown: ShownRuns
    held_leases: HeldLeases
    control: SqlControlStore
    followed: SqlDirectives


def work_of_runs(foundation: Foundation) -> WorkOfRuns:
    """Puts the parts together."""
    database = foundation.stores.database
    control = SqlControlStore(database, foundation.stores.runs)
    directives = SqlDirectives(database)
    return WorkOfRuns(
        directives=Directives(directives, foundation.bus),
        shown=ShownRuns(SqlRunOrigins(database), SqlRunPauses(database)),
        held_leases=HeldLeases(control),
        control=control,
        followed=directives,
    )


def control(foundation: Foundation, parts: WorkOfRuns, queries: Queries) -> Subject:
    """The handlers of RunService that control and explain runs, with the loops of directives."""
    bus, clock, store = foundation.bus, foundation.clock, parts.control

    async def forget_followed() -> None:
        while True:
            await asyncio.sleep(FORGET_SECONDS)
            try:
                await parts.followed.forget_followed()
            except ServiceError as error:
                _log.warning("followed directives could not be removed: %s", error)

    handler = RunControlHandler(
        Creating(store, bus, clock),
        Cancelling(store, bus, clock),
        Explaining(SqlFacts(foundation.stores.database, slot_waits), clock),
        queries,
        parts.shown,
    )
    pauses = PauseHandler(
        Pausing(store, bus, clock, foundation.draining), clock, queries, parts.shown
    )
    inputs = InputHandler(Inputs(store, bus, clock, foundation.draining))
    retries = RetryHandler(Retrying(store, bus, clock), queries, parts.shown)
    return Subject(
        handlers=(handler, pauses, inputs, retries),
        loops={"directives": parts.directives.run},
        background={"followed directives": forget_followed},
    )
