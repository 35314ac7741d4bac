"""What makes two runs of a task the same, so that the second can reuse the first one's result.

    @task(cache_policy=INPUTS + TASK_SOURCE, cache_expiration=timedelta(hours=1))

Policies add up; `INPUTS - "session"` leaves a parameter out.
"""

from __future__ import annotations

import copy
import hashlib
import inspect
import json
from dataclasses import dataclass, field
from types import CodeType
from typing import TYPE_CHECKING, Any, Final, Self

from towpath._callables import Named, bound_object, plain_function
from towpath._results.isolation import IsolationLevel, member_of
from towpath.exceptions import DefinitionError, UnhashableInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from towpath._results.locks.protocol import LockManager
    from towpath._runs.context import RunContext

    _KeyFunction = Callable[[RunContext, dict[str, Any]], str | None]


_OPTIONS: Final = ("key_storage", "isolation_level", "lock_manager")


class CachePolicy:
    """Makes cache keys; subclass it for a policy of your own.

    Attributes:
        key_storage: Where results are kept under these keys, a folder or a storage; None for where
            the results of the task are.
        isolation_level: SERIALIZABLE has runs with one key wait for each other, so that one
            computes the result; None for READ_COMMITTED, which doesn't.
        lock_manager: What they wait for; None for locks between all processes of the Towpath home.
    """

    key_storage: Any = None
    isolation_level: IsolationLevel | None = None
    lock_manager: LockManager | None = None

    def __init__(
        self,
        *,
        key_storage: Any = None,
        isolation_level: IsolationLevel | str | None = None,
        lock_manager: LockManager | None = None,
    ) -> None:
        """Makes a policy with options; see the class.

        Raises:
            DefinitionError: There is no such isolation level, or lock manager.
        """
        _set(self, key_storage, isolation_level, lock_manager)

    @classmethod
    def from_cache_key_fn(cls, cache_key_fn: _KeyFunction) -> CacheKeyFnPolicy:
        """Returns the policy of a function that makes keys of the run and its arguments."""
        return CacheKeyFnPolicy(cache_key_fn=cache_key_fn)

    def configure(
        self,
        key_storage: Any = None,
        lock_manager: LockManager | None = None,
        isolation_level: IsolationLevel | str | None = None,
    ) -> Self:
        """Returns a copy of this policy with options.

        Args:
            key_storage: Where results are kept under these keys; None for no change.
            lock_manager: What runs with one key wait for; None for no change.
            isolation_level: Whether they do, "READ_COMMITTED" or "SERIALIZABLE"; None for no
                change.

        Raises:
            DefinitionError: There is no such isolation level, or lock manager.
        """
        made = copy.copy(self)
        _set(made, key_storage, isolation_level, lock_manager)
        return made

    def compute_key(
        self,
        task_ctx: RunContext,
        inputs: dict[str, Any],
        flow_parameters: dict[str, Any],
        **kwargs: Any,
    ) -> str | None:
        """The key of a run.

        Args:
            task_ctx: The task run; `task` is its task.
            inputs: Its arguments by parameter, results in the place of futures.
            flow_parameters: The arguments of the flow around it by parameter; empty without one.
            **kwargs: For later versions.

        Returns:
            A text that is equal for runs that may share a result; None for no caching.

        Raises:
            UnhashableInputError: An argument has no stable hash.
        """
        raise NotImplementedError

    def __add__(self, other: CachePolicy) -> CachePolicy:
        """A policy whose runs are the same when they are under both.

        Raises:
            DefinitionError: An option is set in both, and differs.
        """
        given: Any = other
        if not isinstance(given, CachePolicy):
            raise TypeError(f"a cache policy is added to another one, not to {other!r}")
        if isinstance(other, NoCache) or isinstance(self, NoCache):
            return other if isinstance(self, NoCache) else self
        both = CompoundCachePolicy(policies=(*_parts(self), *_parts(other)))
        return both.configure(**{name: _common(self, other, name) for name in _OPTIONS})

    def __sub__(self, other: str) -> CachePolicy:
        """This policy without regard to a parameter."""
        _check_parameter(other)
        less = CompoundCachePolicy(policies=_parts(self), excluded=frozenset({other}))
        return less.configure(**{name: getattr(self, name) for name in _OPTIONS})


@dataclass(frozen=True)
class _Configured(CachePolicy):
    """A policy of Towpath, whose constructor takes the options of all policies, too."""

    key_storage: Any = field(default=None, kw_only=True)
    isolation_level: Any = field(default=None, kw_only=True)
    lock_manager: Any = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        """Checks the options.

        Raises:
            DefinitionError: There is no such isolation level, or lock manager.
        """
        _set(self, self.key_storage, self.isolation_level, self.lock_manager)


