"""Keeps results of task runs where options ask for it, and finds them again by cache key."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from towpath._callables import whole_call
from towpath._delivery.reports import Content
from towpath._engine.identity import identity_of
from towpath._engine.turns import SERIALIZABLE, Turn
from towpath._results.cache_policies import DEFAULT, NoCache
from towpath._results.opening import store_of
from towpath._settings.current import settings_of_runs
from towpath.exceptions import ResultError, UnhashableInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from towpath._results.policy import ResultPolicy, Storage
    from towpath._results.store import StoredResult
    from towpath._runs.context import RunContext
    from towpath.states import State

_log: Final = logging.getLogger("towpath.engine")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A result found instead of computed."""

    value: Any
    run_id: str
    """The run that computed it."""
    content: Content


class ResultEntry:
    """Where one run's result is looked up and kept."""

    def __init__(
        self,
        policy: ResultPolicy,
        run: RunContext,
        inputs: Mapping[str, Any],
        *,
        key: str | None = None,
    ) -> None:
        """Works out the run's cache key.

        Args:
            policy: The options on results.
            run: The run.
            inputs: Its arguments by parameter.
            key: The key, where it doesn't follow from the policy; empty for none.

        Raises:
            UnhashableInputError: An argument has no stable hash, and the policy was asked for.
        """
        self._policy = policy
        self._run = run
        self._kept_as = ""
        """The key that its result lies under; empty until it is kept."""
        self._settings = run.settings or settings_of_runs()
        storage = _storage_around(run) if policy.storage is None else policy.storage
        self._store = store_of(self._settings, storage)
        if key is not None:
            self.key = key
        else:
            self.key = self._key_of(inputs) if self._settings.results_cache != "off" else ""
        self.turn: Turn | None = None
        """Where runs with its key wait for each other."""
        cache = policy.cache
        if self.key and cache is not None and cache.isolation_level == SERIALIZABLE:
            self.turn = Turn(run, self.key, cache.lock_manager, self._settings)

    def look_up(self, *, replays: bool | None = None) -> Hit | None:
        """The result of an earlier run with the same key, unless it has expired.

        Args:
            replays: Whether only results count that were kept within the retry of its root run;
                None for as the run says.
        """
        if replays is None:
            replays = self._run.replays
        if not self.key or self._is_refreshed():
            return None
        try:
            found = self._store.read(self.key, self._policy.serializer)
        except ResultError as error:
            _log.warning("%s is computed anew: %s", self._run.name, error)
            return None
        if found is None:
            return None
        stored, value = found
        if stored.expires is not None and self._run.clock.time() >= stored.expires:
            return None
        if replays and not self._is_of_retry(stored):
            return None
        self._kept_as = self.key
        return Hit(value=value, run_id=stored.run_id, content=_content(stored))

    def _is_of_retry(self, stored: StoredResult) -> bool:
        replay = self._run.replay
        same = stored.top_run_id == _top(self._run).run_id
        return replay is None or (same and stored.attempt >= replay.attempt)

    def _is_refreshed(self) -> bool:
        if self._policy.refresh is not None:
            return self._policy.refresh
        return self._settings.results_cache == "refresh"

    def keep(self, value: Any) -> Content | None:
        """Stores a result.

        Raises:
            ResultError: It can't be serialized.
        """
        return self.prepare(value)[1]()

    def prepare(self, value: Any) -> tuple[Content, Callable[[], Content | None]]:
        """Serializes a result.

        Returns:
            What is known of it once it is stored, and what stores it.

        Raises:
            ResultError: It can't be serialized.
        """
        after = self._policy.expiration
        now = self._run.clock.time()
        top = _top(self._run)
        key = self.key or f"run:{self._run.run_id}"
        prepared = self._store.prepare(
            key,
            value,
            run_id=self._run.run_id,
            serializer=self._policy.serializer,
            expires=now + after.total_seconds() if after is not None else None,
            top_run_id=top.run_id,
            attempt=top.attempt,
        )
        stays = self.key and not self._is_refreshed() and not self._run.replays

        def store() -> Content | None:
            try:
                # Of runs that compute the same at once, the first one's result stays; what a
                # retry runs again replaces it.
                stored = self._store.put(prepared, now if stays else None)
            except OSError as error:
                # The flow can go on with the value: a full disk only prevents caching.
                _log.warning("the result of %s could not be stored: %s", self._run.name, error)
                return None
            self._kept_as = key
            return _content(stored)

        return _content(prepared.stored), store

    def let_go(self, state: State[Any]) -> None:
        """Lets a result that is kept go from memory, where options ask for it."""
        if self._kept_as and not self._policy.in_memory and state.is_completed():
            state.leave_to(self._loaded)

    def _loaded(self) -> Any:
        """The result, read back.

        Raises:
            ResultError: It is gone, or can't be read back.
        """
        found = self._store.read(self._kept_as, self._policy.serializer)
        if found is None:
            raise ResultError(
                f"the result of {self._run.name} is no longer there, and"
                " cache_result_in_memory=False let it go from memory"
            )
        return found[1]

    def _key_of(self, inputs: Mapping[str, Any]) -> str:
        policy = self._policy.cache
        if self._policy.key is not None and not isinstance(policy, NoCache):
            runs = {"task_run": self._run.task_run, "flow_run": self._run.flow_run}
            return "key:" + self._policy.key.format(parameters=dict(inputs), **runs)
        try:
            key = (policy or DEFAULT).compute_key(
                task_ctx=self._run,
                inputs=whole_call(self._run.owner.fn, inputs),
                flow_parameters=_flow_parameters(self._run),
            )
        except UnhashableInputError as error:
            if policy is not None:
                raise
            _log.warning("%s is not cached: %s", self._run.name, error)
            return ""
        return f"{identity_of(self._run.owner)}:{key}" if key else ""


def _top(run: RunContext) -> RunContext:
    """The outermost run of this process around a run."""
    while run.parent is not None:
        run = run.parent
    return run


def _storage_around(run: RunContext) -> Storage | None:
    """Where the flow around a run keeps its results; None for where the settings say."""
    around = run.parent
    while around is not None:
        policy: ResultPolicy | None = getattr(around.owner, "result_policy", None)
        if around.kind == "flow" and policy is not None and policy.storage is not None:
            return policy.storage
        around = around.parent
    return None


def _flow_parameters(run: RunContext) -> dict[str, Any]:
    """The arguments of the flow around a run, by parameter; empty without one."""
    flow = run.flow_run
    if flow is None:
        return {}
    # A process that runs tasks knows the parameters of their flow, not its function.
    return whole_call(getattr(flow.owner, "fn", None), flow.parameters)


def _content(stored: StoredResult) -> Content:
    return Content(
        uri=stored.uri,
        content_type=stored.content_type,
        size_bytes=stored.size_bytes,
        sha256=bytes.fromhex(stored.sha256),
    )
