"""What makes two runs of a task the same, so that the second can reuse the first one's result.

    @task(cache_policy=INPUTS + TASK_SOURCE, cache_expiration=timedelta(hours=1))

Policies add up; `INPUTS - "session"` leaves a parameter out.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from dataclasses import dataclass, field
from types import CodeType
from typing import TYPE_CHECKING, Any

from towpath._callables import Named, bound_object, plain_function, whole_call
from towpath.exceptions import UnhashableInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from towpath._runs.context import RunContext


class CachePolicy:
    """Makes cache keys; subclass it for a policy of your own."""

    def compute_key(self, run: RunContext, inputs: Mapping[str, Any]) -> str | None:
        """The key of a run.

        Args:
            run: The task run.
            inputs: Its arguments by parameter, results in the place of futures.

        Returns:
            A text that is equal for runs that may share a result; None for no caching.

        Raises:
            UnhashableInputError: An argument has no stable hash.
        """
        raise NotImplementedError

    def __add__(self, other: CachePolicy) -> CachePolicy:
        """A policy whose runs are the same when they are under both."""
        if isinstance(other, _NoCache) or isinstance(self, _NoCache):
            return other if isinstance(self, _NoCache) else self
        return CompoundCachePolicy(policies=(*_parts(self), *_parts(other)))

    def __sub__(self, parameter: str) -> CachePolicy:
        """This policy without regard to a parameter."""
        return CompoundCachePolicy(policies=_parts(self), excluded=frozenset({parameter}))


@dataclass(frozen=True)
class CompoundCachePolicy(CachePolicy):
    """Several policies: runs are the same when they are under each."""

    policies: tuple[CachePolicy, ...] = ()
    excluded: frozenset[str] = frozenset()
    """Parameters that don't count."""

    def compute_key(self, run: RunContext, inputs: Mapping[str, Any]) -> str | None:
        """The keys of all, as one; None when one of them makes none."""
        counted = {name: item for name, item in inputs.items() if name not in self.excluded}
        keys = [policy.compute_key(run, counted) for policy in self.policies]
        if not keys or any(key is None for key in keys):
            return None
        return _joined(map(str, keys))

    def __sub__(self, parameter: str) -> CachePolicy:
        """This policy without regard to a further parameter."""
        return CompoundCachePolicy(policies=self.policies, excluded=self.excluded | {parameter})


@dataclass(frozen=True)
class CacheKeyFnPolicy(CachePolicy):
    """Keys that a function makes of the run and its arguments."""

    cache_key_fn: Callable[[RunContext, dict[str, Any]], str | None] = field(repr=False)

    def compute_key(self, run: RunContext, inputs: Mapping[str, Any]) -> str | None:
        """What the function returns."""
        return self.cache_key_fn(run, dict(inputs))


class _Inputs(CachePolicy):
    def compute_key(self, run: RunContext, inputs: Mapping[str, Any]) -> str | None:
        from towpath._results.hashing import stable_hash  # noqa: PLC0415 - the same
        from towpath._results.scalars import NotEncodableError  # noqa: PLC0415 - loads with the first key

        owner = bound_object(getattr(run.owner, "fn", None))
        hashes: list[str] = []
        for name in sorted(inputs):
            try:
                # The object of a method is hashed by its attributes, for any class.
                is_owner = owner is not None and inputs[name] is owner
                hashes.append(f"{name}={stable_hash(inputs[name], any_class=is_owner)}")
            except NotEncodableError as error:
                raise UnhashableInputError(
                    f"no cache key for {run.name}: parameter {name!r} has no stable hash: {error}."
                    f" Leave it out with INPUTS - {name!r}, or make the key with cache_key_fn"
                ) from None
        return _joined(hashes)

    def __repr__(self) -> str:
        return "INPUTS"


class _TaskSource(CachePolicy):
    def compute_key(self, run: RunContext, inputs: Mapping[str, Any]) -> str | None:
        del inputs
        return hashlib.sha256(_source_of(run.owner.fn)).hexdigest()

    def __repr__(self) -> str:
        return "TASK_SOURCE"


class _RunId(CachePolicy):
    def compute_key(self, run: RunContext, inputs: Mapping[str, Any]) -> str | None:
        del inputs
        flow = run.flow_run
        return flow.run_id if flow is not None else run.run_id

    def __repr__(self) -> str:
        return "RUN_ID"


class _FlowParameters(CachePolicy):
    def compute_key(self, run: RunContext, inputs: Mapping[str, Any]) -> str | None:
        flow = run.flow_run
        if flow is None:
            return _Inputs().compute_key(run, inputs)
        # A process that runs tasks knows the parameters of their flow, not its function.
        function = getattr(flow.owner, "fn", None)
        return _Inputs().compute_key(flow, whole_call(function, flow.parameters))

    def __repr__(self) -> str:
        return "FLOW_PARAMETERS"


class _NoCache(CachePolicy):
    def compute_key(self, run: RunContext, inputs: Mapping[str, Any]) -> str | None:
        del run, inputs
        return None

    def __repr__(self) -> str:
        return "NO_CACHE"


def _parts(policy: CachePolicy) -> tuple[CachePolicy, ...]:
    if isinstance(policy, CompoundCachePolicy) and not policy.excluded:
        return policy.policies
    return (policy,)


INPUTS: CachePolicy = _Inputs()
"""Runs are the same when their arguments are."""
TASK_SOURCE: CachePolicy = _TaskSource()
"""Runs are the same while the task's code is."""
RUN_ID: CachePolicy = _RunId()
"""Runs are the same within one flow run."""
FLOW_PARAMETERS: CachePolicy = _FlowParameters()
"""Runs are the same when the parameters of the flow around them are."""
NO_CACHE: CachePolicy = _NoCache()
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
    return (INPUTS + TASK_SOURCE).compute_key(context, arguments)


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
