"""Options that flows and tasks share: their meaning and their validation."""

from __future__ import annotations

import difflib
import functools
import inspect
import logging
import math
import re
import sys
from collections.abc import Callable, Sequence
from string import Formatter
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from towpath._callables import (
    Named,
    bound_object,
    function_of,
    is_partial,
    plain_function,
    positional_parameters,
    returns_coroutine,
    signature_of,
)
from towpath._class_cache import class_of
from towpath._definitions.readable import ReadableOptions
from towpath._engine.coroutines import whole
from towpath._engine.policy import Policy
from towpath._runs.context import clean_tags
from towpath.exceptions import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from datetime import timedelta

    from towpath._runs.children import Child

    Seconds = float | timedelta
    Delay = Seconds | Sequence[Seconds] | Callable[[int], Sequence[float]] | None
    NameOption = str | Callable[..., str] | None

HOOKS: Final = ("on_completion", "on_failure", "on_cancellation", "on_crashed", "on_running")
TASK_HOOKS: Final = (*HOOKS, "on_commit", "on_rollback")
RESERVED: Final = ("return_state", "wait_for")
_KNOWN: Final = (
    *TASK_HOOKS,
    *("name", "description", "version", "tags", "flow_run_name", "task_run_name", "retries"),
    *("retry_delay_seconds", "retry_jitter_factor", "retry_condition_fn", "timeout_seconds"),
    *("log_prints", "task_runner", "validate_parameters", "final_state", "persist_result"),
    *("result_serializer", "result_storage", "result_storage_key", "viz_return_value"),
    "cache_result_in_memory",
    *("cache_policy", "cache_key_fn", "cache_expiration", "refresh_cache"),
)

_MOST_DELAYS: Final = 50
"""Retries that a function of delays is asked for where the settings say how many there are."""
_LONGEST_SECONDS: Final = 1e9
"""Some thirty years; system calls refuse waits that are not much longer."""

_log: Final = logging.getLogger("towpath.definitions")

H = TypeVar("H", bound=Callable[..., Any])


