"""Callables of every kind as functions: partials, objects with `__call__`, methods, builtins."""

from __future__ import annotations

import functools
import inspect
import sys
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from towpath._class_cache import class_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_signature: Callable[[Any], inspect.Signature]
_annotations: Callable[[Any], Mapping[str, Any]]
if sys.version_info >= (3, 14):
    from annotationlib import Format

    # By default, a name that isn't defined is an error there.
    _signature = functools.partial(inspect.signature, annotation_format=Format.FORWARDREF)
    _annotations = functools.partial(inspect.get_annotations, format=Format.FORWARDREF)
else:
    _signature, _annotations = inspect.signature, inspect.get_annotations

_PARTIAL: Final[Any] = functools.partial
_PLACEHOLDER: Final[Any] = getattr(functools, "Placeholder", None)
"""Where a partial leaves room for a positional argument, from Python 3.14 on."""


def function_of(given: Any) -> Any:
    """Returns what to call for a callable: it has a hash, and what it depends on can be found.

    An object of a class with `__call__` becomes that method, bound to it. An object that wraps a
    function, as decorators make them, stays as it is.
    """
    if is_partial(given):
        return functools.partial(function_of(given.func), *given.args, **given.keywords)
    if _is_object(given) and not (hasattr(given, "__wrapped__") and _has_hash(given)):
        return given.__call__
    return given


def is_partial(thing: Any) -> bool:
    """Whether a callable is a partial that calls its function as `functools.partial` does."""
    kind = class_of(thing)
    return issubclass(kind, _PARTIAL) and kind.__call__ is _PARTIAL.__call__


def plain_function(function: Any) -> Any:
    """Returns the innermost function: of a partial, of a method, and below wrappers."""
    while True:
        function = inspect.unwrap(function)
        inner = function.func if is_partial(function) else getattr(function, "__func__", None)
        if inner is None:
            return function
        function = inner


def bound_object(function: Any) -> Any:
    """Returns the object that a method, or a partial of one, is bound to; None without one."""
    while is_partial(function):
        function = function.func
    owner = getattr(function, "__self__", None)
    return None if isinstance(owner, ModuleType) else owner


def whole_call(function: Any, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Returns all that a call depends on, by parameter of the innermost function.

    Args:
        function: A result of `function_of`.
        parameters: The arguments of the call by parameter.

    Returns:
        The arguments, what partials bind, and the object of a method under the name of its first
        parameter, or as `self`.
    """
    if is_partial(function):
        given = inspect.BoundArguments(signature_of(function), dict(parameters))
        call = signature_of(function.func).bind(
            *_filled(function.args, given.args), **{**function.keywords, **given.kwargs}
        )
        call.apply_defaults()
        return whole_call(function.func, dict(call.arguments))
    owner = bound_object(function)
    if owner is None:
        return dict(parameters)
    name = "self"
    if inspect.ismethod(function):
        (name, *_) = [*signature_of(function.__func__).parameters, name]
    return {name if name not in parameters else "self": owner, **parameters}


@functools.lru_cache(maxsize=1024)
def signature_of(function: Any) -> inspect.Signature:
    """Returns the signature of a result of `function_of`; any arguments where it states none.

    Raises:
        TypeError: It is a partial that binds arguments which its function doesn't take.
    """
    if is_partial(function):
        room = tuple(each for each in function.args if each is not _PLACEHOLDER)
        signature_of(function.func).bind_partial(*room, **function.keywords)
    try:
        return _signature(function)
    except ValueError:  # of builtins
        return _ANY_ARGUMENTS


@functools.lru_cache(maxsize=1024)
def positional_parameters(function: Any) -> Mapping[str, Any] | None:
    """Returns the parameters of a function that takes all by position or name, else None.

    Args:
        function: A result of `function_of`.

    Returns:
        For each parameter, in order, its default; `inspect.Parameter.empty` without one.
    """
    parameters = signature_of(function).parameters
    if not shows_defaults(function) or any(
        each.kind is not each.POSITIONAL_OR_KEYWORD for each in parameters.values()
    ):
        return None
    return {name: each.default for name, each in parameters.items()}


def annotations_of(thing: Any) -> dict[str, Any]:
    """Returns the annotations of a function or class itself.

    Where Python evaluates annotations late, as it does from 3.14 on, a name that isn't defined
    is a `typing.ForwardRef`.

    Raises:
        TypeError: It can't have annotations.
    """
    return dict(_annotations(thing))


@functools.lru_cache(maxsize=1024)
def shows_defaults(function: Any) -> bool:
    """Whether the defaults in a callable's signature are those that it uses."""
    plain = plain_function(function)
    return isinstance(plain, type) or hasattr(plain, "__code__")


def returns_coroutine(function: Any) -> bool:
    """Whether a callable declares that what it returns is a coroutine."""
    flags: Any = getattr(getattr(function, "__code__", None), "co_flags", 0)  # of mocks, too
    return inspect.iscoroutinefunction(function) or bool(flags & inspect.CO_COROUTINE)


class Named(NamedTuple):
    """The names and the documentation of a callable."""

    module: str
    qualname: str
    name: str
    doc: str

    @classmethod
    def of(cls, given: Any) -> Named:
        """Those of a function; of an object's class; of what a partial calls."""
        inner = given
        while inner is not None:
            given, inner = inner, _called_by(inner)
        kind = class_of(given)
        here: Any = given.__call__ if _is_object(given) else given
        written = here if isinstance(plain_function(here), FunctionType | type) else given
        return cls(
            module=_text(given, "__module__") or "builtins",
            qualname=_text(given, "__qualname__") or kind.__qualname__,
            name=_text(given, "__name__") or kind.__name__,
            doc=inspect.cleandoc(_text(written, "__doc__") or _text(given, "__doc__")),
        )


def _text(thing: Any, name: str) -> str:
    found: Any = getattr(thing, name, "")
    return found if isinstance(found, str) else ""


def _called_by(given: Any) -> Any:
    """What a partial calls, or a method that is one; None for others."""
    if is_partial(given):
        return given.func
    method: Any = getattr(given, "__func__", None)
    return method.func if is_partial(method) else None


def _is_object(thing: Any) -> bool:
    """Whether a callable is an object of a class, not a function, method or class."""
    if isinstance(thing, type):
        return False
    has_name = isinstance(getattr(thing, "__qualname__", None), str)
    kind = class_of(thing)
    called: Any = kind.__call__
    return not has_name or isinstance(called, FunctionType)


def _has_hash(thing: Any) -> bool:
    try:
        hash(thing)
    except Exception:  # noqa: BLE001 - a class may do anything
        return False
    return True


def _filled(bound: tuple[Any, ...], given: tuple[Any, ...]) -> list[Any]:
    """The positional arguments of a partial's call."""
    rest = list(given)
    filled = [
        rest.pop(0) if _PLACEHOLDER is not None and each is _PLACEHOLDER else each for each in bound
    ]
    return [*filled, *rest]


_ANY_ARGUMENTS: Final = inspect.Signature(
    [
        inspect.Parameter("args", inspect.Parameter.VAR_POSITIONAL),
        inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD),
    ]
)