@dataclass(frozen=True)
class CompoundCachePolicy(_Configured):
    """Several policies: runs are the same when they are under each."""

    policies: tuple[CachePolicy, ...] = ()
    excluded: frozenset[str] = frozenset()
    """Parameters that don't count."""

    def compute_key(
        self,
        task_ctx: RunContext,
        inputs: dict[str, Any],
        flow_parameters: dict[str, Any],
        **kwargs: Any,
    ) -> str | None:
        """The keys of all, as one; None when one of them makes none."""
        counted = _without(inputs, self.excluded)
        keys = [
            policy.compute_key(
                task_ctx=task_ctx, inputs=counted, flow_parameters=flow_parameters, **kwargs
            )
            for policy in self.policies
        ]
        if not keys or any(key is None for key in keys):
            return None
        return _joined(map(str, keys))

    def __sub__(self, other: str) -> CachePolicy:
        """This policy without regard to a further parameter."""
        _check_parameter(other)
        less = CompoundCachePolicy(policies=self.policies, excluded=self.excluded | {other})
        return less.configure(**{name: getattr(self, name) for name in _OPTIONS})


@dataclass(frozen=True)
class CacheKeyFnPolicy(_Configured):
    """Keys that a function makes of the run and its arguments."""

    cache_key_fn: _KeyFunction | None = field(default=None, repr=False)

    def compute_key(
        self,
        task_ctx: RunContext,
        inputs: dict[str, Any],
        flow_parameters: dict[str, Any],
        **kwargs: Any,
    ) -> str | None:
        """What the function returns; None without one."""
        del flow_parameters, kwargs
        return None if self.cache_key_fn is None else self.cache_key_fn(task_ctx, dict(inputs))


@dataclass(frozen=True)
class Inputs(_Configured):
    """Runs are the same when their arguments are.

    Attributes:
        exclude: Parameters that don't count.
    """

    exclude: Sequence[str] = ()

    def compute_key(
        self,
        task_ctx: RunContext,
        inputs: dict[str, Any],
        flow_parameters: dict[str, Any],
        **kwargs: Any,
    ) -> str | None:
        """A hash of the arguments.

        Raises:
            UnhashableInputError: An argument has no stable hash.
        """
        del flow_parameters, kwargs
        from towpath._results.hashing import stable_hash  # noqa: PLC0415 - the same
        from towpath._results.scalars import NotEncodableError  # noqa: PLC0415 - loads with the first key

        owner = bound_object(getattr(getattr(task_ctx, "owner", None), "fn", None))
        hashes: list[str] = []
        counted = _without(inputs or {}, self.exclude)
        for name in sorted(counted):
            try:
                # The object of a method is hashed by its attributes, for any class.
                is_owner = owner is not None and counted[name] is owner
                hashes.append(f"{name}={stable_hash(counted[name], any_class=is_owner)}")
            except NotEncodableError as error:
                run = getattr(task_ctx, "name", "the run")
                raise UnhashableInputError(
                    f"no cache key for {run}: parameter {name!r} has no stable hash: {error}."
                    f" Leave it out with INPUTS - {name!r}, or make the key with cache_key_fn"
                ) from None
        return _joined(hashes)

    def __sub__(self, other: str) -> CachePolicy:
        """This policy without regard to a further parameter."""
        _check_parameter(other)
        return Inputs(exclude=(*self.exclude, other)).configure(
            **{name: getattr(self, name) for name in _OPTIONS}
        )


@dataclass(frozen=True)
class TaskSource(_Configured):
    """Runs are the same while the task's code is."""

    def compute_key(
        self,
        task_ctx: RunContext,
        inputs: dict[str, Any],
        flow_parameters: dict[str, Any],
        **kwargs: Any,
    ) -> str | None:
        """A hash of the source of the task's function; None without a task."""
        del inputs, flow_parameters, kwargs
        task: Any = getattr(task_ctx, "task", None)
        return None if task is None else hashlib.sha256(_source_of(task.fn)).hexdigest()


@dataclass(frozen=True)
class RunId(_Configured):
    """Runs are the same within one flow run."""

    def compute_key(
        self,
        task_ctx: RunContext,
        inputs: dict[str, Any],
        flow_parameters: dict[str, Any],
        **kwargs: Any,
    ) -> str | None:
        """The id of the flow run around the run, or of the run itself without one."""
        del inputs, flow_parameters, kwargs
        flow = task_ctx.flow_run
        return flow.run_id if flow is not None else task_ctx.run_id