class Definition(ReadableOptions):
    """The common part of flows and tasks: a function, its kind, and its hooks."""

    __name__: str
    __qualname__: str

    def __init__(self, fn: Any, *, kind: str) -> None:
        """Inspects the function.

        Raises:
            DefinitionError: It is no function, or has a parameter whose name calls reserve.
        """
        kind_of_fn: type[Any] = fn.__class__
        wrapped = kind_of_fn in {staticmethod, classmethod}
        self._binding: type[Any] = kind_of_fn if wrapped else MethodType
        given: Any = fn.__func__ if wrapped else fn
        if not callable(given):
            raise DefinitionError(f"@{kind} decorates a function, not {fn!r}")
        self.fn = function = function_of(given)
        self._take_names(given)
        self._original = fn
        _check_bound(kind, function)
        code: Any = getattr(plain_function(function), "__code__", None)
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount] if code else ()
        taken = [name for name in RESERVED if name in names]
        if taken:
            raise DefinitionError(
                f"{kind} {self.__name__!r} has a parameter"
                f" {taken[0]!r}, which calls of a {kind} use themselves: rename it"
            )
        self.is_generator = inspect.isgeneratorfunction(function)
        self.is_async_generator = inspect.isasyncgenfunction(function)
        self.is_async = returns_coroutine(given) or returns_coroutine(function)
        self.wraps_async = not self.is_async and returns_coroutine(plain_function(function))
        """Whether it looks like an ordinary function, and may return a coroutine."""

    @property
    def signature(self) -> inspect.Signature:
        """The signature of the function."""
        return signature_of(self.fn)

    def _take_names(self, given: Any) -> None:
        """Takes the names and the documentation of what is decorated, as wrappers do."""
        ours = FunctionType | MethodType
        taken = functools.WRAPPER_UPDATES if isinstance(self.fn, ours) else ()
        functools.update_wrapper(cast("Any", self), self.fn, updated=taken)
        self.__module__, self.__qualname__, self.__name__, self.__doc__ = Named.of(given)

    def on_completion(self, hook: H) -> H:
        """Decorates a function to be called when a run completes."""
        return self._add_hook("on_completion", hook)

    def on_failure(self, hook: H) -> H:
        """Decorates a function to be called when a run fails or times out."""
        return self._add_hook("on_failure", hook)

    def on_cancellation(self, hook: H) -> H:
        """Decorates a function to be called when a run is stopped before its end."""
        return self._add_hook("on_cancellation", hook)

    def on_crashed(self, hook: H) -> H:
        """Decorates a function to be called when the process that ran a run has ended."""
        return self._add_hook("on_crashed", hook)

    def on_running(self, hook: H) -> H:
        """Decorates a function to be called when an attempt begins."""
        return self._add_hook("on_running", hook)

    def invoke(self, parameters: dict[str, Any]) -> Any:
        """Calls the function with arguments by parameter name."""
        function: Any = self.fn
        if not parameters:
            return function()
        plain = positional_parameters(function)
        if plain is not None and parameters.keys() == plain.keys():
            return function(*map(parameters.__getitem__, plain))
        arguments = inspect.BoundArguments(signature_of(function), parameters)
        return function(*arguments.args, **arguments.kwargs)

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Definitions of modules are pickled by name, as functions are, others by value.

        Those of a script are pickled by name, too, since multiprocessing loads the script again;
        cloudpickle takes them by value, for processes that can't.
        """
        if self._has_name() and not (self.__module__ == "__main__" and _cloudpickle_asks()):
            return self.__qualname__
        return super().__reduce_ex__(protocol)

    def _has_name(self) -> bool:
        found: Any = sys.modules.get(self.__module__)
        for part in self.__qualname__.split("."):
            found = getattr(found, part, None)
        return found is self

    def _add_hook(self, event: str, hook: H) -> H:
        self.policy.hooks.setdefault(event, []).append(hook)
        return hook

    def _bound(self, instance: object, owner: type | None) -> Any:
        """Returns the function bound to an instance or class; None if it needs no binding."""
        if self._binding is staticmethod or (instance is None and self._binding is MethodType):
            return None
        if self._binding is classmethod:
            return MethodType(self.fn, owner)
        if is_partial(self.fn):
            return None  # On every Python; from 3.14 on, Python itself binds plain partials.
        # As Python does: bound methods and objects with `__call__` are not bound again.
        bind: Any = getattr(class_of(self.fn), "__get__", None)
        if bind is None and hasattr(self.fn, "__wrapped__"):
            return MethodType(self.fn, instance)
        bound: Any = self.fn if bind is None else bind(self.fn, instance, owner)
        return None if bound is self.fn else bound


def _check_bound(kind: str, function: Any) -> None:
    try:
        signature_of(function)
    except TypeError as error:
        raise DefinitionError(
            f"the partial of a {kind} binds what its function doesn't take: {error}"
        ) from None


def _cloudpickle_asks() -> bool:
    """Whether the pickler that asks a definition is one of cloudpickle, or of a copy of it."""
    # Picklers of C have no frame: above `__reduce_ex__` is what called their `dump`.
    asking = sys._getframe(2)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - documented
    return "cloudpickle" in asking.f_globals.get("__name__", "")


def options_given(arguments: dict[str, Any]) -> dict[str, Any]:
    """Returns the options among the arguments of a constructor, to make a copy with.

    Args:
        arguments: Its `locals()` at its first line; hooks are kept by the policy instead.
    """
    others = {"self", "fn", "hooks", "__class__"}
    return {name: value for name, value in arguments.items() if name not in others}


async def outcome_of(child: Awaitable[Child], return_state: bool) -> Any:
    """Awaits a run's end and returns what its caller gets: the result or the final state."""
    return (await child).outcome(return_state=return_state)


def policy_of(
    owner: str,
    *,
    retries: int | None,
    delay: Delay,
    jitter: float | None,
    condition: Callable[..., bool] | None,
    timeout_seconds: float | timedelta | None,
    hooks: dict[str, Any],
) -> Policy:
    """Validates the options for attempts and returns them as a policy.

    Raises:
        DefinitionError: An option is unknown or has an invalid value.
    """
    known = _hooks_of(owner, hooks)
    number: Any = retries
    if number is not None and (
        isinstance(number, bool) or not isinstance(number, int) or number < 0
    ):
        raise DefinitionError(f"retries of a {owner} is a number from 0 up, not {retries!r}")
    given: Any = condition
    if given is not None and not callable(given):
        raise DefinitionError(f"retry_condition_fn of a {owner} is a function, not {given!r}")
    if jitter is not None and not (_is_finite(jitter) and jitter >= 0):
        raise DefinitionError(
            f"retry_jitter_factor of a {owner} is a number from 0 up, not {jitter!r}"
        )
    return Policy(
        retries=retries,
        delays=None if delay is None else _delays_of(owner, retries, delay),
        jitter=jitter or 0.0,
        condition=condition,
        timeout_seconds=_timeout_of(owner, timeout_seconds),
        hooks=known,
    )


def _timeout_of(owner: str, given: float | timedelta | None) -> float | None:
    """Longest time of an attempt, seconds; None for no limit, which 0 means, too."""
    seconds: Any = _seconds_of(given)
    if seconds is None or (_is_finite(seconds) and seconds == 0):
        return None
    if not (_is_finite(seconds) and 0 < seconds <= _LONGEST_SECONDS):
        raise DefinitionError(
            f"timeout_seconds of a {owner} is a number of seconds from 0 up and at most a"
            f" billion, or None for none, not {given!r}"
        )
    return float(seconds)


