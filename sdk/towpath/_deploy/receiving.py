"""Receives the inputs that are sent to runs."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypeVar

from towpath._deploy.awaiting import CALL_SECONDS, Asking
from towpath._deploy.running import in_event_loop
from towpath._runs.context import current_run
from towpath._runs.open_runs import cancel
from towpath._settings.current import settings_of_runs
from towpath._state_type import StateType
from towpath.client import connect
from towpath.exceptions import MissingContextError, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from contextlib import AbstractContextManager

    from towpath.client import Client, SentInput
    from towpath.exceptions import RpcError

T = TypeVar("T")

_FLUSH_SECONDS: Final = 30.0


class InputReceiver(Generic[T]):
    """The inputs of one kind that a run gets, one after the other: iterate over it.

    `for` and `async for` end when no input has come for the timeout, or the run has ended. Each
    receiver gets every input, from the first on, and those of other receivers stay.
    """

    def __init__(
        self,
        read: Callable[[SentInput], T],
        key_prefix: str,
        *,
        run_id: str | None,
        timeout: float | None,
        raise_timeout_error: bool,
        exclude_keys: Iterable[str] | None,
    ) -> None:
        """Receives nothing yet; `RunInput.receive` and `receive_input` make one.

        Args:
            read: Makes the value of an input.
            key_prefix: The kind.
            run_id: The run that gets them; None for the current flow run.
            timeout: Seconds to wait for each; None for no limit.
            raise_timeout_error: Raise TimeoutError after that, instead of ending the iteration.
            exclude_keys: Keys of inputs to leave out.

        Raises:
            MissingContextError: There is no current flow run.
        """
        self._read = read
        self._key_prefix = key_prefix
        self._timeout = timeout
        self._raises = raise_timeout_error
        self._excluded = frozenset(exclude_keys or ())
        self._position = 0
        self._waiting: deque[SentInput] = deque()
        self._run_id = _current() if run_id is None else str(run_id)
        self._is_own = run_id is None

    def __iter__(self) -> Self:
        """Itself."""
        return self

    def __aiter__(self) -> Self:
        """Itself."""
        return self

    def __next__(self) -> T:
        """Waits for the next input; raises StopIteration, or TimeoutError, when none comes."""
        try:
            return self._next()
        except _NothingCame:
            raise StopIteration from None

    async def __anext__(self) -> T:
        """Waits for the next input; raises StopAsyncIteration, or TimeoutError, when none comes."""
        try:
            return await self._next_async()
        except _NothingCame:
            raise StopAsyncIteration from None

    def next(self) -> Any:
        """Waits for the next input; where an event loop runs in this thread, in an awaitable.

        Returns:
            The input.

        Raises:
            TimeoutError: None has come for the timeout.
            DefinitionError: It doesn't fit the type. The next call gets the one after it.
            RpcError: The service refuses.
        """
        return self._next_async() if in_event_loop() else self._next()

    async def anext(self) -> T:
        """Waits for the next input without blocking the event loop; raises as `next`."""
        return await self._next_async()

    def _next(self) -> T:
        found = self._known()
        while found is None:
            incoming = self._incoming()
            incoming.until_over()
            found = self._taken(incoming)
        return self._read(found)

    async def _next_async(self) -> T:
        found = self._known()
        while found is None:
            incoming = self._incoming()
            await incoming.until_over_async()
            found = self._taken(incoming)
        return self._read(found)

    def _known(self) -> SentInput | None:
        """The next input of those that have come already."""
        while self._waiting:
            found = self._waiting.popleft()
            if key_of(found) not in self._excluded:
                return found
        return None

    def _incoming(self) -> _Incoming:
        run = current_run.get()
        if run is not None:
            run.reporter.flush(_FLUSH_SECONDS)
        return _Incoming(
            self._run_id, self._key_prefix, self._position, self._timeout, is_own=self._is_own
        )

    def _taken(self, incoming: _Incoming) -> SentInput | None:
        if not incoming.found:
            if self._raises and not incoming.ended:
                raise TimeoutError(f"no input has come within {self._timeout:g} s")
            raise _NothingCame(f"no input has come to run {self._run_id}")
        self._waiting.extend(incoming.found)
        self._position = incoming.found[-1].position
        return self._known()


class _NothingCame(TimeoutError):
    """No input has come in time, or none can come any more."""


class _Incoming(Asking):
    """A wait for inputs of a run."""

    def __init__(
        self, run_id: str, key_prefix: str, position: int, timeout: float | None, *, is_own: bool
    ) -> None:
        super().__init__(timeout)
        self._is_own = is_own
        self._run_id = run_id
        self._key_prefix = key_prefix
        self._position = position
        self.found: Sequence[SentInput] = ()
        self.ended = False
        """Whether the run has ended."""

    def _is_over(self, error: RpcError) -> bool:
        # The report of a run of this process may still be on its way.
        over = super()._is_over(error)
        if isinstance(error, NotFound) and (over or not self._is_own):
            raise error
        return over

    def _connected(self) -> AbstractContextManager[Client]:
        return connect(settings_of_runs(), following=True, own=True)

    def _ask(self, client: Client) -> bool:
        rest = self._rest()
        state, self.found = client.receive_inputs(
            self._run_id,
            key_prefix=self._key_prefix,
            after_position=self._position,
            wait_seconds=min(CALL_SECONDS, rest),
        )
        if state is StateType.CANCELLING:
            cancel(self._run_id, "")
        self.ended = state.terminal
        return bool(self.found) or self.ended or rest <= 0


def key_of(item: SentInput) -> str:
    """The key of an input: its kind, and its id."""
    return f"{item.key_prefix}-{item.input_id}"


def _current() -> str:
    """The id of the current flow run."""
    run = current_run.get()
    flow_run = None if run is None else run.flow_run
    if flow_run is None:
        raise MissingContextError(
            "inputs are received within a flow: give flow_run_id outside of one"
        )
    return flow_run.run_id
