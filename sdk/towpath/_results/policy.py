"""What becomes of a run's result: whether it is kept, under which key, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from towpath._callables import returns_coroutine
from towpath._results.cache_policies import NO_CACHE, CacheKeyFnPolicy, CachePolicy
from towpath.exceptions import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from towpath._runs.context import RunContext

Serializer = Literal["json", "pickle"]
SERIALIZERS: Final = ("json", "pickle")


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultPolicy:
    """What becomes of a result; options of a flow or task."""

    persist: bool | None = None
    """None: as the flow around it says."""
    cache: CachePolicy | None = None
    expiration: timedelta | None = None
    refresh: bool = False
    serializer: Serializer = "json"

    def persists(self, run: RunContext) -> bool:
        """Whether results of a run are kept."""
        return self.persist if self.persist is not None else run.persist_result


def policy_of_results(
    *,
    persist_result: bool | None,
    serializer: Serializer,
    cache_policy: CachePolicy | None = None,
    cache_key_fn: Callable[[RunContext, dict[str, Any]], str | None] | None = None,
    expiration: timedelta | None = None,
    refresh: bool = False,
) -> ResultPolicy:
    """The options on results, looked at.

    Raises:
        DefinitionError: They contradict each other, or there is no such serializer.
    """
    if serializer not in SERIALIZERS:
        raise DefinitionError(
            f"result_serializer is one of {', '.join(SERIALIZERS)}, not {serializer!r}"
        )
    given: Any = cache_policy
    if given is not None and not isinstance(given, CachePolicy):
        raise DefinitionError(
            f"cache_policy is made of the policies in towpath.cache_policies, not {cache_policy!r};"
            " a function that makes keys is cache_key_fn"
        )
    if cache_key_fn is not None:
        if cache_policy is not None and cache_policy is not NO_CACHE:
            raise DefinitionError("give cache_policy or cache_key_fn, not both")
        if returns_coroutine(cache_key_fn):
            raise DefinitionError("cache_key_fn is an ordinary function, not an async one")
        cache_policy = CacheKeyFnPolicy(cache_key_fn=cache_key_fn)
    caches = cache_policy is not None and cache_policy is not NO_CACHE
    if caches and persist_result is False:
        raise DefinitionError(
            "a cache needs its results kept: leave persist_result=False out, or the cache"
        )
    return ResultPolicy(
        persist=True if caches else persist_result,
        cache=cache_policy,
        expiration=expiration,
        refresh=refresh,
        serializer=serializer,
    )
