"""Calls of hooks: an error of one is logged, and the others are called all the same."""

from __future__ import annotations

import asyncio
import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from towpath._engine.coroutines import whole
from towpath._runs.context import current_run

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterator

    from towpath._runs.context import RunContext

Kind = Literal["commit", "rollback"]


@dataclass(frozen=True, slots=True)
class HookCall:
    """One call of a hook."""

    hook: Callable[..., Any]
    kind: Kind
    transaction: Any
    logger: logging.Logger | logging.LoggerAdapter[logging.Logger]
    run: RunContext | None
    """The run that the hook belongs to; None for the current one."""
    done: Callable[[], object]
    """Called after it, whether or not it raised."""

    def call(self) -> None:
        """Calls the hook, to its end."""
        token = None if self.run is None else current_run.set(self.run)
        try:
            self._begun()
            whole(self.hook(self.transaction))
        except (Exception, SystemExit, asyncio.CancelledError) as error:  # noqa: BLE001 - user code
            self._failed(error)
        else:
            self._ended()
        finally:
            if token is not None:
                current_run.reset(token)
        self.done()

    async def call_async(self) -> None:
        """As `call`; a coroutine runs in this event loop."""
        token = None if self.run is None else current_run.set(self.run)
        try:
            self._begun()
            outcome = self.hook(self.transaction)
            if inspect.isawaitable(outcome):
                await outcome
        except (Exception, SystemExit) as error:  # noqa: BLE001 - user code
            self._failed(error)
        else:
            self._ended()
        finally:
            if token is not None:
                current_run.reset(token)
        self.done()

    @property
    def _name(self) -> str:
        return str(getattr(self.hook, "__name__", repr(self.hook)))

    @property
    def _says(self) -> bool:
        return bool(getattr(self.hook, "log_on_run", True))

    def _begun(self) -> None:
        if self._says:
            self.logger.info("Running %s hook %r", self.kind, self._name)

    def _ended(self) -> None:
        if self._says:
            self.logger.info("%s hook %r ended", self.kind.capitalize(), self._name)

    def _failed(self, error: BaseException) -> None:
        kind = self.kind.capitalize()
        self.logger.error("%s hook %r failed", kind, self._name, exc_info=error)


def call_each(calls: Iterator[HookCall]) -> None:
    """Calls hooks; what broke into one is raised when all have been called."""
    broken: BaseException | None = None
    for call in calls:
        try:
            call.call()
        except BaseException as error:  # noqa: BLE001 - raised at the end
            broken = broken or error
    if broken is not None:
        raise broken


async def call_each_async(calls: Iterator[HookCall]) -> None:
    """As `call_each`, in async code."""
    broken: BaseException | None = None
    for call in calls:
        try:
            await call.call_async()
        except BaseException as error:  # noqa: BLE001 - raised at the end
            broken = broken or error
    if broken is not None:
        raise broken