def name_option(owner: str, option: str, given: Any) -> Any:
    """Returns the option for names of runs.

    Raises:
        DefinitionError: It is neither a text nor a function.
    """
    if given is not None and not isinstance(given, str) and not callable(given):
        raise DefinitionError(
            f"{option} of a {owner} is a text or a function that makes one, not {given!r}"
        )
    return given


def named(template: NameOption, function: Any, parameters: dict[str, Any]) -> str | None:
    """Makes a name from a template over parameters, or by a callable; None without either.

    Args:
        template: The template; a callable may take `parameters`.
        function: The function of the flow or task.
        parameters: Its arguments by parameter.
    """
    if template is None:
        return None
    try:
        if callable(template):
            takes = "parameters" in signature_of(template).parameters
            name: Any = whole(template(parameters=parameters) if takes else template())
        else:
            name = template.format(**_with_self(function, parameters))
    except Exception:  # noqa: BLE001 - user code may raise anything
        if not callable(template):
            _check(template, _with_self(function, parameters))
        _log.exception("the run name %r could not be made: the run has its usual one", template)
        return None
    if not isinstance(name, str):
        kind = type(name).__name__
        _log.warning(
            "the run name %r gave a %s, no text: the run has its usual one", template, kind
        )
        return None
    return name


def _with_self(function: Any, parameters: dict[str, Any]) -> dict[str, Any]:
    """The arguments, and the object of a method as `self`."""
    owner = bound_object(function)
    return parameters if owner is None else {"self": owner, **parameters}


def _check(template: str, parameters: dict[str, Any]) -> None:
    """Raises DefinitionError for a template that fits no arguments at all."""
    try:
        fields = [field for _, field, _, _ in Formatter().parse(template) if field is not None]
    except ValueError as error:
        raise DefinitionError(f"the run name template {template!r} is wrong: {error}") from None
    for field in fields:
        asked = re.split(r"[.\[]", field, maxsplit=1)[0]
        if asked not in parameters:
            raise DefinitionError(
                f"the run name template {template!r} asks for {asked!r}; there are"
                f" {', '.join(parameters) or 'no parameters'}"
            )


def _hooks_of(owner: str, options: dict[str, Any]) -> dict[str, list[Callable[..., Any]]]:
    for name in options:
        if name not in (TASK_HOOKS if owner == "task" else HOOKS):
            close = difflib.get_close_matches(name, _KNOWN, 1)
            hint = f": did you mean {close[0]!r}?" if close else f"; there are {', '.join(_KNOWN)}"
            raise DefinitionError(f"a {owner} has no option {name!r}{hint}")
    return {name: _listed(owner, name, hooks) for name, hooks in options.items()}


def _listed(owner: str, event: str, hooks: Any) -> list[Callable[..., Any]]:
    if callable(hooks):
        return [hooks]
    given: list[Any] = list(hooks or ())
    for hook in given:
        if not callable(hook):
            raise DefinitionError(f"{event} of a {owner} takes functions, not {hook!r}")
    return given


def tags_of(owner: str, tags: object) -> set[str]:
    """Returns the tags given by an option, which may also be a single text.

    Raises:
        DefinitionError: They aren't texts.
    """
    given: Any = (tags,) if isinstance(tags, str) else tags
    found: frozenset[Any]
    try:
        found = frozenset(given or ())
    except TypeError:
        found = frozenset({None})
    if not all(isinstance(tag, str) for tag in found):
        raise DefinitionError(f"tags of a {owner} are texts, as in tags=['etl'], not {tags!r}")
    return set(clean_tags(found))


def _delays_of(
    owner: str,
    retries: int | None,
    delay: Delay,
) -> tuple[float, ...]:
    """Seconds before each retry."""
    most = _MOST_DELAYS if retries is None else retries
    given: Any = delay(most) if callable(delay) else delay
    several = isinstance(given, list | tuple)
    written = cast("Sequence[Any]", given) if several else (given,)
    each = tuple(map(_seconds_of, written))
    if not all(_is_finite(one) and one >= 0 for one in each):
        raise DefinitionError(
            f"retry_delay_seconds of a {owner} is a number of seconds from 0 up, a list of them, or"
            f" a function that makes one of the number of retries, not {given!r}"
        )
    return () if each == (0,) else tuple(min(float(one), _LONGEST_SECONDS) for one in each)


def _seconds_of(given: Any) -> Any:
    """The seconds of a timedelta; other values are given back."""
    total: Any = getattr(given, "total_seconds", None)
    return given if total is None else total()


def _is_finite(value: object) -> bool:
    """Whether something is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
