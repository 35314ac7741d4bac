"""What becomes of a run's result: whether it is kept, under which key, and for how long."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from towpath._callables import returns_coroutine
from towpath._results.cache_policies import NO_CACHE, CacheKeyFnPolicy, CachePolicy, NoCache
from towpath.exceptions import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta
    from pathlib import Path

    from towpath._results.filesystems import WritableFileSystem
    from towpath._results.serializers import Serializer as SerializerObject
    from towpath._runs.context import RunContext

    Serializer = (
        SerializerObject | Literal["json", "pickle", "compressed/json", "compressed/pickle"]
    )
    Storage = Path | str | WritableFileSystem

SERIALIZERS: Final = ("json", "pickle", "compressed/json", "compressed/pickle")
"""Names of the forms that every reader knows."""
_log: Final = logging.getLogger("towpath.results")


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultPolicy:
    """What becomes of a result; options of a flow or task."""

    persist: bool | None = None
    """None: as the flow around it says."""
    cache: CachePolicy | None = None
    expiration: timedelta | None = None
    refresh: bool | None = None
    """None: as the settings say."""
    serializer: Serializer = "json"
    """An object only where its form is none of `SERIALIZERS`."""
    storage: Storage | None = None
    """Where results are kept, a folder, an address or a file system; None for the usual place."""
    key: str | None = None
    """Template of the key that results are kept under; None for the policy's key."""
    in_memory: bool = True
    """Whether the results of submitted runs stay in memory once they are kept."""

    def persists(self, run: RunContext) -> bool:
        """Whether results of a run are kept."""
        return self.persist if self.persist is not None else run.persist_result


def policy_of_results(
    owner: str,
    *,
    persist_result: bool | None,
    serializer: Serializer | None,
    cache_policy: CachePolicy | None = None,
    cache_key_fn: Callable[[RunContext, dict[str, Any]], str | None] | None = None,
    expiration: timedelta | None = None,
    refresh: bool | None = None,
    storage: Storage | None = None,
    storage_key: str | None = None,
    in_memory: bool | None = None,
) -> ResultPolicy:
    """The options on results of a flow or task, looked at.

    Raises:
        DefinitionError: They contradict each other, or there is no such serializer.
    """
    given: Any = cache_policy
    if given is not None and not isinstance(given, CachePolicy):
        raise DefinitionError(
            f"cache_policy is made of the policies in towpath.cache_policies, not {cache_policy!r};"
            " a function that makes keys is cache_key_fn"
        )
    if cache_key_fn is not None:
        if cache_policy is not None and not isinstance(cache_policy, NoCache):
            raise DefinitionError("give cache_policy or cache_key_fn, not both")
        if not callable(cache_key_fn):
            raise DefinitionError(f"cache_key_fn is a function, not {cache_key_fn!r}")
        if returns_coroutine(cache_key_fn):
            raise DefinitionError("cache_key_fn is an ordinary function, not an async one")
        cache_policy = CacheKeyFnPolicy(cache_key_fn=cache_key_fn)
    caches = cache_policy is not None and not isinstance(cache_policy, NoCache)
    if caches and persist_result is False:
        _log.warning("%s has persist_result=False, so its cache policy has no effect", owner)
        cache_policy, caches = NO_CACHE, False
    template = _template_of(storage_key)
    if caches and template is not None:
        _log.warning(
            "%s has a result_storage_key, so its cache policy, or cache_key_fn, makes no keys",
            owner,
        )
    asked = caches or not (storage is serializer is template is None)
    return ResultPolicy(
        persist=True if asked and persist_result is None else persist_result,
        cache=cache_policy,
        expiration=expiration,
        refresh=refresh,
        serializer="json" if serializer is None else serializer_of(serializer),
        storage=storage_of(storage, "result_storage")
        if (keys := getattr(cache_policy, "key_storage", None)) is None
        else storage_of(keys, "key_storage"),
        key=template,
        in_memory=in_memory is not False,
    )


def serializer_of(serializer: Any) -> Serializer:
    """Returns the name of a form that every reader knows, or else the serializer itself.

    Raises:
        DefinitionError: There is no such serializer.
    """
    if isinstance(serializer, str) and serializer in SERIALIZERS:
        return cast("Serializer", serializer)
    if not isinstance(serializer, str):
        from towpath._results import serializers  # noqa: PLC0415 - most declarations give a name

        if isinstance(serializer, serializers.Serializer):
            name = serializers.name_of(serializer)
            return cast("Serializer", name) if name in SERIALIZERS else serializer
    raise DefinitionError(
        f"result_serializer is one of {', '.join(SERIALIZERS)}, or an object of"
        f" towpath.serializers, not {serializer!r}"
    )


def storage_of(storage: Any, option: str) -> Storage | None:
    """Returns where results are kept.

    Raises:
        DefinitionError: It is no folder, no address of a bucket, and no file system.
    """
    if storage is None:
        return None
    from towpath._results import filesystems  # noqa: PLC0415 - few declarations name a storage

    return filesystems.checked(storage, option)


def _template_of(key: Any) -> str | None:
    if key is not None and not (isinstance(key, str) and key):
        raise DefinitionError(
            f"result_storage_key is a template, such as 'report-{{parameters[day]}}', not {key!r}"
        )
    return key