@dataclass(frozen=True)
class FlowParameters(_Configured):
    """Runs are the same when the parameters of the flow around them are."""

    def compute_key(
        self,
        task_ctx: RunContext,
        inputs: dict[str, Any],
        flow_parameters: dict[str, Any],
        **kwargs: Any,
    ) -> str | None:
        """A hash of the flow's arguments; of the run's own without a flow.

        Raises:
            UnhashableInputError: An argument has no stable hash.
        """
        flow = getattr(task_ctx, "flow_run", None)
        counted = flow_parameters if flow is not None else inputs
        return Inputs().compute_key(flow or task_ctx, counted, {}, **kwargs)


@dataclass(frozen=True)
class NoCache(_Configured):
    """No two runs are the same."""

    def compute_key(
        self,
        task_ctx: RunContext,
        inputs: dict[str, Any],
        flow_parameters: dict[str, Any],
        **kwargs: Any,
    ) -> str | None:
        """None: nothing is cached."""
        del task_ctx, inputs, flow_parameters, kwargs
        return None


def _set(policy: CachePolicy, key_storage: Any, isolation_level: Any, lock_manager: Any) -> None:
    """Sets the options that are given; policies are frozen otherwise."""
    if lock_manager is not None and not hasattr(lock_manager, "acquire_lock"):
        raise DefinitionError(f"lock_manager is an object of towpath.locking, not {lock_manager!r}")
    level = member_of(IsolationLevel, "isolation_level", isolation_level)
    for name, value in zip(_OPTIONS, (key_storage, level, lock_manager), strict=True):
        if value is not None:
            object.__setattr__(policy, name, value)


def _common(one: CachePolicy, other: CachePolicy, name: str) -> Any:
    """The option of one or both policies."""
    first, second = getattr(one, name), getattr(other, name)
    if first is not None and second is not None and first != second:
        raise DefinitionError(
            f"policies that are added have one {name}, not both {first!r} and {second!r}"
        )
    return second if first is None else first


def _parts(policy: CachePolicy) -> tuple[CachePolicy, ...]:
    if isinstance(policy, CompoundCachePolicy) and not policy.excluded:
        return policy.policies
    return (policy,)


def _without(inputs: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    left_out = frozenset(names)
    return {name: item for name, item in inputs.items() if name not in left_out}


def _check_parameter(name: object) -> None:
    if not isinstance(name, str):
        raise TypeError(f"a cache policy leaves out a parameter by its name, not {name!r}")


INPUTS: Inputs = Inputs()
"""Runs are the same when their arguments are."""
TASK_SOURCE: TaskSource = TaskSource()
"""Runs are the same while the task's code is."""
RUN_ID: RunId = RunId()
"""Runs are the same within one flow run."""
FLOW_PARAMETERS: FlowParameters = FlowParameters()
"""Runs are the same when the parameters of the flow around them are."""
NO_CACHE: NoCache = NoCache()
"""No two runs are the same."""
DEFAULT: CachePolicy = INPUTS + TASK_SOURCE + RUN_ID
"""What `persist_result=True` means: within one flow run nothing is computed twice."""


def _joined(keys: Iterable[str]) -> str:
    return hashlib.sha256(json.dumps(list(keys)).encode()).hexdigest()


def task_input_hash(context: RunContext, arguments: dict[str, Any]) -> str | None:
    """For `cache_key_fn`: the same for the same task code and arguments.

    Raises:
        UnhashableInputError: An argument has no stable hash.
    """
    return (INPUTS + TASK_SOURCE).compute_key(context, arguments, {})


def _source_of(function: Callable[..., Any]) -> bytes:
    """The source of a function; its code where there is no source; the name of a builtin."""
    plain = plain_function(function)
    try:
        return inspect.getsource(plain).encode("utf-8", "surrogatepass")
    except (OSError, TypeError):
        code = getattr(plain, "__code__", None)
    if isinstance(code, CodeType):
        return code_bytes(code)
    named = Named.of(plain)
    return f"{named.module}:{named.qualname}".encode("utf-8", "surrogatepass")


def code_bytes(code: CodeType) -> bytes:
    """The code of a function, equal in every process of one version of Python."""
    constants = [_constant(each) for each in code.co_consts]
    return code.co_code + json.dumps([constants, code.co_names]).encode()


def _constant(value: Any) -> Any:
    """A constant of code as JSON: neither addresses nor the order of sets stand in it."""
    if isinstance(value, CodeType):
        return code_bytes(value).hex()
    parts: Any = value
    if isinstance(value, tuple):
        return ["tuple", *map(_constant, parts)]
    if isinstance(value, frozenset):
        return ["set", *sorted(map(repr, parts))]
    return repr(value)
